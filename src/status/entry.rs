//! One list: its snapshot for those who look, and the schedule of its fetches.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use super::list::StatusList;
use super::schedule::{Bounds, Instant, Schedule, Step};
use crate::keys::without_query;
use crate::runtime::UnixTime;

/// A list that tokens name, whether it is at hand or not. Dropping it ends its task.
pub(super) struct Entry {
    pub(super) uri: Box<str>,
    held: ArcSwapOption<Held>,
    /// Whether a token came since the last attempt.
    used: AtomicBool,
    schedule: Mutex<Schedule>,
    /// When the newest list was issued that was ever at hand.
    newest: Mutex<Option<UnixTime>>,
    last_error: Mutex<Option<Arc<str>>>,
    /// Counts the attempts that have ended, and tells those who wait for one.
    attempts: watch::Sender<u64>,
    /// Whether a task drives the schedule.
    driven: AtomicBool,
    task: Mutex<Option<AbortHandle>>,
    /// Woken when a token asks.
    pub(super) wake: Arc<Notify>,
}

/// A list, and how long it may be used.
pub(super) struct Held {
    pub(super) list: StatusList,
    pub(super) issued_at: UnixTime,
    /// By the clock: its `exp`.
    pub(super) valid_until: UnixTime,
    /// When it was asked for.
    pub(super) since: Instant,
    pub(super) unusable_from: Instant,
}

/// What a look into a list finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Status(u8),
    /// The list does not have this index.
    OutOfRange,
    /// There is no list that may be used.
    NotAtHand,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Entry {
    pub(super) fn new(uri: &str, bounds: Bounds) -> Self {
        Self {
            uri: uri.into(),
            held: ArcSwapOption::empty(),
            used: AtomicBool::new(false),
            schedule: Mutex::new(Schedule::new(bounds)),
            newest: Mutex::new(None),
            last_error: Mutex::new(None),
            attempts: watch::Sender::new(0),
            driven: AtomicBool::new(false),
            task: Mutex::new(None),
            wake: Arc::new(Notify::new()),
        }
    }

    /// The URI for people, without a query, which may be secret.
    pub(super) fn place(&self) -> &str {
        without_query(&self.uri)
    }

    /// Looks without a lock.
    pub(super) fn look(&self, index: u64, now: UnixTime, instant: Instant) -> Look {
        // Read first: the line of memory stays shared by all processors.
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
        let held = self.held.load();
        match &*held {
            Some(held) if instant < held.unusable_from && now < held.valid_until => {
                held.list.get(index).map_or(Look::OutOfRange, Look::Status)
            }
            _ => Look::NotAtHand,
        }
    }

    /// Notes that a token needs a fetch. Answers when the attempt begins that will tell.
    pub(super) fn ask(&self, now: UnixTime, instant: Instant) -> Instant {
        let mut schedule = self.schedule();
        if self.held.load().as_ref().is_some_and(|held| now >= held.valid_until) {
            self.held.store(None);
            schedule.dropped();
        }
        schedule.ask(instant)
    }

    pub(super) fn attempts(&self) -> watch::Receiver<u64> {
        self.attempts.subscribe()
    }

    pub(super) fn last_error(&self) -> Option<Arc<str>> {
        lock(&self.last_error).clone()
    }

    pub(super) fn step(&self, instant: Instant) -> Step {
        self.schedule().step(instant, self.used.load(Ordering::Relaxed))
    }

    pub(super) fn begin(&self, instant: Instant) {
        self.used.store(false, Ordering::Relaxed);
        self.schedule().begin(instant);
    }

    /// When the newest list was issued that was ever at hand.
    pub(super) fn newest(&self) -> Option<UnixTime> {
        *lock(&self.newest)
    }

    /// Replaces the list as a unit.
    pub(super) fn hold(&self, held: Held) {
        *lock(&self.newest) = Some(held.issued_at);
        self.held.store(Some(Arc::new(held)));
    }

    pub(super) fn drop_list(&self) {
        let mut schedule = self.schedule();
        self.held.store(None);
        schedule.dropped();
    }

    /// Tells all who wait how an attempt ended.
    pub(super) fn ended(&self, error: Option<Arc<str>>) {
        *lock(&self.last_error) = error;
        self.attempts.send_modify(|count| *count += 1);
    }

    pub(super) fn schedule(&self) -> MutexGuard<'_, Schedule> {
        lock(&self.schedule)
    }

    /// Bytes of the list at hand.
    pub(super) fn bytes(&self) -> usize {
        self.held.load().as_ref().map_or(0, |held| held.list.bytes())
    }

    /// The less it is, the sooner another list may have its place.
    pub(super) fn worth(&self) -> (bool, Instant) {
        let since = self.held.load().as_ref().map_or(Instant::ZERO, |held| held.since);
        (self.used.load(Ordering::Relaxed), since)
    }

    pub(super) fn is_driven(&self) -> bool {
        self.driven.load(Ordering::Acquire)
    }

    /// Answers whether somebody drives it already.
    pub(super) fn begin_driving(&self) -> bool {
        self.driven.swap(true, Ordering::AcqRel)
    }

    pub(super) fn is_driven_by(&self, task: AbortHandle) {
        *lock(&self.task) = Some(task);
    }

    /// The task has ended: with its runtime, or since the fetcher panicked.
    pub(super) fn end_driving(&self) {
        self.schedule().interrupted();
        self.driven.store(false, Ordering::Release);
        self.attempts.send_modify(|count| *count += 1);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Some(task) = lock(&self.task).take() {
            task.abort();
        }
    }
}
