//! The settings of status lists.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::allowed::AllowedUris;
use super::check::{Rules, StatusCheck};
use super::list_token::ListClaims;
use super::loader::{LEEWAY, Loader, document_bytes};
use super::schedule::Bounds;
use super::shared::Shared;
use super::table::Table;
use crate::error::{ConfigError, ConfigProblemKind, Problems};
use crate::jose::{Algorithm, Limits};
use crate::keys::{Fetch, HttpFetch, KeySet, RemoteKeys, UrlRules};
use crate::runtime::Stopwatch;
use crate::verify::{Authority, Check, CheckContext, CheckOrigin, Verifier};

/// Where the status lists of an authority's tokens are, and whom they are believed (feature `status-list`).
///
/// The claim `status` of a token names a Token Status List (draft-ietf-oauth-status-list) and an index in it. The list says
/// whether the token is still valid. It is looked at last, for a token that is good otherwise. A token whose status is not
/// VALID is refused with [`Reason::Revoked`](crate::Reason::Revoked): that is INVALID, SUSPENDED, and every status that you do
/// not [accept](StatusLists::accept_status).
///
/// A list is fetched when a token first names it. That token waits for at most
/// [`check_deadline`](crate::VerifierBuilder::check_deadline), and all others that come meanwhile wait for the same fetch. From
/// then on the list is in memory and is refreshed in the background, so a revocation takes effect when the list is fetched next.
/// A list that no token has named since the last fetch is forgotten. While a list cannot be had, the answer is 503
/// ([`Reason::RevocationUnavailable`](crate::Reason::RevocationUnavailable)), never 401.
///
/// Lists are signed. Their keys are given here and have nothing to do with those of the tokens, even if they are the same. It
/// needs a tokio runtime with the time driver on.
///
/// ```
/// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
/// use tower_jwt_auth::{Authority, Claims, StatusLists, Verifier};
///
/// let lists = StatusLists::jwks("https://id.example.com/jwks.json")
///     .allow("https://id.example.com/statuslists/")
///     .required();
/// let authority = Authority::jwks("https://id.example.com/jwks.json")
///     .issuer("https://id.example.com")
///     .audience("orders-api")
///     .status_lists(lists);
/// let verifier = Verifier::<Claims>::new(authority)?; // nothing is fetched yet
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "give it to Authority::status_lists"]
pub struct StatusLists {
    keys: Keys,
    issuer: Option<String>,
    algorithms: Option<Vec<Algorithm>>,
    allowed: Vec<String>,
    is_required: bool,
    accepted: Vec<u8>,
    fetch: Option<Arc<dyn Fetch>>,
    url_rules: UrlRules,
    bounds: Bounds,
    max_age: Option<Duration>,
    fetch_time: Duration,
    most_lists: usize,
    list_bytes: usize,
    most_bytes: usize,
}

/// Where the keys of the lists come from.
enum Keys {
    Set(KeySet),
    Jwks(Box<RemoteKeys>),
    #[cfg(feature = "oidc")]
    Oidc(Box<RemoteKeys>),
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set(keys) => f.debug_tuple("Set").field(keys).finish(),
            Self::Jwks(keys) => f.debug_tuple("Jwks").field(keys).finish(),
            #[cfg(feature = "oidc")]
            Self::Oidc(keys) => f.debug_tuple("Oidc").field(keys).finish(),
        }
    }
}

/// The statuses that are application-specific for good (section 7.1).
const APPLICATION_SPECIFIC: [u8; 5] = [0x03, 0x0c, 0x0d, 0x0e, 0x0f];

impl StatusLists {
    /// Lists signed with one of these keys.
    pub fn keys(keys: KeySet) -> Self {
        Self::of(Keys::Set(keys))
    }

    /// Lists signed with a key of the JWK set at this URL, which is fetched and kept up to date as by
    /// [`Authority::jwks`].
    pub fn jwks(keys: impl Into<RemoteKeys>) -> Self {
        Self::of(Keys::Jwks(Box::new(keys.into())))
    }

    /// Lists signed with a key of this issuer, which its discovery document names, as by [`Authority::oidc`].
    #[cfg(feature = "oidc")]
    pub fn oidc(issuer: impl Into<RemoteKeys>) -> Self {
        Self::of(Keys::Oidc(Box::new(issuer.into())))
    }

    fn of(keys: Keys) -> Self {
        let second = Duration::from_secs(1);
        Self {
            keys,
            issuer: None,
            algorithms: None,
            allowed: Vec::new(),
            is_required: false,
            accepted: Vec::new(),
            fetch: None,
            url_rules: UrlRules::set_by("StatusLists"),
            bounds: Bounds { ttl: second * 60..=second * 3600, stale: second * 3600 },
            max_age: None,
            fetch_time: second * 5,
            most_lists: 100,
            list_bytes: 1024 * 1024,
            most_bytes: 64 * 1024 * 1024,
        }
    }

