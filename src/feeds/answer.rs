//! What receivers answer.

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use serde_json::Value;

use crate::served::DocumentBody;

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Response<DocumentBody> {
    let mut response = Response::new(DocumentBody::default());
    *response.status_mut() = status;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Both standards know POST alone.
pub(super) fn only_post() -> Response<DocumentBody> {
    let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    response
}

/// The sender should try again: nothing is wrong with what it sent.
pub(super) fn try_again(seconds: u32) -> Response<DocumentBody> {
    let mut response = empty(StatusCode::SERVICE_UNAVAILABLE);
    response.headers_mut().insert(RETRY_AFTER, seconds.into());
    response
}

/// What is wrong, in English.
pub(super) fn json(status: StatusCode, body: &Value) -> Response<DocumentBody> {
    let body = body.to_string();
    let mut response = empty(status);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static("en"));
    headers.insert(CONTENT_LENGTH, body.len().into());
    *response.body_mut() = DocumentBody(Some(body.into()));
    response
}
