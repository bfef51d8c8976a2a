//! A web application whose token is in a cookie, which browsers also send with requests that other sites start.
//!
//! `cargo run -p glue --example cookie`, then open the address that it prints; every request is told with what the
//! browser sent. With `-- --embedded` the cookie is `SameSite=None`, as an application needs that is shown within
//! other sites: then only the check keeps those out. `PORT` changes the port.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::extract::{Request, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn};
use axum::response::{Html, Response};
use axum::routing::{any, get, post};
use serde_json::json;
use tower_jwt_auth::{
    AuthError, Claims, ConfigError, Csrf, JwtAuthLayer, Principal, TestIssuer, TokenCookie, Verifier,
};

/// The prefix makes browsers refuse the cookie from anybody but this very host.
pub const COOKIE_NAME: &str = "__Host-token";

/// As long as the tokens of the test issuer live.
const TOKEN_LIFETIME: Duration = Duration::from_secs(600);

pub fn app(issuer: Arc<TestIssuer>, embedded: bool) -> Result<Router, ConfigError> {
    let verifier = Verifier::<Claims>::new(issuer.authority())?;
    let cookie = TokenCookie::new(COOKIE_NAME)?;
    let cookie = if embedded { cookie.insecure_same_site_none() } else { cookie };
    let auth = JwtAuthLayer::new(verifier).token_from(cookie.source(Csrf::same_origin()));
    let protected =
        Router::new().route("/transfer", post(transfer)).route("/socket", any(socket)).route_layer(auth);
    // The login is outside of the layer: there a cookie must not decide anything.
    let login = post(move |State(issuer): State<Arc<TestIssuer>>| async move {
        let token = issuer.sign(json!({ "sub": "bob" }));
        let set = cookie.set(&token, TOKEN_LIFETIME).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
        Ok::<_, StatusCode>([(SET_COOKIE, set)])
    });
    let open = Router::new().route("/", get(|| async { Html(PAGE) })).route("/login", login);
    Ok(open.merge(protected).layer(from_fn(tell)).with_state(issuer))
}

async fn transfer(user: Principal) -> String {
    format!("transferred for {}", user.subject().unwrap_or_default())
}

async fn socket(user: Principal, upgrade: WebSocketUpgrade) -> Response {
    let hello = format!("hello {}", user.subject().unwrap_or_default());
    upgrade.on_upgrade(|mut socket: WebSocket| async move {
        let _ = socket.send(hello.into()).await;
    })
}

/// Prints each request with what the browser said about it, and the answer.
async fn tell(request: Request, next: Next) -> Response {
    let line = told(request.method(), request.uri(), request.headers());
    let response = next.run(request).await;
    let why = response.extensions().get::<AuthError>().map(|error| format!(" {}", error.reason()));
    println!("{line}: {}{}", response.status().as_u16(), why.unwrap_or_default());
    response
}

fn told(method: &Method, uri: &Uri, headers: &HeaderMap) -> String {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let cookie = header("cookie").is_some_and(|value| value.contains(COOKIE_NAME));
    let cookie = if cookie { "cookie sent" } else { "no cookie" };
    let site = header("sec-fetch-site").unwrap_or("-");
    let origin = header("origin").unwrap_or("-");
    format!("{method} {}, {cookie}, sec-fetch-site {site}, origin {origin}", uri.path())
}

const PAGE: &str = r#"<!doctype html><meta charset="utf-8"><title>bank</title><pre id="log"></pre>
<button onclick="ask('/login')">log in</button> <button onclick="ask('/transfer')">transfer</button>
<script>
const ask = path => fetch(path, { method: "POST" }).then(async answer =>
  document.getElementById("log").textContent += path + " " + answer.status + " " + await answer.text() + "\n");
</script>"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // A stand-in: real tokens come from your issuer, and you would name its keys with `Authority::keys(..)`.
    let issuer = TestIssuer::new("https://id.example.com").audience("bank");
    let embedded = std::env::args().any(|argument| argument == "--embedded");
    let app = app(Arc::new(issuer), embedded)?;
    let port = std::env::var("PORT").unwrap_or_else(|_| "3000".to_owned());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    // By this name, because without TLS browsers take a `Secure` cookie from `localhost` only.
    println!("listening on http://localhost:{}", listener.local_addr()?.port());
    axum::serve(listener, app).await?;
    Ok(())
}