    /// Allows the list at this URI. One that ends with `/` allows all lists below it, whose paths have letters, digits, `-`,
    /// `.`, `_`, `~` and `/` alone, and no `..`. Call it for each; a token that names another list is refused, and nothing is
    /// fetched for it.
    ///
    /// The URI is compared as it stands. It is `https://`, but for what [`StatusLists::insecure_http_on_loopback`] and
    /// [`StatusLists::insecure_http_hosts`] allow.
    pub fn allow(mut self, uri: impl Into<String>) -> Self {
        self.allowed.push(uri.into());
        self
    }

    /// Refuses tokens that have no claim `status`. Unless told, they are accepted without a look; one that is malformed is
    /// always refused.
    ///
    /// Call it if your issuer puts a status into every token.
    pub fn required(mut self) -> Self {
        self.is_required = true;
        self
    }

    /// Requires this `iss` in lists. Unless told, `iss` may be absent or anything: the specification does not have it, and the
    /// signature and the URI in `sub` say whose list it is.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Allows lists that are signed with these algorithms and no others, as [`Authority::algorithms`] does for tokens.
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = Some(algorithms.into_iter().collect());
        self
    }

    /// Lets tokens pass that have this application-specific status: 3, 12, 13, 14 or 15. Unless told, they are refused. What
    /// it means is between you and your issuer.
    pub fn accept_status(mut self, status: u8) -> Self {
        self.accepted.push(status);
        self
    }

    /// Fetches lists with this instead of the usual [`HttpFetch`]. How the keys are fetched is said to [`RemoteKeys`].
    pub fn fetch(mut self, fetch: impl Fetch) -> Self {
        self.fetch = Some(Arc::new(fetch));
        self
    }

    /// Allows lists at `http://` of a host that is this very machine, for tests and for a sidecar.
    pub fn insecure_http_on_loopback(mut self) -> Self {
        self.url_rules.http_on_loopback = true;
        self
    }

    /// Allows lists at `http://` of these hosts, each `host` or `host:port` as in the URI. Lists are signed, but a machine on
    /// the way can withhold them, or send an older one when this process starts.
    pub fn insecure_http_hosts<S: Into<String>>(mut self, hosts: impl IntoIterator<Item = S>) -> Self {
        self.url_rules.http_hosts.extend(hosts.into_iter().map(Into::into));
        self
    }

    /// Within which bounds a list's `ttl` is believed, and the time up to its `exp`: 1 minute to 1 hour by default, from 1 second
    /// to 24 hours. A list that says nothing means 10 minutes.
    ///
    /// A list is fetched again at 80 % of it, a tenth earlier or later. After its `exp` it is not used, whatever the bounds.
    pub fn ttl(mut self, bounds: RangeInclusive<Duration>) -> Self {
        self.bounds.ttl = bounds;
        self
    }

    /// How long a list serves after its `ttl` if it cannot be had anew: 1 hour by default, at most 24. A revocation may take
    /// that much longer; after it, tokens get 503. A list is not used after its `exp` in any case.
    pub fn stale(mut self, stale: Duration) -> Self {
        self.bounds.stale = stale;
        self
    }

    /// Refuses a list that was issued longer ago than this, by its `iat`, whatever its `exp`. Unless told, a list without `exp`
    /// may be of any age when this process sees it first. From then on, an older list than the one at hand is refused anyway.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// How long one fetch may take: 5 seconds by default, 1 to 30. It goes on if the tokens that wait for it give up earlier.
    pub fn fetch_time(mut self, time: Duration) -> Self {
        self.fetch_time = time;
        self
    }

    /// How many lists are kept: 100 by default, at most 1,000. If there is no room, the least used one goes that was not fetched
    /// within the last 10 seconds. If there is none, the tokens of the new list get 503.
    pub fn lists(mut self, lists: usize) -> Self {
        self.most_lists = lists;
        self
    }

    /// Bytes of one list after it was decompressed: 1 MiB by default, which is 8,388,608 tokens at 1 bit; 1 KiB to 64 MiB. A
    /// longer one is refused before it is in memory.
    pub fn list_bytes(mut self, bytes: usize) -> Self {
        self.list_bytes = bytes;
        self
    }

    /// Bytes of all lists together: 64 MiB by default, at most 4 GiB, and not less than one list may have. If there is no room,
    /// lists go as by [`StatusLists::lists`].
    pub fn memory(mut self, bytes: usize) -> Self {
        self.most_bytes = bytes;
        self
    }

    /// # Errors
    /// If numbers or times are out of bounds.
    fn check_bounds(&self) -> Result<(), ConfigError> {
        let mut problems = Problems::default();
        let mut out_of_bounds = |setting: &'static str, problem: String, remedy: String| {
            let error = ConfigError::new(setting, format!("{problem} (status lists)"), remedy);
            problems.add(error.of_kind(ConfigProblemKind::OutOfBounds));
        };
        let second = Duration::from_secs(1);
        for (setting, value, least, most) in [
            ("ttl", *self.bounds.ttl.start(), 1, 24 * 3600),
            ("ttl", *self.bounds.ttl.end(), 1, 24 * 3600),
            ("stale", self.bounds.stale, 0, 24 * 3600),
            ("fetch_time", self.fetch_time, 1, 30),
        ] {
            if value < second * least || value > second * most {
                let remedy = format!("use {least} to {most} seconds");
                out_of_bounds(setting, format!("{value:?} is out of bounds"), remedy);
            }
        }
        const KIB: usize = 1024;
        for (setting, value, least, most) in [
            ("lists", self.most_lists, 1, 1000),
            ("list_bytes", self.list_bytes, KIB, 64 * KIB * KIB),
            ("memory", self.most_bytes, self.list_bytes, usize::try_from(4_u64 << 30).unwrap_or(usize::MAX)),
        ] {
            if !(least..=most).contains(&value) {
                let remedy = format!("use a value from {least} to {most}");
                out_of_bounds(setting, format!("{value} is out of bounds"), remedy);
            }
        }
        if self.bounds.ttl.is_empty() {
            let problem = format!("nothing is within {:?}", self.bounds.ttl);
            problems.add(ConfigError::new("ttl", problem, "put the shorter one first"));
        }
        for status in self.accepted.iter().filter(|status| !APPLICATION_SPECIFIC.contains(status)) {
            let problem = format!("{status} is not application-specific");
            let remedy = "accept 3, 12, 13, 14 or 15; the others have a meaning of their own";
            problems.add(ConfigError::new("accept_status", problem, remedy));
        }
        problems.into_result()
    }
}

