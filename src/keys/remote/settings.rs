//! Where keys are, and how they are fetched.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::by_kid::{ByKid, PerKid};
use super::endpoint::{KeyEndpoint, KeyLocation};
use super::fetch::Fetch;
use super::http::HttpFetch;
use super::measured_as::MeasuredAs;
use super::persisted::PersistedKeys;
use super::source::Remote;
use super::state::Bounds;
use super::url_rules::UrlRules;
use crate::error::{ConfigError, ConfigProblemKind, Problems, shown_url};
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
    url_rules: UrlRules,
    discovery_url: Option<String>,
    jwks_url: Option<String>,
    cooldown: Duration,
    stale: Duration,
    max_age: RangeInclusive<Duration>,
    fetch_time: Duration,
    wait: Duration,
    store: Option<Arc<dyn KeyStore>>,
    /// What else the keys are fetched by, if a configuration says it: a source is only taken over while it is the same.
    #[cfg(feature = "config")]
    configured_as: Option<u64>,
}

impl RemoteKeys {
    /// Keys at this URL: that of a JWK set for `Authority::jwks`, the issuer for `Authority::oidc`.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            fetch: None,
            url_rules: UrlRules::set_by("RemoteKeys"),
            discovery_url: None,
            jwks_url: None,
            cooldown: Duration::from_secs(10),
            stale: Duration::from_secs(6 * 3600),
            max_age: Bounds::LIFETIME,
            fetch_time: Duration::from_secs(5),
            wait: Duration::from_secs(2),
            store: None,
            #[cfg(feature = "config")]
            configured_as: None,
        }
    }

    /// Fetches with this instead of the usual [`HttpFetch`].
    pub fn fetch(mut self, fetch: impl Fetch) -> Self {
        self.fetch = Some(Arc::new(fetch));
        self
    }

    /// Fetches with this, unless a way was set.
    #[cfg(feature = "status-list")]
    pub(crate) fn fetch_unless_set(mut self, fetch: &Arc<dyn Fetch>) -> Self {
        self.fetch.get_or_insert_with(|| Arc::clone(fetch));
        self
    }

    /// Allows `http://` for a host that is this very machine, for tests and for a sidecar.
    pub fn insecure_http_on_loopback(mut self) -> Self {
        self.url_rules.http_on_loopback = true;
        self
    }

    /// Allows `http://` for these hosts, in the URL, in the addresses set beside it, and in a `jwks_uri`. Each is `host` or
    /// `host:port`, exactly as in the URL.
    ///
    /// **Every machine on the way can send keys of its own**, and with them sign tokens. So this is for a network that nobody
    /// else is on: a compose file, a pod, a mesh that encrypts by itself. A warning is logged when the verifier is built.
    ///
    /// ```
    /// # #[cfg(feature = "oidc")]
    /// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
    /// use tower_jwt_auth::{Claims, Verifier, provider};
    /// use tower_jwt_auth::provider::KeycloakRoles;
    ///
    /// // The browser and the tokens say id.example.com; this service reaches the server as `keycloak`.
    /// let authority = provider::keycloak("https://id.example.com", "shop", KeycloakRoles::Realm)
    ///     .audience("orders-api")
    ///     .remote_keys(|keys| {
    ///         keys.discovery_url("http://keycloak:8080/realms/shop/.well-known/openid-configuration")
    ///             .insecure_http_hosts(["keycloak:8080"])
    ///     });
    /// let verifier = Verifier::<Claims>::new(authority)?;
    /// # Ok(()) }
    /// # #[cfg(not(feature = "oidc"))] fn main() {}
    /// ```
    pub fn insecure_http_hosts<S: Into<String>>(mut self, hosts: impl IntoIterator<Item = S>) -> Self {
        self.url_rules.http_hosts.extend(hosts.into_iter().map(Into::into));
        self
    }

    /// Fetches the discovery document from this URL instead of the issuer's own: for a provider that has another name inside
    /// of your network.
    ///
    /// The document may name the configured issuer, or the address at which it is fetched (what stands before
    /// `/.well-known/openid-configuration`), and no other. Tokens must name the configured issuer all the same.
    pub fn discovery_url(mut self, url: impl Into<String>) -> Self {
        self.discovery_url = Some(url.into());
        self
    }

    /// Fetches the JWK set from this URL, and no discovery document: for a `jwks_uri` that cannot be reached from where the
    /// service runs.
    pub fn jwks_url(mut self, url: impl Into<String>) -> Self {
        self.jwks_url = Some(url.into());
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

    /// Says by one number what a configuration says of the fetch.
    #[cfg(feature = "config")]
    pub(crate) const fn configured_as(mut self, number: u64) -> Self {
        self.configured_as = Some(number);
        self
    }

    /// Whether a configuration says all that the fetch depends on.
    #[cfg(feature = "config")]
    pub(crate) const fn is_configured(&self) -> bool {
        self.configured_as.is_some()
    }

    /// What tells this source from others: one with the same identity may serve in its stead.
    pub(crate) fn identity(&self, endpoint: KeyEndpoint) -> String {
        let location = self.location(endpoint);
        #[cfg(feature = "config")]
        return format!("{location:?} {:?}", self.configured_as);
        #[cfg(not(feature = "config"))]
        format!("{location:?}")
    }

    /// Where the keys are fetched from.
    pub(crate) fn location(&self, endpoint: KeyEndpoint) -> KeyLocation {
        match (endpoint, &self.jwks_url, &self.discovery_url) {
            (_, Some(url), _) => KeyLocation::JwkSet { url: url.clone() },
            (KeyEndpoint::JwkSet | KeyEndpoint::PemOfKid, None, _) => {
                KeyLocation::JwkSet { url: self.url.clone() }
            }
            (KeyEndpoint::Discovery, None, None) => KeyLocation::of_issuer(&self.url),
            (KeyEndpoint::Discovery, None, Some(document)) => KeyLocation::of_issuer_at(&self.url, document),
        }
    }

    /// # Errors
    /// If an address cannot be used, or two of them contradict each other.
    fn check_addresses(&self, endpoint: KeyEndpoint) -> Result<(), ConfigError> {
        let mut problems = Problems::default();
        problems.take(self.url_rules.check_hosts());
        match (&self.discovery_url, &self.jwks_url) {
            (Some(_), Some(_)) => {
                let problem = "both discovery_url(..) and jwks_url(..) are set";
                let error = ConfigError::new("discovery_url", problem, "keep one of them");
                problems.add(error.of_kind(ConfigProblemKind::Conflict));
            }
            (Some(_), None) if endpoint != KeyEndpoint::Discovery => {
                let problem = "the keys are at the URL of a JWK set, and no document leads there";
                problems.add(ConfigError::new("discovery_url", problem, "call jwks_url(..) instead"));
            }
            (Some(url), None) => {
                problems.take(self.url_rules.check("discovery_url", url));
                if !url.contains("/.well-known/") {
                    let remedy = "give the whole URL of the document, with /.well-known/openid-configuration";
                    let problem = format!("{:?} is not a discovery document", shown_url(url));
                    problems.add(ConfigError::new("discovery_url", problem, remedy));
                }
            }
            (None, Some(url)) => {
                problems.take(self.url_rules.check("jwks_url", url));
            }
            // The issuer itself is fetched from only without an address beside it.
            (None, None) => {
                problems.take(self.url_rules.check("url", &self.url));
            }
        }
        if endpoint == KeyEndpoint::Discovery && self.url.contains("/.well-known/") {
            let remedy = "give the issuer alone, what stands before /.well-known/";
            let problem = format!("{:?} is a document, not an issuer", shown_url(&self.url));
            problems.add(ConfigError::new("url", problem, remedy));
        }
        if endpoint == KeyEndpoint::PemOfKid && !self.location(endpoint).url().ends_with('/') {
            let remedy = "give what stands before the kid, with its slash";
            let problem = format!("{:?} does not end with a slash", self.location(endpoint).url());
            problems.add(ConfigError::new("jwks_url", problem, remedy));
        }
        if endpoint == KeyEndpoint::PemOfKid && self.store.is_some() {
            let problem = "keys that are fetched one by one are not kept";
            problems.add(ConfigError::new("keep_in", problem, "leave it out"));
        }
        if endpoint == KeyEndpoint::Discovery && self.url.contains('?') {
            let remedy = "an issuer has none (OpenID Connect Discovery section 3)";
            problems.add(ConfigError::new("url", format!("{:?} has a query", shown_url(&self.url)), remedy));
        }
        problems.into_result()
    }

    /// The source, which fetches by `fetch` unless a way was set.
    pub(crate) fn into_source(
        self,
        endpoint: KeyEndpoint,
        fetch: Option<&Arc<dyn Fetch>>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Arc<dyn KeySource>, ConfigError> {
        let mut problems = Problems::default();
        problems.take(self.check_addresses(endpoint));
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
        let location = self.location(endpoint);
        let measured_as = match fetch {
            Some(_) => MeasuredAs::tenant(),
            None => MeasuredAs::alone(location.name()),
        };
        let measured_as = if endpoint == KeyEndpoint::PemOfKid { measured_as.shared() } else { measured_as };
        let fetch = match (self.fetch, fetch) {
            (Some(fetch), _) => fetch,
            (None, Some(fetch)) => Arc::clone(fetch),
            (None, None) => Arc::new(HttpFetch::new()?),
        };
        self.url_rules.warn_of(location.url());
        let kept =
            self.store.map(|store| PersistedKeys::new(store, location.name().to_owned(), location.kind()));
        let (cooldown, wait, clock) = (self.cooldown, self.wait, Arc::clone(clock));
        let bounds = Bounds { cooldown, stale: self.stale, lifetime: self.max_age };
        let settings_of = move |location, kept| super::source::Settings {
            location,
            measured_as: measured_as.clone(),
            fetch: Arc::clone(&fetch),
            url_rules: self.url_rules.clone(),
            bounds: bounds.clone(),
            fetch_time: self.fetch_time,
            wait,
            kept,
            clock: Arc::clone(&clock),
        };
        if endpoint != KeyEndpoint::PemOfKid {
            return Ok(Arc::new(Remote::new(settings_of(location, kept))));
        }
        let of = move |kid: &str| {
            let url = format!("{}{kid}", location.url());
            settings_of(KeyLocation::Pem { url, kid: kid.to_owned() }, None)
        };
        Ok(Arc::new(ByKid::new(PerKid { of: Box::new(of), cooldown, wait })))
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
