use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::{StatusCode, header::AUTHORIZATION, request::Parts};
use axum::routing::get;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, errors::Error, jwk::JwkSet};
use serde::Deserialize;

#[derive(Clone)]
struct Auth {
    keys: Arc<HashMap<String, DecodingKey>>,
    validation: Arc<Validation>,
}

#[derive(Deserialize)]
struct User {
    sub: String,
    roles: Vec<String>,
}

impl FromRequestParts<Auth> for User {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, auth: &Auth) -> Result<Self, StatusCode> {
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.strip_prefix("Bearer ")).ok_or(StatusCode::UNAUTHORIZED)?;
        let kid = decode_header(token).ok().and_then(|header| header.kid).ok_or(StatusCode::UNAUTHORIZED)?;
        let key = auth.keys.get(&kid).ok_or(StatusCode::UNAUTHORIZED)?;
        match decode::<User>(token, key, &auth.validation) {
            Ok(token) => Ok(token.claims),
            Err(_) => Err(StatusCode::UNAUTHORIZED),
        }
    }
}

async fn me(user: User) -> String {
    format!("hello {}", user.sub)
}

async fn admin(user: User) -> Result<String, StatusCode> {
    if !user.roles.iter().any(|role| role == "admin") {
        return Err(StatusCode::FORBIDDEN);
    }
    Ok(format!("hello admin {}", user.sub))
}

pub fn app(jwks: &JwkSet, issuer: &str) -> Result<Router, Error> {
    let mut keys = HashMap::new();
    for jwk in &jwks.keys {
        if let Some(kid) = &jwk.common.key_id {
            keys.insert(kid.clone(), DecodingKey::from_jwk(jwk)?);
        }
    }
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_issuer(&[issuer]);
    validation.set_audience(&["api"]);
    let auth = Auth { keys: Arc::new(keys), validation: Arc::new(validation) };
    Ok(Router::new().route("/me", get(me)).route("/admin", get(admin)).with_state(auth))
}
