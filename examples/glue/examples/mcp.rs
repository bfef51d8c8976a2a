//! An MCP server by `rmcp` behind the layer: its tools see who calls, and one of them has a policy of its own.
//!
//! `cargo run -p glue --example mcp` calls it with rmcp's client and ends; `-- --serve` keeps serving. `PORT` sets
//! the port.

use std::error::Error;
use std::sync::Arc;

use axum::Router;
use axum::http::request::Parts;
use rmcp::handler::server::tool::Extension;
use rmcp::model::{CallToolRequestParams, ErrorData, ServerCapabilities, ServerConfig};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ServerHandler, ServiceExt, tool, tool_handler, tool_router};
use serde_json::json;
use tower_jwt_auth::{AuthError, Claims, JwtAuthLayer, Principal, Require, TestIssuer, Verifier};

#[derive(Clone)]
pub struct Notes;

#[tool_router]
impl Notes {
    #[tool(description = "Says who calls")]
    async fn whoami(&self, Extension(parts): Extension<Parts>) -> Result<String, ErrorData> {
        // The claims of this very request, never those of whoever opened the session.
        let caller = Principal::of(&parts.extensions).map_err(refused)?;
        let scopes: Vec<&str> = caller.scopes().collect();
        Ok(format!("{} with the scopes {scopes:?}", caller.subject().unwrap_or_default()))
    }

    #[tool(description = "Deletes all notes")]
    async fn delete_notes(&self, Extension(parts): Extension<Parts>) -> Result<String, ErrorData> {
        // Which tool is called stands in the body, where no layer looks, so the policy is asked here.
        let caller = Principal::of(&parts.extensions).map_err(refused)?;
        Require::scope("notes:delete").decide(&caller).await.map_err(refused)?;
        Ok("deleted".to_owned())
    }
}

#[tool_handler]
impl ServerHandler for Notes {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }
}

fn refused(error: AuthError) -> ErrorData {
    ErrorData::invalid_request(error.to_string(), None)
}

pub fn app(verifier: Verifier<Claims>) -> Router {
    // Without sessions no caller can go on in the session of another.
    let config = StreamableHttpServerConfig::default().with_legacy_session_mode(false);
    let mcp = StreamableHttpService::new(|| Ok(Notes), Arc::new(LocalSessionManager::default()), config);
    Router::new().nest_service("/mcp", mcp).layer(JwtAuthLayer::new(verifier))
}

/// Calls a tool as an MCP client does that has this token.
pub async fn call(url: &str, token: &str, tool: &'static str) -> Result<String, Box<dyn Error>> {
    let config = StreamableHttpClientTransportConfig::with_uri(url).auth_header(token);
    let client = ().serve(StreamableHttpClientTransport::from_config(config)).await?;
    let result = client.call_tool(CallToolRequestParams::new(tool)).await;
    client.cancel().await?;
    let text = result?.content.first().and_then(|content| content.as_text()).map(|text| text.text.clone());
    Ok(text.unwrap_or_default())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // A stand-in: real tokens come from your issuer, and you would name its keys with `Authority::keys(..)`.
    let issuer = TestIssuer::new("https://id.example.com").audience("notes");
    let app = app(Verifier::new(issuer.authority())?);
    let port = std::env::var("PORT").unwrap_or_else(|_| "0".to_owned());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    let url = format!("http://{}/mcp", listener.local_addr()?);
    let server = tokio::spawn(async move { axum::serve(listener, app).await });

    let bob = issuer.sign(json!({ "sub": "bob", "scope": "notes:read" }));
    let alice = issuer.sign(json!({ "sub": "alice", "scope": "notes:read notes:delete" }));
    for (who, token) in [("Bob", &bob), ("Alice", &alice), ("a stranger", &"e30.e30.".to_owned())] {
        for tool in ["whoami", "delete_notes"] {
            match call(&url, token, tool).await {
                Ok(text) => println!("{tool} as {who}: {text}"),
                Err(error) => println!("{tool} as {who}: refused: {error}"),
            }
        }
    }
    if std::env::args().any(|argument| argument == "--serve") {
        println!("Authorization: Bearer {bob}");
        println!("listening on {url}");
        server.await??;
    }
    Ok(())
}
