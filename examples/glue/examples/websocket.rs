//! A WebSocket for browsers: they cannot set headers there, so the token comes as a sub-protocol. The connection
//! is closed when the token expires or is revoked.
//!
//! `cargo run -p glue --example websocket`, then open the page whose address it prints. `PORT` changes the port.

use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::response::{Html, Response};
use axum::routing::{any, get};
use serde_json::json;
use tower_jwt_auth::{Claims, ConfigError, JwtAuthLayer, Principal, TestIssuer, TokenSource, Verifier};

/// Named as Kubernetes names its own; end it with a domain of yours.
pub const PREFIX: &str = "base64url.bearer.example.com.";

/// Codes from 4000 are for applications; this one reads like 401. The client gets a new token and comes back.
pub const TOKEN_ENDED: u16 = 4401;

pub fn app(verifier: Verifier<Claims>) -> Result<Router, ConfigError> {
    let auth = JwtAuthLayer::new(verifier).token_from(TokenSource::websocket_protocol(PREFIX)?);
    Ok(Router::new().route("/chat", any(chat)).route_layer(auth).route("/", get(|| async { Html(PAGE) })))
}

/// Reached only with a good token, which is no longer among the protocols that `upgrade` sees.
async fn chat(principal: Principal, upgrade: WebSocketUpgrade) -> Response {
    upgrade.protocols(["chat"]).on_upgrade(|socket| until_ended(socket, principal))
}

async fn until_ended(mut socket: WebSocket, principal: Principal) {
    // Around everything that is done with the socket, so that a client that does not read cannot stay either.
    tokio::select! {
        () = echo(&mut socket, &principal) => return,
        _why = principal.ended() => {}
    }
    let frame = CloseFrame { code: TOKEN_ENDED, reason: "the access token has ended".into() };
    let close = socket.send(Message::Close(Some(frame)));
    let _ = tokio::time::timeout(Duration::from_secs(5), close).await;
}

async fn echo(socket: &mut WebSocket, principal: &Principal) {
    while let Some(Ok(message)) = socket.recv().await {
        let Message::Text(text) = message else { continue };
        let answer = format!("{}: {text}", principal.subject().unwrap_or("somebody"));
        if socket.send(Message::text(answer)).await.is_err() {
            return;
        }
    }
}

/// The token stands after the `#`, which browsers do not send.
const PAGE: &str = r#"<!doctype html><meta charset="utf-8"><title>chat</title><pre id="log"></pre>
<script>
const log = line => document.getElementById("log").textContent += line + "\n";
const token = location.hash.slice(1);
const protocols = token ? ["base64url.bearer.example.com." + btoa(token).replace(/=+$/, ""), "chat"] : ["chat"];
const socket = new WebSocket(location.origin.replace("http", "ws") + "/chat", protocols);
socket.onopen = () => { log("open, protocol " + socket.protocol); socket.send("hello"); };
socket.onmessage = event => log(event.data);
socket.onclose = event => log("closed " + event.code + " " + event.reason);
</script>"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // A stand-in: real tokens come from your issuer, and you would name its keys with `Authority::keys(..)`.
    let issuer = TestIssuer::new("https://id.example.com").audience("chat");
    let app = app(Verifier::new(issuer.authority())?)?;
    let port = std::env::var("PORT").unwrap_or_else(|_| "3000".to_owned());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let short = issuer.lifetime(Duration::from_secs(10));
    println!("in, and closed after ten seconds: {url}/#{}", short.sign(json!({ "sub": "bob" })));
    println!("without a token: {url}/");
    println!("listening on {url}");
    axum::serve(listener, app).await?;
    Ok(())
}