impl CheckOrigin for StatusLists {
    fn setting(&self) -> &'static str {
        "status_lists"
    }

    fn into_check(self: Box<Self>, making: &CheckContext<'_>) -> Result<Check, ConfigError> {
        let mut problems = Problems::default();
        problems.take(self.check_bounds());
        let allowed = problems.take(AllowedUris::new(self.allowed, &self.url_rules));
        // A fetcher of tenants reaches public addresses alone, and so do the keys of their lists.
        let keys_by = |keys: RemoteKeys| match making.fetch {
            Some(fetch) => keys.fetch_unless_set(fetch),
            None => keys,
        };
        let authority = match self.keys {
            Keys::Set(keys) => Authority::keys(keys),
            Keys::Jwks(keys) => Authority::jwks(keys_by(*keys)),
            #[cfg(feature = "oidc")]
            Keys::Oidc(keys) => Authority::oidc(keys_by(*keys)).no_issuer(),
        };
        let authority = authority.typ("statuslist+jwt").required_claim("iat").any_audience().leeway(LEEWAY);
        let authority = match self.issuer {
            Some(issuer) => authority.issuer(issuer),
            None => authority.any_issuer(),
        };
        let authority = self.max_age.into_iter().fold(authority.exp_may_lack(), Authority::max_age);
        let authority = self.algorithms.into_iter().fold(authority, Authority::algorithms);
        let builder = Verifier::<ListClaims>::builder()
            .authority(authority)
            .clock(Arc::clone(making.clock))
            .backend(making.backend.clone())
            .limits(Limits::default().fetched_token_bytes(document_bytes(self.list_bytes)));
        let verifier = problems.take(builder.build());
        let fetch = problems.take(match (self.fetch, making.fetch) {
            (Some(fetch), _) => Ok(fetch),
            (None, Some(fetch)) => Ok(Arc::clone(fetch)),
            (None, None) => HttpFetch::new().map(|fetch| Arc::new(fetch) as _),
        });
        problems.into_result()?;
        let (Some(allowed), Some(verifier), Some(fetch)) = (allowed, verifier, fetch) else {
            // Each of them that lacks has left a problem.
            return Err(ConfigError::no_backend());
        };
        let loader = Loader {
            fetch,
            verifier,
            list_bytes: self.list_bytes,
            max_age: self.max_age,
            fetch_time: self.fetch_time,
            clock: Arc::clone(making.clock),
        };
        let table = Table::new(self.bounds, self.most_lists, self.most_bytes);
        let rules = Rules {
            shared: Arc::new(Shared { loader, table, stopwatch: Stopwatch::start() }),
            allowed,
            is_required: self.is_required,
            accepted: self.accepted.iter().fold(0, |accepted, status| accepted | 1 << status),
        };
        let check = StatusCheck(Arc::new(rules));
        Ok(Check::now_or_later(move |principal| check.judge(principal)))
    }
}

impl Authority {
    /// Refuses tokens that their issuer has revoked, by the status list that each names (feature `status-list`).
    ///
    /// It is the last check of all, for tokens that are good otherwise. With a [`TokenCache`](crate::TokenCache) a token that was
    /// found good is still looked up each time.
    ///
    /// Lists are kept by the verifier, and no other one shares them. Of a tenant ([`Tenants`](crate::Tenants)) they are fetched
    /// anew when your function is asked for it again.
    pub fn status_lists(self, lists: StatusLists) -> Self {
        self.last_check(lists)
    }
}
