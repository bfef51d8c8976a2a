//! Discovery: a document is believed if it is of the very issuer that was configured, and leads where keys may be.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use serde_json::json;
use tower_jwt_auth::{
    Authority, Claims, Fetch, FetchError, NowOrLater, ProviderFault, Reason, RemoteKeys, TestProvider,
    Verifier,
};

use super::{ISS, accepts, oidc, pass, provider, reason, token};

/// Notes what was asked for.
#[derive(Clone, Debug)]
struct Noting(TestProvider, Arc<Mutex<Vec<String>>>);

impl Fetch for Noting {
    fn fetch(&self, url: &str, max_bytes: usize) -> NowOrLater<Result<Response<Bytes>, FetchError>> {
        self.1.lock().unwrap().push(url.to_owned());
        self.0.fetch(url, max_bytes)
    }
}

#[tokio::test(start_paused = true)]
async fn the_issuer_is_compared_exactly_and_a_slash_counts() {
    for (configured, published, good) in [
        ("https://id.example.com", "https://id.example.com", true),
        ("https://id.example.com/", "https://id.example.com/", true),
        ("https://id.example.com/tenant", "https://id.example.com/tenant", true),
        ("https://id.example.com/tenant/", "https://id.example.com/tenant/", true),
        ("https://id.example.com", "https://id.example.com/", false),
        ("https://id.example.com/", "https://id.example.com", false),
        ("https://id.example.com", "https://ID.example.com", false),
    ] {
        let provider = TestProvider::in_memory(published);
        let root = configured.trim_end_matches('/').to_owned();
        let noted = Noting(provider.clone(), Arc::default());
        let keys = RemoteKeys::new(configured).fetch(noted.clone());
        let verifier = Verifier::<Claims>::new(Authority::oidc(keys).audience("test")).unwrap();
        // The token says what is configured, so that only discovery can refuse.
        let token = provider.sign(json!({ "iss": configured }));
        match good {
            true => assert!(accepts(&verifier, &token).await, "{configured}"),
            false => {
                assert_eq!(
                    reason(&verifier, &token).await,
                    Reason::KeysUnavailable,
                    "{configured} {published}"
                );
                assert_eq!(provider.jwks_calls(), 0, "its jwks_uri is not believed");
            }
        }
        let first = noted.1.lock().unwrap()[0].clone();
        assert_eq!(first, format!("{root}/.well-known/openid-configuration"));
    }
}

#[tokio::test(start_paused = true)]
async fn keys_may_be_elsewhere_but_not_anywhere() {
    for (uri, why) in [
        ("http://id.example.com/jwks.json", "is not https"),
        ("http://127.0.0.1/jwks.json", "is not https"),
        ("https://user:hunter2@id.example.com/jwks.json", "credentials"),
        ("file:///etc/passwd", "is not a URL"),
        ("/jwks.json", "has no host"),
        ("https://id.example.com/jwks.json#x", "fragment"),
        ("", "is not a URL"),
    ] {
        let provider = provider();
        provider.fails_with(ProviderFault::JwksUri(uri.to_owned()));
        let noted = Noting(provider.clone(), Arc::default());
        let keys = RemoteKeys::new(ISS).fetch(noted.clone());
        let verifier = Verifier::<Claims>::new(Authority::oidc(keys).audience("test")).unwrap();
        let error = verifier.warm().await.unwrap_err().to_string();
        assert!(error.contains("jwks_uri") && error.contains(why), "{uri}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
        assert_eq!(noted.1.lock().unwrap().len(), 1, "{uri} is not asked");
    }
    // Another host is fine: providers do so.
    let provider = provider();
    provider.fails_with(ProviderFault::JwksUri("https://keys.example.net/certs".to_owned()));
    let noted = Noting(provider.clone(), Arc::default());
    let keys = RemoteKeys::new(ISS).fetch(noted.clone());
    let verifier = Verifier::<Claims>::new(Authority::oidc(keys).audience("test")).unwrap();
    verifier.warm().await.unwrap_err();
    assert_eq!(noted.1.lock().unwrap()[1], "https://keys.example.net/certs");
}

/// What is null is absent, and what is not read may be anything.
#[tokio::test(start_paused = true)]
async fn nulls_in_a_discovery_document_count_as_absent() {
    let issuer = tower_jwt_auth::TestIssuer::new(ISS);
    for (document, words) in [
        (json!({ "issuer": ISS, "jwks_uri": null }), Some("has no jwks_uri")),
        (json!({ "issuer": null, "jwks_uri": "https://id.example.com/jwks" }), Some("has no issuer")),
        (
            json!({
                "issuer": ISS, "jwks_uri": "https://id.example.com/jwks", "scopes_supported": null,
                "id_token_signing_alg_values_supported": "RS256", "mtls_endpoint_aliases": [null],
            }),
            None,
        ),
        (
            json!({ "issuer": ISS, "jwks_uri": "https://id.example.com/jwks", "$serde_json::private::RawValue": "1" }),
            Some("serde_json"),
        ),
    ] {
        #[derive(Debug)]
        struct Two(String, String);
        impl Fetch for Two {
            fn fetch(&self, url: &str, _: usize) -> NowOrLater<Result<Response<Bytes>, FetchError>> {
                let body = if url.ends_with("/jwks") { &self.1 } else { &self.0 };
                NowOrLater::ready(Ok(Response::new(Bytes::from(body.clone()))))
            }
        }
        let keys = RemoteKeys::new(ISS).fetch(Two(document.to_string(), issuer.jwks()));
        let verifier = Verifier::<Claims>::new(Authority::oidc(keys).audience("test")).unwrap();
        let error = verifier.warm().await.err().map(|error| error.to_string());
        assert_eq!(error.is_some(), words.is_some(), "{error:?}");
        assert!(words.is_none_or(|words| error.unwrap().contains(words)), "{document}");
    }
}

#[tokio::test(start_paused = true)]
async fn discovery_is_asked_again_after_a_failure_and_after_an_hour() {
    let provider = provider();
    let verifier = oidc(&provider);
    verifier.warm().await.unwrap();
    pass(50 * 60).await;
    assert_eq!(provider.discovery_calls(), 1);
    assert!(provider.jwks_calls() > 5);
    pass(20 * 60).await;
    assert_eq!(provider.discovery_calls(), 2);
    provider.next_fail_with(1, ProviderFault::HangUp);
    pass(15 * 60).await;
    assert_eq!(provider.discovery_calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn both_documents_share_the_time_of_one_fetch() {
    let provider = provider();
    provider.latency(Duration::from_secs(3));
    let verifier = oidc(&provider);
    let error = verifier.warm().await.unwrap_err().to_string();
    assert!(error.contains("no answer within 5s"), "{error}");
    assert_eq!(reason(&verifier, &token(&provider)).await, Reason::KeysUnavailable);
}
