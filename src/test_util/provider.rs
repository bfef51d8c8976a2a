//! A scripted identity provider.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response};
use serde::Serialize;

use super::fault::{Delivery, ProviderFault, Reply};
use super::script::Script;
use super::serve::{self, Server};
use super::{TestIssuer, or_panic};
use crate::jose::Algorithm;
use crate::keys::{Fetch, FetchError, RemoteKeys};
use crate::runtime::NowOrLater;

/// An identity provider for tests (features `test-util` and `jwks`): signs tokens, publishes its keys and a discovery
/// document, counts its calls, and does wrong what it is told to.
///
/// Tokens are for the audience `test` unless the claims name another one. A preset that starts from its issuer takes it by
/// `.remote_keys(|keys| keys.fetch(provider))`, where the provider has that issuer, and `rotate_to(Algorithm::RS256)`.
///
/// It has two faces with one script. [`TestProvider::in_memory`] is asked without a network, for tests that pause
/// tokio's clock; [`TestProvider::on_loopback`] is a real HTTP server. Clones are the same provider.
///
/// ```
/// # #[cfg(feature = "oidc")]
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use serde_json::json;
/// use tower_jwt_auth::{Authority, Claims, ProviderFault, Reason, TestProvider, Verifier};
///
/// let provider = TestProvider::in_memory("https://id.example.com");
/// let verifier = Verifier::<Claims>::new(Authority::oidc(provider.oidc_keys()).audience("test"))?;
///
/// provider.fails_with(ProviderFault::Status(500)); // from now on
/// let refused = verifier.verify(&provider.sign(json!({}))).await.unwrap_err();
/// assert_eq!(refused.reason(), Reason::KeysUnavailable); // 503, not 401
///
/// provider.heals();
/// # tokio::time::pause();
/// # tokio::time::advance(std::time::Duration::from_secs(2)).await;
/// verifier.warm().await?;
/// assert!(verifier.verify(&provider.sign(json!({ "sub": "bob" }))).await.is_ok());
/// assert_eq!(provider.jwks_calls(), 1);
/// # Ok(()) }
/// # #[cfg(not(feature = "oidc"))] fn main() {}
/// ```
#[derive(Clone, Debug)]
pub struct TestProvider {
    script: Arc<Script>,
    server: Option<Arc<Server>>,
}

impl TestProvider {
    /// A provider with this issuer that is asked without a network; the audience of its tokens is `test`.
    ///
    /// # Panics
    /// If `issuer` is empty, or no backend is compiled in.
    #[must_use]
    pub fn in_memory(issuer: impl Into<String>) -> Self {
        Self { script: Arc::new(Script::new(issuer.into())), server: None }
    }

    /// A provider that is a real HTTP server on a free port of this machine; its issuer is its URL.
    ///
    /// As one of [`Tenants`](crate::Tenants) it needs `oidc_keys().fetch(HttpFetch::new()?)`: without that only public
    /// addresses are asked.
    ///
    /// # Panics
    /// If no port can be had, or there is no tokio runtime with I/O and time.
    pub async fn on_loopback() -> Self {
        let listener = or_panic(tokio::net::TcpListener::bind("127.0.0.1:0").await);
        let address = or_panic(listener.local_addr());
        let script = Arc::new(Script::new(format!("http://{address}")));
        let server = serve::start(listener, Arc::clone(&script));
        Self { script, server: Some(Arc::new(server)) }
    }

