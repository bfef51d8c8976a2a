//! What the endpoints answer (RFC 6749 section 5.2, RFC 7009 section 2.2).

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

use crate::runtime::trace;
use crate::served::{BodyError, DocumentBody, FormError};
use crate::store::StoreError;

/// Why a request was not answered with 200.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// With what is wrong, in words.
    InvalidRequest(&'static str),
    InvalidClient,
    UnsupportedTokenType,
    NotPost,
    TooLarge,
    TooSlow,
    /// What has to be asked cannot answer now.
    Unavailable,
}

impl Refused {
    pub(super) fn response(self) -> Response<DocumentBody> {
        let (status, error, description) = match self {
            Self::InvalidRequest(problem) => (StatusCode::BAD_REQUEST, "invalid_request", problem),
            Self::InvalidClient => {
                (StatusCode::UNAUTHORIZED, "invalid_client", "the client could not be authenticated")
            }
            Self::UnsupportedTokenType => {
                let text = "tokens of this type cannot be revoked here";
                (StatusCode::BAD_REQUEST, "unsupported_token_type", text)
            }
            Self::NotPost => (StatusCode::METHOD_NOT_ALLOWED, "invalid_request", "send a POST"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "invalid_request", "the body is too large"),
            Self::TooSlow => {
                (StatusCode::REQUEST_TIMEOUT, "invalid_request", "the body did not come in time")
            }
            Self::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "try again later")
            }
        };
        let body = json!({ "error": error, "error_description": description }).to_string();
        let mut response = document(status, "application/json", body);
        match self {
            Self::InvalidClient => {
                // Also where no header was sent: RFC 9110 section 15.5.2 wants a challenge with each 401.
                let challenge = HeaderValue::from_static("Basic realm=\"clients\", charset=\"UTF-8\"");
                response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            }
            Self::NotPost => {
                response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
            }
            Self::Unavailable => {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
            }
            _ => {}
        }
        response
    }
}

impl From<FormError> for Refused {
    fn from(error: FormError) -> Self {
        match error {
            FormError::Body(BodyError::TooLarge) => Self::TooLarge,
            FormError::Body(BodyError::TooSlow) => Self::TooSlow,
            FormError::Body(BodyError::Broken) => Self::InvalidRequest("the body could not be read"),
            FormError::MediaType => {
                Self::InvalidRequest("the body is not of the type application/x-www-form-urlencoded")
            }
            FormError::Missing(_) => Self::InvalidRequest("the parameter token is missing"),
            FormError::Repeated(_) => Self::InvalidRequest("a parameter is there twice"),
        }
    }
}

impl From<StoreError> for Refused {
    fn from(_error: StoreError) -> Self {
        trace::error!(error = %_error, "an endpoint for tokens answers 503, because a store cannot be reached");
        Self::Unavailable
    }
}

/// An answer that nobody may keep.
pub(super) fn document(status: StatusCode, media_type: &'static str, body: String) -> Response<DocumentBody> {
    let mut response = empty();
    *response.body_mut() = DocumentBody(Some(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// 200 without a body.
pub(super) fn empty() -> Response<DocumentBody> {
    let mut response = Response::new(DocumentBody::default());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
