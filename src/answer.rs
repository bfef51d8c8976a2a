//! The head of a refusal: HTTP (RFC 6750 section 3) or gRPC (trailers-only).

use std::sync::{Arc, LazyLock};

use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use crate::challenge::Challenges;
use crate::error::AuthError;
use crate::reason::Reason;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Seconds after which a client may try again when the fault is ours.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("5");

/// How a layer answers. It travels with the request, so that whatever refuses further in answers alike.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    pub(crate) challenges: Challenges,
    pub(crate) http_only: bool,
}

impl Answers {
    /// How to answer where no layer has been.
    pub(crate) fn defaults() -> &'static Arc<Self> {
        static DEFAULTS: LazyLock<Arc<Answers>> = LazyLock::new(Arc::default);
        &DEFAULTS
    }

    /// The answer in plain HTTP.
    pub(crate) fn http<B>(&self, error: &AuthError, body: B) -> Response<B> {
        let mut response = Response::new(body);
        *response.status_mut() = error.reason().status();
        let headers = response.headers_mut();
        headers.reserve(3);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        self.add_challenge(headers, error);
        if error.is_transient() {
            headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        response
    }

    /// The answer in gRPC: HTTP 200, and the status where a client looks when there is no body.
    pub(crate) fn grpc<B>(&self, error: &AuthError, content_type: &HeaderValue, body: B) -> Response<B> {
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::OK;
        let headers = response.headers_mut();
        headers.reserve(5);
        headers.insert(CONTENT_TYPE, content_type.clone());
        headers.insert(GRPC_STATUS, grpc_status(error.reason()));
        headers.insert(GRPC_MESSAGE, grpc_message(error.reason()));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        self.add_challenge(headers, error);
        response
    }

    fn add_challenge(&self, headers: &mut HeaderMap, error: &AuthError) {
        if let Some(challenge) = self.challenges.of(error.reason(), error.demand()) {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(cookie) = error.set_cookie() {
            headers.append(SET_COOKIE, cookie.clone());
        }
    }
}

/// The codes of the table are written out: formatting one would cost two allocations for each refusal.
fn grpc_status(reason: Reason) -> HeaderValue {
    match reason.grpc_code() {
        7 => HeaderValue::from_static("7"),
        13 => HeaderValue::from_static("13"),
        14 => HeaderValue::from_static("14"),
        16 => HeaderValue::from_static("16"),
        other => other.into(),
    }
}

/// The public texts need no percent-encoding, which a test holds.
fn grpc_message(reason: Reason) -> HeaderValue {
    HeaderValue::from_static(reason.public_text())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grpc_status_is_the_decimal_code() {
        for reason in Reason::all() {
            assert_eq!(grpc_status(*reason), reason.grpc_code().to_string());
        }
    }

    #[test]
    fn no_text_needs_percent_encoding() {
        for reason in Reason::all() {
            let plain = |byte: u8| matches!(byte, 0x20..=0x24 | 0x26..=0x7e);
            assert!(reason.public_text().bytes().all(plain), "{reason}");
            assert_eq!(grpc_message(*reason), reason.public_text());
        }
    }
}
