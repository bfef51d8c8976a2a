use axum::http::StatusCode;
use axum::routing::get;
use axum::{Extension, Router};
use serde::Deserialize;
use tower_oauth2_resource_server::error::StartupError;
use tower_oauth2_resource_server::server::OAuth2ResourceServer;
use tower_oauth2_resource_server::tenant::TenantConfiguration;

#[derive(Clone, Deserialize)]
struct User {
    sub: String,
    roles: Vec<String>,
}

async fn me(Extension(user): Extension<User>) -> String {
    format!("hello {}", user.sub)
}

async fn admin(Extension(user): Extension<User>) -> Result<String, StatusCode> {
    if !user.roles.iter().any(|role| role == "admin") {
        return Err(StatusCode::FORBIDDEN);
    }
    Ok(format!("hello admin {}", user.sub))
}

pub async fn app(issuer: &str) -> Result<Router, StartupError> {
    let tenant = TenantConfiguration::builder(issuer).audiences(&["api"]).build().await?;
    let server = OAuth2ResourceServer::<User>::builder().add_tenant(tenant).build().await?;
    Ok(Router::new().route("/me", get(me)).route("/admin", get(admin)).layer(server.into_layer()))
}
