//! An axum service with a public, an optional, a protected and an admin route.
//!
//! `cargo run --example quickstart`, then paste the `curl` lines that it prints. `PORT` changes the port.

use std::error::Error;

use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_jwt_auth::{Jwt, JwtAuthLayer, Require, TestIssuer, Verifier};
use tracing_subscriber::filter::LevelFilter;

/// The claims that this service reads. A token that lacks one of them is refused.
#[derive(Deserialize)]
struct User {
    sub: String,
    name: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Why a request was refused is told here, in the log, and never to the client.
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(LevelFilter::DEBUG).init();

    // A stand-in that signs with a key of its own. Real tokens come from your issuer, and you would write
    // `Authority::keys(KeySet::from_jwks(json)?).issuer("https://id.example.com").audience("quickstart")`.
    let issuer = TestIssuer::new("https://id.example.com").audience("quickstart");
    let authority = issuer.authority().roles_at("/roles"); // where its tokens keep them
    let verifier = Verifier::<User>::new(authority)?;

    let auth = JwtAuthLayer::new(verifier);
    let public = Router::new().route("/", get(|| async { "everybody may read this\n" }));
    let optional = Router::new().route("/hello", get(hello)).route_layer(auth.clone().optional());
    let admin = get(admin).route_layer(Require::role("admin"));
    let protected = Router::new().route("/me", get(me)).route("/admin", admin).route_layer(auth);
    let app = public.merge(optional).merge(protected);

    let port = std::env::var("PORT").unwrap_or_else(|_| "3000".to_owned());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    let url = format!("http://{}", listener.local_addr()?);
    print_curl_lines(&url, &issuer);
    println!("listening on {url}");
    axum::serve(listener, app).await?;
    Ok(())
}

/// Reached only with a good token.
async fn me(user: Jwt<User>) -> Json<Value> {
    Json(json!({ "sub": user.sub, "name": user.name }))
}

/// Reached only with a good token that has the role.
async fn admin(user: Jwt<User>) -> String {
    format!("at your service, {}\n", user.name)
}

/// Reached with a good token or with none. A bad token is refused here too.
async fn hello(user: Option<Jwt<User>>) -> String {
    format!("hello {}\n", user.map_or_else(|| "stranger".to_owned(), |user| user.name.clone()))
}

fn print_curl_lines(url: &str, issuer: &TestIssuer) {
    let bob = json!({ "sub": "bob", "name": "Bob" });
    let good = issuer.sign(&bob);
    let boss = issuer.sign(json!({ "sub": "alice", "name": "Alice", "roles": ["admin"] }));
    let expired = issuer.sign(json!({ "sub": "bob", "name": "Bob", "exp": 1_700_000_000 }));
    // Signed with a key of somebody else, who claims to be our issuer and names our key.
    let mallory = TestIssuer::new("https://id.example.com").audience("quickstart");
    let forged = mallory.sign_with(json!({ "kid": issuer.kid() }), &bob);

    println!("# The protected route with a good token: 200 and the claims");
    println!("curl -i {url}/me -H 'Authorization: Bearer {good}'\n");
    println!("# Without a token: 401 and a challenge");
    println!("curl -i {url}/me\n");
    println!("# With an expired token: 401");
    println!("curl -i {url}/me -H 'Authorization: Bearer {expired}'\n");
    println!("# With a forged token: 401");
    println!("curl -i {url}/me -H 'Authorization: Bearer {forged}'\n");
    println!("# The admin route as an admin: 200");
    println!("curl -i {url}/admin -H 'Authorization: Bearer {boss}'\n");
    println!("# The admin route with a good token of somebody who is none: 403");
    println!("curl -i {url}/admin -H 'Authorization: Bearer {good}'\n");
    println!("# The public route, and the optional one without and with a token: 200");
    println!("curl -i {url}/");
    println!("curl -i {url}/hello");
    println!("curl -i {url}/hello -H 'Authorization: Bearer {good}'\n");
}
