//! Three lines between a service and the tokens of an OpenID provider: keys are found, fetched and followed by
//! themselves.
//!
//! `ISSUER=https://id.example.com cargo run --example oidc`, with tokens for the audience `api`. `PORT` changes the port.
//! `INSECURE_HTTP_ON_LOOPBACK=1` allows a provider at `http://localhost`, to try it out.

use std::error::Error;

use axum::{Router, routing::get};
use tower_jwt_auth::{Authority, Claims, Jwt, JwtAuthLayer, RemoteKeys, Verifier};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let issuer = std::env::var("ISSUER").map_err(|_| "ISSUER is not set: name the `iss` of your tokens")?;
    let mut authority = Authority::oidc(issuer).audience("api");
    if std::env::var("INSECURE_HTTP_ON_LOOPBACK").is_ok_and(|value| value == "1") {
        authority = authority.remote_keys(RemoteKeys::insecure_http_on_loopback);
    }
    let verifier = Verifier::<Claims>::new(authority)?;
    let app = Router::new().route("/", get(hello)).layer(JwtAuthLayer::new(verifier));

    let port = std::env::var("PORT").unwrap_or_else(|_| "3000".to_owned());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}

async fn hello(user: Jwt) -> String {
    format!("Hello, {}!\n", user.sub.as_deref().unwrap_or("stranger"))
}
