//! Where keys are, and how they are fetched.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::document::check_url;
use super::endpoint::KeyEndpoint;
use super::fetch::Fetch;
use super::http::HttpFetch;
use super::persisted::PersistedKeys;
use super::source::Remote;
use super::state::Bounds;
use crate::error::{ConfigError, ConfigProblemKind, Problems};
use crate::keys::KeySource;
use crate::runtime::Clock;
use crate::store::KeyStore;

/// Where the keys of an authority are, and how they are fetched (feature `jwks`).
///
/// A URL alone will do: `Authority::jwks("https://id.example.com/jwks.json")`,
/// `Authority::oidc("https://id.example.com")`.
///
/// ```
/// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
/// use std::time::Duration;
/// use tower_jwt_auth::{Authority, Claims, RemoteKeys, Verifier};
///
/// let keys = RemoteKeys::new("https://id.example.com").cooldown(Duration::from_secs(30));
/// let verifier = Verifier::<Claims>::new(Authority::oidc(keys).audience("orders-api"))?; // nothing is fetched yet
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "give it to Authority::jwks or Authority::oidc"]
pub struct RemoteKeys {
    url: String,
    fetch: Option<Arc<dyn Fetch>>,
    http_on_loopback: bool,
    cooldown: Duration,
    stale: Duration,
    max_age: RangeInclusive<Duration>,
    fetch_time: Duration,
    wait: Duration,
    store: Option<Arc<dyn KeyStore>>,
}

