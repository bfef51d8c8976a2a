//! Over HTTP: a server of lists on loopback, the usual client, and what the layer answers.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use ::http::header::{ACCEPT, AUTHORIZATION, LOCATION, WWW_AUTHENTICATE};
use ::http::{HeaderMap, Request};
use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use axum::routing::get;
use tower::{Service, ServiceExt};
use tower_jwt_auth::{JwtAuthLayer, ProviderFault, Tenants, TestProvider};

use super::*;

/// A server; answers its address.
async fn serve(router: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

#[tokio::test]
async fn lists_and_their_keys_come_over_http() {
    let world = World::new();
    let provider = TestProvider::on_loopback().await;
    let (list, calls) = (Arc::new(Mutex::new(String::new())), Arc::new(AtomicUsize::new(0)));
    let (served, counted) = (Arc::clone(&list), Arc::clone(&calls));
    let router = Router::new()
        .route(
            "/lists/1",
            get(async move |headers: HeaderMap| {
                counted.fetch_add(1, Ordering::SeqCst);
                assert_eq!(headers[ACCEPT], "application/statuslist+jwt");
                served.lock().unwrap().clone()
            }),
        )
        .route("/lists/moved", get(async || (StatusCode::FOUND, [(LOCATION, "/lists/1")]).into_response()))
        .route("/lists/huge", get(async || vec![b'a'; 3 * 1024 * 1024]));
    let address = serve(router).await;
    let base = format!("http://{address}/lists/");
    let uri = format!("{base}1");
    let mut claims = world.list_claims(2, &[0, 1]);
    claims["sub"] = uri.clone().into();
    *list.lock().unwrap() = provider.sign_with(json!({ "typ": "statuslist+jwt" }), claims);
    for keys in [StatusLists::jwks(provider.jwks_keys()), StatusLists::oidc(provider.oidc_keys())] {
        let verifier: Verifier<Claims> = Verifier::builder()
            .authority(world.authority(keys.allow(&base).insecure_http_on_loopback()))
            .clock(world.clock.clone())
            .check_deadline(Duration::from_secs(5))
            .build()
            .unwrap();
        calls.store(0, Ordering::SeqCst);
        assert_eq!(verdict(&verifier, &world.token_of(&uri, 0)).await, Ok(()));
        assert_eq!(verdict(&verifier, &world.token_of(&uri, 1)).await, Err(Reason::Revoked));
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        for (path, why) in [("moved", "302, which is not followed"), ("huge", "more than 2113536 bytes")] {
            let error = refusal(&verifier, &world.token_of(&format!("{base}{path}"), 0)).await;
            assert_eq!(error.reason(), Reason::RevocationUnavailable, "{path}");
            let source = std::error::Error::source(&error).unwrap().to_string();
            assert!(source.contains(why), "{path}: {source}");
        }
        assert_eq!(calls.load(Ordering::SeqCst), 1, "no redirect was followed");
    }
    // Without the keys of lists no list is believed.
    provider.fails_with(ProviderFault::Status(500));
    let keys = StatusLists::jwks(provider.jwks_keys()).allow(&base).insecure_http_on_loopback();
    let builder = world.builder(keys).check_deadline(Duration::from_secs(5));
    let error = refusal(&builder.build().unwrap(), &world.token_of(&uri, 0)).await;
    assert_eq!(error.reason(), Reason::RevocationUnavailable);
}

/// The lists of a tenant, like its keys, come from public addresses alone.
#[tokio::test]
async fn lists_of_tenants_are_not_fetched_from_within() {
    let world = World::new();
    let (listener, tokens) = (tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap(), &world.tokens);
    let base = format!("http://{}/lists/", listener.local_addr().unwrap());
    let (keys, lists, allowed) = (tokens.key_set(), world.lists.key_set(), base.clone());
    let tenants = Tenants::new(move |issuer| {
        let lists = StatusLists::keys(lists.clone()).allow(&allowed).insecure_http_on_loopback();
        Some(Authority::keys(keys.clone()).issuer(issuer).audience("test").status_lists(lists))
    });
    let verifier: Verifier<Claims> =
        Verifier::builder().tenants(tenants).clock(world.clock.clone()).build().unwrap();
    let token = world.token_of(&format!("{base}1"), 0);
    let error = tokio::select! {
        error = refusal(&verifier, &token) => error,
        _ = listener.accept() => panic!("connected to"),
    };
    assert_eq!(error.reason(), Reason::RevocationUnavailable);
    let why = std::error::Error::source(&error).unwrap().to_string();
    assert!(why.contains("no public address"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn the_layer_answers_401_for_a_revoked_token_and_503_for_an_unknown_one() {
    let world = World::new();
    world.serve(1, &[0, 1]);
    let unknown = format!("{LISTS}unknown");
    let router: Router =
        Router::new().route("/", get(async || "hello")).layer(JwtAuthLayer::new(world.verifier()));
    let mut service = router.into_service::<Body>();
    for (token, status, challenged) in [
        (world.token(0), StatusCode::OK, false),
        (world.token(1), StatusCode::UNAUTHORIZED, true),
        (world.token_of(&unknown, 0), StatusCode::SERVICE_UNAVAILABLE, false),
    ] {
        let request = Request::get("/").header(AUTHORIZATION, format!("Bearer {token}"));
        let request = request.body(Body::empty()).unwrap();
        let response = service.ready().await.unwrap().call(request).await.unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(response.headers().contains_key(WWW_AUTHENTICATE), challenged, "{status}");
    }
}
