//! A source whose keys are fetched: snapshots for those who read, a state machine for those who ask.

mod attempt;
mod driver;
#[cfg(all(test, shuttle))]
mod interleavings;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};

use super::document::{Failure, MAX_KEYS, body_of, jwks_uri_of, keys_of, max_age_of, short};
use super::endpoint::KeyEndpoint;
use super::fetch::Fetch;
use super::health::KeyHealth;
use super::persisted::{PersistedKeys, STORE_TIME};
use super::state::{Bounds, Instant, Need, State};
use super::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use super::sync::{AbortHandle, Mutex, MutexGuard, Stopwatch, fill_random, lock, timeout};
use crate::keys::source::Unavailable;
use crate::keys::{Generation, KeySet, KeySource};
use crate::runtime::NowOrLater;
use crate::runtime::trace;
use crate::runtime::{Clock, UnixTime};

const MAX_BODY_BYTES: usize = 256 * 1024;
const MAX_WAITERS: usize = 1024;
/// What discovery said is asked again after this, in case an old place goes on answering.
const DISCOVERED_FOR: Duration = Duration::from_secs(3600);

pub(in crate::keys::remote) struct Settings {
    pub(in crate::keys::remote) url: String,
    pub(in crate::keys::remote) found: KeyEndpoint,
    pub(in crate::keys::remote) fetch: Arc<dyn Fetch>,
    pub(in crate::keys::remote) http_on_loopback: bool,
    pub(in crate::keys::remote) bounds: Bounds,
    pub(in crate::keys::remote) fetch_time: Duration,
    pub(in crate::keys::remote) wait: Duration,
    pub(in crate::keys::remote) kept: Option<PersistedKeys>,
    /// Tells the age of kept keys; everything else is measured.
    pub(in crate::keys::remote) clock: Arc<dyn Clock>,
}

/// Dropping it ends its task.
pub(in crate::keys::remote) struct Remote(pub(super) Arc<Inner>);

pub(in crate::keys::remote) struct Inner {
    settings: Settings,
    stopwatch: Stopwatch,
    snapshot: ArcSwap<(Generation, KeySet)>,
    /// The generation of the set that was restored last.
    restored: AtomicU64,
    /// The milliseconds since the start at which the keys are too old, for those who read without a lock.
    unusable_from: AtomicU64,
    /// Locked while the snapshot is replaced, so that both tell of the same set.
    state: Mutex<State>,
    /// What discovery said, and when; forgotten when a fetch fails.
    jwks_uri: Mutex<Option<(Instant, String)>>,
    last_error: Mutex<Option<String>>,
    /// Counts the attempts that have ended, and tells those who wait for one; whether the last one was good.
    attempts: watch::Sender<(u64, bool)>,
    waiters: AtomicUsize,
    pub(in crate::keys::remote) driven: AtomicBool,
    /// The source is gone; who waits still holds this.
    closed: AtomicBool,
    /// When the keys were asked for that are, or were, at hand.
    fetched_at: Mutex<Option<UnixTime>>,
    task: Mutex<Option<AbortHandle>>,
    /// Woken when somebody asks.
    pub(in crate::keys::remote) wake: Arc<Notify>,
}

impl Remote {
    pub(in crate::keys::remote) fn new(settings: Settings) -> Self {
        Self(Arc::new(Inner {
            stopwatch: Stopwatch::start(),
            snapshot: ArcSwap::from_pointee((0, KeySet::default())),
            restored: AtomicU64::new(u64::MAX),
            unusable_from: AtomicU64::new(u64::MAX),
            state: Mutex::new(State::new(settings.bounds.clone())),
            jwks_uri: Mutex::new(None),
            last_error: Mutex::new(None),
            attempts: watch::Sender::new((0, true)),
            waiters: AtomicUsize::new(0),
            driven: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            fetched_at: Mutex::new(None),
            task: Mutex::new(None),
            wake: Arc::new(Notify::new()),
            settings,
        }))
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        // First, so that nobody starts the task again.
        self.0.closed.store(true, Ordering::SeqCst);
        if let Some(task) = self.0.task().take() {
            task.abort();
        }
        self.0.attempts.send_modify(|_| ());
    }
}

impl KeySource for Remote {
    fn generation(&self) -> Generation {
        self.0.see_to_the_task();
        self.0.see_to_the_age();
        self.0.snapshot.load().0
    }

