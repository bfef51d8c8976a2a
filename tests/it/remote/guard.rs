//! The guard against URLs that lead into the own network, against a real server on loopback that must not be reached.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::Response;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tower_jwt_auth::{
    Authority, Claims, Fetch, FetchError, HttpFetch, NowOrLater, ProviderFault, RemoteKeys, TestProvider,
    Verifier,
};

use super::ISS;

/// A server that counts who connects, and answers everybody.
async fn counting(address: &str) -> Option<(SocketAddr, Arc<AtomicUsize>)> {
    let listener = TcpListener::bind((address, 0)).await.ok()?;
    let (at, connections) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}")
                .await;
        }
    });
    Some((at, connections))
}

/// Each host is fetched from with the guard and without.
async fn only_without_the_guard(address: &str, hosts: &[&str]) {
    let Some((at, connections)) = counting(address).await else {
        assert!(address.contains(':'), "there is IPv4 everywhere");
        return;
    };
    for (n, host) in hosts.iter().enumerate() {
        let url = format!("http://{host}:{}/jwks.json", at.port());
        let error = HttpFetch::public_addresses_only().unwrap().fetch(&url, 1000).await.unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("has no public address") && error.contains("HttpFetch::new()"),
            "{host}: {error}"
        );
        assert_eq!(connections.load(Ordering::SeqCst), n, "{host} was connected to");

        let open = HttpFetch::new().unwrap().fetch(&url, 1000).await;
        assert_eq!(open.unwrap().body(), "{}", "{host}");
        assert_eq!(connections.load(Ordering::SeqCst), n + 1, "{host}");
    }
}

#[tokio::test]
async fn this_machine_is_not_reached_by_any_spelling() {
    let hosts = [
        "127.0.0.1",
        "127.0.0.1.",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0x7f000001",
        "0177.0.0.1",
        "localhost",
        "LOCALHOST",
        "0.0.0.0",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
    ];
    only_without_the_guard("127.0.0.1", &hosts).await;
    only_without_the_guard("::1", &["[::1]", "[0:0:0:0:0:0:0:1]"]).await;
}

/// Discovery from memory, keys over the network.
#[derive(Debug)]
struct Halves(TestProvider, HttpFetch);

impl Fetch for Halves {
    fn fetch(&self, url: &str, max_bytes: usize) -> NowOrLater<Result<Response<Bytes>, FetchError>> {
        match url.starts_with(ISS) {
            true => self.0.fetch(url, max_bytes),
            false => self.1.fetch(url, max_bytes),
        }
    }
}

/// A document that may be fetched names a place that may not.
#[tokio::test]
async fn neither_is_a_jwks_uri() {
    let (at, connections) = counting("127.0.0.1").await.unwrap();
    for host in ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"] {
        for guarded in [true, false] {
            let before = connections.load(Ordering::SeqCst);
            let provider = TestProvider::in_memory(ISS);
            provider.fails_with(ProviderFault::JwksUri(format!("https://{host}:{}/jwks.json", at.port())));
            let client = if guarded { HttpFetch::public_addresses_only() } else { HttpFetch::new() }.unwrap();
            let keys = RemoteKeys::new(ISS).fetch(Halves(provider, client));
            let verifier = Verifier::<Claims>::new(Authority::oidc(keys).audience("test")).unwrap();
            // Without the guard it is reached, and fails at TLS.
            let error = verifier.warm().await.unwrap_err().to_string();
            assert_eq!(error.contains("has no public address"), guarded, "{host}: {error}");
            assert_eq!(connections.load(Ordering::SeqCst) > before, !guarded, "{host}");
        }
    }
    // With http, where that is allowed, the way goes as far.
    let provider = TestProvider::on_loopback().await;
    let keys = provider.oidc_keys().fetch(HttpFetch::public_addresses_only().unwrap());
    let verifier = Verifier::<Claims>::new(Authority::oidc(keys).audience("test")).unwrap();
    let error = verifier.warm().await.unwrap_err().to_string();
    assert!(error.contains("has no public address"), "{error}");
    assert_eq!(provider.discovery_calls(), 0);
}
