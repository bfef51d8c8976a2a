//! A source that has a document for each `kid`, and no set of them all: the public keys of AWS load balancers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;

use super::source::{MAX_WAITERS, Remote, Settings};
use super::sync::atomic::{AtomicU64, Ordering};
use super::sync::{Handle, Stopwatch, timeout};
use crate::jose::is_guid;
use crate::keys::source::Unavailable;
use crate::keys::{Generation, KeySet, KeySource};
use crate::runtime::{NowOrLater, trace};

/// Keys that are held at once. A balancer signs with one or two.
const MOST_KEYS: usize = 16;

/// Fetches a key when a token names it first, and keeps it fresh like any other set.
///
/// Keys are asked for one at a time, and after a `kid` that is unknown nothing is asked for a while: so a flood of invented
/// ones costs no more fetches than with a set. What is kept are real keys alone.
pub(super) struct ByKid(Arc<Inner>);

struct Inner {
    settings: PerKid,
    known: ArcSwap<Known>,
    stopwatch: Stopwatch,
    /// Nobody is asked before this: milliseconds since the start.
    quiet_until: AtomicU64,
    /// Held by the one that asks.
    turn: Semaphore,
    waiting: Arc<Semaphore>,
}

/// How a key is fetched.
pub(super) struct PerKid {
    /// The settings of the source of one key.
    pub(super) of: Box<dyn Fn(&str) -> Settings + Send + Sync>,
    pub(super) cooldown: Duration,
    pub(super) wait: Duration,
}

/// The keys at hand, the oldest first, each with a source that keeps it fresh.
#[derive(Default)]
struct Known {
    /// Counts the changes of the list.
    changes: u32,
    keys: Vec<(Box<str>, Arc<Remote>)>,
}

impl Known {
    fn find(&self, kid: &str) -> Option<&Arc<Remote>> {
        self.keys.iter().find(|(known, _)| **known == *kid).map(|(_, source)| source)
    }

    /// Moves when the list changes, and when one of its keys does.
    fn generation(&self) -> Generation {
        let of_keys: Generation = self.keys.iter().map(|(_, source)| source.generation()).sum();
        (Generation::from(self.changes) << 32) + of_keys
    }
}

impl ByKid {
    pub(super) fn new(settings: PerKid) -> Self {
        Self(Arc::new(Inner {
            settings,
            known: ArcSwap::default(),
            stopwatch: Stopwatch::start(),
            quiet_until: AtomicU64::new(0),
            turn: Semaphore::new(1),
            waiting: Arc::new(Semaphore::new(MAX_WAITERS)),
        }))
    }
}

impl Inner {
    fn is_quiet(&self) -> bool {
        self.stopwatch.elapsed() < Duration::from_millis(self.quiet_until.load(Ordering::Relaxed))
    }

    fn be_quiet(&self) {
        let until = self.stopwatch.elapsed() + self.settings.cooldown;
        self.quiet_until.store(u64::try_from(until.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Gets the key of this name, when it is its turn. Answers whether it is at hand then.
    async fn get(&self, kid: &str) -> Result<bool, Unavailable> {
        let _turn = self.turn.acquire().await.map_err(|_| Unavailable)?;
        if let Some(known) = self.known.load().find(kid).cloned() {
            return known.warm().await.map(|()| true);
        }
        if self.is_quiet() {
            return Ok(false);
        }
        let source = Arc::new(Remote::new((self.settings.of)(kid)));
        if source.warm().await.is_err() {
            self.be_quiet();
            return Ok(false);
        }
        let known = self.known.load();
        let displaced = known.keys.len().saturating_sub(MOST_KEYS - 1);
        if displaced > 0 {
            // Or a stranger who knows many of the provider's keys could have them fetched in turn.
            self.be_quiet();
        }
        let kept = known.keys.iter().skip(displaced).cloned();
        let keys = kept.chain([(kid.into(), source)]).collect();
        self.known.store(Arc::new(Known { changes: known.changes.wrapping_add(1), keys }));
        trace::info!(kid, "a key was added");
        Ok(true)
    }
}

impl KeySource for ByKid {
    fn generation(&self) -> Generation {
        self.0.known.load().generation()
    }

    fn current(&self) -> (Generation, KeySet) {
        let known = self.0.known.load();
        let sets = known.keys.iter().map(|(_, source)| source.current().1);
        (known.generation(), sets.fold(KeySet::default(), |all, set| all.merge(&set)))
    }

    fn refresh(&self, seen: Generation, kid: Option<&str>) -> NowOrLater<Result<bool, Unavailable>> {
        let inner = &self.0;
        // It becomes a part of a URL.
        let Some(kid) = kid.filter(|kid| is_guid(kid)) else {
            return NowOrLater::ready(Ok(false));
        };
        if self.generation() != seen {
            return NowOrLater::ready(Ok(true));
        }
        let (Ok(runtime), Ok(place)) =
            (Handle::try_current(), Arc::clone(&inner.waiting).try_acquire_owned())
        else {
            return NowOrLater::ready(Err(Unavailable));
        };
        let (inner, kid) = (Arc::clone(inner), Box::<str>::from(kid));
        let wait = inner.settings.wait;
        // In a task of its own, so that a request that goes away, or waits for too long, does not end the fetch.
        let asked = runtime.spawn(async move {
            let _place = place;
            inner.get(&kid).await
        });
        NowOrLater::later(async move {
            match timeout(wait, asked).await {
                Ok(Ok(answer)) => answer,
                _ => Err(Unavailable),
            }
        })
    }

    fn is_quiet(&self, seen: Generation) -> bool {
        self.0.is_quiet() && self.generation() == seen
    }

    fn is_remote(&self) -> bool {
        true
    }

    fn asks_by_kid(&self) -> bool {
        true
    }
}

impl fmt::Debug for ByKid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.0.known.load();
        f.debug_list().entries(known.keys.iter().map(|(kid, _)| kid)).finish()
    }
}
