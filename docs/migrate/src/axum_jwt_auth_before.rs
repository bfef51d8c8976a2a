use jsonwebtoken10 as jsonwebtoken;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use axum::http::StatusCode;
use axum::routing::get;
use axum_jwt_auth::{AuthError, Claims, Decoder, Error, RemoteJwksDecoder};
use jsonwebtoken::{Algorithm, Validation};
use serde::Deserialize;

#[derive(Deserialize)]
struct User {
    sub: String,
    roles: Vec<String>,
}

#[derive(Clone, FromRef)]
struct AppState {
    decoder: Decoder<User>,
}

async fn front(user: Result<Claims<User>, AuthError>) -> Result<String, AuthError> {
    match user {
        Ok(user) => Ok(format!("hello {}", user.claims.sub)),
        Err(AuthError::MissingToken) => Ok("hello guest".to_owned()),
        Err(error) => Err(error),
    }
}

async fn me(user: Claims<User>) -> String {
    format!("hello {}", user.claims.sub)
}

async fn admin(user: Claims<User>) -> Result<String, StatusCode> {
    if !user.claims.roles.iter().any(|role| role == "admin") {
        return Err(StatusCode::FORBIDDEN);
    }
    Ok(format!("hello admin {}", user.claims.sub))
}

pub async fn app(jwks_url: &str, issuer: &str) -> Result<Router, Error> {
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_issuer(&[issuer]);
    validation.set_audience(&["api"]);
    let decoder =
        RemoteJwksDecoder::builder().jwks_url(jwks_url.to_owned()).validation(validation).build()?;
    let _stop = decoder.initialize().await?;
    let state = AppState { decoder: Arc::new(decoder) };
    Ok(Router::new()
        .route("/", get(front))
        .route("/me", get(me))
        .route("/admin", get(admin))
        .with_state(state))
}
