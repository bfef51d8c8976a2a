//! An axum service with a login, and a public, an optional, a protected and an admin route.
//!
//! `cargo run --example quickstart`, then paste the `curl` lines that it prints. `PORT` changes the port. The whole
//! flow, with a database, refresh tokens and a page in the browser, is `cargo run -p login`.

use std::error::Error;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_jwt_auth::{Algorithm, Issuer, Jwt, JwtAuthLayer, Require, SigningKey, Verifier};
use tracing_subscriber::filter::LevelFilter;

/// The claims that this service reads. A token that lacks one of them is refused.
#[derive(Deserialize)]
struct User {
    sub: String,
    name: String,
}

#[derive(Deserialize)]
struct Credentials {
    username: String,
    password: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Why a request was refused is told here, in the log, and never to the client.
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(LevelFilter::DEBUG).init();

    // A key that ends with the process. One that stays is `SigningKey::from_pem(..)`, or a `KeyRing` that rotates; keys
    // of somebody else are `Authority::keys(KeySet::from_jwks(json)?).issuer("https://id.example.com")`.
    let key = SigningKey::generate(Algorithm::ES256)?;
    let issuer = Issuer::builder(ISSUER, key.clone()).audience("quickstart").build()?;
    let authority = issuer.authority().roles_at("/roles"); // where the tokens have them
    let verifier = Verifier::<User>::new(authority)?;

    let auth = JwtAuthLayer::new(verifier);
    let public = Router::new()
        .route("/", get(|| async { "everybody may read this\n" }))
        .route("/login", post(login).with_state(issuer.clone()))
        .route_service("/.well-known/jwks.json", issuer.jwks_service());
    let optional = Router::new().route("/hello", get(hello)).route_layer(auth.clone().optional());
    let admin = get(admin).route_layer(Require::role("admin"));
    let protected = Router::new().route("/me", get(me)).route("/admin", admin).route_layer(auth);
    let app = public.merge(optional).merge(protected);

    let port = std::env::var("PORT").unwrap_or_else(|_| "3000".to_owned());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}"))
        .await
        .map_err(|error| format!("port {port} cannot be used: {error}; set PORT to another one"))?;
    let url = format!("http://{}", listener.local_addr()?);
    print_curl_lines(&url, &issuer, &key)?;
    println!("listening on {url}");
    axum::serve(listener, app).await?;
    Ok(())
}

const ISSUER: &str = "https://id.example.com";

/// Credentials for a token. The one user is in the code, and so is the password: a real service keeps an Argon2id hash,
/// and lets nobody guess for long (`cargo run -p login` does).
async fn login(State(issuer): State<Issuer>, Json(given): Json<Credentials>) -> Response {
    if (given.username.as_str(), given.password.as_str()) != ("bob", "open sesame") {
        return (StatusCode::UNAUTHORIZED, "wrong user name or password\n").into_response();
    }
    match issuer.sign(&json!({ "sub": "bob", "name": "Bob" })) {
        Ok(token) => {
            let expires_in = issuer.lifetime().as_secs();
            let answer = json!({ "access_token": token, "token_type": "Bearer", "expires_in": expires_in });
            // RFC 6749 section 5.1: no cache may keep a token.
            ([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "no token was signed");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
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

fn print_curl_lines(url: &str, issuer: &Issuer, key: &SigningKey) -> Result<(), Box<dyn Error>> {
    let bob = json!({ "sub": "bob", "name": "Bob" });
    let good = issuer.sign(&bob)?;
    let boss = issuer.sign(&json!({ "sub": "alice", "name": "Alice", "roles": ["admin"] }))?;
    let past = Issuer::builder(ISSUER, key.clone()).audience("quickstart").overridable("exp").build()?;
    let expired = past.sign(&json!({ "sub": "bob", "name": "Bob", "exp": 1_700_000_000 }))?;
    // Signed with a key of somebody else, who claims to be our issuer and names our key.
    let forger = SigningKey::generate(Algorithm::ES256)?.with_kid(key.kid())?;
    let forged = Issuer::builder(ISSUER, forger).audience("quickstart").build()?.sign(&bob)?;

    println!("# Log in: a token");
    let credentials = json!({ "username": "bob", "password": "open sesame" });
    println!("curl -i {url}/login -H 'Content-Type: application/json' -d '{credentials}'\n");
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
    Ok(())
}
