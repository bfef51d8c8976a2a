//! When to fetch a list: a pure machine of times and events. It reads no clock and does no I/O.

use std::ops::RangeInclusive;
use std::time::Duration;

/// The time since the verifier was built.
pub(super) type Instant = Duration;

/// What keeps a provider from being flooded, and lists from growing old.
#[derive(Clone, Debug)]
pub(super) struct Bounds {
    /// Within which a list's `ttl` is believed. Not empty.
    pub(super) ttl: RangeInclusive<Duration>,
    /// How long a list serves after its `ttl` if it cannot be had anew.
    pub(super) stale: Duration,
}

/// Between two attempts that tokens ask for, while lists can be had.
pub(super) const COOLDOWN: Duration = Duration::from_secs(10);
/// The part of its `ttl` after which a list is fetched again.
const REFRESH_AT: f64 = 0.8;
const BACK_OFF: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);
const TTL_UNLESS_SAID: Duration = Duration::from_secs(600);

/// What is known of one list.
#[derive(Debug)]
pub(super) struct Schedule {
    bounds: Bounds,
    held: Option<Held>,
    fetching: bool,
    /// A token waits for a list, or for a newer one.
    asked: bool,
    last_attempt: Option<Instant>,
    failures: u32,
    /// No attempt before this: the back-off, or what the provider asked for.
    not_before: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    refresh_at: Instant,
    unusable_from: Instant,
}

/// What the task has to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Fetch,
    /// The list is too old to be believed.
    Drop,
    /// A fetch is due, but no token came since the last one.
    Rest,
    /// Nothing until then, or until somebody asks.
    Sleep(Option<Instant>),
}

