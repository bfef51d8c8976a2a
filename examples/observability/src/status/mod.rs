//! The status page: one document without scripts, made anew for each request.

mod draw;

use std::sync::LazyLock;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tower_jwt_auth::{KeyHealth, UnixTime};

use crate::Service;
use crate::board::Seen;

const STYLE: &str = include_str!("status.css");

/// The one style may apply, and nothing may run or be loaded.
static POLICY: LazyLock<Option<HeaderValue>> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    let rest = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    format!("default-src 'none'; style-src 'sha256-{hash}'; {rest}").parse().ok()
});

/// What may be asked of the page.
#[derive(Debug, Deserialize)]
pub struct Asked {
    /// After how many seconds the browser asks again.
    refresh: Option<u8>,
}

/// All that the page shows. Its [`Display`](std::fmt::Display) is the document.
#[derive(Clone, Debug)]
pub struct Page {
    /// What the clock says.
    pub now: UnixTime,
    /// What was decided.
    pub seen: Seen,
    /// The sources of keys.
    pub sources: Vec<Source>,
    /// After how many seconds the browser asks again.
    pub refresh: Option<u8>,
}

/// One source of keys.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// The URL without its query, which may hold a secret.
    pub name: String,
    /// How many keys there are.
    pub keys: usize,
    /// Whether the keys are older than they should be.
    pub stale: bool,
    /// How long ago they were fetched.
    pub age: Option<Duration>,
    /// In how long the next fetch begins.
    pub next: Option<Duration>,
    /// How many fetches failed in a row.
    pub failures: u32,
    /// How many fetches there have been.
    pub attempts: u64,
    /// How often an unknown key id caused no fetch.
    pub suppressed: u64,
    /// Why the last fetch failed.
    pub error: Option<String>,
}

impl From<KeyHealth> for Source {
    fn from(health: KeyHealth) -> Self {
        Self {
            name: health.url.split('?').next().unwrap_or_default().to_owned(),
            stale: health.is_stale(),
            keys: health.keys,
            age: health.age,
            next: health.next_refresh,
            failures: health.failures,
            attempts: health.attempts,
            suppressed: health.suppressed_refetches,
            error: health.last_error,
        }
    }
}

/// Answers with the page.
pub async fn page(State(service): State<Service>, Query(asked): Query<Asked>) -> Response {
    let (now, seen) = service.board.look();
    let sources = service.verifier.key_health().into_iter().map(Source::from).collect();
    let refresh = asked.refresh.map(|seconds| seconds.clamp(2, 60));
    let body = Page { now, seen, sources, refresh }.to_string();
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if let Some(policy) = POLICY.clone() {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    if let Some(seconds) = refresh {
        headers.insert(HeaderName::from_static("refresh"), HeaderValue::from(u16::from(seconds)));
    }
    response
}
