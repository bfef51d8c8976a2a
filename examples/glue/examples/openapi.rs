//! An OpenAPI document whose security requirements come from the same values as the policies of the routes.
//!
//! `cargo run -p glue --example openapi` prints the document and makes some requests. No server.

use std::error::Error;

use axum::body::Body;
use axum::http::{Request, header::AUTHORIZATION};
use axum::routing::{MethodRouter, delete, get, post};
use axum::{Json, Router};
use serde_json::json;
use tower::ServiceExt;
use tower_jwt_auth::{Claims, JwtAuthLayer, Principal, Require, TestIssuer, Verifier};
use utoipa::openapi::path::{HttpMethod, OperationBuilder, PathItem, PathsBuilder};
use utoipa::openapi::security::{ClientCredentials, Flow, OAuth2, Scopes, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder, ResponseBuilder};
use utoipa::openapi::{Response, SecurityRequirement};

fn read() -> Require {
    Require::scope("orders:read")
}

fn write() -> Require {
    Require::scope("orders:read orders:write")
}

fn purge() -> Require {
    Require::all([Require::scope("orders:write"), Require::role("admin")])
}

/// What the document says of a policy. It has words for scopes; the whole policy prints itself.
fn described(policy: &Require) -> OperationBuilder {
    OperationBuilder::new()
        .security(SecurityRequirement::new("oauth2", policy.needed_scopes()))
        .response("200", Response::new("done"))
        .response("401", Response::new("no good token"))
        .response("403", ResponseBuilder::new().description(format!("needs {policy}")))
}

/// Every operation once, for the router and for the document.
fn operations() -> [(&'static str, HttpMethod, Require, MethodRouter); 3] {
    [
        ("/orders", HttpMethod::Get, read(), get(answer)),
        ("/orders", HttpMethod::Post, write(), post(answer)),
        ("/orders/{id}", HttpMethod::Delete, purge(), delete(answer)),
    ]
}

pub fn document() -> OpenApi {
    let mut paths = PathsBuilder::new();
    let mut scopes = Vec::new();
    for (path, method, policy, _) in operations() {
        paths = paths.path(path, PathItem::new(method, described(&policy)));
        scopes.extend(policy.needed_scopes().into_iter().map(|scope| (scope.to_owned(), "".to_owned())));
    }
    let scopes = Scopes::from_iter(scopes);
    let flow = Flow::ClientCredentials(ClientCredentials::new("https://id.example.com/token", scopes));
    let components =
        ComponentsBuilder::new().security_scheme("oauth2", SecurityScheme::OAuth2(OAuth2::new([flow])));
    OpenApiBuilder::new()
        .info(InfoBuilder::new().title("Orders").version("1"))
        .paths(paths)
        .components(Some(components.build()))
        .build()
}

pub fn app(verifier: Verifier<Claims>) -> Router {
    let protected = operations().into_iter().fold(Router::new(), |router, (path, _, policy, handler)| {
        router.route(path, handler.route_layer(policy))
    });
    let protected = protected.route_layer(JwtAuthLayer::new(verifier));
    protected.route("/openapi.json", get(|| async { Json(document()) }))
}

async fn answer(user: Principal) -> String {
    format!("done for {}", user.subject().unwrap_or_default())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    println!("{}", document().to_pretty_json()?);
    // A stand-in: real tokens come from your issuer, and you would name its keys with `Authority::keys(..)`.
    let issuer = TestIssuer::new("https://id.example.com").audience("orders");
    let app = app(Verifier::new(issuer.authority().roles_at("/roles"))?);
    let token = issuer.sign(json!({ "sub": "bob", "scope": "orders:read" }));
    for (method, path) in [("GET", "/orders"), ("POST", "/orders"), ("DELETE", "/orders/7")] {
        let request =
            Request::builder().method(method).uri(path).header(AUTHORIZATION, format!("Bearer {token}"));
        let response = app.clone().oneshot(request.body(Body::empty())?).await?;
        println!("{method} {path} with orders:read: {}", response.status());
    }
    Ok(())
}
