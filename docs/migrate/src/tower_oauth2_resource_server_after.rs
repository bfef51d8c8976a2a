use axum::Router;
use axum::routing::get;
use serde::Deserialize;
use tower_jwt_auth::{Authority, ConfigError, Jwt, JwtAuthLayer, RemoteKeys, Require, Verifier};

#[derive(Deserialize)]
struct User {
    sub: String,
}

async fn me(user: Jwt<User>) -> String {
    format!("hello {}", user.sub)
}

async fn admin(user: Jwt<User>) -> String {
    format!("hello admin {}", user.sub)
}

pub fn app(issuer: impl Into<RemoteKeys>) -> Result<Router, ConfigError> {
    let authority = Authority::oidc(issuer).audience("api").roles_at("/roles");
    let verifier = Verifier::<User>::new(authority)?;
    let admins = Require::role("admin").checked_for(&verifier)?;
    Ok(Router::new()
        .route("/me", get(me))
        .route("/admin", get(admin).route_layer(admins))
        .layer(JwtAuthLayer::new(verifier)))
}
