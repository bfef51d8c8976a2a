//! What a refusal says: the default, and answers of your own.

use std::fmt;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};

use super::grpc;
use crate::answer::Answers;
use crate::error::AuthError;
use crate::trace;

/// Makes the response to a request that was refused.
///
/// [`Auto`] is the default. Any `Fn(&Refusal<'_>) -> Response<B>` is one too:
///
/// ```
/// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
/// # use tower_jwt_auth::{Authority, Claims, JwtAuthLayer, Refusal, Secret, Verifier};
/// # let verifier = Verifier::<Claims>::new(Authority::hs256(Secret::generate()?).issuer("i").audience("a"))?;
/// let layer = JwtAuthLayer::new(verifier).reject_with(|refusal: &Refusal<'_>| {
///     // Status, challenge and `Cache-Control` are right; only the body is yours.
///     refusal.response(format!("{}\n", refusal.error().reason()))
/// });
/// # Ok(()) }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot answer a refusal with a body of type `{B}`",
    label = "this service answers with `{B}`",
    note = "the default `Auto` needs `{B}: Default`; otherwise give the layer a function: \
            `.reject_with(|refusal: &Refusal<'_>| refusal.response(/* a {B} */))`"
)]
pub trait Reject<B> {
    /// The whole response.
    fn reject(&self, refusal: &Refusal<'_>) -> Response<B>;
}

impl<F, B> Reject<B> for F
where
    F: Fn(&Refusal<'_>) -> Response<B>,
{
    fn reject(&self, refusal: &Refusal<'_>) -> Response<B> {
        self(refusal)
    }
}

/// The default answer, with an empty body: RFC 6750 in HTTP, or the status of a gRPC call.
#[derive(Clone, Copy, Debug, Default)]
pub struct Auto;

impl<B: Default> Reject<B> for Auto {
    fn reject(&self, refusal: &Refusal<'_>) -> Response<B> {
        refusal.response(B::default())
    }
}

/// A request that was refused, and why.
pub struct Refusal<'r> {
    error: &'r AuthError,
    request: &'r Parts,
    grpc: Option<HeaderValue>,
}

impl<'r> Refusal<'r> {
    /// Why the request was refused.
    #[must_use]
    pub const fn error(&self) -> &AuthError {
        self.error
    }

    /// The request's method.
    #[must_use]
    pub const fn method(&self) -> &Method {
        &self.request.method
    }

    /// The request's target.
    #[must_use]
    pub const fn uri(&self) -> &Uri {
        &self.request.uri
    }

    /// The request's headers, the refused credential among them: do not log them.
    #[must_use]
    pub const fn headers(&self) -> &HeaderMap {
        &self.request.headers
    }

    /// Whether the caller speaks gRPC, so that [`Refusal::response`] is HTTP 200 with a gRPC status and the body
    /// should be empty.
    #[must_use]
    pub const fn is_grpc(&self) -> bool {
        self.grpc.is_some()
    }

    /// The default answer around this body: status, challenge and caching are right.
    #[must_use]
    pub fn response<B>(&self, body: B) -> Response<B> {
        match &self.grpc {
            Some(content_type) => self.error.answers().grpc(self.error, content_type, body),
            None => self.error.answers().http(self.error, body),
        }
    }
}

/// The response to a request that is refused; the error stays in its extensions.
pub(crate) fn refuse<A, B, R: Reject<B>>(
    reject: &R,
    error: AuthError,
    answers: &Arc<Answers>,
    request: Request<A>,
) -> Response<B> {
    let error = error.with_answers(answers);
    trace::debug!(reason = %error.reason(), claim = error.claim(), "request refused");
    let (parts, _body) = request.into_parts();
    let grpc = if answers.http_only { None } else { grpc::content_type(&parts) };
    let mut response = reject.reject(&Refusal { error: &error, request: &parts, grpc });
    response.extensions_mut().insert(error);
    response
}

// By hand: headers and query may carry credentials.
impl fmt::Debug for Refusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusal")
            .field("error", &self.error)
            .field("method", &self.request.method)
            .field("path", &self.request.uri.path())
            .field("grpc", &self.is_grpc())
            .finish_non_exhaustive()
    }
}
