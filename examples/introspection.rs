//! A service whose tokens are opaque: an introspection endpoint (RFC 7662) is asked about each new one.
//!
//! `ISSUER=https://id.example.com INTROSPECTION_URL=https://id.example.com/introspect CLIENT_ID=orders CLIENT_SECRET=.. cargo run
//! --example introspection`, with tokens for the audience `api`. `PORT` changes the port.
//! `CLIENT_AUTH=post` sends the secret in the form. `CLIENT_KEY=key.pem` (ES256) in place of `CLIENT_SECRET` signs assertions
//! (`private_key_jwt`). `SIGNED_ANSWERS=1` demands signed answers (RFC 9701), whose keys are found by discovery.
//! `INSECURE_HTTP_ON_LOOPBACK=1` allows a provider at `http://localhost`, to try it out.

use std::env::var;
use std::error::Error;

use axum::{Router, routing::get};
use tower_jwt_auth::{
    Algorithm, Authority, Claims, Introspection, Jwt, JwtAuthLayer, OpaqueTokens, RemoteKeys, Require,
    SigningKey, Verifier,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let is_set = |name: &str| var(name).is_ok_and(|value| value == "1");
    let needed = |name: &str| var(name).map_err(|_| format!("{name} is not set"));
    let (issuer, client_id) = (needed("ISSUER")?, needed("CLIENT_ID")?);
    let on_loopback = is_set("INSECURE_HTTP_ON_LOOPBACK");

    let mut endpoint = Introspection::new(needed("INTROSPECTION_URL")?);
    if on_loopback {
        endpoint = endpoint.insecure_http_on_loopback();
    }
    endpoint = match var("CLIENT_KEY") {
        Ok(file) => {
            let key = SigningKey::from_pem(Algorithm::ES256, std::fs::read(file)?)?;
            endpoint.private_key_jwt(&client_id, key).assertion_audience(&issuer)
        }
        Err(_) if var("CLIENT_AUTH").is_ok_and(|value| value == "post") => {
            endpoint.client_secret_post(&client_id, needed("CLIENT_SECRET")?)
        }
        Err(_) => endpoint.client_secret_basic(&client_id, needed("CLIENT_SECRET")?),
    };
    if is_set("SIGNED_ANSWERS") {
        let mut keys = Authority::oidc(&*issuer).audience(&client_id);
        if on_loopback {
            keys = keys.remote_keys(RemoteKeys::insecure_http_on_loopback);
        }
        endpoint = endpoint.signed_answers(keys);
    }

    let authority =
        Authority::introspection(OpaqueTokens::not_jwts(), endpoint).issuer(issuer).audience("api");
    let verifier = Verifier::<Claims>::new(authority)?;
    let app = Router::new()
        .route("/", get(hello))
        .route("/admin", get(hello).route_layer(Require::scope("admin")))
        .layer(JwtAuthLayer::new(verifier));

    let port = var("PORT").unwrap_or_else(|_| "3000".to_owned());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}

async fn hello(user: Jwt) -> String {
    let claims = (user.iss.as_deref(), user.other.get("client_id"), user.other.get("scope"));
    format!("{claims:?}\n")
}
