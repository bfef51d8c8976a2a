//! The readiness probe: it says whether there are keys, and sees to it that there will be.

use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::Instant;
use tower::ServiceExt;
use tower_jwt_auth::{
    Authority, Claims, DocumentBody, HealthService, ProviderFault, Secret, TestProvider, Verifier,
};

use super::{ISS, at_once, copied, jwks, oidc, pass, provider, reason, token};
use crate::http_client::HttpClient;

async fn ask(service: &HealthService, method: Method) -> Response<DocumentBody> {
    // A body that is nothing special: the service takes any.
    let request = Request::builder().method(method).body(()).unwrap();
    service.clone().oneshot(request).await.unwrap()
}

/// A probe: the status, and the body.
async fn probe(service: &HealthService) -> (u16, Value) {
    let answer = ask(service, Method::GET).await;
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

fn says(code: u16, status: &str) -> (u16, Value) {
    (code, json!({ "status": status }))
}

#[tokio::test(start_paused = true)]
async fn a_probe_makes_a_cold_server_ready() {
    let provider = provider();
    provider.latency(Duration::from_secs(1));
    let verifier = oidc(&provider);
    let service = verifier.health_service();
    assert_eq!(provider.discovery_calls(), 0, "nothing before somebody asks");
    assert_eq!(probe(&service).await, says(200, "ok"));
    assert_eq!(at_once(&verifier, &token(&provider)), Some(true));
    let start = Instant::now();
    assert_eq!(probe(&service).await, says(200, "ok"));
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!((provider.discovery_calls(), provider.jwks_calls()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_outage_at_the_start_is_503_and_heals() {
    for fault in [ProviderFault::Status(500), ProviderFault::EmptySet, ProviderFault::RetryAfter(429, 60)] {
        let provider = provider();
        provider.fails_with(fault.clone());
        let service = oidc(&provider).health_service();
        for _ in 0..20 {
            assert_eq!(probe(&service).await, says(503, "unavailable"), "{fault:?}");
            pass(10).await;
        }
        provider.heals();
        pass(100).await;
        assert_eq!(probe(&service).await, says(200, "ok"), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn providers_that_hang_take_no_longer_than_one() {
    let hanging = [1, 2, 3].map(|n| TestProvider::in_memory(format!("https://{n}.example.com")));
    let authorities = hanging.each_ref().map(|provider| {
        provider.fails_with(ProviderFault::Stall);
        Authority::oidc(provider.oidc_keys()).audience("test")
    });
    let service = Verifier::<Claims>::new(authorities).unwrap().health_service();
    // The first one, and those in a back-off, or in the middle of another fetch.
    for _ in 0..20 {
        let start = Instant::now();
        assert_eq!(probe(&service).await, says(503, "unavailable"));
        assert!(start.elapsed() <= Duration::from_millis(5200), "{:?}", start.elapsed());
        pass(1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_source_without_keys_is_enough() {
    let (good, bad) = (provider(), TestProvider::in_memory("https://other.example.com"));
    bad.fails_with(ProviderFault::Status(500));
    let authorities = [&good, &bad].map(|provider| Authority::oidc(provider.oidc_keys()).audience("test"));
    let service = Verifier::<Claims>::new(authorities).unwrap().health_service().with_details();
    let (status, body) = probe(&service).await;
    assert_eq!((status, &body["status"]), (503, &json!("unavailable")));
    assert_eq!(body["sources"][0]["status"], "ok");
    assert_eq!(body["sources"][1]["status"], "unavailable");
    bad.heals();
    pass(5).await;
    assert_eq!(probe(&service).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn old_keys_are_stale_when_their_refresh_fails() {
    let provider = provider();
    let verifier = jwks(&provider);
    let service = verifier.health_service();
    let stale = || verifier.key_health()[0].is_stale();
    assert!(!stale(), "none are not stale");
    assert_eq!(probe(&service).await, says(200, "ok"));
    provider.fails_with(ProviderFault::Status(500));
    // A fetch that fails for an invented `kid`, before the refresh is due (420 to 540 seconds after the first).
    pass(100).await;
    let _ = reason(&verifier, &copied(&provider, "invented")).await;
    pass(10).await;
    let [health] = &verifier.key_health()[..] else { panic!() };
    assert_eq!((health.failures, health.overdue, health.is_stale()), (1, None, false));
    assert_eq!(probe(&service).await, says(200, "ok"));

    pass(450).await;
    assert!(stale() && verifier.key_health()[0].overdue.unwrap() < Duration::from_secs(145));
    assert_eq!(probe(&service).await, says(200, "stale"));

    provider.heals();
    pass(120).await;
    assert!(!stale());
    assert_eq!(probe(&service).await, says(200, "ok"));

    // Until they are too old.
    provider.fails_with(ProviderFault::Stall);
    pass(600).await;
    assert_eq!(probe(&service).await, says(200, "stale"));
    pass(6 * super::HOUR).await;
    assert!(!stale());
    assert_eq!(probe(&service).await, says(503, "unavailable"));
}

/// A refresh that is due, runs, and has not failed yet.
#[tokio::test(start_paused = true)]
async fn a_slow_refresh_is_not_stale() {
    let provider = provider();
    let verifier = jwks(&provider);
    verifier.warm().await.unwrap();
    provider.latency(Duration::from_secs(4));
    let mut overdue = 0;
    for _ in 0..700 {
        pass(1).await;
        let [health] = &verifier.key_health()[..] else { panic!() };
        overdue += u32::from(health.overdue.is_some());
        assert!(!health.is_stale());
    }
    assert!(overdue > 0);
}

#[tokio::test(start_paused = true)]
async fn details_are_for_who_asks_for_them() {
    let provider = provider();
    let verifier = oidc(&provider);
    let service = verifier.health_service();
    let detailed = service.clone().with_details();
    assert_eq!(probe(&service).await, says(200, "ok"));
    pass(7).await;
    let (status, body) = probe(&detailed).await;
    let source = &body["sources"][0];
    let next = source["next_refresh_seconds"].as_u64().unwrap();
    assert!((412..=533).contains(&next), "{next}");
    let expected = json!({
        "url": ISS,
        "status": "ok",
        "kids": [provider.kid()],
        "keys": 1,
        "age_seconds": 7,
        "overdue_seconds": null,
        "restored": false,
        "store_error": null,
        "generation": 1,
        "last_error": null,
        "next_refresh_seconds": next,
        "failures": 0,
        "suppressed_refetches": 0,
        "attempts": 1,
    });
    assert_eq!((status, &body), (200, &json!({ "status": "ok", "sources": [expected] })));

    provider.fails_with(ProviderFault::Status(500));
    pass(600).await;
    let (status, body) = probe(&detailed).await;
    let source = &body["sources"][0];
    assert_eq!((status, &body["status"], &source["status"]), (200, &json!("stale"), &json!("stale")));
    assert!(source["last_error"].as_str().unwrap().contains("answered 500"));
    assert!(source["overdue_seconds"].as_u64().unwrap() > 60);
    assert_eq!(probe(&service).await, says(200, "stale"), "the other one still says no more");
}

#[tokio::test(start_paused = true)]
async fn head_is_get_without_the_body_and_the_rest_is_405() {
    let provider = provider();
    let service = oidc(&provider).health_service();
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS, Method::PATCH] {
        let answer = ask(&service, method.clone()).await;
        assert_eq!(answer.status(), 405, "{method}");
        assert_eq!(answer.headers()["allow"], "GET, HEAD");
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), Bytes::new());
    }
    assert_eq!(provider.discovery_calls(), 0, "and causes nothing");
    let get = ask(&service, Method::GET).await;
    let head = ask(&service, Method::HEAD).await;
    assert_eq!((head.status(), head.headers()), (get.status(), get.headers()));
    assert_eq!(head.headers()["content-length"], "15");
    assert_eq!(get.into_body().collect().await.unwrap().to_bytes(), "{\"status\":\"ok\"}");
    assert_eq!(head.into_body().collect().await.unwrap().to_bytes(), Bytes::new());
}

#[tokio::test(start_paused = true)]
async fn keys_in_memory_are_always_there() {
    let authority = Authority::hs256(Secret::generate().unwrap()).issuer("i").audience("a");
    let service = Verifier::<Claims>::new(authority).unwrap().health_service();
    assert_eq!(probe(&service).await, says(200, "ok"));
    assert_eq!(probe(&service.with_details()).await, (200, json!({ "status": "ok", "sources": [] })));
}

#[tokio::test(start_paused = true)]
async fn a_thousand_probes_cost_no_more_than_one() {
    // All at once, cold.
    let first = provider();
    first.latency(Duration::from_secs(1));
    let service = jwks(&first).health_service();
    let probes: Vec<_> = (0..1000)
        .map(|_| {
            let service = service.clone();
            tokio::spawn(async move { probe(&service).await })
        })
        .collect();
    for asked in probes {
        assert_eq!(asked.await.unwrap(), says(200, "ok"));
    }
    assert_eq!(first.jwks_calls(), 1);

    // One a second: the scheduled fetches alone, at most one in 420 seconds.
    for _ in 0..1000 {
        assert_eq!(probe(&service).await, says(200, "ok"));
        pass(1).await;
    }
    assert!(first.jwks_calls() <= 1 + 1000_u64.div_ceil(420), "{}", first.jwks_calls());

    // While it fails: the back-off's, 6 to reach the longest of 60 seconds, each half as long at least.
    let failing = provider();
    failing.fails_with(ProviderFault::Status(500));
    let service = jwks(&failing).health_service();
    let start = Instant::now();
    for _ in 0..1000 {
        assert_eq!(probe(&service).await, says(503, "unavailable"));
        pass(1).await;
    }
    let bound = 7 + start.elapsed().as_secs().div_ceil(30);
    assert!(failing.jwks_calls() <= bound, "{} of {bound}", failing.jwks_calls());
}

/// Without a runtime nobody can fetch, and nobody waits.
#[test]
fn without_a_runtime_it_says_so_at_once() {
    let service = jwks(&provider()).health_service();
    let mut answer = std::pin::pin!(probe(&service));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert_eq!(answer.as_mut().poll(&mut context), std::task::Poll::Ready(says(503, "unavailable")));
}

#[tokio::test]
async fn over_a_real_server() {
    let provider = TestProvider::on_loopback().await;
    let keys = provider.oidc_keys();
    let verifier = Verifier::<Claims>::new(Authority::oidc(keys).audience("test")).unwrap();
    let app = Router::new().route_service("/health/ready", verifier.health_service());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/health/ready", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let client = HttpClient::http1();
    provider.next_fail_with(1, ProviderFault::Status(500));
    let answer = client.get(&url, &[]).await;
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (503, &br#"{"status":"unavailable"}"#[..]));
    // Within the back-off of a second or two: the probe waits for its end.
    let answer = client.get(&url, &[]).await;
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &br#"{"status":"ok"}"#[..]));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let head = client.request(Method::HEAD, &url, &[], Bytes::new()).await;
    assert_eq!((head.status.as_u16(), head.header("content-length"), head.body.len()), (200, Some("15"), 0));
    assert_eq!(client.request(Method::POST, &url, &[], Bytes::new()).await.status, 405);
}