    fn current(&self) -> (Generation, KeySet) {
        (**self.0.snapshot.load()).clone()
    }

    fn refresh(&self, seen: Generation) -> NowOrLater<Result<bool, Unavailable>> {
        self.ask(seen, self.0.settings.wait)
    }

    fn warm(&self) -> NowOrLater<Result<(), Unavailable>> {
        let seen = self.generation();
        if !self.0.snapshot.load().1.is_empty() {
            return NowOrLater::ready(Ok(()));
        }
        let Settings { fetch_time, kept, .. } = &self.0.settings;
        let store_time = kept.as_ref().map_or(Duration::ZERO, |_| STORE_TIME);
        // As long as one fetch may take, and a little for its end to be told.
        let asked = self.ask(seen, store_time + *fetch_time + Duration::from_millis(100));
        NowOrLater::later(async move { asked.await.map(drop) })
    }

    fn is_remote(&self) -> bool {
        true
    }

    fn is_restored(&self, generation: Generation) -> bool {
        self.0.restored.load(Ordering::Relaxed) == generation
    }

    fn health(&self) -> Option<KeyHealth> {
        let inner = &self.0;
        inner.see_to_the_age();
        let state = inner.state();
        let (now, snapshot) = (inner.now(), inner.snapshot.load());
        Some(KeyHealth {
            url: inner.settings.url.clone(),
            kids: kids(&snapshot.1),
            keys: snapshot.1.len(),
            age: state.age(now),
            restored: state.is_restored(),
            overdue: state.overdue(now),
            generation: snapshot.0,
            last_error: lock(&inner.last_error).clone(),
            store_error: inner.settings.kept.as_ref().and_then(PersistedKeys::error),
            next_refresh: state.next_refresh().map(|at| at.saturating_sub(now)),
            failures: state.failures(),
            suppressed_refetches: state.suppressed(),
            attempts: inner.attempts.borrow().0,
        })
    }
}

impl Remote {
    /// Asks for another set than that of generation `seen`, and waits at most `patience` for it.
    fn ask(&self, seen: Generation, patience: Duration) -> NowOrLater<Result<bool, Unavailable>> {
        let inner = &self.0;
        // First, so that no attempt ends unseen between this and the look at the generation.
        let mut attempts = inner.attempts.subscribe();
        if self.generation() != seen {
            return NowOrLater::ready(Ok(true));
        }
        let ended_before = attempts.borrow_and_update().0;
        let now = inner.now();
        let empty = inner.snapshot.load().1.is_empty();
        let begins = inner.state().ask(if empty { Need::Keys } else { Need::Kid }, now);
        inner.wake.notify_one();
        // If not, there is nobody to fetch: no runtime here.
        let driven = inner.see_to_the_task();
        let waits = inner.waiters.fetch_add(1, Ordering::Relaxed);
        let waiter = Waiter(Arc::clone(inner));
        if waits >= MAX_WAITERS {
            return NowOrLater::ready(Err(Unavailable)); // nobody looked, so nobody knows
        }
        if !driven || begins > now + patience {
            let last_was_good = attempts.borrow().1;
            return NowOrLater::ready(if empty || !last_was_good { Err(Unavailable) } else { Ok(false) });
        }
        NowOrLater::later(async move {
            let inner = &waiter.0;
            let ended = async {
                let nothing_new = |ended| ended == ended_before && inner.snapshot.load().0 == seen;
                while nothing_new(attempts.borrow_and_update().0) && !inner.is_closed() {
                    // After the look at the attempts, so that a task that ends with its runtime is either seen here or
                    // wakes whoever waits. This runtime may go on.
                    inner.see_to_the_task();
                    if attempts.changed().await.is_err() {
                        break;
                    }
                }
            };
            let ended = timeout(patience, ended).await;
            if inner.snapshot.load().0 != seen {
                return Ok(true);
            }
            match ended {
                Ok(()) if attempts.borrow().1 && !empty && !inner.is_closed() => Ok(false),
                _ => Err(Unavailable),
            }
        })
    }
}

/// One request that waits; it counts until it goes.
struct Waiter(Arc<Inner>);

impl Drop for Waiter {
    fn drop(&mut self) {
        self.0.waiters.fetch_sub(1, Ordering::Relaxed);
    }
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
    fn see_to_the_task(self: &Arc<Self>) -> bool {
        self.driven.load(Ordering::Acquire) || driver::start(self)
    }

