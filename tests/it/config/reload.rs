//! A configuration that is exchanged while the service runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{Request, StatusCode};
use serde_json::json;
use tower::ServiceExt;
use tower_jwt_auth::{Claims, Config, ReloadableLayer, TestIssuer, TestProvider};

use super::SECRET;

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
        auth.reload(&local(&issuer, rest)).unwrap();
        assert_eq!(status(&app, "/", &token).await, root, "{rest}");
        assert_eq!(status(&app, "/admin", &token).await, admin, "{rest}");
    }
    let other = TestIssuer::new("https://id.example.com").audience("api");
    auth.reload(&local(&other, "")).unwrap();
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
    let error = auth.reload(&other).unwrap_err();
    assert_eq!(error.setting(), "authorities[0].secret_file");
    assert_eq!(status(&app, "/", &token).await, 200);
    std::fs::write(&secret, SECRET).unwrap();
    auth.reload(&other).unwrap();
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
    for (rest, fetches) in [
        ("leeway = 7", 1),
        ("algorithms = ['ES256', 'RS256', 'EdDSA']", 1),
        (
            "[[authorities]]\nissuer = 'https://b.example'\naudience = 'api'\njwks_url = 'https://b.example/keys'",
            1,
        ),
        ("fetch.cooldown = 7", 2),
        ("fetch.cooldown = 7\n[cache]", 2),
        (by_ca.as_str(), 3),
        (by_ca.as_str(), 3),
    ] {
        auth.reload(&fetched(&provider, rest)).unwrap();
        assert_eq!(status(&app, "/", &token).await, 200, "{rest}");
        assert_eq!(provider.jwks_calls(), fetches, "{rest}");
    }
    // The file has the same name, and other authorities.
    std::fs::write(&ca, crate::tls::PrivateCa::new().pem()).unwrap();
    auth.reload(&fetched(&provider, &by_ca)).unwrap();
    assert_eq!(status(&app, "/", &token).await, 200);
    assert_eq!(provider.jwks_calls(), 4);
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
        auth.reload(&configs[round % configs.len()]).unwrap();
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
    assert_eq!(provider.jwks_calls(), 1, "the keys were kept");
}
