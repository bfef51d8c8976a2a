//! Drives each example: its router, its server, or what it prints.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod axum_nested;
mod compile_errors;
mod cookie;
mod gateway;
mod mcp;
mod openapi;
mod tonic_streaming;
mod tower_http_order;
mod websocket;

use axum::Router;
use axum::body::Body;
use axum::http::Response;

/// Serves on a port of its own, until the test is over.
async fn serve(app: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

async fn text(response: Response<Body>) -> String {
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    String::from_utf8(body.into()).unwrap()
}
