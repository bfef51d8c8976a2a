//! The span around a fetch.

use bytes::Bytes;
use http::Response;
use serde_json::json;
use tower_jwt_auth::{Authority, Claims, Fetch, FetchError, NowOrLater, RemoteKeys, TestProvider, Verifier};
use tracing_subscriber::filter::LevelFilter;

use crate::support::logged;

/// Says in the log that it was asked.
#[derive(Debug)]
struct Chatty(TestProvider);

impl Fetch for Chatty {
    fn fetch(&self, url: &str, max_bytes: usize) -> NowOrLater<Result<Response<Bytes>, FetchError>> {
        tracing::info!("asked");
        self.0.fetch(url, max_bytes)
    }
}

#[tokio::test]
async fn what_a_fetcher_logs_is_in_a_span_that_names_the_source() {
    let provider = TestProvider::in_memory("https://id.example.com");
    let keys = RemoteKeys::new("https://id.example.com").fetch(Chatty(provider.clone()));
    let verifier = Verifier::<Claims>::new(Authority::oidc(keys).audience("api")).unwrap();
    let token = provider.sign(json!({ "aud": "api", "exp": 4_000_000_000_u64 }));
    let log = logged(LevelFilter::INFO, async { drop(verifier.verify(&token).await.unwrap()) }).await;
    let asked = log.lines().find(|line| line.contains("asked")).unwrap_or_else(|| panic!("{log}"));
    assert!(asked.contains(r#"fetch_keys{source="https://id.example.com"}"#), "{asked}");
}
