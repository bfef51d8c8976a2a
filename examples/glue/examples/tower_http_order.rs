//! tower-http's trace, cors and timeout around the layer, in the order in which they have to stand.
//!
//! `cargo run -p glue --example tower_http_order` makes four requests and prints the trace. No server.

use std::error::Error;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, ORIGIN};
use axum::http::{HeaderValue, Method, Request, StatusCode};
use axum::{Router, routing::get};
use serde_json::json;
use tower::{ServiceBuilder, ServiceExt};
use tower_http::cors::CorsLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::{DefaultOnResponse, TraceLayer};
use tower_jwt_auth::{Claims, JwtAuthLayer, Principal, TestIssuer, TokenSource, Verifier, redacted_uri};
use tracing::Level;

/// Links that a browser follows by itself, such as downloads, have no place for a token but the query.
const PARAMETER: &str = "access_token";

pub fn app(verifier: Verifier<Claims>) -> Router {
    // It sees the request before the token is taken out of the query, so it must not record the URI as it is.
    let trace = TraceLayer::new_for_http()
        .make_span_with(|request: &Request<Body>| {
            let uri = redacted_uri(request.uri(), [PARAMETER]);
            tracing::info_span!("request", method = %request.method(), %uri)
        })
        .on_response(DefaultOnResponse::new().level(Level::INFO));
    // A preflight carries no token, and a page of another origin may read a refusal only if it is said so.
    let cors = CorsLayer::new()
        .allow_origin(HeaderValue::from_static("https://app.example.com"))
        .allow_methods([Method::GET])
        .allow_headers([AUTHORIZATION]);
    let timeout = TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, Duration::from_secs(2));
    let auth = JwtAuthLayer::new(verifier)
        .token_from([TokenSource::bearer(), TokenSource::insecure_query(PARAMETER)]);

    let layers = ServiceBuilder::new() // from outside to inside
        .layer(trace) // sees every answer, those of the layers below too
        .layer(cors) // answers preflights, and marks refusals and timeouts
        .layer(timeout) // counts the time of verification, should it have to wait for something
        .layer(auth);
    Router::new()
        .route("/reports", get(reports))
        .route("/slow", get(std::future::pending::<()>))
        .layer(layers)
}

async fn reports(user: Principal) -> String {
    format!("reports of {}", user.subject().unwrap_or_default())
}

pub fn get_request(uri: &str) -> Result<Request<Body>, axum::http::Error> {
    Request::get(uri).header(ORIGIN, "https://app.example.com").body(Body::empty())
}

pub fn preflight(uri: &str) -> Result<Request<Body>, axum::http::Error> {
    let request = Request::options(uri).header(ORIGIN, "https://app.example.com");
    request.header(ACCESS_CONTROL_REQUEST_METHOD, "GET").body(Body::empty())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_max_level(Level::DEBUG).without_time().init();
    // A stand-in: real tokens come from your issuer, and you would name its keys with `Authority::keys(..)`.
    let issuer = TestIssuer::new("https://id.example.com").audience("reports");
    let app = app(Verifier::new(issuer.authority())?);
    let token = issuer.sign(json!({ "sub": "bob" }));
    for request in [
        preflight("/reports")?,
        get_request("/reports")?,
        get_request(&format!("/reports?year=2026&access_token={token}"))?,
        get_request(&format!("/slow?access_token={token}"))?,
    ] {
        app.clone().oneshot(request).await?;
    }
    Ok(())
}
