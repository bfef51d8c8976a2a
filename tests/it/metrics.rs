//! What is measured: names, labels, and that no client can make up new ones.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{Request, StatusCode};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use metrics_util::{CompositeKey, MetricKind};
use serde_json::json;
use tower::ServiceExt;
use tower_jwt_auth::{
    Algorithm, Authority, Claims, Decision, JwtAuthLayer, MemoryRefreshStore, MemoryRevocationStore,
    ProviderFault, RefreshTokens, RemoteKeys, Require, Revocations, StatusLists, Tenants, TestIssuer,
    TestProvider, TokenCache, Verifier, WhenStale, describe_metrics,
};

const ISSUER: &str = "https://id.example.com";
const FAR: u64 = 4_000_000_000;

/// Runs the future on a runtime of its own, and measures it. What it yields lives until then.
pub(crate) fn measured<T>(future: impl Future<Output = T>) -> Vec<(CompositeKey, DebugValue)> {
    let recorder = DebuggingRecorder::new();
    let snapshotter: Snapshotter = recorder.snapshotter();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    let _alive = metrics::with_local_recorder(&recorder, || runtime.unwrap().block_on(future));
    let all = snapshotter.snapshot().into_vec();
    all.into_iter().map(|(key, _, _, value)| (key, value)).collect()
}

/// The sum of the counters of this name whose labels hold all of these.
pub(crate) fn count(all: &[(CompositeKey, DebugValue)], name: &str, labels: &[(&str, &str)]) -> u64 {
    let fits = |key: &CompositeKey| {
        let has = |(name, value): &(&str, &str)| {
            key.key().labels().any(|label| label.key() == *name && label.value() == *value)
        };
        key.key().name() == name && labels.iter().all(has)
    };
    let counted = all.iter().filter(|(key, _)| fits(key));
    counted.map(|(_, value)| if let DebugValue::Counter(count) = value { *count } else { 0 }).sum()
}

pub(crate) fn gauge(all: &[(CompositeKey, DebugValue)], name: &str) -> Option<f64> {
    all.iter().find_map(|(key, value)| match value {
        DebugValue::Gauge(value) if key.key().name() == name => Some(value.into_inner()),
        _ => None,
    })
}

async fn status(app: &Router, token: Option<&str>) -> StatusCode {
    let mut request = Request::get("/");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status()
}

fn app(authority: Authority) -> Router {
    let layer = JwtAuthLayer::new(Verifier::<Claims>::new(authority).unwrap()).metrics();
    Router::new().route("/", get(|| async {})).layer(Require::not(Require::role("banned"))).layer(layer)
}

