//! A service that is watched: metrics, traces, logs, probes and a status page around one protected route.
//!
//! | port | path | for |
//! |---|---|---|
//! | public | `GET /api/orders` | callers with a token that has the scope `orders:read` |
//! | admin | `GET /metrics` | Prometheus |
//! | admin | `GET /healthz`, `GET /readyz` | probes: is the process alive, are there keys |
//! | admin | `GET /status` | people |
//! | admin | `/demo/…` | the provider that stands in for yours, if there is no `ISSUER`: tokens, and an outage at will |
//!
//! The admin port is another one because what it tells is not for callers: who your providers are and what is wrong with them.

pub mod board;
pub mod config;
pub mod demo;
pub mod health;
mod html;
mod meanings;
pub mod measurements;
pub mod status;
pub mod traces;
mod words;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::middleware::from_fn;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::{Value, json};
use tower_jwt_auth::{
    Authority, Claims, Clock, ConfigError, Jwt, JwtAuthLayer, MemoryRevocationStore, Require, Revocations,
    TokenCache, Verifier, WhenStale,
};

use crate::board::Board;
use crate::demo::Demo;

/// The service and all who watch it.
#[derive(Clone)]
pub struct Service {
    /// Judges tokens, and knows how its keys are.
    pub verifier: Verifier<Claims>,
    /// What was decided lately.
    pub board: Arc<Board>,
    /// What was measured.
    pub metrics: PrometheusHandle,
    /// The provider that stands in for a real one.
    pub demo: Option<Demo>,
}

impl Service {
    /// A service that trusts this authority. `metrics` belongs to the recorder that is installed.
    ///
    /// # Errors
    /// If the settings of the authority are wrong.
    pub fn new(
        authority: Authority,
        metrics: PrometheusHandle,
        demo: Option<Demo>,
        clock: impl Clock + Clone,
    ) -> Result<Self, ConfigError> {
        // With several processes: a store of Redis or PostgreSQL, and `WhenStale::Refuse` if nobody may come in who was logged out.
        let revocations = Revocations::builder()
            .store(MemoryRevocationStore::new())
            .max_age(Duration::from_secs(30), WhenStale::ServeOn)
            .clock(clock.clone())
            .build()?;
        let verifier = Verifier::builder()
            .authority(authority)
            .cache(TokenCache::new())
            .revocations(revocations)
            .clock(clock.clone())
            .build()?;
        Ok(Self { verifier, board: Arc::new(Board::new(clock)), metrics, demo })
    }

    /// What callers reach.
    pub fn public(&self) -> Router {
        let board = Arc::clone(&self.board);
        let layer = JwtAuthLayer::new(self.verifier.clone())
            .metrics()
            .on_decision(move |decision| board.note(decision));
        Router::new()
            .route("/api/orders", get(orders).route_layer(Require::scope("orders:read")))
            .route_layer(layer)
            // Outside of the layer, so that what the layer says belongs to the request's span.
            .layer(from_fn(traces::continue_trace))
    }

    /// What operators reach.
    pub fn admin(&self) -> Router {
        let demo = self.demo.clone().map(Demo::routes).unwrap_or_default();
        Router::new()
            .route("/metrics", get(metrics).with_state(self.metrics.clone()))
            .route("/status", get(status::page).with_state(self.clone()))
            .merge(health::routes(&self.verifier))
            .merge(demo)
    }
}

/// Reached only with a good token that has the scope.
async fn orders(user: Jwt) -> Json<Value> {
    tracing::info!("orders were listed");
    let of = user.sub.as_deref().unwrap_or("nobody");
    Json(json!({ "of": of, "orders": [{ "id": 1, "item": "a bicycle" }, { "id": 2, "item": "a bell" }] }))
}

async fn metrics(State(handle): State<PrometheusHandle>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], handle.render())
}
