//! What a source, its task and those that wait for it share: the snapshot, the state, and one fetch.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};

use super::driver;
use crate::keys::remote::document::{
    Failure, MAX_KEYS, body_of, jwks_uri_of, key_of, keys_of, max_age_of, short,
};
use crate::keys::remote::endpoint::KeyLocation;
use crate::keys::remote::endpoint::without_query;
use crate::keys::remote::fetch::Fetch;
use crate::keys::remote::measured_as::{Measured, MeasuredAs};
use crate::keys::remote::persisted::PersistedKeys;
use crate::keys::remote::state::{Bounds, Instant, State};
use crate::keys::remote::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use crate::keys::remote::sync::{AbortHandle, Mutex, MutexGuard, Stopwatch, fill_random, lock};
use crate::keys::remote::url_rules::UrlRules;
use crate::keys::{Generation, KeySet};
use crate::runtime::{Clock, UnixTime, trace};

const MAX_BODY_BYTES: usize = 256 * 1024;
/// What discovery said is asked again after this, in case an old place goes on answering.
const DISCOVERED_FOR: Duration = Duration::from_secs(3600);

pub(in crate::keys::remote) struct Settings {
    pub(in crate::keys::remote) location: KeyLocation,
    pub(in crate::keys::remote) measured_as: MeasuredAs,
    pub(in crate::keys::remote) fetch: Arc<dyn Fetch>,
    pub(in crate::keys::remote) url_rules: UrlRules,
    pub(in crate::keys::remote) bounds: Bounds,
    pub(in crate::keys::remote) fetch_time: Duration,
    pub(in crate::keys::remote) wait: Duration,
    pub(in crate::keys::remote) kept: Option<PersistedKeys>,
    /// Tells the age of kept keys; everything else is measured.
    pub(in crate::keys::remote) clock: Arc<dyn Clock>,
}

pub(in crate::keys::remote) struct Inner {
    pub(super) settings: Settings,
    pub(super) stopwatch: Stopwatch,
    pub(super) snapshot: ArcSwap<(Generation, KeySet)>,
    /// The generation of the set that was restored last.
    pub(super) restored: AtomicU64,
    /// The milliseconds since the start at which the keys are too old, for those who read without a lock.
    pub(super) unusable_from: AtomicU64,
    /// The milliseconds since the start until which asking for an unknown `kid` brings nothing, for those who ask
    /// without a lock.
    pub(super) quiet_until: AtomicU64,
    /// How often that was told.
    pub(super) told_quiet: AtomicU64,
    /// Locked while the snapshot is replaced, so that both tell of the same set.
    pub(super) state: Mutex<State>,
    /// What discovery said, and when; forgotten when a fetch fails.
    pub(super) jwks_uri: Mutex<Option<(Instant, String)>>,
    pub(super) last_error: Mutex<Option<String>>,
    /// Counts the attempts that have ended, and tells those who wait for one; whether the last one was good.
    pub(super) attempts: watch::Sender<(u64, bool)>,
    pub(super) waiters: AtomicUsize,
    pub(in crate::keys::remote) driven: AtomicBool,
    /// The source is gone; who waits still holds this.
    pub(super) closed: AtomicBool,
    /// When the keys were asked for that are, or were, at hand.
    pub(super) fetched_at: Mutex<Option<UnixTime>>,
    /// Once something was measured.
    pub(super) measured: Mutex<Option<Measured>>,
    pub(super) task: Mutex<Option<AbortHandle>>,
    /// Woken when somebody asks.
    pub(in crate::keys::remote) wake: Arc<Notify>,
}

impl Inner {
    pub(in crate::keys::remote) fn now(&self) -> Instant {
        self.stopwatch.elapsed()
    }

