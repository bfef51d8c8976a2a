//! Runs the service without a network, with a recorder of its own, at a time that stands still.

use std::sync::Once;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use observability::config::Config;
use observability::demo::Demo;
use observability::{Service, measurements};
use serde_json::Value;
use tower::ServiceExt;
use tower_jwt_auth::{SystemClock, TestProvider, describe_metrics};

pub(crate) const ISSUER: &str = "https://id.example.com";

/// The service and its provider.
pub(crate) struct Site {
    pub(crate) service: Service,
    pub(crate) provider: TestProvider,
    tokens: Value,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// Runs a scenario on a runtime whose clock is paused; all that it measures goes to the site's own recorder.
pub(crate) fn run<T>(scenario: impl AsyncFnOnce(Site) -> T) -> T {
    run_with(ISSUER, scenario)
}

pub(crate) fn run_with<T>(issuer: &str, scenario: impl AsyncFnOnce(Site) -> T) -> T {
    // A test without a subscriber that comes to a span first must not settle for all that nobody is interested.
    static INTERESTED: Once = Once::new();
    INTERESTED.call_once(|| tracing::subscriber::set_global_default(tracing_subscriber::registry()).unwrap());
    let recorder = measurements::recorder().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    metrics::with_local_recorder(&recorder, || {
        describe_metrics();
        runtime.unwrap().block_on(async {
            let provider = TestProvider::in_memory(issuer);
            let config = Config::read(|_| None).unwrap();
            let demo = Demo::new(provider.clone(), &config.audience).unwrap();
            let authority = config.authority(provider.oidc_keys());
            let service = Service::new(authority, recorder.handle(), Some(demo), SystemClock).unwrap();
            let answer = ask(service.admin(), Request::get("/demo/tokens")).await;
            let tokens = serde_json::from_str(&answer.body).unwrap();
            scenario(Site { service, provider, tokens }).await
        })
    })
}

pub(crate) async fn ask(router: Router, request: axum::http::request::Builder) -> Answer {
    send(router, request.body(Body::empty()).unwrap()).await
}

pub(crate) async fn send(router: Router, request: Request<Body>) -> Answer {
    let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
    let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    Answer { status: parts.status, headers: parts.headers, body }
}

impl Site {
    /// The orders, with this one of the demonstration's tokens, and these headers.
    pub(crate) async fn orders_with(&self, token: &str, headers: &[(&str, &str)]) -> u16 {
        let mut request = Request::get("/api/orders");
        if let Some(token) = self.tokens[token].as_str() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        ask(self.service.public(), request).await.status.as_u16()
    }

    pub(crate) async fn orders(&self, token: &str) -> u16 {
        self.orders_with(token, &[]).await
    }

    pub(crate) async fn admin(&self, path: &str) -> Answer {
        ask(self.service.admin(), Request::get(path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        let request = Request::post(path).header("content-type", "application/json");
        send(self.service.admin(), request.body(Body::from(body.to_string())).unwrap()).await
    }
}
