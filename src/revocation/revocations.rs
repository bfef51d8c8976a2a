//! The handle on what is revoked.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::builder::{RevocationsBuilder, WhenStale};
use super::follower::{self, patiently};
use super::revoked_tokens::Revocation;
use super::view::{TokenFacts, View};
use crate::error::{AuthError, Reason};
use crate::runtime::{Clock, Stopwatch, SystemClock, UnixTime, metric, trace};
use crate::store::{RevocationPage, RevocationRecord, RevocationStore, StoreError};

/// What is revoked: tokens that are refused with [`Reason::Revoked`](crate::Reason::Revoked) although they have not expired.
///
/// Give a clone to each verifier ([`VerifierBuilder::revocations`](crate::VerifierBuilder::revocations)), and call
/// [`revoke`](Self::revoke) where a user logs out or an account is closed. A verifier asks the memory of its own process, so a
/// request waits for nothing. Cached tokens and open streams ([`Principal::ended`](crate::Principal::ended)) obey as well.
///
/// One process needs [`in_memory`](Self::in_memory); it forgets when it ends. Several share a store, such as Redis or PostgreSQL,
/// and each follows it ([`builder`](Self::builder)):
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use tower_jwt_auth::{
///     Authority, Claims, MemoryRevocationStore, Revocation, Revocations, Secret, Verifier, WhenStale,
/// };
///
/// # let store = MemoryRevocationStore::new();
/// let revocations = Revocations::builder()
///     .store(store) // in production one of Redis or PostgreSQL
///     .max_age(Duration::from_secs(30), WhenStale::Refuse)
///     .build()?;
/// let verifier = Verifier::<Claims>::builder()
///     .authority(Authority::hs256(Secret::generate()?).issuer("shop").audience("api"))
///     .revocations(revocations.clone())
///     .build()?;
///
/// revocations.revoke(Revocation::session("shop", "sid-7")).await?;
/// # let _ = verifier;
/// # Ok(()) }
/// ```
///
/// A token must say when it was issued (`iat`), and live no longer than
/// [`longest_token`](RevocationsBuilder::longest_token), or it is refused: its revocation could be forgotten before it expires.
#[derive(Clone)]
pub struct Revocations(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub(super) view: View,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) longest_token: Duration,
    /// `None`: this process is the only one.
    pub(super) followed: Option<Followed>,
    /// Counts the changes, for those who wait for one.
    changes: watch::Sender<u64>,
}

/// A store, and how far this process has followed it.
pub(super) struct Followed {
    pub(super) store: Arc<dyn RevocationStore>,
    max_age: Duration,
    when_stale: WhenStale,
    /// Measured, because a clock that is set back would make an old view fresh.
    stopwatch: Stopwatch,
    /// When the store last said that this process has everything, in milliseconds of the stopwatch, at least 1. 0: never.
    complete_at: AtomicU64,
    pub(super) is_running: AtomicBool,
    last_error: Mutex<Option<String>>,
    failures: AtomicU32,
    /// What this process has revoked itself, for a store that loses it.
    own: Mutex<VecDeque<RevocationRecord>>,
    /// Those of them of which it is not sure that they are stored, so that they are tried again.
    unsent: Mutex<VecDeque<RevocationRecord>>,
}

/// Records that a process keeps to append them again. Older ones go first.
const OWN: usize = 10_000;

/// How up to date the revocations of this process are.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RevocationHealth {
    /// Revocations in memory.
    pub entries: usize,
    /// How long ago the store said last that this process has everything; `None` before it has for the first time. Zero without
    /// a store.
    pub age: Option<Duration>,
    /// The age is beyond [`max_age`](RevocationsBuilder::max_age).
    pub is_stale: bool,
    /// Tokens are refused with 503, since the view is stale.
    pub refuses: bool,
    /// What went wrong when the store was read last; `None` if nothing did. For the log: it may name hosts.
    pub last_error: Option<String>,
    /// Reads that failed since the last good one.
    pub failures: u32,
}

