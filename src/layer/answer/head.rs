//! The head of a refusal: HTTP (RFC 6750 section 3) or gRPC (trailers-only).

use std::sync::{Arc, LazyLock};

use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use super::caching::Caching;
use super::challenge::Challenges;
use crate::error::{AuthError, Reason};

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Seconds after which a client may try again when the fault is ours.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("5");

/// How one layer answers, and what it does to the answers of the service inside.
#[derive(Clone, Debug)]
pub(crate) struct Answers {
    pub(in crate::layer) challenges: Challenges,
    pub(in crate::layer) http_only: bool,
    pub(in crate::layer) caching: Caching,
    pub(in crate::layer) inside: Inside,
}

/// What becomes of a refusal that something inside the layer has answered provisionally: an extractor, a handler, a
/// policy without an answer of its own, a tonic method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inside {
    /// It gets the challenge of this layer.
    Challenge,
    /// The user's own `Reject` answers it.
    Everything,
    /// It is left to the layer further out. That of a policy; its own refusals are provisional, too.
    ProvisionalPolicy,
    /// It is left to the layer further out. That of a policy that has the user's own `Reject`.
    FinalPolicy,
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            challenges: Challenges::default(),
            http_only: false,
            caching: Caching::default(),
            inside: Inside::Challenge,
        }
    }
}

impl Answers {
    /// How to answer where no layer has been.
    pub(crate) fn defaults() -> &'static Arc<Self> {
        static DEFAULTS: LazyLock<Arc<Answers>> = LazyLock::new(Arc::default);
        &DEFAULTS
    }

    /// How a policy answers; `provisional` unless it has an answer of its own.
    pub(crate) fn of_policy(http_only: bool, provisional: bool) -> &'static Arc<Self> {
        static OF_POLICIES: LazyLock<[Arc<Answers>; 4]> = LazyLock::new(|| {
            [(false, false), (false, true), (true, false), (true, true)].map(|(http_only, provisional)| {
                let inside = if provisional { Inside::ProvisionalPolicy } else { Inside::FinalPolicy };
                Arc::new(Answers { http_only, inside, ..Answers::default() })
            })
        });
        let [grpc_final, grpc_provisional, http_final, http_provisional] = &*OF_POLICIES;
        match (http_only, provisional) {
            (false, false) => grpc_final,
            (false, true) => grpc_provisional,
            (true, false) => http_final,
            (true, true) => http_provisional,
        }
    }

    /// The answer in plain HTTP.
    pub(crate) fn http<B>(&self, error: &AuthError, body: B) -> Response<B> {
        let mut response = Response::new(body);
        *response.status_mut() = error.reason().status();
        *response.headers_mut() = self.challenges.headers(error.reason(), error.params());
        if error.is_transient() {
            response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
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

    /// The challenge of this layer where there is none, or that of no layer.
    pub(super) fn replace_default_challenge(&self, headers: &mut HeaderMap, error: &AuthError) {
        let of_no_layer = || Self::defaults().challenges.of(error.reason(), error.params());
        if headers.get(WWW_AUTHENTICATE).is_none_or(|present| Some(present) == of_no_layer().as_ref()) {
            self.add_challenge(headers, error);
        }
    }

    fn add_challenge(&self, headers: &mut HeaderMap, error: &AuthError) {
        if let Some(challenge) = self.challenges.of(error.reason(), error.params()) {
            headers.insert(WWW_AUTHENTICATE, challenge);
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
