//! A source whose keys are fetched, as verifiers see it: snapshots for those that read, and a wait for those that need
//! newer keys.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};

use super::measure::MeasuredWait;
use super::shared::{Inner, Settings, kids, millis};
use crate::keys::remote::health::KeyHealth;
use crate::keys::remote::persisted::{PersistedKeys, STORE_TIME};
use crate::keys::remote::state::{Need, State};
use crate::keys::remote::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use crate::keys::remote::sync::{Mutex, Stopwatch, lock, timeout};
use crate::keys::source::Unavailable;
use crate::keys::{Generation, KeySet, KeySource};
use crate::runtime::NowOrLater;

/// Requests that wait for keys at once.
pub(in crate::keys::remote) const MAX_WAITERS: usize = 1024;

/// Dropping it ends its task.
pub(in crate::keys::remote) struct Remote(pub(super) Arc<Inner>);

impl Remote {
    pub(in crate::keys::remote) fn new(settings: Settings) -> Self {
        Self(Arc::new(Inner {
            stopwatch: Stopwatch::start(),
            snapshot: ArcSwap::from_pointee((0, KeySet::default())),
            restored: AtomicU64::new(u64::MAX),
            unusable_from: AtomicU64::new(u64::MAX),
            quiet_until: AtomicU64::new(0),
            told_quiet: AtomicU64::new(0),
            state: Mutex::new(State::new(settings.bounds.clone())),
            jwks_uri: Mutex::new(None),
            last_error: Mutex::new(None),
            attempts: watch::Sender::new((0, true)),
            waiters: AtomicUsize::new(0),
            driven: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            fetched_at: Mutex::new(None),
            measured: Mutex::new(None),
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
        self.0.measure_the_end();
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

    fn refresh(&self, seen: Generation, _: Option<&str>) -> NowOrLater<Result<bool, Unavailable>> {
        self.ask(seen, self.0.settings.wait)
    }

    fn is_quiet(&self, seen: Generation) -> bool {
        let inner = &self.0;
        let quiet =
            millis(inner.now()) < inner.quiet_until.load(Ordering::Relaxed) && self.generation() == seen;
        if quiet {
            inner.told_quiet.fetch_add(1, Ordering::Relaxed);
            inner.measure_suppressed();
        }
        quiet
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
            url: inner.settings.location.shown().to_owned(),
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
            suppressed_refetches: state.suppressed() + inner.told_quiet.load(Ordering::Relaxed),
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
            if driven && !empty {
                inner.measure_suppressed();
            }
            let state = inner.state();
            if empty || !attempts.borrow().1 {
                return NowOrLater::ready(Err(Unavailable));
            }
            // This demand is noted, so those that come next need not be.
            if driven && let Some(begins) = state.next_refresh() {
                inner.quiet_until.store(millis(begins.saturating_sub(patience)), Ordering::Relaxed);
            }
            return NowOrLater::ready(Ok(false));
        }
        let measured = MeasuredWait::start(inner);
        NowOrLater::later(async move {
            let _measured = measured;
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

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("url", &self.0.settings.location.name()).finish_non_exhaustive()
    }
}