    /// The task drops keys in time, but it may have ended with its runtime, or be kept from running.
    fn see_to_the_age(&self) {
        if self.unusable_from.load(Ordering::Relaxed) <= millis(self.now()) {
            self.drop_old_keys();
        }
    }

    fn ended(&self, fetched: Result<Fetched, Failure>) {
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
                trace::warn!(url = self.settings.url, error = why, "keys cannot be fetched");
                *lock(&self.jwks_uri) = None;
                *lock(&self.last_error) = Some(why);
                self.state().failed(self.now(), retry_after, spread());
            }
        }
        self.attempts.send_modify(|(count, last_was_good)| {
            *count += 1;
            *last_was_good = good;
        });
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
        trace::error!(url = self.settings.url, "keys are too old to be trusted; tokens are refused with 503");
        self.tell(change);
    }

    async fn load(&self) -> Result<Fetched, Failure> {
        let url = self.find_keys().await?;
        let (headers, body) = self.get(&url).await?;
        Ok(Fetched { keys: keys_of(&body, MAX_KEYS)?, max_age: max_age_of(&headers), body })
    }

    async fn find_keys(&self) -> Result<String, Failure> {
        let Settings { url, found, http_on_loopback, .. } = &self.settings;
        if *found == KeyEndpoint::JwkSet {
            return Ok(url.clone());
        }
        let known = lock(&self.jwks_uri).clone();
        if let Some((at, known)) = known
            && self.now() < at + DISCOVERED_FOR
        {
            return Ok(known);
        }
        // OpenID Connect Discovery section 4.1: a slash at the end is removed first.
        let document = format!("{}/.well-known/openid-configuration", url.trim_end_matches('/'));
        let (_, body) = self.get(&document).await?;
        let jwks_uri = jwks_uri_of(&body, url, *http_on_loopback)?;
        *lock(&self.jwks_uri) = Some((self.now(), jwks_uri.clone()));
        Ok(jwks_uri)
    }

    async fn get(&self, url: &str) -> Result<(http::HeaderMap, bytes::Bytes), Failure> {
        let answer = self.settings.fetch.fetch(url, MAX_BODY_BYTES).await;
        let answer = answer.map_err(|error| Failure::new(format!("{url}: {error}")))?;
        // A fetcher of the user's own may not have counted.
        if answer.body().len() > MAX_BODY_BYTES {
            return Err(Failure::new(format!("{url}: the body has more than {MAX_BODY_BYTES} bytes")));
        }
        body_of(url, answer, self.settings.clock.now())
    }

    /// Replaces the set as a unit: a key that is not in the new one is gone. Called with the state locked.
    fn replace(&self, keys: KeySet) -> Option<Change> {
        let current = self.snapshot.load();
        if current.1.to_public_jwks() == keys.to_public_jwks() {
            return None;
        }
        let change = Change { before: current.1.clone(), after: keys.clone() };
        self.snapshot.store(Arc::new((current.0 + 1, keys)));
        Some(change)
    }

    /// Logs what changed, without a lock: who listens may ask for the health.
    fn tell(&self, change: Option<Change>) {
        let Some(Change { before, after }) = change else { return };
        for _skipped in after.skipped() {
            trace::warn!(url = self.settings.url, key = %_skipped, "a key is not used");
        }
        let (before, after) = (kids(&before), kids(&after));
        for _kid in after.iter().filter(|kid| !before.contains(kid)) {
            trace::info!(url = self.settings.url, kid = _kid, "a key was added");
        }
        for _kid in before.iter().filter(|kid| !after.contains(kid)) {
            trace::info!(url = self.settings.url, kid = _kid, "a key was removed");
        }
    }
}

/// A set as it was sent.
struct Fetched {
    keys: KeySet,
    max_age: Option<Duration>,
    body: bytes::Bytes,
}

struct Change {
    before: KeySet,
    after: KeySet,
}

fn millis(time: Instant) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn kids(keys: &KeySet) -> Vec<String> {
    keys.iter().filter_map(|key| key.kid().map(str::to_owned)).collect()
}

/// At random from -1 to 1.
fn spread() -> f64 {
    let mut bytes = [0; 4];
    match fill_random(&mut bytes) {
        Ok(()) => f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX) * 2.0 - 1.0,
        Err(_) => 0.0,
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("url", &self.0.settings.url).finish_non_exhaustive()
    }
}
