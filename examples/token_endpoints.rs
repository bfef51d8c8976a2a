//! An authorization server in small: it issues tokens, and clients revoke them (RFC 7009), resource servers ask about them
//! (RFC 7662, RFC 9701). A protected route shows what a revocation does.
//!
//! `cargo run --example token_endpoints`, then paste the `curl` lines that it prints. `PORT` changes the port.
//!
//! | who | id | secret |
//! |---|---|---|
//! | the client that users log in with | `web-app` | `sesame` |
//! | another client, which has no business with these tokens | `other-app` | `barley` |
//! | the resource server | `orders` | `open:100%` |

use std::error::Error;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;
use tower_jwt_auth::{
    AccessTokenClaims, Algorithm, AuthenticatedClient, Claims, ClientCredentials, IntrospectionEndpoint,
    Issuer, Jwt, JwtAuthLayer, MemoryRefreshStore, RefreshToken, RefreshTokens, RevocationEndpoint,
    Revocations, Session, SigningKey, StoreError, Verifier,
};
use tracing_subscriber::filter::LevelFilter;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(LevelFilter::DEBUG).init();
    let port = std::env::var("PORT").unwrap_or_else(|_| "3000".to_owned());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}"))
        .await
        .map_err(|error| format!("port {port} cannot be used: {error}; set PORT to another one"))?;
    let url = format!("http://{}", listener.local_addr()?);

    let issuer = Issuer::builder(&url, SigningKey::generate(Algorithm::ES256)?).audience("orders").build()?;
    let refresh = RefreshTokens::builder(MemoryRefreshStore::new()).build()?;
    // One handle: the endpoints write to it, and the verifier of each process reads it.
    let revocations = Revocations::in_memory();

    let revocation = RevocationEndpoint::builder(&issuer, clients)
        .revocations(revocations.clone())
        .refresh_tokens(refresh.clone(), is_of_client)
        .build()?;
    let introspection = IntrospectionEndpoint::builder(&issuer, clients)
        .revocations(revocations.clone())
        .username(|subject| async move { Ok(Some(format!("{subject}@example.com"))) })
        .build()?;
    let verifier =
        Verifier::<Claims>::builder().authority(issuer.authority()).revocations(revocations).build()?;
    let metadata = issuer
        .metadata()
        .revocation_endpoint("/oauth/revoke")
        .introspection_endpoint("/oauth/introspect")
        .build()?;

    let mut app = Router::new()
        .route("/me", get(me))
        .layer(JwtAuthLayer::new(verifier))
        .route("/login", post(login))
        .route("/refresh", post(exchange))
        .with_state((issuer.clone(), refresh))
        .route_service("/oauth/revoke", revocation)
        .route_service("/oauth/introspect", introspection)
        .route_service("/.well-known/jwks.json", issuer.jwks_service());
    for path in metadata.paths() {
        app = app.route_service(&path, metadata.clone());
    }

    println!("# Tokens for Bob");
    println!("curl -i -X POST {url}/login\n");
    println!("# The protected route, what the resource server is told, and the end of the token");
    println!("curl -i {url}/me -H \"Authorization: Bearer $TOKEN\"");
    println!("curl -i {url}/oauth/introspect -u orders:open%3A100%25 -d token=$TOKEN");
    println!("curl -i {url}/oauth/revoke -u web-app:sesame -d token=$TOKEN\n");
    println!("listening on {url}");
    axum::serve(listener, app).await?;
    Ok(())
}

/// Who may use the endpoints. A real service has a table, with hashes of the secrets.
async fn clients(credentials: ClientCredentials) -> Result<Option<AuthenticatedClient>, StoreError> {
    let secret = match credentials.client_id() {
        "web-app" => "sesame",
        "other-app" => "barley",
        "orders" => "open:100%",
        _ => return Ok(None),
    };
    Ok(credentials.has_secret(secret).then(|| credentials.client()))
}

/// All sessions of this service begin at `web-app`. A service with several clients notes with each session whose it is.
async fn is_of_client(client: AuthenticatedClient, _: Session) -> Result<bool, StoreError> {
    Ok(client.id() == "web-app")
}

type Service = State<(Issuer, RefreshTokens)>;

/// A login without a password, which is another story: `cargo run -p login`.
async fn login(State((issuer, refresh)): Service) -> Response {
    match refresh.begin("bob").await {
        Ok(grant) => tokens(&issuer, &grant.token, &grant.session),
        Err(error) => unavailable(&error),
    }
}

#[derive(Deserialize)]
struct Refresh {
    refresh_token: RefreshToken,
}

async fn exchange(State((issuer, refresh)): Service, Json(given): Json<Refresh>) -> Response {
    let load = |session: Session| async move { Ok::<_, StoreError>(Some(session.subject().to_owned())) };
    match refresh.rotate(&given.refresh_token, load).await {
        Ok(rotated) => tokens(&issuer, &rotated.token, &rotated.session),
        Err(error) if error.is_transient() => unavailable(&error),
        Err(_) => (StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_grant" }))).into_response(),
    }
}

/// The access token has the session in `sid`, so that it ends with the session.
fn tokens(issuer: &Issuer, refresh: &RefreshToken, session: &Session) -> Response {
    let claims = AccessTokenClaims::new(session.subject(), "web-app").scope("orders:read").sid(session.sid());
    match issuer.sign(&claims) {
        Ok(token) => {
            let answer = json!({
                "access_token": token, "token_type": "Bearer", "expires_in": issuer.lifetime().as_secs(),
                "refresh_token": refresh.as_str(),
            });
            ([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response()
        }
        Err(error) => unavailable(&error),
    }
}

fn unavailable(error: &dyn Error) -> Response {
    tracing::error!(%error, "no tokens");
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}

async fn me(user: Jwt) -> String {
    format!("hello {}\n", user.sub.as_deref().unwrap_or("nobody"))
}
