//! What a request says before its body, and the credential that was found in it.

use std::borrow::Cow;
use std::fmt;

use http::{Extensions, HeaderMap, HeaderValue, Method, Request, Uri, Version};

/// What a request says before its body.
#[derive(Clone, Copy)]
pub struct RequestHead<'r> {
    pub(super) method: &'r Method,
    pub(super) uri: &'r Uri,
    pub(super) version: Version,
    pub(super) headers: &'r HeaderMap,
    pub(super) extensions: &'r Extensions,
}

/// A token that was found, and what goes with it.
pub(in crate::layer) struct Credential<'r> {
    pub(in crate::layer) token: Cow<'r, [u8]>,
    /// The kind of the place where it was.
    pub(in crate::layer) source: &'static str,
    /// The `Set-Cookie` that removes a stale token, so that it does not lock its user out.
    pub(in crate::layer) clear_cookie: Option<HeaderValue>,
    /// Not in `Authorization`, so that caches do not know that the answer is for one user.
    pub(in crate::layer) elsewhere: bool,
}

impl<'r> RequestHead<'r> {
    pub(in crate::layer) fn of<B>(request: &'r Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            version: request.version(),
            headers: request.headers(),
            extensions: request.extensions(),
        }
    }

    /// The method.
    #[must_use]
    pub const fn method(&self) -> &'r Method {
        self.method
    }

    /// The target.
    #[must_use]
    pub const fn uri(&self) -> &'r Uri {
        self.uri
    }

    /// The version of HTTP.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// The headers, credentials among them: do not log them.
    #[must_use]
    pub const fn headers(&self) -> &'r HeaderMap {
        self.headers
    }

    /// What outer layers and the server left, such as the peer's address.
    #[must_use]
    pub const fn extensions(&self) -> &'r Extensions {
        self.extensions
    }

    /// Whether this asks to switch to another protocol: an upgrade, or an extended CONNECT (RFC 8441).
    pub(in crate::layer) fn is_upgrade(&self) -> bool {
        self.method == Method::CONNECT || self.headers.contains_key(http::header::UPGRADE)
    }
}

impl fmt::Debug for RequestHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestHead").field("method", self.method).finish_non_exhaustive()
    }
}