impl Revocations {
    /// Revocations of a single process, with the defaults. They are gone when it ends, while the tokens may go on.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::new(None, Arc::new(SystemClock), RevocationsBuilder::LONGEST_TOKEN)
    }

    /// Revocations with settings of yours, above all a store that several processes share.
    pub fn builder() -> RevocationsBuilder {
        RevocationsBuilder::new()
    }

    pub(super) fn new(followed: Option<Followed>, clock: Arc<dyn Clock>, longest_token: Duration) -> Self {
        let changes = watch::Sender::new(0);
        let shared =
            Self(Arc::new(Shared { view: View::default(), clock, longest_token, followed, changes }));
        shared.follow();
        shared
    }

    /// Revokes tokens: in this process at once, in the others when they have read it, which takes less than a second on a healthy
    /// network.
    ///
    /// To revoke the same again is harmless.
    ///
    /// # Errors
    /// If the store could not be written: this process refuses the tokens, and the others may not yet. It goes on trying for as long
    /// as it lives.
    pub async fn revoke(&self, revocation: Revocation) -> Result<(), StoreError> {
        self.revoke_all([revocation]).await
    }

    /// Revokes several at once, all or none.
    ///
    /// # Errors
    /// As [`revoke`](Self::revoke).
    pub async fn revoke_all(
        &self,
        revocations: impl IntoIterator<Item = Revocation>,
    ) -> Result<(), StoreError> {
        self.revoke_these(revocations.into_iter().collect()).await
    }

    /// The same. This process knows when it is called, and from then on the others will: the future only waits for it.
    pub(crate) fn revoke_these(
        &self,
        revocations: Vec<Revocation>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + use<> {
        let shared = Arc::clone(&self.0);
        let now = shared.clock.now();
        let longest = shared.longest_token;
        let records: Vec<_> =
            revocations.into_iter().map(|revocation| revocation.into_record(now, longest)).collect();
        shared.learn(&records);
        if let Some(followed) = &shared.followed {
            self.follow();
            keep(&mut followed.own(), &records, now);
        }
        let mut sending = Sending { shared, records };
        async move {
            let Some(followed) = &sending.shared.followed else { return Ok(()) };
            patiently(followed.store.append(sending.records.clone())).await?;
            sending.records.clear();
            Ok(())
        }
    }

    /// Waits until this process knows all that the store has: for a server that must not answer 503 when it starts. It waits for
    /// as long as the store fails, so give it a time limit.
    pub async fn ready(&self) {
        let Some(followed) = &self.0.followed else { return };
        let mut changes = self.0.changes.subscribe();
        loop {
            self.follow();
            // Before the look: what comes after it is seen as a change.
            changes.mark_unchanged();
            if followed.was_complete() || changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// How up to date this process is.
    #[must_use]
    pub fn health(&self) -> RevocationHealth {
        let entries = self.0.view.len();
        let Some(followed) = &self.0.followed else {
            return RevocationHealth {
                entries,
                age: Some(Duration::ZERO),
                is_stale: false,
                refuses: false,
                last_error: None,
                failures: 0,
            };
        };
        let is_stale = followed.is_stale();
        RevocationHealth {
            entries,
            age: followed.age(),
            is_stale,
            refuses: is_stale && followed.when_stale == WhenStale::Refuse,
            last_error: followed.last_error().clone(),
            failures: followed.failures.load(Ordering::Relaxed),
        }
    }

    /// # Errors
    /// `revoked`; `revocation_unavailable` if that is not known; or a claim that lacks or is not within the bounds of a token that
    /// can be revoked.
    pub(crate) fn judge(&self, token: &TokenFacts<'_>) -> Result<(), AuthError> {
        self.judge_view()?;
        let Some(issued_at) = token.issued_at else {
            return Err(AuthError::new(Reason::MissingClaim).with_claim("iat"));
        };
        if token.expires_at.saturating_since(issued_at) > self.0.longest_token {
            return Err(AuthError::new(Reason::InvalidClaim).with_claim("exp"));
        }
        if self.revokes(token) { Err(Reason::Revoked.into()) } else { Ok(()) }
    }

    /// The same of a token about which somebody was asked a moment ago. It may live for as long as it likes, and say no `iat`: when
    /// an entry has vanished, whoever is asked has to know.
    ///
    /// # Errors
    /// If the token is revoked, or that is not known.
    pub(crate) fn judge_asked(&self, token: &TokenFacts<'_>) -> Result<(), AuthError> {
        self.judge_view()?;
        if self.revokes(token) { Err(Reason::Revoked.into()) } else { Ok(()) }
    }

    fn judge_view(&self) -> Result<(), AuthError> {
        if let Some(followed) = &self.0.followed {
            self.follow();
            if followed.when_stale == WhenStale::Refuse && followed.is_stale() {
                return Err(Reason::RevocationUnavailable.into());
            }
        }
        Ok(())
    }

    pub(crate) fn longest_token(&self) -> Duration {
        self.0.longest_token
    }

    pub(crate) fn revokes(&self, token: &TokenFacts<'_>) -> bool {
        self.0.view.revokes(token)
    }

    /// Tells of changes, beginning now.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// One load of a flag: a task that ended with its runtime is started again on the present one.
    fn follow(&self) {
        if let Some(followed) = &self.0.followed
            && !followed.is_running.load(Ordering::Acquire)
        {
            follower::start(&self.0);
        }
    }
}

impl Shared {
    fn learn(&self, records: &[RevocationRecord]) {
        if records.is_empty() {
            return;
        }
        let now = self.clock.now();
        self.view.add(records, now);
        self.view.remove_expired(now);
        self.measure();
        self.tell();
    }

    pub(super) fn tell(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// Takes in a page. Answers what has to be appended, perhaps once more.
    pub(super) fn take_in(&self, page: &RevocationPage) -> Vec<RevocationRecord> {
        let Some(followed) = &self.followed else { return Vec::new() };
        self.learn(&page.records);
        *followed.last_error() = None;
        followed.failures.store(0, Ordering::Relaxed);
        if !page.has_more {
            let first = !followed.was_complete();
            followed.complete_at.store(followed.elapsed().max(1), Ordering::Release);
            self.measure();
            if first {
                self.tell();
            }
        }
        if page.is_restarted {
            trace::error!(
                "the store of revocations has lost what it had; this process keeps what it knows, and appends its own again"
            );
            // Until they are there: the store may be away again.
            let own: Vec<_> = followed.own().iter().cloned().collect();
            keep(&mut followed.unsent(), &own, self.clock.now());
        }
        followed.unsent().iter().cloned().collect()
    }

    pub(super) fn failed(&self, error: &dyn fmt::Display) {
        let error = error.to_string();
        trace::warn!(error, "revocations cannot be read");
        if let Some(followed) = &self.followed {
            *followed.last_error() = Some(error);
            followed.failures.fetch_add(1, Ordering::Relaxed);
        }
        self.measure();
    }

    fn measure(&self) {
        metric::gauge!(metric::REVOCATIONS, self.view.len() as f64);
        if let Some(followed) = &self.followed {
            if let Some(age) = followed.age() {
                let read_at = self.clock.now().saturating_sub(age);
                metric::gauge!(metric::REVOCATIONS_READ_AT, read_at.since_epoch().as_secs_f64());
            }
            metric::gauge!(
                metric::REVOCATIONS_FAILURES,
                f64::from(followed.failures.load(Ordering::Relaxed))
            );
        }
    }

    pub(super) fn remove_expired(&self) {
        let now = self.clock.now();
        self.view.remove_expired(now);
        if let Some(followed) = &self.followed {
            followed.own().retain(|record| now < record.expires_at());
            followed.unsent().retain(|record| now < record.expires_at());
        }
        self.measure();
    }
}

impl Followed {
    pub(super) fn new(store: Arc<dyn RevocationStore>, max_age: Duration, when_stale: WhenStale) -> Self {
        Self {
            store,
            max_age,
            when_stale,
            stopwatch: Stopwatch::start(),
            complete_at: AtomicU64::new(0),
            is_running: AtomicBool::new(false),
            last_error: Mutex::new(None),
            failures: AtomicU32::new(0),
            own: Mutex::default(),
            unsent: Mutex::default(),
        }
    }

    /// How long a read may wait: the view must not grow too old while nothing happens.
    pub(super) fn wait(&self, most: Duration) -> Duration {
        most.min(self.max_age / 3)
    }

    fn was_complete(&self) -> bool {
        self.complete_at.load(Ordering::Acquire) > 0
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.stopwatch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn age(&self) -> Option<Duration> {
        let complete_at = self.complete_at.load(Ordering::Acquire);
        (complete_at > 0).then(|| Duration::from_millis(self.elapsed().saturating_sub(complete_at)))
    }

    fn is_stale(&self) -> bool {
        self.age().is_none_or(|age| age > self.max_age)
    }

    pub(super) fn is_sent(&self, records: &[RevocationRecord]) {
        self.unsent().retain(|record| !records.contains(record));
    }

    /// The others come first the next time.
    pub(super) fn is_refused(&self, record: &RevocationRecord) {
        let mut unsent = self.unsent();
        let at = unsent.iter().position(|other| other == record);
        if let Some(record) = at.and_then(|at| unsent.remove(at)) {
            unsent.push_back(record);
        }
    }

    fn unsent(&self) -> MutexGuard<'_, VecDeque<RevocationRecord>> {
        self.unsent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn own(&self) -> MutexGuard<'_, VecDeque<RevocationRecord>> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn last_error(&self) -> MutexGuard<'_, Option<String>> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Records on their way to the store. If they do not arrive they are kept to be tried again: also if the caller goes away in the middle.
struct Sending {
    shared: Arc<Shared>,
    records: Vec<RevocationRecord>,
}

impl Drop for Sending {
    fn drop(&mut self) {
        if let Some(followed) = self.shared.followed.as_ref().filter(|_| !self.records.is_empty()) {
            keep(&mut followed.unsent(), &self.records, self.shared.clock.now());
        }
    }
}

/// Adds records to those that are kept. One that names the same tokens again takes the place of the earlier one; if there are too many
/// the oldest go.
fn keep(kept: &mut VecDeque<RevocationRecord>, records: &[RevocationRecord], now: UnixTime) {
    for record in records {
        if let Some(same) = kept.iter_mut().find(|other| other.concerns_the_same(record)) {
            same.reach_as_far_as(record);
        } else {
            kept.push_back(record.clone());
        }
    }
    while kept.len() > OWN || kept.front().is_some_and(|first| first.expires_at() <= now) {
        kept.pop_front();
    }
}

impl fmt::Debug for Revocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocations")
            .field("entries", &self.0.view.len())
            .field("store", &self.0.followed.as_ref().map(|followed| &followed.store))
            .finish_non_exhaustive()
    }
}
