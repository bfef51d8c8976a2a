//! The probes, before, in and after an outage.

use std::time::Duration;

use serde_json::Value;
use tower_jwt_auth::ProviderFault;

use crate::support::{Site, run};

/// The status, and the words of the body for the service and for its source of keys.
async fn ready(site: &Site) -> (u16, String, String) {
    let answer = site.admin("/readyz").await;
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    let word = |value: &Value| value["status"].as_str().unwrap().to_owned();
    (answer.status.as_u16(), word(&body), word(&body["sources"][0]))
}

fn says(code: u16, word: &str) -> (u16, String, String) {
    (code, word.to_owned(), word.to_owned())
}

#[test]
fn readiness_follows_the_keys_and_liveness_does_not() {
    run(async |site| {
        let hour = Duration::from_secs(3600);
        site.provider.fails_with(ProviderFault::Status(503));
        assert_eq!(ready(&site).await, says(503, "unavailable"), "there were no keys yet");
        assert_eq!(site.orders("good").await, 503);
        site.provider.heals();
        tokio::time::sleep(Duration::from_secs(120)).await;
        assert_eq!(ready(&site).await, says(200, "ok"));
        assert_eq!(site.orders("good").await, 200);

        site.provider.fails_with(ProviderFault::HangUp);
        tokio::time::sleep(hour).await;
        assert_eq!(ready(&site).await, says(200, "stale"), "the keys still serve");
        assert_eq!(site.orders("good").await, 200);
        tokio::time::sleep(hour * 7).await;
        assert_eq!(ready(&site).await, says(503, "unavailable"), "they do not serve for ever");
        assert_eq!(site.orders("good").await, 503);
        assert_eq!(site.admin("/healthz").await.status, 200, "a restart would not mend the provider");

        site.provider.heals();
        tokio::time::sleep(hour).await;
        assert_eq!(ready(&site).await, says(200, "ok"));
    });
}

#[test]
fn what_operators_see_is_not_on_the_public_port() {
    run(async |site| {
        for path in ["/metrics", "/status", "/healthz", "/readyz", "/demo/tokens"] {
            let request = axum::http::Request::get(path);
            assert_eq!(crate::support::ask(site.service.public(), request).await.status, 404, "{path}");
            assert_eq!(site.admin(path).await.status, 200, "{path}");
        }
    });
}
