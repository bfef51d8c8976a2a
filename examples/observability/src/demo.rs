//! A provider that stands in for yours, so that the example runs on a machine with nothing else: it signs tokens, and is down
//! when it is told to be. Not for production.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_jwt_auth::{
    ConfigError, MemoryRefreshStore, ProviderFault, RefreshError, RefreshToken, RefreshTokens, TestIssuer,
    TestProvider,
};

/// The provider.
#[derive(Clone)]
pub struct Demo(Arc<Parts>);

struct Parts {
    provider: TestProvider,
    refresh: RefreshTokens,
    audience: String,
}

#[derive(Deserialize)]
struct Refresh {
    refresh_token: String,
}

impl Demo {
    /// Lets this provider sign tokens for this audience.
    ///
    /// # Errors
    /// If no cryptography is compiled in.
    pub fn new(provider: TestProvider, audience: &str) -> Result<Self, ConfigError> {
        let refresh = RefreshTokens::builder(MemoryRefreshStore::new()).build()?;
        Ok(Self(Arc::new(Parts { provider, refresh, audience: audience.to_owned() })))
    }

    /// A good token of Bob's.
    pub fn token(&self) -> String {
        self.0.provider.sign(self.claims())
    }

    fn claims(&self) -> Value {
        json!({ "aud": self.0.audience, "sub": "bob", "scope": "orders:read" })
    }

    /// One token for each way to be judged.
    fn tokens(&self) -> Value {
        let Parts { provider, audience, .. } = &*self.0;
        let with = |name: &str, value: Value| {
            let mut claims = self.claims();
            if let Some(members) = claims.as_object_mut() {
                members.insert(name.to_owned(), value);
            }
            provider.sign(claims)
        };
        let forger = TestIssuer::new(provider.issuer());
        json!({
            "good": self.token(),
            "without_scope": with("scope", json!("profile")),
            "expired": with("exp", json!(1_700_000_000)),
            "other_audience": with("aud", json!("another-api")),
            "forged": forger.sign_with(json!({ "kid": provider.kid() }), self.claims()),
            "unknown_key": provider.sign_with(json!({ "kid": "nobody-has-this" }), self.claims()),
            "audience": audience,
        })
    }

    /// `GET /demo/tokens`, `POST /demo/login`, `POST /demo/refresh`, and `POST /demo/provider/{down,hang,up,rotate}`.
    pub fn routes(self) -> Router {
        Router::new()
            .route("/demo/tokens", get(async |State(demo): State<Self>| Json(demo.tokens())))
            .route("/demo/login", post(log_in))
            .route("/demo/refresh", post(refresh))
            .route("/demo/provider/{how}", post(set))
            .with_state(self)
    }
}

async fn log_in(State(demo): State<Demo>) -> Result<Json<Value>, StatusCode> {
    let grant = demo.0.refresh.begin("bob").await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(Json(json!({ "access_token": demo.token(), "refresh_token": grant.token.as_str() })))
}

async fn refresh(State(demo): State<Demo>, Json(given): Json<Refresh>) -> Result<Json<Value>, StatusCode> {
    let token = RefreshToken::from(given.refresh_token);
    let user = async |_| Ok::<_, Infallible>(Some(()));
    match demo.0.refresh.rotate(&token, user).await {
        Ok(next) => Ok(Json(json!({ "access_token": demo.token(), "refresh_token": next.token.as_str() }))),
        Err(RefreshError::Invalid | RefreshError::Reused(_)) => Err(StatusCode::BAD_REQUEST),
        Err(_) => Err(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

async fn set(State(demo): State<Demo>, Path(how): Path<String>) -> StatusCode {
    let provider = &demo.0.provider;
    match how.as_str() {
        "down" => provider.fails_with(ProviderFault::Status(503)),
        "hang" => provider.fails_with(ProviderFault::Stall),
        "up" => provider.heals(),
        "rotate" => provider.rotate(),
        _ => return StatusCode::NOT_FOUND,
    }
    StatusCode::NO_CONTENT
}
