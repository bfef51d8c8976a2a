//! A configuration that is exchanged while the service runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use axum::body::Body;
use axum::routing::get;
use axum::{Extension, Router};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde_json::json;
use tower::ServiceExt;
use tower_jwt_auth::{
    Authority, Claims, Config, Fetch, FetchError, NowOrLater, ProviderFault, ReloadableLayer, RemoteKeys,
    TestIssuer, TestProvider,
};

use super::SECRET;
use crate::metrics::{gauge, measured};

fn layer(config: &Config) -> ReloadableLayer {
    ReloadableLayer::<Claims>::new(config, |config, builder| config.layer(builder.build()?)).unwrap()
}

fn app(layer: &ReloadableLayer) -> Router {
    Router::new().route("/", get(|| async {})).route("/admin", get(|| async {})).layer(layer.clone())
}

async fn status(app: &Router, path: &str, token: &str) -> StatusCode {
    let request = Request::get(path).header("authorization", format!("Bearer {token}"));
    app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status()
}

fn local(issuer: &TestIssuer, rest: &str) -> Config {
    let authority =
        format!("issuer = 'https://id.example.com'\naudience = 'api'\njwks = '''{}'''", issuer.jwks());
    Config::from_toml(&format!("[[authorities]]\n{authority}\n{rest}")).unwrap()
}

#[tokio::test]
async fn everything_is_exchanged() {
    let issuer = TestIssuer::new("https://id.example.com").audience("api");
    let token = issuer.sign(json!({ "sub": "bob", "scope": "read" }));
    let auth = layer(&local(&issuer, "[cache]"));
    let app = app(&auth);
    // Twice: the second time it comes from the cache.
    for _ in 0..2 {
        assert_eq!(status(&app, "/", &token).await, 200);
    }
    for (rest, root, admin) in [
        ("subject = 'eve'\n[cache]", 401, 401),
        ("[cache]\n[require]\nscopes = ['write']", 403, 403),
        ("[cache]\n[[routes]]\npath = '/admin'\nscopes = ['write']", 200, 403),
        ("[layer]\ntoken_from = ['header:x-token']", 401, 401),
        ("[limits]\ntoken_bytes = 256", 401, 401),
        ("", 200, 200),
    ] {
        auth.reload(&local(&issuer, rest)).await.unwrap();
        assert_eq!(status(&app, "/", &token).await, root, "{rest}");
        assert_eq!(status(&app, "/admin", &token).await, admin, "{rest}");
    }
    let other = TestIssuer::new("https://id.example.com").audience("api");
    auth.reload(&local(&other, "")).await.unwrap();
    assert_eq!(status(&app, "/", &token).await, 401);
    assert_eq!(status(&app, "/", &other.sign(json!({}))).await, 200);
}

#[tokio::test]
async fn what_cannot_be_made_changes_nothing() {
    let issuer = TestIssuer::new("https://id.example.com").audience("api");
    let token = issuer.sign(json!({}));
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, SECRET).unwrap();
    let auth = layer(&local(&issuer, ""));
    let app = app(&auth);
    let by_file =
        format!("[[authorities]]\nissuer = 'a'\naudience = 'b'\nsecret_file = '{}'", secret.display());
    let other = Config::from_toml(&by_file).unwrap();
    std::fs::remove_file(&secret).unwrap();
    let error = auth.reload(&other).await.unwrap_err();
    assert_eq!(error.setting(), "authorities[0].secret_file");
    assert_eq!(status(&app, "/", &token).await, 200);
    std::fs::write(&secret, SECRET).unwrap();
    auth.reload(&other).await.unwrap();
    assert_eq!(status(&app, "/", &token).await, 401);
}

fn fetched(provider: &TestProvider, rest: &str) -> Config {
    let authority = format!(
        "issuer = '{}'\naudience = 'api'\noidc = true\nfetch.insecure_http_on_loopback = true",
        provider.issuer()
    );
    Config::from_toml(&format!("[[authorities]]\n{authority}\n{rest}")).unwrap()
}