    /// The issuer: `iss` of the tokens, and of the discovery document.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.script.base
    }

    /// The URL of the JWK set.
    #[must_use]
    pub fn jwks_url(&self) -> String {
        format!("{}/jwks.json", self.script.root())
    }

    /// For `Authority::oidc`: the keys are found by discovery.
    pub fn oidc_keys(&self) -> RemoteKeys {
        self.reached(RemoteKeys::new(self.issuer()))
    }

    /// For `Authority::jwks`: the keys are at a URL. The authority needs `.issuer(provider.issuer())`.
    pub fn jwks_keys(&self) -> RemoteKeys {
        self.reached(RemoteKeys::new(self.jwks_url()))
    }

    fn reached(&self, keys: RemoteKeys) -> RemoteKeys {
        match self.server {
            Some(_) => keys.insecure_http_on_loopback(),
            None => keys.fetch(self.clone()),
        }
    }

    // --- tokens and keys ---

    /// A signed token with these claims, as [`TestIssuer::sign`] makes it.
    ///
    /// # Panics
    /// If the claims are not a JSON object.
    #[must_use]
    pub fn sign(&self, claims: impl Serialize) -> String {
        self.script.state().issuer.sign(claims)
    }

    /// Like [`TestProvider::sign`], with these members of the header beside or instead of the usual ones.
    ///
    /// # Panics
    /// If header or claims are not JSON objects.
    #[must_use]
    pub fn sign_with(&self, header: impl Serialize, claims: impl Serialize) -> String {
        self.script.state().issuer.sign_with(header, claims)
    }

    /// The value of an `Authorization` header with a token of these claims.
    ///
    /// # Panics
    /// If the claims are not a JSON object.
    #[must_use]
    pub fn bearer(&self, claims: impl Serialize) -> HeaderValue {
        self.script.state().issuer.bearer(claims)
    }

    /// The `kid` of the key that signs.
    #[must_use]
    pub fn kid(&self) -> String {
        self.script.state().issuer.kid().to_owned()
    }

    /// Publishes the next key, which signs from the next [`TestProvider::rotate`] on.
    ///
    /// # Panics
    /// As [`TestIssuer::with_algorithm`].
    pub fn announce(&self) {
        let mut state = self.script.state();
        let algorithm = state.issuer.key.algorithm();
        state.next = Some(TestIssuer::with_algorithm("next", algorithm));
    }

    /// Signs with a new key from now on: with the one that was announced, or, as in an emergency, with one that nobody has
    /// seen yet. The old ones stay published.
    ///
    /// A verifier looks for a key that was not announced after its cooldown: on a paused clock let tokio sleep 11 seconds
    /// first. One that was announced is known after a refresh.
    ///
    /// # Panics
    /// As [`TestIssuer::with_algorithm`].
    pub fn rotate(&self) {
        let mut state = self.script.state();
        let algorithm = state.issuer.key.algorithm();
        let next = state.next.take();
        state.sign_with_key_of(next.unwrap_or_else(|| TestIssuer::with_algorithm("next", algorithm)));
    }

    /// Signs with a new key of this algorithm from now on.
    ///
    /// # Panics
    /// As [`TestIssuer::with_algorithm`].
    pub fn rotate_to(&self, algorithm: Algorithm) {
        let mut state = self.script.state();
        state.next = None;
        state.sign_with_key_of(TestIssuer::with_algorithm("next", algorithm));
    }

    /// Withdraws every key but the one that signs, and the one that is announced.
    pub fn retire_old_keys(&self) {
        self.script.state().issuer.retire_old_keys();
    }

    // --- the script ---

    /// Does this wrong from now on.
    pub fn fails_with(&self, fault: ProviderFault) {
        self.script.state().fault = Some(fault);
    }

    /// Does this wrong in the next `calls` that it can strike; after that as before.
    pub fn next_fail_with(&self, calls: usize, fault: ProviderFault) {
        self.script.state().next_faults.extend(std::iter::repeat_n(fault, calls));
    }

    /// Does nothing wrong any longer.
    pub fn heals(&self) {
        let mut state = self.script.state();
        state.fault = None;
        state.next_faults.clear();
    }

    /// Sends this `Cache-Control` with its documents; `None` for no such header, as it is at first.
    ///
    /// # Panics
    /// If it is no header value.
    pub fn cache_control(&self, value: Option<&str>) {
        self.script.state().cache_control = value.map(|value| or_panic(HeaderValue::try_from(value)));
    }

    /// Takes this long for each answer, by tokio's clock.
    pub fn latency(&self, latency: Duration) {
        self.script.state().latency = latency;
    }

    // --- what happened ---

    /// How often the discovery document was asked for.
    #[must_use]
    pub fn discovery_calls(&self) -> u64 {
        self.script.state().discovery_calls
    }

    /// How often the JWK set was asked for.
    #[must_use]
    pub fn jwks_calls(&self) -> u64 {
        self.script.state().jwks_calls
    }
}

impl Fetch for TestProvider {
    fn fetch(&self, url: &str, max_bytes: usize) -> NowOrLater<Result<Response<Bytes>, FetchError>> {
        let (script, url) = (Arc::clone(&self.script), url.to_owned());
        NowOrLater::later(async move {
            let Some(path) = url.strip_prefix(script.root()) else {
                return Err(FetchError::new("no such host"));
            };
            let Reply { status, headers, body, manner } = script.call(path).await;
            match manner {
                Delivery::Whole => (),
                Delivery::Never => std::future::pending().await,
                Delivery::Drip(pause) => {
                    let bytes = u32::try_from(body.len()).unwrap_or(u32::MAX);
                    tokio::time::sleep(pause.saturating_mul(bytes)).await;
                }
                Delivery::Half => return Err(FetchError::new("the body ended early")),
                Delivery::HangUp => return Err(FetchError::new("the connection was closed")),
            }
            if body.len() > max_bytes {
                return Err(FetchError::new(format!("the body has more than {max_bytes} bytes")));
            }
            let mut response = Response::new(body);
            *response.status_mut() = status;
            *response.headers_mut() = headers;
            Ok(response)
        })
    }
}
