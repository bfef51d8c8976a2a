//! What a refusal says: the default, and answers of your own.

use std::fmt;

use http::header::{SET_COOKIE, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};

use super::grpc;
use super::head::{Answers, Inside};
use super::provisional::{answered, provisional};
use crate::error::{AuthError, Reason};
use crate::jose::Algorithm;
use crate::runtime::trace;
use crate::verify::TrailNotes;

/// Makes the response to a request that was refused.
///
/// Do not tell the client the [`Reason`](crate::Reason) itself: the rule that refused a token helps an attacker to forge one.
/// [`Reason::public_code`](crate::Reason::public_code) is safe to tell.
///
/// [`Auto`] is the default. Any `Fn(&Refusal<'_>) -> Response<B>` is one too:
///
/// ```
/// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
/// # use tower_jwt_auth::{Authority, Claims, JwtAuthLayer, Refusal, Secret, Verifier};
/// # let verifier = Verifier::<Claims>::new(Authority::hs256(Secret::generate()?).issuer("i").audience("a"))?;
/// use axum::body::Body;
/// use http::header::{CONTENT_TYPE, HeaderValue};
///
/// let layer = JwtAuthLayer::new(verifier).reject_with(|refusal: &Refusal<'_>| {
///     // Status, challenge and `Cache-Control` are right already; the body is yours.
///     let body = format!(r#"{{ "error": "{}" }}"#, refusal.error().reason().public_text());
///     let mut response = refusal.response(Body::from(body));
///     response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
///     response
/// });
/// # Ok(()) }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot answer a refusal with a body of type `{B}`",
    label = "this service answers with `{B}`",
    note = "the default `Auto` needs `{B}: Default`; for another body give the layer a function: \
            `.reject_with(|refusal: &Refusal<'_>| refusal.response(/* a {B} */))`",
    note = "a body that cannot be made, such as `hyper::body::Incoming` in a proxy, is mapped in the inner service first: \
            `response.map(BodyExt::boxed)`"
)]
pub trait Reject<B> {
    /// The whole response.
    ///
    /// Build it with [`Refusal::response`]. What says success all the same (`Response::new` does) gets the status and
    /// the headers of the refusal, and a 401 without a challenge gets one; any other status is left as it is.
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

#[diagnostic::do_not_recommend] // rather say what `Reject` says than that a body has no `Default`
impl<B: Default> Reject<B> for Auto {
    fn reject(&self, refusal: &Refusal<'_>) -> Response<B> {
        refusal.response(B::default())
    }
}

/// A request that was refused, and why.
pub struct Refusal<'r> {
    error: &'r AuthError,
    set_cookie: Option<&'r HeaderValue>,
    request: &'r Parts,
    answers: &'r Answers,
    grpc: Option<HeaderValue>,
}

/// Why a request is refused, and what the browser is told about its cookie.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) error: AuthError,
    pub(crate) set_cookie: Option<HeaderValue>,
    /// By what it was judged, for the log.
    pub(crate) notes: Option<Box<TrailNotes>>,
}

impl From<AuthError> for Refused {
    fn from(error: AuthError) -> Self {
        Self { error, set_cookie: None, notes: None }
    }
}

impl From<Reason> for Refused {
    fn from(reason: Reason) -> Self {
        AuthError::new(reason).into()
    }
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
        let mut response = match &self.grpc {
            Some(content_type) => self.answers.grpc(self.error, content_type, body),
            None => self.answers.http(self.error, body),
        };
        if let Some(cookie) = self.set_cookie {
            response.headers_mut().append(SET_COOKIE, cookie.clone());
        }
        response
    }

    /// Makes up for what an answer of the user's own forgot. A refusal is never a success, which is what
    /// `Response::new` says, and a 401 has a challenge (RFC 9110 section 15.5.2). Everything else is left.
    fn mend<B>(&self, response: &mut Response<B>) {
        let (status, headers) = (response.status(), response.headers());
        let forgot_status = match &self.grpc {
            Some(_) => status.is_success() && !headers.contains_key("grpc-status"),
            None => status.is_success() || status.is_informational(),
        };
        let forgot_challenge =
            |status| status == StatusCode::UNAUTHORIZED && !headers.contains_key(WWW_AUTHENTICATE);
        if !forgot_status && !forgot_challenge(status) {
            return;
        }
        let (right, ()) = self.response(()).into_parts();
        if forgot_status {
            response.status_mut().clone_from(&right.status);
        }
        for (name, value) in &right.headers {
            let wanted = forgot_status || name == WWW_AUTHENTICATE;
            if wanted && !response.headers().contains_key(name) {
                response.headers_mut().insert(name, value.clone());
            }
        }
    }
}

/// The response to a request that is refused; the error stays in its extensions.
pub(crate) fn refuse<A, B, R: Reject<B>>(
    reject: &R,
    refused: Refused,
    answers: &Answers,
    request: Request<A>,
) -> Response<B> {
    let (parts, _body) = request.into_parts();
    let _error = &refused.error;
    let _authority = refused.notes.as_deref().and_then(|notes| notes.authority.as_deref());
    let _algorithm = refused.notes.as_deref().and_then(|notes| notes.algorithm).map(Algorithm::as_str);
    trace::debug!(
        reason = %_error.reason(), claim = _error.claim(), why = std::error::Error::source(_error).map(trace::display),
        authority = _authority, algorithm = _algorithm,
        method = %parts.method, path = parts.uri.path(),
        "request refused"
    );
    render(reject, refused, answers, &parts)
}

/// The response to a request with this head.
pub(super) fn render<B, R: Reject<B>>(
    reject: &R,
    Refused { error, set_cookie, .. }: Refused,
    answers: &Answers,
    request: &Parts,
) -> Response<B> {
    let grpc = if answers.http_only { None } else { grpc::content_type(request) };
    let refusal = Refusal { error: &error, set_cookie: set_cookie.as_ref(), request, answers, grpc };
    let mut response = reject.reject(&refusal);
    refusal.mend(&mut response);
    answers.caching.complete(response.headers_mut());
    match answers.inside {
        Inside::ProvisionalPolicy => provisional(response.extensions_mut(), error),
        Inside::FinalPolicy => answered(response.extensions_mut(), error),
        Inside::Challenge | Inside::Everything => drop(response.extensions_mut().insert(error)),
    }
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