#[tokio::test]
async fn keys_are_kept_while_they_are_fetched_alike() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, crate::tls::PrivateCa::new().pem()).unwrap();
    let provider = TestProvider::on_loopback().await;
    let token = provider.sign(json!({ "aud": "api", "exp": 4_000_000_000_u64 }));
    let auth = layer(&fetched(&provider, ""));
    let app = app(&auth);
    assert_eq!(status(&app, "/", &token).await, 200);
    let by_ca = format!("fetch.ca_file = '{}'", ca.display());
    let second = TestProvider::on_loopback().await;
    let beside = format!(
        "[[authorities]]\nissuer = '{}'\naudience = 'api'\njwks_url = '{}'\nfetch.insecure_http_on_loopback = true",
        second.issuer(),
        second.jwks_url()
    );
    for (rest, fetches) in [
        ("leeway = 7", 1),
        ("algorithms = ['ES256', 'RS256', 'EdDSA']", 1),
        (beside.as_str(), 1),
        ("fetch.cooldown = 7", 2),
        ("fetch.cooldown = 7\n[cache]", 2),
        (by_ca.as_str(), 3),
        (by_ca.as_str(), 3),
    ] {
        auth.reload(&fetched(&provider, rest)).await.unwrap();
        // New keys are there before the first request.
        assert_eq!(provider.jwks_calls(), fetches, "{rest}");
        assert_eq!(status(&app, "/", &token).await, 200, "{rest}");
        assert_eq!(provider.jwks_calls(), fetches, "{rest}");
    }
    assert_eq!(second.jwks_calls(), 1);
    // The file has the same name, and other authorities.
    std::fs::write(&ca, crate::tls::PrivateCa::new().pem()).unwrap();
    auth.reload(&fetched(&provider, &by_ca)).await.unwrap();
    assert_eq!(status(&app, "/", &token).await, 200);
    assert_eq!(provider.jwks_calls(), 4);
}