impl RemoteKeys {
    /// Keys at this URL: that of a JWK set for `Authority::jwks`, the issuer for `Authority::oidc`.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            fetch: None,
            http_on_loopback: false,
            cooldown: Duration::from_secs(10),
            stale: Duration::from_secs(6 * 3600),
            max_age: Bounds::LIFETIME,
            fetch_time: Duration::from_secs(5),
            wait: Duration::from_secs(2),
            store: None,
        }
    }

    /// Fetches with this instead of the usual [`HttpFetch`].
    pub fn fetch(mut self, fetch: impl Fetch) -> Self {
        self.fetch = Some(Arc::new(fetch));
        self
    }

    /// Allows `http://` for a host that is this very machine, for tests and for a sidecar.
    pub fn insecure_http_on_loopback(mut self) -> Self {
        self.http_on_loopback = true;
        self
    }

    /// How long after any fetch an unknown `kid` may cause another: 10 seconds by default, 5 to 300.
    ///
    /// A token that is signed with an unannounced new key is refused for at most this long, and one fetch.
    pub fn cooldown(mut self, cooldown: Duration) -> Self {
        self.cooldown = cooldown;
        self
    }

    /// How long keys serve after they should have been refreshed: 6 hours by default, at most 24.
    ///
    /// A key that was withdrawn is trusted for this long if the provider cannot be reached.
    pub fn stale(mut self, stale: Duration) -> Self {
        self.stale = stale;
        self
    }

    /// Within which bounds the provider's `Cache-Control: max-age` is believed: 5 minutes to 1 hour by default, from
    /// 1 second to 24 hours.
    ///
    /// Keys are fetched again at 80 % of it, a tenth earlier or later. A provider that says nothing means 10 minutes,
    /// within the same bounds.
    pub fn max_age(mut self, bounds: RangeInclusive<Duration>) -> Self {
        self.max_age = bounds;
        self
    }

    /// How long one fetch may take: 5 seconds by default, 1 to 30.
    pub fn fetch_time(mut self, time: Duration) -> Self {
        self.fetch_time = time;
        self
    }

    /// How long a request waits for keys that it needs: 2 seconds by default, at most 10.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Keeps the keys that were fetched last in this store, so that a restart while the provider is down still serves.
    ///
    /// A process that has no keys takes the kept ones, and fetches. The kept keys serve for as long as they would have without
    /// the restart: their age counts from the fetch that brought them, whichever process made it. They are public, but **a
    /// process that can write the store can sign tokens**. [`FileKeyStore`](crate::FileKeyStore) refuses a file that other
    /// users can write.
    ///
    /// Each source has a store of its own, and replicas may share it. (For tenants: name the file by an id of your own, never
    /// by `iss`.) A key that the provider removes is removed from the store first. If the store fails, or takes longer than
    /// a second, the new keys take effect all the same. The failure is logged, and [`KeyHealth::store_error`] reports it.
    /// A store that cannot be used does not fail the start, so look there after the first
    /// [`Verifier::warm`](crate::Verifier::warm).
    ///
    /// [`KeyHealth::store_error`]: crate::KeyHealth::store_error
    ///
    /// New keys serve before they are written, so a test gives the store a moment before it drops the verifier. The age of
    /// kept keys is by the verifier's clock; a test that pauses tokio's clock moves both.
    ///
    /// ```
    /// # #[cfg(feature = "oidc")]
    /// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
    /// use tower_jwt_auth::{Authority, Claims, FileKeyStore, RemoteKeys, Verifier};
    ///
    /// let store = FileKeyStore::new("/var/lib/shop/id.example.com.json");
    /// let keys = RemoteKeys::new("https://id.example.com").keep_in(store);
    /// let verifier = Verifier::<Claims>::new(Authority::oidc(keys).audience("orders-api"))?;
    /// # Ok(()) }
    /// # #[cfg(not(feature = "oidc"))] fn main() {}
    /// ```
    pub fn keep_in(mut self, store: impl KeyStore) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The source, which fetches by `fetch` unless a way was set.
    pub(crate) fn into_source(
        self,
        found: KeyEndpoint,
        fetch: Option<&Arc<dyn Fetch>>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Arc<dyn KeySource>, ConfigError> {
        let mut problems = Problems::default();
        problems.take(check_url(&self.url, self.http_on_loopback));
        if found == KeyEndpoint::Discovery && self.url.contains("/.well-known/") {
            let remedy = "give the issuer alone, what stands before /.well-known/";
            problems.add(ConfigError::new(
                "url",
                format!("{:?} is a document, not an issuer", self.url),
                remedy,
            ));
        }
        if found == KeyEndpoint::Discovery && self.url.contains('?') {
            let remedy = "an issuer has none (OpenID Connect Discovery section 3)";
            problems.add(ConfigError::new("url", format!("{:?} has a query", self.url), remedy));
        }
        let second = Duration::from_secs(1);
        for (setting, value, least, most) in [
            ("cooldown", self.cooldown, 5, 300),
            ("stale", self.stale, 0, 24 * 3600),
            ("max_age", *self.max_age.start(), 1, 24 * 3600),
            ("max_age", *self.max_age.end(), 1, 24 * 3600),
            ("fetch_time", self.fetch_time, 1, 30),
            ("wait", self.wait, 0, 10),
        ] {
            if value < second * least || value > second * most {
                let remedy = format!("use {least} to {most} seconds");
                let error = ConfigError::new(setting, format!("{value:?} is out of bounds"), remedy);
                problems.add(error.of_kind(ConfigProblemKind::OutOfBounds));
            }
        }
        if self.max_age.is_empty() {
            let problem = format!("nothing is within {:?}", self.max_age);
            problems.add(ConfigError::new("max_age", problem, "put the shorter one first"));
        }
        problems.into_result()?;
        let fetch = match (self.fetch, fetch) {
            (Some(fetch), _) => fetch,
            (None, Some(fetch)) => Arc::clone(fetch),
            (None, None) => Arc::new(HttpFetch::new()?),
        };
        let kept = self.store.map(|store| PersistedKeys::new(store, self.url.clone(), found));
        Ok(Arc::new(Remote::new(super::source::Settings {
            url: self.url,
            found,
            fetch,
            http_on_loopback: self.http_on_loopback,
            bounds: Bounds { cooldown: self.cooldown, stale: self.stale, lifetime: self.max_age },
            fetch_time: self.fetch_time,
            wait: self.wait,
            kept,
            clock: Arc::clone(clock),
        })))
    }
}

impl From<&str> for RemoteKeys {
    fn from(url: &str) -> Self {
        Self::new(url)
    }
}

impl From<String> for RemoteKeys {
    fn from(url: String) -> Self {
        Self::new(url)
    }
}
