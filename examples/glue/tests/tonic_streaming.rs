use std::time::Duration;

use serde_json::json;
use tokio::net::TcpListener;
use tonic::Code;
use tower_jwt_auth::{TestIssuer, Verifier};

#[allow(dead_code)]
#[path = "../examples/tonic_streaming.rs"]
mod example;
use example::prices::prices_client::PricesClient;
use example::prices::{Price, PriceRequest};
use example::with_token;

fn flour() -> PriceRequest {
    PriceRequest { article: "flour".to_owned() }
}

async fn served() -> (TestIssuer, PricesClient<tonic::transport::Channel>) {
    let issuer = TestIssuer::new("https://id.example.com").audience("prices");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(example::serve(listener, Verifier::new(issuer.authority()).unwrap()));
    (issuer, PricesClient::connect(url).await.unwrap())
}

#[tokio::test]
async fn each_method_has_its_policy() {
    let (issuer, mut client) = served().await;
    let token = |scope: &str| issuer.sign(json!({ "sub": "bob", "scope": scope }));
    let (none, reader, watcher) = (token(""), token("prices:read"), token("prices:read prices:watch"));
    for (token, quote, watch) in [
        (&none, Code::PermissionDenied, Code::PermissionDenied),
        (&reader, Code::Ok, Code::PermissionDenied),
        (&watcher, Code::Ok, Code::Ok),
        (&"e30.e30.".to_owned(), Code::Unauthenticated, Code::Unauthenticated),
    ] {
        let code = |error: Option<tonic::Status>| error.map_or(Code::Ok, |status| status.code());
        let quoted = client.quote(with_token(flour(), token).unwrap()).await;
        assert_eq!(code(quoted.err()), quote);
        let watched = client.watch(with_token(flour(), token).unwrap()).await;
        assert_eq!(code(watched.err()), watch);
        let set = client.set(with_token(Price::default(), token).unwrap()).await;
        assert_ne!(code(set.err()), Code::Ok, "it is not listed");
    }
}

#[tokio::test]
async fn a_stream_ends_when_its_token_expires() {
    let (issuer, mut client) = served().await;
    let token = issuer.sign(json!({ "sub": "bob", "scope": "prices:read prices:watch" }));
    let mut prices = client.watch(with_token(flour(), &token).unwrap()).await.unwrap().into_inner();
    assert_eq!(prices.message().await.unwrap().unwrap().cents, 250);

    // The server runs in this same runtime, so its timer fires now.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3600)).await;
    let ended = loop {
        match prices.message().await {
            Ok(price) => assert!(price.is_some(), "the stream must not end as if it were over"),
            Err(status) => break status,
        }
    };
    assert_eq!((ended.code(), ended.message()), (Code::Unauthenticated, "The access token is invalid"));
}
