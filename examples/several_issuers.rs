//! Customers come with tokens of an identity provider, other services with tokens of a shared secret.
//!
//! Each issuer is an authority of its own: its keys, its audience, its algorithms. A token's `iss` chooses among
//! them before any key is looked at, and none can sign for another. No server: the requests are made in memory.

use std::error::Error;

use axum::body::Body;
use axum::http::Request;
use axum::http::header::AUTHORIZATION;
use axum::{Router, routing::get};
use serde_json::json;
use tower::ServiceExt;
use tower_jwt_auth::{Algorithm, Authority, Claims, JwtAuthLayer, Principal, TestIssuer, Verifier};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Stand-ins. For the first you would write `Authority::keys(KeySet::from_jwks(json)?)` with issuer and
    // audience, for the second `Authority::hs256(Secret::from_base64(text)?)`.
    let provider = TestIssuer::new("https://id.example.com").audience("orders-api");
    let internal = TestIssuer::with_algorithm("internal", Algorithm::HS256).audience("orders-batch");
    let stranger = TestIssuer::new("https://elsewhere.example").audience("orders-api");

    let authorities: [Authority; 2] = [
        provider.authority(),
        // A policy of its own: services have no user, but they must say which one they are.
        internal.authority().required_claim("client_id"),
    ];
    let verifier = Verifier::<Claims>::new(authorities)?;
    let app = Router::new().route("/whoami", get(whoami)).layer(JwtAuthLayer::new(verifier.clone()));

    for (what, token) in [
        ("a customer", provider.sign(json!({ "sub": "bob" }))),
        ("a service", internal.sign(json!({ "sub": "billing", "client_id": "billing" }))),
        ("a service that does not say which", internal.sign(json!({ "sub": "billing" }))),
        ("an issuer that nobody configured", stranger.sign(json!({ "sub": "bob" }))),
        ("a service that signs as the provider", internal.sign(json!({ "iss": "https://id.example.com" }))),
        ("a customer with a service's audience", provider.sign(json!({ "aud": "orders-batch" }))),
    ] {
        let request =
            Request::get("/whoami").header(AUTHORIZATION, format!("Bearer {token}")).body(Body::empty())?;
        let response = app.clone().oneshot(request).await?;
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 1024).await?;
        // The client is told nothing about the rule that refused it; you can ask.
        let refused = verifier.explain(&token).refused();
        let why = refused.map_or_else(|| String::from_utf8_lossy(&body).into(), |reason| reason.to_string());
        println!("{what}: {status}: {why}");
    }
    Ok(())
}

/// `Principal` is the same whoever issued the token. A user is (`iss`, `sub`), never `sub` alone.
async fn whoami(principal: Principal) -> String {
    format!("{} of {}", principal.subject().unwrap_or("?"), principal.issuer().unwrap_or("?"))
}
