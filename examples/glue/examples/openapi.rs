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

/// What an operation needs: the one place where it is written down.
pub struct Needs {
    scopes: &'static [&'static str],
    role: Option<&'static str>,
}

const READ: Needs = Needs { scopes: &["orders:read"], role: None };
const WRITE: Needs = Needs { scopes: &["orders:read", "orders:write"], role: None };
const PURGE: Needs = Needs { scopes: &["orders:write"], role: Some("admin") };

impl Needs {
    /// For the route.
    fn policy(&self) -> Require {
        let scopes = Require::scope(self.scopes.join(" "));
        match self.role {
            Some(role) => Require::all([scopes, Require::role(role)]),
            None => scopes,
        }
    }

    /// For the document. It has words for scopes; the whole policy prints itself.
    fn document(&self) -> OperationBuilder {
        OperationBuilder::new()
            .security(SecurityRequirement::new("oauth2", self.scopes.iter().copied()))
            .response("200", Response::new("done"))
            .response("401", Response::new("no good token"))
            .response("403", ResponseBuilder::new().description(format!("needs {}", self.policy())))
    }
}

/// Every operation once, for the router and for the document.
fn operations() -> [(&'static str, HttpMethod, Needs, MethodRouter); 3] {
    [
        ("/orders", HttpMethod::Get, READ, get(answer)),
        ("/orders", HttpMethod::Post, WRITE, post(answer)),
        ("/orders/{id}", HttpMethod::Delete, PURGE, delete(answer)),
    ]
}

pub fn document() -> OpenApi {
    let mut paths = PathsBuilder::new();
    let mut scopes = Vec::new();
    for (path, method, needs, _) in operations() {
        paths = paths.path(path, PathItem::new(method, needs.document()));
        scopes.extend(needs.scopes.iter().map(|scope| (*scope, "")));
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
    let protected = operations().into_iter().fold(Router::new(), |router, (path, _, needs, handler)| {
        router.route(path, handler.route_layer(needs.policy()))
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
