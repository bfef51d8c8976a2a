use std::io;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::{Request, Response};
use serde_json::json;
use tower::ServiceExt;
use tower_jwt_auth::{TestIssuer, Verifier};
use tracing::Level;

#[allow(dead_code)]
#[path = "../examples/tower_http_order.rs"]
mod example;

/// What the trace says, in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn allowed_origin(response: &Response<Body>) -> Option<&str> {
    response.headers().get("access-control-allow-origin").map(|value| value.to_str().unwrap())
}

#[tokio::test(start_paused = true)]
async fn every_answer_is_traced_and_marked_and_no_token_is_told() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_max_level(Level::DEBUG).with_ansi(false);
    let subscriber = subscriber.with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let issuer = TestIssuer::new("https://id.example.com").audience("reports");
    let app = example::app(Verifier::new(issuer.authority()).unwrap());
    let token = issuer.sign(json!({ "sub": "bob" }));
    let send = |request: Request<Body>| app.clone().oneshot(request);
    let get = |uri: &str| send(example::get_request(uri).unwrap());
    let origin = Some("https://app.example.com");

    let preflight = send(example::preflight("/reports").unwrap()).await.unwrap();
    assert_eq!((preflight.status().as_u16(), allowed_origin(&preflight)), (200, origin));
    let refused = get("/reports").await.unwrap();
    assert_eq!((refused.status().as_u16(), allowed_origin(&refused)), (401, origin));
    let late = get(&format!("/slow?access_token={token}")).await.unwrap();
    assert_eq!((late.status().as_u16(), allowed_origin(&late)), (503, origin));
    let good = get(&format!("/reports?year=2026&access_token={token}")).await.unwrap();
    assert_eq!((good.status().as_u16(), allowed_origin(&good)), (200, origin));
    assert_eq!(crate::text(good).await, "reports of bob");
    let bad = get("/reports?access_token=a.b.c").await.unwrap();
    assert_eq!((bad.status().as_u16(), allowed_origin(&bad)), (401, origin));

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for traced in ["uri=/reports?year=2026}", "uri=/slow}", "status=200", "status=401", "status=503"] {
        assert!(log.contains(traced), "{traced} is not in {log}");
    }
    let signature = token.rsplit('.').next().unwrap();
    for secret in ["access_token", "a.b.c", signature] {
        assert!(!log.contains(secret), "{secret} is in {log}");
    }
}
