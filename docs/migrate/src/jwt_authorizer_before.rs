use axum07 as axum;

use axum::Router;
use axum::routing::get;
use jwt_authorizer::{IntoLayer, JwtAuthorizer, JwtClaims, Validation, error::InitError};
use serde::Deserialize;

#[derive(Clone, Deserialize)]
struct User {
    sub: String,
    roles: Vec<String>,
}

async fn me(JwtClaims(user): JwtClaims<User>) -> String {
    format!("hello {}", user.sub)
}

async fn admin(JwtClaims(user): JwtClaims<User>) -> String {
    format!("hello admin {}", user.sub)
}

pub async fn app(jwks_url: &str, issuer: &str) -> Result<Router, InitError> {
    let authorizer = || {
        JwtAuthorizer::<User>::from_jwks_url(jwks_url)
            .validation(Validation::new().iss(&[issuer]).aud(&["api"]))
    };
    let users = authorizer().build().await?.into_layer();
    let is_admin = |user: &User| user.roles.iter().any(|role| role == "admin");
    let admins = authorizer().check(is_admin).build().await?.into_layer();
    Ok(Router::new().route("/me", get(me).layer(users)).route("/admin", get(admin).layer(admins)))
}