/// Every kind of measurement once: a good token, bad ones, an outage, refresh tokens.
async fn everything() -> Router {
    describe_metrics();
    let provider = TestProvider::in_memory(ISSUER);
    let app = app(Authority::oidc(provider.oidc_keys()).audience("api").roles_at("/roles"));
    let claims = json!({ "aud": "api", "exp": FAR, "sub": "bob" });
    assert_eq!(status(&app, Some(&provider.sign(&claims))).await, 200);
    let banned = json!({ "aud": "api", "exp": FAR, "roles": ["banned"] });
    assert_eq!(status(&app, Some(&provider.sign(&banned))).await, 403);
    assert_eq!(status(&app, None).await, 401);
    provider.fails_with(ProviderFault::Status(500));
    let unknown = provider.sign_with(json!({ "kid": "made-up" }), &claims);
    for _ in 0..3 {
        status(&app, Some(&unknown)).await;
    }
    tokio::time::advance(Duration::from_secs(7200)).await;
    for _ in 0..3 {
        status(&app, Some(&unknown)).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    let (uri, issuer) = ("https://id.example.com/lists/1", TestIssuer::new(ISSUER));
    let lists = StatusLists::keys(issuer.key_set()).allow(uri).fetch(provider);
    let listed = Verifier::<Claims>::new(issuer.authority().status_lists(lists)).unwrap();
    let status = json!({ "status_list": { "idx": 0, "uri": uri } });
    listed.verify(&issuer.sign(json!({ "status": status }))).await.unwrap_err();
    let revocations = Revocations::builder().store(MemoryRevocationStore::new());
    revocations.max_age(Duration::from_secs(30), WhenStale::ServeOn).build().unwrap().ready().await;
    let refresh = RefreshTokens::builder(MemoryRefreshStore::new()).build().unwrap();
    let first = refresh.begin("bob").await.unwrap();
    let user = |_| async { Ok::<_, std::io::Error>(Some(())) };
    let second = refresh.rotate(&first.token, user).await.unwrap();
    let third = refresh.rotate(&second.token, user).await.unwrap();
    refresh.rotate(&third.token, user).await.unwrap();
    refresh.rotate(&third.token, user).await.unwrap(); // sent again, within the grace
    refresh.rotate(&first.token, user).await.unwrap_err();
    app
}

#[test]
fn the_table_in_the_documentation_has_every_name_kind_and_label() {
    let all = measured(everything());
    let seen: BTreeSet<(String, &str, String)> = all
        .iter()
        .map(|(key, _)| {
            let kind = match key.kind() {
                MetricKind::Counter => "counter",
                MetricKind::Gauge => "gauge",
                MetricKind::Histogram => "histogram",
            };
            let labels: Vec<_> = key.key().labels().map(|label| format!("`{}`", label.key())).collect();
            (key.key().name().to_owned(), kind, labels.join(", "))
        })
        .collect();
    let page = include_str!("../../docs/reference/metrics.md");
    let rows = page.lines().filter(|line| line.starts_with("| `jwt_auth."));
    let documented: BTreeSet<(String, &str, String)> = rows
        .map(|row| {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            (cells[1].trim_matches('`').to_owned(), cells[2], cells[4].to_owned())
        })
        .collect();
    assert_eq!(seen, documented);
}

#[test]
fn decisions_are_counted_by_outcome_reason_authority_and_algorithm() {
    let all = measured(everything());
    let decisions = "jwt_auth.decisions";
    let accepted =
        [("outcome", "accepted"), ("authority", ISSUER), ("algorithm", "ES256"), ("error.type", "none")];
    assert_eq!(count(&all, decisions, &accepted), 2);
    assert_eq!(count(&all, decisions, &[("outcome", "refused"), ("error.type", "missing")]), 1);
    assert_eq!(
        count(&all, "jwt_auth.policy.decisions", &[("outcome", "refused"), ("error.type", "forbidden")]),
        1
    );
    assert_eq!(count(&all, "jwt_auth.policy.decisions", &[("outcome", "accepted")]), 1);
    assert_eq!(count(&all, "jwt_auth.refresh.rotations", &[]), 3);
    assert_eq!(count(&all, "jwt_auth.refresh.reused", &[]), 1);
}

#[test]
fn hits_of_the_cache_are_counted() {
    let issuer = TestIssuer::with_algorithm(ISSUER, Algorithm::ES256).audience("api");
    let verifier = Verifier::<Claims>::builder().authority(issuer.authority()).cache(TokenCache::new());
    let layer = JwtAuthLayer::new(verifier.build().unwrap()).metrics();
    let app = Router::new().route("/", get(|| async {})).layer(layer);
    let token = issuer.sign(json!({ "sub": "bob" }));
    let all = measured(async {
        for _ in 0..3 {
            assert_eq!(status(&app, Some(&token)).await, 200);
        }
        status(&app, Some("garbage")).await;
    });
    for (cache, times) in [("miss", 1), ("hit", 2), ("none", 1)] {
        assert_eq!(count(&all, "jwt_auth.decisions", &[("cache", cache)]), times, "{cache}");
    }
}

#[test]
fn an_outage_is_seen() {
    let all = measured(everything());
    let source = ("source", ISSUER);
    assert!(count(&all, "jwt_auth.keys.fetches", &[source, ("outcome", "ok")]) >= 1);
    assert!(count(&all, "jwt_auth.keys.fetches", &[source, ("outcome", "failed")]) >= 1);
    assert!(count(&all, "jwt_auth.keys.suppressed", &[source]) >= 1);
    assert!(gauge(&all, "jwt_auth.keys.failures") >= Some(1.0));
    assert_eq!(gauge(&all, "jwt_auth.keys.waiting"), Some(0.0));
}

/// Good tokens that cannot be judged are no unknown kids.
#[test]
fn without_any_keys_nothing_is_suppressed() {
    let provider = TestProvider::in_memory(ISSUER);
    provider.fails_with(ProviderFault::Status(500));
    let app = app(Authority::oidc(provider.oidc_keys()).audience("api").roles_at("/roles"));
    let token = provider.sign(json!({ "aud": "api", "exp": FAR }));
    let all = measured(async {
        for _ in 0..4 {
            assert_eq!(status(&app, Some(&token)).await, 503);
        }
    });
    assert_eq!(count(&all, "jwt_auth.keys.suppressed", &[]), 0);
}

/// It may be a secret: the URL of a store that signs its links, say.
#[test]
fn the_query_of_a_url_is_no_label() {
    let provider = TestProvider::in_memory(ISSUER);
    let url = format!("{}?signature=secret", provider.jwks_url());
    let keys = RemoteKeys::new(url).fetch(provider.clone());
    let app = app(Authority::jwks(keys).issuer(ISSUER).audience("api").roles_at("/roles"));
    let all = measured(async {
        status(&app, Some(&provider.sign(json!({ "aud": "api", "exp": FAR })))).await;
    });
    assert!(count(&all, "jwt_auth.keys.fetches", &[("source", &provider.jwks_url())]) >= 1, "{all:?}");
    assert!(!format!("{all:?}").contains("secret"));
}

/// Several sources with one name must not overwrite each other.
#[test]
fn tenants_have_no_gauges_of_their_keys() {
    let provider = TestProvider::in_memory(ISSUER);
    let of = provider.clone();
    let tenants = Tenants::new(move |issuer: &str| {
        (issuer == ISSUER).then(|| Authority::oidc(of.oidc_keys()).audience("api"))
    });
    let verifier = Verifier::<Claims>::builder().tenants(tenants).build().unwrap();
    let app = Router::new().route("/", get(|| async {})).layer(JwtAuthLayer::new(verifier).metrics());
    let token = provider.sign(json!({ "aud": "api", "exp": FAR }));
    let all = measured(async { assert_eq!(status(&app, Some(&token)).await, 200) });
    assert_eq!(count(&all, "jwt_auth.keys.fetches", &[("source", "(tenant)")]), 1);
    assert_eq!(count(&all, "jwt_auth.decisions", &[("authority", "(tenant)"), ("outcome", "accepted")]), 1);
    for name in ["jwt_auth.keys.count", "jwt_auth.keys.failures", "jwt_auth.keys.fetched_at"] {
        assert_eq!(gauge(&all, name), None);
    }
}

#[test]
fn a_source_that_is_gone_has_no_keys_and_no_failures() {
    let provider = TestProvider::in_memory(ISSUER);
    let token = provider.sign(json!({ "aud": "api", "exp": FAR }));
    for (keeps, keys) in [(true, 1.0), (false, 0.0)] {
        let app = app(Authority::oidc(provider.oidc_keys()).audience("api").roles_at("/roles"));
        let all = measured(async {
            assert_eq!(status(&app, Some(&token)).await, 200);
            keeps.then_some(app)
        });
        assert_eq!(gauge(&all, "jwt_auth.keys.count"), Some(keys));
    }
}

#[test]
fn no_client_makes_up_a_label() {
    let issuer = TestIssuer::with_algorithm(ISSUER, Algorithm::HS256).audience("api");
    let number_of_series = |requests: usize| {
        let app = app(issuer.authority().roles_at("/roles"));
        let all = measured(async {
            for number in 0..requests {
                let odd = format!("odd-{number}\nforged line");
                let header = json!({ "kid": odd, "alg": if number % 2 == 0 { "HS256".to_owned() } else { odd.clone() } });
                let claims = json!({ "iss": odd, "aud": odd, "sub": odd, "exp": FAR });
                status(&app, Some(&issuer.sign_with(header, claims))).await;
            }
        });
        for (key, _) in &all {
            assert!(!format!("{key:?}").contains("odd-"), "{key:?}");
        }
        all.len()
    };
    assert_eq!(number_of_series(200), number_of_series(4));
}

#[test]
fn a_layer_that_was_not_told_measures_nothing() {
    let issuer = TestIssuer::with_algorithm(ISSUER, Algorithm::HS256).audience("api");
    let layer = JwtAuthLayer::new(Verifier::<Claims>::new(issuer.authority()).unwrap());
    let layer = layer.on_decision(|_: &Decision| {}); // it watches, and measures nothing all the same
    let app = Router::new().route("/", get(|| async {})).layer(Require::authenticated()).layer(layer);
    let token = issuer.sign(json!({ "sub": "bob" }));
    let all = measured(async { assert_eq!(status(&app, Some(&token)).await, 200) });
    assert!(all.is_empty(), "{all:?}");
}