#[tokio::test]
async fn a_configuration_whose_new_keys_cannot_be_fetched_is_not_taken() {
    let provider = TestProvider::on_loopback().await;
    let token = provider.sign(json!({ "aud": "api", "exp": 4_000_000_000_u64 }));
    let auth = layer(&fetched(&provider, ""));
    let app = app(&auth);
    assert_eq!(status(&app, "/", &token).await, 200);
    provider.fails_with(ProviderFault::Status(500));
    for rest in [
        "fetch.wait = 3",
        "[[authorities]]\nissuer = 'b'\naudience = 'api'\njwks_url = 'http://127.0.0.1:9/keys?key=hunter2'\nfetch.insecure_http_on_loopback = true",
    ] {
        let error = auth.reload(&fetched(&provider, rest)).await.unwrap_err();
        assert_eq!(error.setting(), "keys", "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
        assert_eq!(status(&app, "/", &token).await, 200, "{rest}");
    }
    // What needs no new keys goes on, though the provider is down.
    auth.reload(&fetched(&provider, "[require]\nscopes = ['read']")).await.unwrap();
    assert_eq!(status(&app, "/", &token).await, 403);
    provider.heals();
    auth.reload(&fetched(&provider, "fetch.wait = 3")).await.unwrap();
    assert_eq!(status(&app, "/", &token).await, 200);
}

/// Keys that lacked before are no reason to refuse a configuration that changes something else.
#[tokio::test]
async fn kept_keys_may_lack() {
    let provider = TestProvider::on_loopback().await;
    provider.fails_with(ProviderFault::Status(500));
    let auth = layer(&fetched(&provider, ""));
    let app = app(&auth);
    let token = provider.sign(json!({ "aud": "api", "exp": 4_000_000_000_u64 }));
    assert_eq!(status(&app, "/", &token).await, 503);
    auth.reload(&fetched(&provider, "leeway = 7")).await.unwrap();
    assert_eq!(status(&app, "/", &token).await, 503);
}

/// Two authorities of the code fetch from one address by different ways, and neither gets the keys of the other.
#[tokio::test]
async fn keys_of_authorities_in_code_are_not_mixed_up() {
    #[derive(Debug)]
    struct Answers(String);

    impl Fetch for Answers {
        fn fetch(&self, _: &str, _: usize) -> NowOrLater<Result<Response<Bytes>, FetchError>> {
            NowOrLater::ready(Ok(Response::new(self.0.clone().into())))
        }
    }

    let local_issuer = TestIssuer::new("https://id.example.com").audience("api");
    let (one, two) = (TestIssuer::new("one").audience("api"), TestIssuer::new("two").audience("api"));
    let sets = [("one", one.jwks()), ("two", two.jwks())];
    let auth = ReloadableLayer::<Claims>::new(&local(&local_issuer, ""), move |config, builder| {
        let of_code = sets.clone().map(|(issuer, jwks)| {
            let keys = RemoteKeys::new("https://keys.example.com/set").fetch(Answers(jwks));
            Authority::jwks(keys).issuer(issuer).audience("api")
        });
        config.layer(builder.authorities(of_code).build()?)
    })
    .unwrap();
    let app = app(&auth);
    for round in 0..3 {
        for (issuer, expected) in [(&one, 200), (&two, 200)] {
            assert_eq!(status(&app, "/", &issuer.sign(json!({}))).await, expected, "{round}");
        }
        assert_eq!(status(&app, "/", &one.sign(json!({ "iss": "two" }))).await, 401, "{round}");
        auth.reload(&local(&local_issuer, "")).await.unwrap();
    }
}

#[tokio::test]
async fn handlers_see_the_configuration_that_judged() {
    let issuer = TestIssuer::new("https://id.example.com").audience("api");
    let auth = layer(&local(&issuer, "[layer]\nclaim_headers = { x-user = 'sub' }"));
    let headers = |Extension(config): Extension<Arc<Config>>| async move {
        config.claim_headers().map(|(header, _)| header.to_owned()).collect::<Vec<_>>().join(",")
    };
    let app = Router::new().route("/", get(headers)).layer(auth.clone());
    let ask = async || {
        let request = Request::get("/").header("authorization", format!("Bearer {}", issuer.sign(json!({}))));
        let answer = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        axum::body::to_bytes(answer.into_body(), 100).await.unwrap()
    };
    assert_eq!(ask().await, "x-user");
    auth.reload(&local(&issuer, "[layer]\nclaim_headers = { x-mail = 'email' }")).await.unwrap();
    assert_eq!(ask().await, "x-mail");
}

/// What a configuration is tried with is not measured, and one source that fails or ends does not speak for another.
#[test]
fn gauges_of_keys_outlive_a_reload() {
    let count = |reload: bool| {
        let all = measured(async {
            let provider = TestProvider::on_loopback().await;
            let token = provider.sign(json!({ "aud": "api", "exp": 4_000_000_000_u64 }));
            let auth = layer(&fetched(&provider, ""));
            let app = app(&auth);
            assert_eq!(status(&app, "/", &token).await, 200);
            if reload {
                for rest in ["leeway = 7", "fetch.cooldown = 7"] {
                    auth.reload(&fetched(&provider, rest)).await.unwrap();
                    assert_eq!(status(&app, "/", &token).await, 200);
                }
                provider.fails_with(ProviderFault::Status(500));
                auth.reload(&fetched(&provider, "fetch.cooldown = 8")).await.unwrap_err();
            }
            (app, auth)
        });
        gauge(&all, "jwt_auth.keys.count")
    };
    assert_eq!((count(false), count(true)), (Some(1.0), Some(1.0)));
}

/// Valid requests over real connections from several tasks, while the configuration is exchanged over and over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_valid_request_is_refused_by_a_reload() {
    const RELOADS: usize = 60;
    let provider = TestProvider::on_loopback().await;
    let token = provider.sign(json!({ "aud": "api", "exp": 4_000_000_000_u64, "scope": "read" }));
    let auth = layer(&fetched(&provider, ""));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = app(&auth);
    tokio::spawn(async move { axum::serve(listener, app).await });
    let (done, served, refused) =
        (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (done, served, refused) = (Arc::clone(&done), Arc::clone(&served), Arc::clone(&refused));
            let token = token.clone();
            tokio::spawn(async move {
                let client = reqwest::Client::new();
                while !done.load(Ordering::Relaxed) {
                    let answer = client.get(format!("http://{address}/")).bearer_auth(&token).send().await;
                    let counter = if answer.unwrap().status() == 200 { &served } else { &refused };
                    counter.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let configs = [
        "[cache]",
        "leeway = 7",
        "[require]\nscopes = ['read']",
        "[layer]\ntoken_from = ['bearer', 'header:x-t']",
    ]
    .map(|rest| fetched(&provider, rest));
    for round in 0..RELOADS {
        // At least one request is served under each.
        let before = served.load(Ordering::Relaxed) + refused.load(Ordering::Relaxed);
        auth.reload(&configs[round % configs.len()]).await.unwrap();
        while served.load(Ordering::Relaxed) + refused.load(Ordering::Relaxed) < before + 2 {
            tokio::task::yield_now().await;
        }
    }
    done.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    let served = served.load(Ordering::Relaxed);
    println!("{RELOADS} reloads, {served} valid requests, {} refused", refused.load(Ordering::Relaxed));
    assert!(served >= 2 * RELOADS);
    assert_eq!(refused.load(Ordering::Relaxed), 0);
    // Not a fetch for each reload. One more may have been due meanwhile, on a slow machine.
    assert!(provider.jwks_calls() <= 3, "the keys were not kept: {} fetches", provider.jwks_calls());
}
