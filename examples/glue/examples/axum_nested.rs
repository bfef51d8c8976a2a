//! Nested routers and fallbacks in axum: what `.layer` covers, and what `.route_layer` does.
//!
//! `cargo run -p glue --example axum_nested` asks every path as nobody, as Bob and as an admin. No server.

use std::error::Error;

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use axum::routing::get;
use axum::{Router, http::header::AUTHORIZATION};
use serde_json::json;
use tower::ServiceExt;
use tower_jwt_auth::{Claims, Jwt, JwtAuthLayer, Principal, Require, TestIssuer, Verifier};

pub fn app(verifier: Verifier<Claims>) -> Router {
    let auth = JwtAuthLayer::new(verifier);

    // A policy on a router covers its routes; the layer that verifies is around it, further down.
    let admin = Router::new()
        .route("/users", get(|| async { "all users" }))
        .route_layer(Require::role("admin"))
        .fallback(|| async { (StatusCode::NOT_FOUND, "no such admin page") });

    // `.layer` covers the routes, the nested router and the fallback: who has no token learns nothing about what
    // exists here, and gets 401 for each path. Without a fallback of its own it would have that of the outer router,
    // which this layer does not cover.
    let api = Router::new()
        .route("/orders", get(orders).post(|| async { "ordered" }))
        .nest("/admin", admin)
        .fallback(|| async { (StatusCode::NOT_FOUND, "no such call") })
        .layer(auth.clone());

    // `.route_layer` covers the routes only: an unknown path is 404 for everybody. What is added after it is open,
    // so add the layer last.
    let shop = Router::new()
        .route("/cart", get(orders))
        .route_layer(auth.clone())
        .route("/terms", get(|| async { "the terms" }));

    Router::new()
        .route("/", get(home))
        .route_layer(auth.optional())
        .nest("/api", api)
        .nest("/shop", shop)
        .fallback(|| async { (StatusCode::NOT_FOUND, "no such page") })
}

async fn orders(user: Principal) -> String {
    format!("orders of {}", user.subject().unwrap_or_default())
}

async fn home(user: Option<Jwt<Claims>>) -> String {
    format!("hello {}", user.as_ref().and_then(|user| user.sub.as_deref()).unwrap_or("stranger"))
}

/// Asks `GET path` with this token, and gives status and body.
pub async fn ask(app: &Router, path: &str, token: Option<&str>) -> Result<String, Box<dyn Error>> {
    let mut request = Request::get(path);
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    let response = app.clone().oneshot(request.body(Body::empty())?).await?;
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), 1024).await?;
    Ok(format!("{status} {}", String::from_utf8_lossy(&body)).trim_end().to_owned())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // A stand-in: real tokens come from your issuer, and you would name its keys with `Authority::keys(..)`.
    let issuer = TestIssuer::new("https://id.example.com").audience("shop");
    let app = app(Verifier::new(issuer.authority().roles_at("/roles"))?);
    let bob = issuer.sign(json!({ "sub": "bob" }));
    let admin = issuer.sign(json!({ "sub": "alice", "roles": ["admin"] }));

    println!("{:<20}{:<22}{:<24}an admin", "path", "nobody", "Bob");
    for path in [
        "/",
        "/nothing",
        "/api/orders",
        "/api/nothing",
        "/api/admin/users",
        "/api/admin/nothing",
        "/shop/cart",
        "/shop/nothing",
        "/shop/terms",
    ] {
        let nobody = ask(&app, path, None).await?;
        let bobs = ask(&app, path, Some(&bob)).await?;
        println!("{path:<20}{nobody:<22}{bobs:<24}{}", ask(&app, path, Some(&admin)).await?);
    }
    Ok(())
}
