//! The places where the token can be in a request.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use http::{HeaderName, Request};

#[cfg(feature = "cookie")]
use super::cookie;
#[cfg(feature = "cookie")]
use super::csrf::Csrf;
use super::request_head::{Credential, RequestHead};
use super::{authorization, header, query, websocket};
use crate::error::{AuthError, ConfigError, Reason};
use crate::layer::answer::Refused;

/// The places where a layer looks for the token: the `Authorization` header by default.
///
/// Given several, it looks at all of them, and a request with two credentials is refused (RFC 6750 section 2). Form
/// bodies are no source by design: reading one would consume or buffer the request before it is authenticated.
///
/// ```
/// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
/// # use tower_jwt_auth::{Authority, Claims, JwtAuthLayer, Secret, Verifier};
/// # let verifier = Verifier::<Claims>::new(Authority::hs256(Secret::generate()?).issuer("i").audience("a"))?;
/// use tower_jwt_auth::TokenSource;
///
/// let layer = JwtAuthLayer::new(verifier)
///     .token_from([TokenSource::bearer(), TokenSource::header("cf-access-jwt-assertion")?]);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct TokenSource(pub(super) Kind);

#[derive(Clone)]
pub(super) enum Kind {
    Bearer,
    Header {
        name: HeaderName,
        prefix: Option<String>,
    },
    #[cfg(feature = "cookie")]
    Cookie(Arc<cookie::CookieSource>),
    Query(Arc<str>),
    WebSocket(Arc<str>),
    Own(Arc<Own>),
}

pub(super) type Own = dyn Fn(&RequestHead<'_>) -> Result<Option<String>, AuthError> + Send + Sync;

impl TokenSource {
    /// The `Authorization` header with the scheme `Bearer` (RFC 6750 section 2.1). This is the default.
    #[must_use]
    pub const fn bearer() -> Self {
        Self(Kind::Bearer)
    }

    /// A header of its own that holds the token and nothing else, such as `Cf-Access-Jwt-Assertion`.
    ///
    /// # Errors
    /// If the name is not that of a header, or is one that another source reads.
    pub fn header(name: impl AsRef<str>) -> Result<Self, ConfigError> {
        let name = header::checked_name(name.as_ref())?;
        Ok(Self(Kind::Header { name, prefix: None }))
    }

    /// A header of its own that holds `prefix`, spaces and the token, such as `X-Auth: Token abc`. The prefix is
    /// compared without case; a value without it is refused.
    ///
    /// # Errors
    /// If the name is not that of a header, is one that another source reads, or the prefix is not a word.
    pub fn header_with_prefix(name: impl AsRef<str>, prefix: impl Into<String>) -> Result<Self, ConfigError> {
        let name = header::checked_name(name.as_ref())?;
        let prefix = header::checked_prefix(prefix.into())?;
        Ok(Self(Kind::Header { name, prefix: Some(prefix) }))
    }

    /// A cookie (feature `cookie`), compared by its exact name; prefer one that begins with `__Host-`, which no other
    /// host can set. Where you set it yourself, [`TokenCookie::source`](crate::TokenCookie::source) knows its name and attributes.
    ///
    /// Browsers send cookies with requests that other sites start, so how to tell those must be decided here. All
    /// `Cookie` lines are read, and a name that stands twice is refused. If the token can never be good again (it
    /// has expired, its signature is bad, it was revoked), the answer also clears the cookie, so that a stale one does
    /// not lock its user out (for the path `/` and this host only; one that was set with `Domain` or another path
    /// stays). Do not put the layer around the login route itself, where a cookie must not decide anything.
    ///
    /// # Errors
    /// If the name cannot be that of a cookie.
    #[cfg(feature = "cookie")]
    pub fn cookie(name: impl Into<String>, csrf: Csrf) -> Result<Self, ConfigError> {
        Ok(Self(Kind::Cookie(Arc::new(cookie::CookieSource::new(name.into(), csrf)?))))
    }

    /// A parameter of the query. The name says the risk: URLs end up in logs, histories and `Referer` headers, and
    /// OAuth 2.1 forbids it.
    ///
    /// The parameter is taken out of the request's URI before the inner service sees it, so what traces inside does
    /// not record it. What traces outside does, and so does axum's `OriginalUri`, a copy that a router made before:
    /// use [`redacted_uri`](crate::redacted_uri) there.
    #[must_use]
    pub fn insecure_query(name: impl Into<String>) -> Self {
        Self(Kind::Query(name.into().into()))
    }

    /// An offered WebSocket sub-protocol: `prefix` and the token, encoded once more as base64url. This is how a
    /// browser, which cannot set headers there, sends a token.
    ///
    /// ```js
    /// new WebSocket(url, ["base64url.bearer.example.com." + base64url(token), "chat"])
    /// ```
    ///
    /// The client must offer a second, real protocol. The inner service sees only that one, so the token is never
    /// echoed. It counts only in a handshake: with an `Upgrade` header, or as an extended CONNECT (RFC 8441).
    ///
    /// # Errors
    /// If the prefix has a character that a protocol must not have.
    pub fn websocket_protocol(prefix: impl Into<String>) -> Result<Self, ConfigError> {
        Ok(Self(Kind::WebSocket(websocket::checked_prefix(prefix.into())?.into())))
    }

    /// A place that only you know: gives the token, `None` if there is no credential, or a refusal. What it reads
    /// stays in the request, also where [`JwtAuthLayer::remove_credential`](crate::JwtAuthLayer::remove_credential)
    /// takes all other credentials out.
    ///
    /// ```
    /// use tower_jwt_auth::{RequestHead, TokenSource};
    ///
    /// #[derive(Clone)]
    /// struct PeerToken(String);
    ///
    /// let source = TokenSource::own(|request: &RequestHead<'_>| {
    ///     Ok(request.extensions().get::<PeerToken>().map(|token| token.0.clone()))
    /// });
    /// ```
    #[must_use]
    pub fn own<F>(find: F) -> Self
    where
        F: Fn(&RequestHead<'_>) -> Result<Option<String>, AuthError> + Send + Sync + 'static,
    {
        Self(Kind::Own(Arc::new(find)))
    }

    fn find<'r>(&self, request: &RequestHead<'r>) -> Result<Option<Credential<'r>>, Refused> {
        let owned = |token: String| Cow::Owned(token.into_bytes());
        let token = match &self.0 {
            Kind::Bearer => authorization::token(request.headers)?.map(Cow::Borrowed),
            Kind::Header { name, prefix } => header::token(request.headers, name, prefix.as_deref())?
                .map(|token| Cow::Borrowed(token.as_bytes())),
            #[cfg(feature = "cookie")]
            Kind::Cookie(cookie) => return cookie.find(request),
            Kind::Query(name) => query::token(request.uri, name)?.map(owned),
            Kind::WebSocket(prefix) => websocket::token(request, prefix)?.map(owned),
            Kind::Own(find) => find(request)?.map(owned),
        };
        Ok(token.map(|token| Credential {
            token,
            source: self.kind(),
            clear_cookie: None,
            elsewhere: !matches!(self.0, Kind::Bearer),
        }))
    }

    const fn kind(&self) -> &'static str {
        match self.0 {
            Kind::Bearer => "authorization",
            Kind::Header { .. } => "header",
            #[cfg(feature = "cookie")]
            Kind::Cookie(_) => "cookie",
            Kind::Query(_) => "query",
            Kind::WebSocket(_) => "websocket",
            Kind::Own(_) => "own",
        }
    }

    /// The header that this source reads, unless that is `Authorization`, which caches know. A sub-protocol is read in
    /// handshakes only, which are not cached.
    pub(in crate::layer) fn own_header(&self) -> Option<HeaderName> {
        match &self.0 {
            Kind::Header { name, .. } => Some(name.clone()),
            #[cfg(feature = "cookie")]
            Kind::Cookie(_) => Some(http::header::COOKIE),
            Kind::Bearer | Kind::Query(_) | Kind::WebSocket(_) | Kind::Own(_) => None,
        }
    }

    /// Takes what this source reads out of the request.
    fn remove<B>(&self, request: &mut Request<B>) {
        match &self.0 {
            Kind::Bearer => authorization::remove(request.headers_mut()),
            Kind::Header { name, .. } => header::remove(request.headers_mut(), name),
            #[cfg(feature = "cookie")]
            Kind::Cookie(cookie) => cookie.remove(request.headers_mut()),
            Kind::Query(name) => query::remove(request.uri_mut(), name),
            Kind::WebSocket(prefix) => websocket::remove(request.headers_mut(), prefix),
            Kind::Own(_) => {}
        }
    }

    /// Whether the token must never reach the inner service, forwarding or not.
    const fn is_always_removed(&self) -> bool {
        matches!(self.0, Kind::Query(_) | Kind::WebSocket(_))
    }
}

