use std::error::Error;
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use oauth_resource_server::axum::{AuthLayer, RequireScopes, metadata_router};
use oauth_resource_server::{AuthorizedToken, KeyNaming, OAuthConfig, OAuthValidator};

async fn front(user: Option<AuthorizedToken>) -> String {
    match user.and_then(|user| user.subject) {
        Some(subject) => format!("hello {subject}"),
        None => "hello guest".to_owned(),
    }
}

async fn me(user: AuthorizedToken) -> String {
    format!("hello {}", user.subject.unwrap_or_default())
}

async fn admin(user: AuthorizedToken) -> String {
    format!("hello admin {}", user.subject.unwrap_or_default())
}

pub fn app(issuer: &str) -> Result<Router, Box<dyn Error>> {
    let config = OAuthConfig {
        enabled: true,
        issuer: issuer.to_owned(),
        audience: "api".to_owned(),
        resource: "https://api.example.com".to_owned(),
        required_scope: Some("api:read".to_owned()),
        ..OAuthConfig::default()
    };
    let config = config.resolve(KeyNaming::Dotted("oauth"))?.ok_or("OAuth is off")?;
    let oauth = Arc::new(OAuthValidator::new(&config)?);
    oauth.spawn_background_refresh();
    let users = AuthLayer::builder().oauth(oauth.clone()).build()?;
    let everyone = AuthLayer::builder().oauth(oauth.clone()).optional().build()?;
    Ok(Router::new()
        .route("/me", get(me))
        .route("/admin", get(admin).route_layer(RequireScopes::new(["api:admin"])))
        .route_layer(users)
        .route("/", get(front).route_layer(everyone))
        .merge(metadata_router(Some(oauth))))
}
