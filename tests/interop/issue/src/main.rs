//! Issuers for other parties to verify: one for each public-key algorithm, each with its key set and its discovery
//! documents over HTTP; a route that signs with keys which those parties made; and one that judges their tokens by their status
//! lists.
//!
//! Prints `listening on http://ADDRESS`. The issuer of ES256 is `http://ADDRESS/ES256`.

mod statuses;

use std::error::Error;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Json};
use axum::http::StatusCode;
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::json;
use tower_jwt_auth::{Algorithm, ConfigError, Issuer, KeyRing, MemoryKeyStore, Secret, SigningKey};

const RING: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::Ed25519];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    use Algorithm::*;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let base = format!("http://{}", listener.local_addr()?);
    let mut app = Router::new().route("/sign", post(sign_with)).route("/statuses", post(statuses::judge));
    app = app.layer(DefaultBodyLimit::max(8 << 20));
    for algorithm in [RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA, Ed25519] {
        let name = format!("{base}/{algorithm}");
        app = app
            .merge(routes(Issuer::builder(name, SigningKey::generate(algorithm)?).audience("api").build()?)?);
    }
    for algorithm in RING {
        // Two keys are published, of which one signs.
        let ring = KeyRing::builder(MemoryKeyStore::new()).algorithm(algorithm).open().await?;
        ring.rotate().await?;
        let name = format!("{base}/ring/{algorithm}");
        app = app.merge(routes(Issuer::builder(name, ring).audience("api").build()?)?);
    }
    println!("listening on {base}");
    axum::serve(listener, app).await?;
    Ok(())
}

fn routes(issuer: Issuer) -> Result<Router, ConfigError> {
    let metadata = issuer.metadata().build()?;
    let path =
        axum::http::Uri::try_from(issuer.issuer()).map(|uri| uri.path().to_owned()).unwrap_or_default();
    let mut router =
        Router::new().route_service(&format!("{path}/.well-known/jwks.json"), issuer.jwks_service());
    for well_known in metadata.paths() {
        router = router.route_service(&well_known, metadata.clone());
    }
    let token = move || {
        let token = issuer.sign(&json!({ "sub": "bob" }));
        async move { token.map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string())) }
    };
    Ok(router.route(&format!("{path}/token"), get(token)))
}

#[derive(Deserialize)]
struct Theirs {
    alg: String,
    form: String,
    key: String,
}

/// A token signed with a key that somebody else made.
async fn sign_with(Json(theirs): Json<Theirs>) -> Result<String, (StatusCode, String)> {
    let sign = || -> Result<String, Box<dyn Error>> {
        let algorithm: Algorithm = theirs.alg.parse()?;
        let key = match theirs.form.as_str() {
            "pem" => SigningKey::from_pem(algorithm, &theirs.key)?,
            "jwk" => SigningKey::from_jwk(algorithm, &theirs.key)?,
            _ => SigningKey::from_secret(algorithm, Secret::from_base64(&theirs.key)?)?,
        };
        let issuer = Issuer::builder("https://id.example.com", key).audience("api").build()?;
        Ok(issuer.sign(&json!({ "sub": "bob" }))?)
    };
    sign().map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))
}