/// One source is a list of one.
impl IntoIterator for TokenSource {
    type Item = Self;
    type IntoIter = std::iter::Once<Self>;

    fn into_iter(self) -> Self::IntoIter {
        std::iter::once(self)
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Bearer => f.write_str("bearer"),
            Kind::Header { name, .. } => write!(f, "header({name})"),
            #[cfg(feature = "cookie")]
            Kind::Cookie(cookie) => write!(f, "{cookie:?}"),
            Kind::Query(name) => write!(f, "insecure_query({name})"),
            Kind::WebSocket(prefix) => write!(f, "websocket_protocol({prefix})"),
            Kind::Own(_) => f.write_str("own"),
        }
    }
}

/// The one credential of a request; `None` if no source has one.
///
/// # Errors
/// `malformed_request` if there are two, or what a source found is not of its grammar; `cross_site` if it is a
/// cookie that another site sent along.
pub(in crate::layer) fn find<'r>(
    sources: &[TokenSource],
    request: &RequestHead<'r>,
) -> Result<Option<Credential<'r>>, Refused> {
    let mut found = None;
    for source in sources {
        if let Some(one) = source.find(request)? {
            if found.is_some() {
                return Err(Reason::MalformedRequest.into());
            }
            found = Some((source, one));
        }
    }
    let Some((source, found)) = found else { return Ok(None) };
    match &source.0 {
        // It counts only if it is the only credential, so this is asked last.
        #[cfg(feature = "cookie")]
        Kind::Cookie(cookie) => cookie.check(request)?,
        _ => {}
    }
    Ok(Some(found))
}

/// Takes the credential out of the request: of every source if `all`, else of those that must never go further.
pub(in crate::layer) fn remove<B>(sources: &[TokenSource], request: &mut Request<B>, all: bool) {
    for source in sources.iter().filter(|source| all || source.is_always_removed()) {
        source.remove(request);
    }
}
