//! What holds for every request and every answer, whatever the route.

use axum::extract::Request;
use axum::http::header::{self, CONTENT_TYPE, HeaderMap, HeaderName};
use axum::http::{HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::error::{AppError, NOT_JSON};

/// Scripts, styles and images from here and nowhere else, nothing inline, no frames, no form that leaves the page.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'";

/// Takes no POST and PUT but JSON: a form of another site cannot send that, and a script of one would have to ask first.
pub(crate) async fn json_only(request: Request, next: Next) -> Response {
    let changes = matches!(*request.method(), Method::POST | Method::PUT);
    if changes && !is_json(request.headers()) {
        return NOT_JSON.into_response();
    }
    next.run(request).await
}

fn is_json(headers: &HeaderMap) -> bool {
    let text = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.split(';')
        .next()
        .is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/json"))
}

/// The answer to a request that another site has started.
pub(crate) fn cross_site(_: tower_http::csrf::ProtectionError) -> Response {
    AppError::CrossSite.into_response()
}

/// Adds what every answer should say. What a route has said already stays.
pub(crate) async fn security_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let defaults = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in defaults {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Answers of the API are for one user at one time: no cache keeps them, nor the browser's for the button "back".
pub(crate) async fn no_store(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Keeps browsers on https, where the application is reached by it.
pub(crate) async fn https_only(mut response: Response) -> Response {
    let value = HeaderValue::from_static("max-age=31536000");
    response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, value);
    response
}