impl Schedule {
    pub(super) const fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            held: None,
            fetching: false,
            asked: false,
            last_attempt: None,
            failures: 0,
            not_before: Instant::ZERO,
        }
    }

    /// Notes that a token needs a fetch. Answers when the attempt begins that will tell, `now` if it runs or is due.
    pub(super) fn ask(&mut self, now: Instant) -> Instant {
        if self.fetching {
            return now;
        }
        self.asked = true;
        self.next_attempt().unwrap_or(now).max(now)
    }

    /// `is_used`: whether a token came since the last attempt.
    pub(super) fn step(&self, now: Instant, is_used: bool) -> Step {
        if self.held.is_some_and(|held| held.unusable_from <= now) {
            return Step::Drop;
        }
        match self.next_attempt() {
            // While the provider fails it is tried on: who comes next shall not find an old list gone.
            Some(at) if at <= now && !self.asked && !is_used && self.failures == 0 => Step::Rest,
            Some(at) if at <= now => Step::Fetch,
            at => Step::Sleep(at.into_iter().chain(self.held.map(|held| held.unusable_from)).min()),
        }
    }

    pub(super) fn begin(&mut self, now: Instant) {
        self.fetching = true;
        self.asked = false;
        self.last_attempt = Some(now);
    }

    /// The attempt that began at `began` brought a list with this `ttl`, which is of no use after `left`. `spread` is from -1
    /// to 1. Answers from when on the list must not be used.
    pub(super) fn succeeded(
        &mut self,
        began: Instant,
        ttl: Option<Duration>,
        left: Duration,
        spread: f64,
    ) -> Instant {
        let (least, most) = (*self.bounds.ttl.start(), *self.bounds.ttl.end());
        let ttl = ttl.unwrap_or(TTL_UNLESS_SAID).min(left).clamp(least, most);
        // A tenth earlier or later, so that a fleet does not come all at once.
        let refresh_at = began + ttl.mul_f64(REFRESH_AT + 0.1 * spread.clamp(-1.0, 1.0));
        let unusable_from = began + ttl + self.bounds.stale;
        self.held = Some(Held { refresh_at, unusable_from });
        self.fetching = false;
        self.asked = false;
        self.failures = 0;
        self.not_before = began;
        unusable_from
    }

    /// The attempt failed. `spread` is from -1 to 1.
    pub(super) fn failed(&mut self, now: Instant, retry_after: Option<Duration>, spread: f64) {
        self.fetching = false;
        let doubled = BACK_OFF.start().saturating_mul(1 << self.failures.min(6));
        let back_off = doubled.min(*BACK_OFF.end()).mul_f64(1.0 + 0.5 * spread.clamp(-1.0, 1.0));
        self.failures = self.failures.saturating_add(1);
        self.not_before = now + back_off.max(retry_after.unwrap_or_default().min(RETRY_AFTER_MAX));
    }

    /// The list is gone.
    pub(super) fn dropped(&mut self) {
        self.held = None;
    }

    /// The attempt, if one ran, was given up with its task. It is still needed.
    pub(super) fn interrupted(&mut self) {
        self.asked |= std::mem::take(&mut self.fetching);
    }

    /// Whether it is long enough ago that the list was asked for: it may then be forgotten for another one.
    pub(super) fn has_cooled(&self, now: Instant) -> bool {
        !self.fetching && self.last_attempt.is_some_and(|last| last + COOLDOWN <= now)
    }

    /// When the next attempt may begin, if one is wanted.
    fn next_attempt(&self) -> Option<Instant> {
        if self.fetching {
            return None;
        }
        let scheduled = self.held.map(|held| held.refresh_at);
        let cooled = match self.last_attempt {
            Some(last) if self.failures == 0 => last + COOLDOWN,
            _ => Instant::ZERO,
        };
        let wanted = scheduled.into_iter().chain(self.asked.then_some(cooled)).min()?;
        Some(wanted.max(self.not_before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Instant {
        Duration::from_secs(seconds)
    }

    fn bounds() -> Bounds {
        Bounds { ttl: s(60)..=s(3600), stale: s(1000) }
    }

    fn fetched_at(at: Instant, ttl: Option<u64>, left: u64) -> Schedule {
        let mut schedule = Schedule::new(bounds());
        schedule.ask(at);
        schedule.begin(at);
        schedule.succeeded(at, ttl.map(s), s(left), 0.0);
        schedule
    }

    const LONG: u64 = 1_000_000;

    #[test]
    fn nothing_is_fetched_before_a_token_asks_and_then_once() {
        let mut schedule = Schedule::new(bounds());
        assert_eq!(schedule.step(s(5), true), Step::Sleep(None));
        assert_eq!(schedule.ask(s(7)), s(7));
        assert_eq!(schedule.step(s(7), true), Step::Fetch);
        schedule.begin(s(7));
        assert_eq!(schedule.ask(s(8)), s(8), "who comes meanwhile waits for the same");
        assert_eq!(schedule.step(s(8), true), Step::Sleep(None));
        schedule.succeeded(s(7), None, s(LONG), 0.0);
        assert_eq!(schedule.step(s(8), true), Step::Sleep(Some(s(487))), "nobody waits any longer");
    }

    #[test]
    fn a_list_is_refreshed_ahead_and_its_ttl_is_clamped() {
        for (ttl, left, refresh_at, unusable_from) in [
            (None, LONG, 480, 1600),
            (Some(100), LONG, 80, 1100),
            (Some(1), LONG, 48, 1060),
            (Some(0), LONG, 48, 1060),
            (Some(86_400), LONG, 2880, 4600),
            (Some(u64::MAX), LONG, 2880, 4600),
            (Some(3600), 200, 160, 1200),
            (None, 0, 48, 1060),
        ] {
            let schedule = fetched_at(s(100), ttl, left);
            let (refresh_at, unusable_from) = (s(100 + refresh_at), s(100 + unusable_from));
            assert_eq!(schedule.step(s(100), true), Step::Sleep(Some(refresh_at)), "{ttl:?} {left}");
            assert_eq!(schedule.step(refresh_at, true), Step::Fetch, "{ttl:?} {left}");
            let before = unusable_from - Duration::from_nanos(1);
            assert_eq!(schedule.step(before, true), Step::Fetch, "{ttl:?} {left}");
            assert_eq!(schedule.step(unusable_from, true), Step::Drop, "{ttl:?} {left}");
        }
        for (spread, at) in [(-1.0, 420), (1.0, 540), (9.0, 540)] {
            let mut schedule = Schedule::new(bounds());
            schedule.begin(s(0));
            schedule.succeeded(s(0), None, s(LONG), spread);
            assert_eq!(schedule.step(s(0), true), Step::Sleep(Some(s(at))), "{spread}");
        }
    }

    #[test]
    fn a_list_that_no_token_needs_is_not_fetched_again() {
        let mut schedule = fetched_at(s(0), None, LONG);
        assert_eq!(schedule.step(s(480), false), Step::Rest);
        schedule.dropped();
        assert_eq!(schedule.step(s(480), false), Step::Sleep(None));
        assert_eq!(schedule.ask(s(481)), s(481), "the next token has it fetched at once");
        assert_eq!(schedule.step(s(481), false), Step::Fetch);
    }

    #[test]
    fn failures_back_off_and_end_with_a_success() {
        let mut schedule = fetched_at(s(0), None, LONG);
        let mut now = s(480);
        for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
            let is_used = now == s(480);
            assert_eq!(schedule.step(now, is_used), Step::Fetch, "an old list is wanted anew, token or not");
            schedule.begin(now);
            schedule.failed(now, None, 0.0);
            assert_eq!(schedule.ask(now), now + s(pause), "a token waits for no earlier one");
            now += s(pause);
        }
        schedule.begin(now);
        schedule.succeeded(now, None, s(LONG), 0.0);
        schedule.begin(now + s(480));
        schedule.failed(now + s(480), None, 0.0);
        assert_eq!(schedule.ask(now + s(480)), now + s(481));
        for (asked, pause) in [(0, 1), (30, 30), (300, 300), (100_000, 300)] {
            let mut schedule = Schedule::new(bounds());
            schedule.begin(s(0));
            schedule.failed(s(0), Some(s(asked)), 0.0);
            assert_eq!(schedule.ask(s(0)), s(pause), "{asked}");
        }
    }

    #[test]
    fn tokens_that_want_a_newer_list_wait_for_the_cooldown() {
        let mut schedule = fetched_at(s(0), None, LONG);
        assert_eq!(schedule.ask(s(3)), s(10));
        assert_eq!(schedule.step(s(3), true), Step::Sleep(Some(s(10))));
        assert_eq!(schedule.step(s(10), true), Step::Fetch, "it is made up for");
        schedule.begin(s(10));
        schedule.succeeded(s(10), None, s(LONG), 0.0);
        assert_eq!(schedule.ask(s(20)), s(20), "then it may at once");
        // The same if the list has expired by its own `exp`.
        let mut schedule = fetched_at(s(0), None, LONG);
        schedule.dropped();
        assert_eq!(schedule.ask(s(2)), s(10));
    }

    #[test]
    fn an_attempt_that_ended_with_its_runtime_is_made_again() {
        let mut schedule = Schedule::new(bounds());
        schedule.ask(s(0));
        schedule.begin(s(0));
        schedule.interrupted();
        assert_eq!(schedule.step(s(1), false), Step::Sleep(Some(s(10))));
        assert_eq!(schedule.step(s(10), false), Step::Fetch);
        let mut schedule = fetched_at(s(0), None, LONG);
        schedule.interrupted();
        assert_eq!(schedule.step(s(1), true), Step::Sleep(Some(s(480))), "none ran");
    }

    #[test]
    fn a_list_may_be_forgotten_when_it_has_cooled() {
        let mut schedule = Schedule::new(bounds());
        assert!(!schedule.has_cooled(s(1000)), "nobody has asked for it yet, but somebody is about to");
        schedule.begin(s(5));
        assert!(!schedule.has_cooled(s(1000)), "it is being fetched");
        schedule.succeeded(s(5), None, s(LONG), 0.0);
        assert!(!schedule.has_cooled(s(14)));
        assert!(schedule.has_cooled(s(15)));
    }
}
