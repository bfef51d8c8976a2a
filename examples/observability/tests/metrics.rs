//! What Prometheus scrapes.

use std::time::Duration;

use serde_json::{Value, json};
use tower_jwt_auth::{Claims, ProviderFault, StatusLists, TestIssuer, Verifier};

use crate::files::documented;
use crate::support::{Site, run};

/// Makes every kind of measurement once.
pub(crate) async fn everything(site: &Site) {
    for (token, status) in [
        ("good", 200),
        ("good", 200),
        ("none", 401),
        ("expired", 401),
        ("forged", 401),
        ("other_audience", 401),
        ("without_scope", 403),
    ] {
        assert_eq!(site.orders(token).await, status, "{token}");
    }
    for _ in 0..3 {
        assert_eq!(site.orders("unknown_key").await, 401, "the keys are too fresh to be fetched again");
    }
    site.provider.fails_with(ProviderFault::Status(503));
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let login: Value = serde_json::from_str(&site.post("/demo/login", &json!({})).await.body).unwrap();
    let refresh = async |from: &Value| {
        let answer = site.post("/demo/refresh", &json!({ "refresh_token": from["refresh_token"] })).await;
        (answer.status.as_u16(), serde_json::from_str(&answer.body).unwrap_or(Value::Null))
    };
    let (_, second) = refresh(&login).await;
    let (_, third) = refresh(&second).await;
    assert!(third["access_token"].is_string());
    assert_eq!(refresh(&login).await.0, 400, "reuse");
    // The service has no issuer with status lists, so one of another authority is asked for.
    let (uri, issuer) = ("https://id.example.com/lists/1", TestIssuer::new("https://id.example.com"));
    let lists = StatusLists::keys(issuer.key_set()).allow(uri).fetch(site.provider.clone());
    let listed = Verifier::<Claims>::new(issuer.authority().status_lists(lists)).unwrap();
    let status = json!({ "status_list": { "idx": 0, "uri": uri } });
    listed.verify(&issuer.sign(json!({ "status": status }))).await.unwrap_err();
}

/// The values of the lines that begin with this name and hold all of these.
fn values(text: &str, name: &str, parts: &[&str]) -> Vec<f64> {
    let lines = text.lines().filter(|line| line.split(['{', ' ']).next() == Some(name));
    let lines = lines.filter(|line| parts.iter().all(|part| line.contains(part)));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect()
}

#[test]
fn every_documented_metric_is_exported_with_its_meaning() {
    let text = run(async |site| {
        everything(&site).await;
        site.admin("/metrics").await.body
    });
    for metric in documented() {
        let name = metric.exported();
        assert!(text.contains(&format!("# HELP {name} ")), "{name}: {text}");
        let kind = &metric.kind;
        assert!(text.contains(&format!("# TYPE {name} {kind}")), "{name} as {kind}: {text}");
        let first = if kind == "histogram" { format!("{name}_bucket") } else { name.clone() };
        let line = text.lines().find(|line| line.starts_with(&first) && !line.starts_with('#')).unwrap();
        for label in &metric.labels {
            assert!(line.contains(&format!("{label}=\"")), "{label} in {line}");
        }
    }
}

#[test]
fn decisions_fetches_and_refresh_tokens_are_counted() {
    let text = run(async |site| {
        everything(&site).await;
        site.admin("/metrics").await.body
    });
    let sum = |name: &str, parts: &[&str]| values(&text, name, parts).iter().sum::<f64>();
    for (reason, times) in
        [("expired", 1.0), ("bad_signature", 1.0), ("wrong_audience", 1.0), ("unknown_key", 3.0)]
    {
        let parts = ["outcome=\"refused\"", &format!("error_type=\"{reason}\"")];
        assert_eq!(sum("jwt_auth_decisions", &parts), times, "{reason}: {text}");
    }
    assert_eq!(sum("jwt_auth_decisions", &["cache=\"hit\""]), 1.0);
    assert_eq!(sum("jwt_auth_policy_decisions", &["error_type=\"insufficient_scope\""]), 1.0, "{text}");
    assert!(sum("jwt_auth_keys_failures", &["source=\"https://id.example.com\""]) >= 1.0);
    assert!(sum("jwt_auth_keys_suppressed", &[]) >= 1.0);
    assert!(sum("jwt_auth_keys_fetches", &["outcome=\"failed\""]) >= 1.0);
    assert_eq!(sum("jwt_auth_refresh_rotations", &[]), 2.0);
    assert_eq!(sum("jwt_auth_refresh_reused", &[]), 1.0);
}

/// With the usual buckets of HTTP servers all decisions would lie in the first.
#[test]
fn the_buckets_tell_decisions_apart() {
    let text = run(async |site| {
        site.provider.latency(Duration::from_millis(400));
        assert_eq!(site.orders("good").await, 200);
        assert_eq!(site.orders("good").await, 200);
        site.admin("/metrics").await.body
    });
    let within = |bound: &str| values(&text, "jwt_auth_decision_duration_bucket", &["accepted", bound])[0];
    // Time stands still but for the latency of the provider's two documents.
    assert_eq!(
        (within("le=\"0.00001\""), within("le=\"0.5\""), within("le=\"1\"")),
        (1.0, 1.0, 2.0),
        "{text}"
    );
}