    pub(in crate::keys::remote) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(in crate::keys::remote) fn task(&self) -> MutexGuard<'_, Option<AbortHandle>> {
        lock(&self.task)
    }

    pub(in crate::keys::remote) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// One load of a flag: a task that ended with its runtime is started again on the present one.
    /// Answers whether there is one.
    pub(super) fn see_to_the_task(self: &Arc<Self>) -> bool {
        self.driven.load(Ordering::Acquire) || driver::start(self)
    }

    /// The task drops keys in time, but it may have ended with its runtime, or be kept from running.
    pub(super) fn see_to_the_age(&self) {
        if self.unusable_from.load(Ordering::Relaxed) <= millis(self.now()) {
            self.drop_old_keys();
        }
    }

    pub(super) fn ended(&self, fetched: Result<Fetched, Failure>) {
        let good = fetched.is_ok();
        match fetched {
            Ok(Fetched { keys, max_age, .. }) => {
                *lock(&self.last_error) = None;
                let mut state = self.state();
                let change = self.replace(keys);
                state.succeeded(self.now(), max_age, spread());
                self.unusable_from.store(state.unusable_from().map_or(u64::MAX, millis), Ordering::Relaxed);
                drop(state);
                self.tell(change);
            }
            Err(Failure { why, retry_after }) => {
                let why = short(&why);
                trace::warn!(url = self.settings.location.shown(), error = why, "keys cannot be fetched");
                *lock(&self.jwks_uri) = None;
                *lock(&self.last_error) = Some(why);
                self.state().failed(self.now(), retry_after, spread());
            }
        }
        self.measure();
        // Locked, so that nobody is quieted by what was true before.
        let state = self.state();
        self.attempts.send_modify(|(count, last_was_good)| {
            *count += 1;
            *last_was_good = good;
        });
        self.quiet_until.store(0, Ordering::Relaxed);
        drop(state);
    }

    /// The task is gone: with its runtime, or since the fetcher panicked, which is a failure like any other.
    pub(in crate::keys::remote) fn interrupted(&self, panicked: bool) {
        if panicked && self.state().is_fetching() {
            self.ended(Err(Failure::new("the fetcher panicked")));
        }
        self.state().interrupted();
        self.driven.store(false, Ordering::Release);
        self.attempts.send_modify(|_| ());
    }

    /// Drops the keys if they are too old.
    #[cold]
    pub(in crate::keys::remote) fn drop_old_keys(&self) {
        let mut state = self.state();
        if !state.is_too_old(self.now()) {
            return;
        }
        let change = self.replace(KeySet::default());
        state.dropped();
        self.unusable_from.store(u64::MAX, Ordering::Relaxed);
        drop(state);
        self.measure();
        trace::error!(
            url = self.settings.location.shown(),
            "keys are too old to be trusted; tokens are refused with 503"
        );
        self.tell(change);
    }

    pub(super) async fn load(&self) -> Result<Fetched, Failure> {
        let url = self.find_keys().await?;
        let (headers, body) = self.get(&url).await?;
        let keys = match &self.settings.location {
            KeyLocation::Pem { kid, .. } => key_of(&body, kid)?,
            KeyLocation::JwkSet { .. } | KeyLocation::Discovery { .. } => keys_of(&body, MAX_KEYS)?,
        };
        Ok(Fetched { keys, max_age: max_age_of(&headers), body })
    }

    async fn find_keys(&self) -> Result<String, Failure> {
        let Settings { location, url_rules, .. } = &self.settings;
        let (issuer, document, other_name) = match location {
            KeyLocation::JwkSet { url } | KeyLocation::Pem { url, .. } => return Ok(url.clone()),
            KeyLocation::Discovery { issuer, document, other_name } => {
                (issuer, document, other_name.as_deref())
            }
        };
        let known = lock(&self.jwks_uri).clone();
        if let Some((at, known)) = known
            && self.now() < at + DISCOVERED_FOR
        {
            return Ok(known);
        }
        let (_, body) = self.get(document).await?;
        let jwks_uri = jwks_uri_of(&body, issuer, other_name, url_rules)?;
        url_rules.warn_of(&jwks_uri);
        *lock(&self.jwks_uri) = Some((self.now(), jwks_uri.clone()));
        Ok(jwks_uri)
    }

    async fn get(&self, url: &str) -> Result<(http::HeaderMap, bytes::Bytes), Failure> {
        let place = without_query(url);
        let answer = self.settings.fetch.fetch(url, MAX_BODY_BYTES).await;
        let answer = answer.map_err(|error| Failure::new(format!("{place}: {error}")))?;
        // A fetcher of the user's own may not have counted.
        if answer.body().len() > MAX_BODY_BYTES {
            return Err(Failure::new(format!("{place}: the body has more than {MAX_BODY_BYTES} bytes")));
        }
        body_of(place, answer, self.settings.clock.now())
    }

    /// Replaces the set as a unit: a key that is not in the new one is gone. Called with the state locked.
    pub(super) fn replace(&self, keys: KeySet) -> Option<Change> {
        let current = self.snapshot.load();
        if current.1.to_public_jwks() == keys.to_public_jwks() {
            return None;
        }
        let change = Change { before: current.1.clone(), after: keys.clone() };
        self.snapshot.store(Arc::new((current.0 + 1, keys)));
        Some(change)
    }

    /// Logs what changed, without a lock: who listens may ask for the health.
    pub(super) fn tell(&self, change: Option<Change>) {
        let Some(Change { before, after }) = change else { return };
        for _skipped in after.skipped() {
            trace::warn!(url = self.settings.location.shown(), key = %_skipped, "a key is not used");
        }
        let (before, after) = (kids(&before), kids(&after));
        for _kid in after.iter().filter(|kid| !before.contains(kid)) {
            trace::info!(url = self.settings.location.shown(), kid = _kid, "a key was added");
        }
        for _kid in before.iter().filter(|kid| !after.contains(kid)) {
            trace::info!(url = self.settings.location.shown(), kid = _kid, "a key was removed");
        }
    }
}

/// A set as it was sent.
pub(super) struct Fetched {
    pub(super) keys: KeySet,
    pub(super) max_age: Option<Duration>,
    pub(super) body: bytes::Bytes,
}

pub(super) struct Change {
    before: KeySet,
    after: KeySet,
}

pub(super) fn millis(time: Instant) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn kids(keys: &KeySet) -> Vec<String> {
    keys.iter().filter_map(|key| key.kid().map(str::to_owned)).collect()
}

/// At random from -1 to 1.
pub(crate) fn spread() -> f64 {
    let mut bytes = [0; 4];
    match fill_random(&mut bytes) {
        Ok(()) => f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX) * 2.0 - 1.0,
        Err(_) => 0.0,
    }
}
