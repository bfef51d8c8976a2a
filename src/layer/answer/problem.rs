//! Structured answers: problem details in HTTP (RFC 9457), status details in gRPC.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Response};
use serde_json::json;

use super::reject::{Refusal, Reject};
use crate::error::AuthError;

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
const GRPC_STATUS_DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");

/// Answers with a body of `application/problem+json` (RFC 9457), or `google.rpc.ErrorInfo` in gRPC.
///
/// Both say no more than the challenge does: the code of [`Reason::public_code`](crate::Reason::public_code), its text,
/// and the scopes that are needed.
///
/// ```
/// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
/// # use tower_jwt_auth::{Authority, Claims, JwtAuthLayer, Secret, Verifier};
/// # let verifier = Verifier::<Claims>::new(Authority::hs256(Secret::generate()?).issuer("i").audience("a"))?;
/// use tower_jwt_auth::Problem;
///
/// let layer = JwtAuthLayer::new(verifier).reject_with(Problem);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Problem;

#[diagnostic::do_not_recommend]
impl<B: From<String>> Reject<B> for Problem {
    fn reject(&self, refusal: &Refusal<'_>) -> Response<B> {
        refusal.problem(B::from)
    }
}

impl Refusal<'_> {
    /// The answer of [`Problem`] with a body that `make` makes of the text: for bodies that are not made of strings by
    /// `From`, such as tonic's. In gRPC the text is empty, and the details are in the headers.
    ///
    /// ```
    /// # #[cfg(feature = "tonic")]
    /// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
    /// # use tower_jwt_auth::{Authority, Claims, JwtAuthLayer, Refusal, Secret, Verifier};
    /// # let verifier = Verifier::<Claims>::new(Authority::hs256(Secret::generate()?).issuer("i").audience("a"))?;
    /// let layer = JwtAuthLayer::new(verifier)
    ///     .reject_with(|refusal: &Refusal<'_>| refusal.problem(tonic::body::Body::new::<String>));
    /// # Ok(()) }
    /// # #[cfg(not(feature = "tonic"))] fn main() {}
    /// ```
    pub fn problem<B>(&self, make: impl FnOnce(String) -> B) -> Response<B> {
        let error = self.error();
        if self.is_grpc() {
            let mut response = self.response(make(String::new()));
            if let Ok(details) = HeaderValue::try_from(STANDARD_NO_PAD.encode(status(error))) {
                response.headers_mut().insert(GRPC_STATUS_DETAILS, details);
            }
            return response;
        }
        let reason = error.reason();
        let mut body = json!({
            "type": "about:blank",
            "title": reason.status().canonical_reason().unwrap_or_default(),
            "status": reason.status().as_u16(),
            "detail": reason.public_text(),
            "code": reason.public_code(),
        });
        if let (Some(scope), Some(members)) = (error.required_scope(), body.as_object_mut()) {
            members.insert("scope".to_owned(), scope.into());
        }
        let mut response = self.response(make(body.to_string()));
        response.headers_mut().insert(CONTENT_TYPE, PROBLEM_JSON);
        response
    }
}

/// A `google.rpc.Status` with one `google.rpc.ErrorInfo`, in protobuf's wire format.
fn status(error: &AuthError) -> Vec<u8> {
    let mut info = Vec::new();
    put_bytes(&mut info, 1, error.reason().public_code().to_ascii_uppercase().as_bytes());
    put_bytes(&mut info, 2, env!("CARGO_PKG_NAME").as_bytes());
    if let Some(scope) = error.required_scope() {
        let mut entry = Vec::new();
        put_bytes(&mut entry, 1, b"scope");
        put_bytes(&mut entry, 2, scope.as_bytes());
        put_bytes(&mut info, 3, &entry);
    }
    let mut any = Vec::new();
    put_bytes(&mut any, 1, b"type.googleapis.com/google.rpc.ErrorInfo");
    put_bytes(&mut any, 2, &info);
    let mut status = Vec::new();
    put_varint(&mut status, 1 << 3);
    put_varint(&mut status, u64::try_from(error.reason().grpc_code()).unwrap_or_default());
    put_bytes(&mut status, 2, error.reason().public_text().as_bytes());
    put_bytes(&mut status, 3, &any);
    status
}

/// A length-delimited field.
fn put_bytes(message: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    put_varint(message, field << 3 | 2);
    put_varint(message, bytes.len() as u64);
    message.extend_from_slice(bytes);
}

fn put_varint(message: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        message.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    message.push(value as u8);
}
