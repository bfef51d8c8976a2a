//! When to fetch: a pure machine of times and events. It reads no clock and does no I/O.

use std::ops::RangeInclusive;
use std::time::Duration;

/// The time since the source was made.
pub(super) type Instant = Duration;

/// The bounds that keep a provider from being flooded, and keys from growing old.
#[derive(Clone, Debug)]
pub(super) struct Bounds {
    /// Between any attempt and one for an unknown `kid`.
    pub(super) cooldown: Duration,
    /// How long keys serve after they should have been refreshed.
    pub(super) stale: Duration,
    /// Within which a provider's `max-age` is believed. Not empty.
    pub(super) lifetime: RangeInclusive<Duration>,
}

impl Bounds {
    /// The part of its lifetime after which a set is fetched again.
    const REFRESH_AT: f64 = 0.8;
    const BACK_OFF: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60);
    const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);
    /// The usual `lifetime`.
    pub(super) const LIFETIME: RangeInclusive<Duration> =
        Duration::from_secs(300)..=Duration::from_secs(3600);
    const LIFETIME_UNLESS_SAID: Duration = Duration::from_secs(600);

    /// For how long keys are fresh that others may keep for `max_age`.
    fn lifetime_of(&self, max_age: Option<Duration>) -> Duration {
        max_age.unwrap_or(Self::LIFETIME_UNLESS_SAID).clamp(*self.lifetime.start(), *self.lifetime.end())
    }
}

/// Why a fetch is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// There are no keys.
    Keys,
    /// A token names a key that is not among them.
    Kid,
}

/// What is known of one source.
#[derive(Debug)]
pub(super) struct State {
    bounds: Bounds,
    held: Option<Held>,
    /// While an attempt runs: what it is for.
    fetching: Option<Asked>,
    asked: Asked,
    last_attempt: Option<Instant>,
    failures: u32,
    /// No attempt before this: the back-off, or what the provider asked for.
    not_before: Instant,
    /// How often a fetch for an unknown `kid` was put off.
    suppressed: u64,
}

/// What somebody needs.
#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    keys: bool,
    kid: bool,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    since: Instant,
    /// How old the keys were then, if an earlier process had fetched them.
    restored_at: Option<Duration>,
    refresh_at: Instant,
    unusable_from: Instant,
}

/// What the driver has to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Fetch,
    /// The keys are too old to be trusted.
    Drop,
    /// Nothing until then, or until somebody asks.
    Sleep(Option<Instant>),
}

impl State {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            held: None,
            fetching: None,
            asked: Asked::default(),
            last_attempt: None,
            failures: 0,
            not_before: Instant::ZERO,
            suppressed: 0,
        }
    }

    /// Notes that somebody needs a fetch. Answers when the attempt that will tell begins, `now` if it runs or is due.
    pub(super) fn ask(&mut self, need: Need, now: Instant) -> Instant {
        match need {
            Need::Keys => self.asked.keys = true,
            Need::Kid => self.asked.kid = true,
        }
        if self.is_fetching() {
            return now;
        }
        let begins = self.next_attempt().unwrap_or(now).max(now);
        if need == Need::Kid && begins > now {
            self.suppressed += 1;
        }
        begins
    }

    pub(super) fn step(&self, now: Instant) -> Step {
        if self.is_too_old(now) {
            return Step::Drop;
        }
        match self.next_attempt() {
            Some(at) if at <= now => Step::Fetch,
            at => {
                let dies = self.unusable_from();
                Step::Sleep(at.into_iter().chain(dies).min())
            }
        }
    }

    pub(super) fn begin(&mut self, now: Instant) {
        self.fetching = Some(std::mem::take(&mut self.asked));
        self.last_attempt = Some(now);
    }

    /// The fetch brought keys that others may keep for `max_age`. `spread` is from -1 to 1.
    pub(super) fn succeeded(&mut self, now: Instant, max_age: Option<Duration>, spread: f64) {
        // At 80 % of the lifetime, a tenth earlier or later, so that a fleet does not come all at once.
        let part = Bounds::REFRESH_AT + 0.1 * spread.clamp(-1.0, 1.0);
        let refresh_at = now + self.bounds.lifetime_of(max_age).mul_f64(part);
        let unusable_from = refresh_at + self.bounds.stale;
        self.held = Some(Held { since: now, restored_at: None, refresh_at, unusable_from });
        self.fetching = None;
        // Who asked for keys meanwhile has them now. Who asked for a `kid` may have come after the answer was made.
        self.asked.keys = false;
        self.failures = 0;
        self.not_before = now;
    }

    /// An earlier process kept keys that were fetched `age` ago. Answers whether they may still serve; a fetch is then due.
    pub(super) fn restored(&mut self, now: Instant, age: Duration, max_age: Option<Duration>) -> bool {
        let serve = self.bounds.lifetime_of(max_age).mul_f64(Bounds::REFRESH_AT) + self.bounds.stale;
        let Some(left) = serve.checked_sub(age).filter(|left| !left.is_zero()) else { return false };
        let restored_at = Some(age);
        self.held = Some(Held { since: now, restored_at, refresh_at: now, unusable_from: now + left });
        self.asked.keys = false;
        true
    }

    /// The fetch failed. `spread` is from -1 to 1.
    pub(super) fn failed(&mut self, now: Instant, retry_after: Option<Duration>, spread: f64) {
        self.fetching = None;
        let doubled = Bounds::BACK_OFF.start().saturating_mul(1 << self.failures.min(6));
        let back_off = doubled.min(*Bounds::BACK_OFF.end()).mul_f64(1.0 + 0.5 * spread.clamp(-1.0, 1.0));
        let asked = retry_after.unwrap_or_default().min(Bounds::RETRY_AFTER_MAX);
        self.failures = self.failures.saturating_add(1);
        self.not_before = now + back_off.max(asked);
    }

    /// The keys are gone.
    pub(super) fn dropped(&mut self) {
        self.held = None;
        self.asked.keys = true;
    }

    /// The fetch, if one ran, was given up with its task. It counts as an attempt, and is still needed.
    pub(super) fn interrupted(&mut self) {
        if let Some(Asked { keys, kid }) = self.fetching.take() {
            self.asked.keys |= keys;
            self.asked.kid |= kid;
        }
    }

    pub(super) fn is_fetching(&self) -> bool {
        self.fetching.is_some()
    }

    /// Whether the keys must not be used any longer.
    pub(super) fn is_too_old(&self, now: Instant) -> bool {
        self.unusable_from().is_some_and(|from| from <= now)
    }

    pub(super) fn unusable_from(&self) -> Option<Instant> {
        Some(self.held?.unusable_from)
    }

    pub(super) fn age(&self, now: Instant) -> Option<Duration> {
        let held = self.held?;
        Some(now.saturating_sub(held.since) + held.restored_at.unwrap_or_default())
    }

    /// Whether the keys are those of an earlier process.
    pub(super) fn is_restored(&self) -> bool {
        self.held.is_some_and(|held| held.restored_at.is_some())
    }

    /// For how long the scheduled refresh has been due.
    pub(super) fn overdue(&self, now: Instant) -> Option<Duration> {
        now.checked_sub(self.held?.refresh_at)
    }

    pub(super) fn next_refresh(&self) -> Option<Instant> {
        self.next_attempt()
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    pub(super) fn suppressed(&self) -> u64 {
        self.suppressed
    }

    /// When the next attempt may begin, if one is wanted.
    fn next_attempt(&self) -> Option<Instant> {
        if self.is_fetching() {
            return None;
        }
        let scheduled = self.held.map(|held| held.refresh_at);
        let first = self.asked.keys.then_some(Instant::ZERO);
        let cooled = self.last_attempt.map_or(Instant::ZERO, |last| last + self.bounds.cooldown);
        let unknown = self.asked.kid.then_some(cooled);
        let wanted = [scheduled, first, unknown].into_iter().flatten().min()?;
        Some(wanted.max(self.not_before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        cooldown: Duration::from_secs(10),
        stale: Duration::from_secs(6 * 3600),
        lifetime: Bounds::LIFETIME,
    };

    const fn s(seconds: u64) -> Instant {
        Duration::from_secs(seconds)
    }

    fn fetched_at(at: Instant, max_age: Option<u64>) -> State {
        let mut state = State::new(BOUNDS);
        state.ask(Need::Keys, at);
        state.begin(at);
        state.succeeded(at, max_age.map(s), 0.0);
        state
    }

    #[test]
    fn nothing_is_fetched_before_somebody_asks() {
        let mut state = State::new(BOUNDS);
        assert_eq!(state.step(s(0)), Step::Sleep(None));
        assert_eq!(state.ask(Need::Keys, s(7)), s(7));
        assert_eq!(state.step(s(7)), Step::Fetch);
        state.begin(s(7));
        assert_eq!(state.step(s(8)), Step::Sleep(None), "one at a time");
        assert_eq!(state.ask(Need::Kid, s(8)), s(8), "who asks meanwhile waits for the same");
    }

    #[test]
    fn refresh_is_ahead_of_expiry_and_clamped() {
        for (max_age, at) in [
            (None, 480),
            (Some(0), 240),
            (Some(15), 240),
            (Some(300), 240),
            (Some(1000), 800),
            (Some(86_400), 2880),
            (Some(u64::MAX / 2), 2880),
        ] {
            let state = fetched_at(s(100), max_age);
            assert_eq!(state.step(s(100 + at - 1)), Step::Sleep(Some(s(100 + at))), "{max_age:?}");
            assert_eq!(state.step(s(100 + at)), Step::Fetch, "{max_age:?}");
        }
        for (spread, at) in [(-1.0, 420), (1.0, 540), (7.0, 540)] {
            let mut state = State::new(BOUNDS);
            state.begin(s(0));
            state.succeeded(s(0), None, spread);
            assert_eq!(state.step(s(at - 1)), Step::Sleep(Some(s(at))), "{spread}");
        }
    }

    #[test]
    fn max_age_is_believed_within_the_bounds_that_are_set() {
        for (least, most, max_age, millis) in [
            (1, 86_400, Some(0), 800),
            (1, 86_400, Some(1), 800),
            (1, 86_400, Some(10), 8_000),
            (1, 86_400, Some(86_400), 69_120_000),
            (1, 86_400, Some(86_401), 69_120_000),
            (1, 86_400, None, 480_000),
            (4, 4, Some(3600), 3_200),
            (4, 4, Some(0), 3_200),
            (4, 4, None, 3_200),
            (7200, 7200, None, 5_760_000),
        ] {
            let mut state = State::new(Bounds { lifetime: s(least)..=s(most), ..BOUNDS });
            state.begin(s(0));
            state.succeeded(s(0), max_age.map(s), 0.0);
            let due = Duration::from_millis(millis);
            let what = format!("{max_age:?} within {least} to {most}");
            assert_eq!(state.step(s(0)), Step::Sleep(Some(due)), "{what}");
            assert_eq!(state.step(due), Step::Fetch, "{what}");
        }
    }

    #[test]
    fn failures_back_off_and_are_forgotten_by_a_success() {
        let mut state = State::new(BOUNDS);
        state.ask(Need::Keys, s(0));
        let mut now = s(0);
        for pause in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            assert_eq!(state.step(now), Step::Fetch);
            state.begin(now);
            state.failed(now, None, 0.0);
            state.ask(Need::Keys, now);
            now += s(pause);
            assert_eq!(state.step(now - Duration::from_millis(1)), Step::Sleep(Some(now)), "{pause}");
        }
        state.begin(now);
        state.succeeded(now, None, 0.0);
        state.begin(now + s(480));
        state.failed(now + s(480), None, 0.0);
        assert_eq!(state.step(now + s(480)), Step::Sleep(Some(now + s(481))));
    }

    #[test]
    fn retry_after_is_honoured_up_to_five_minutes() {
        for (asked, pause) in [(0, 1), (30, 30), (299, 299), (100_000, 300)] {
            let mut state = fetched_at(s(0), None);
            state.begin(s(480));
            state.failed(s(480), Some(s(asked)), 0.0);
            assert_eq!(state.step(s(480)), Step::Sleep(Some(s(480 + pause))), "{asked}");
            assert_eq!(state.ask(Need::Kid, s(480)), s(480 + pause), "an unknown kid waits as well");
        }
    }

    #[test]
    fn the_cooldown_counts_every_attempt() {
        let mut good = fetched_at(s(0), None);
        assert_eq!(good.ask(Need::Kid, s(3)), s(10));
        assert_eq!(good.suppressed(), 1);
        assert_eq!(good.step(s(9)), Step::Sleep(Some(s(10))), "it is made up for, without another request");
        assert_eq!(good.step(s(10)), Step::Fetch);
        good.begin(s(10));
        good.failed(s(11), None, 0.0);
        assert_eq!(good.ask(Need::Kid, s(12)), s(20), "a failed attempt counts from its beginning");
        good.begin(s(20));
        good.succeeded(s(20), None, 0.0);
        assert_eq!(good.ask(Need::Kid, s(30)), s(30), "then it may at once");
    }

    #[test]
    fn a_flood_of_kids_does_not_delay_the_scheduled_refresh() {
        let mut state = fetched_at(s(0), None);
        state.begin(s(475));
        state.failed(s(475), None, 0.0);
        for at in 475..480 {
            state.ask(Need::Kid, s(at));
        }
        assert_eq!(state.step(s(480)), Step::Fetch, "due, though the cooldown lasts until 485");
    }

    #[test]
    fn stale_keys_serve_for_a_bounded_time() {
        let mut state = fetched_at(s(0), None);
        let end = s(480) + BOUNDS.stale;
        let mut now = s(480);
        while now < end {
            match state.step(now) {
                Step::Fetch => {
                    state.begin(now);
                    state.failed(now, Some(s(300)), 0.0);
                }
                Step::Sleep(Some(until)) => now = until,
                step => panic!("{step:?} at {now:?}"),
            }
        }
        assert_eq!(state.step(end), Step::Drop);
        state.dropped();
        assert!(matches!(state.step(end), Step::Sleep(Some(_)) | Step::Fetch), "it goes on trying");
        assert_eq!(state.age(end), None);
    }

    #[test]
    fn restored_keys_serve_until_they_would_have_and_a_fetch_is_due() {
        let stale = BOUNDS.stale.as_secs();
        // How long they serve after the fetch: 80 % of the lifetime within its bounds, and the time of stale keys.
        for (max_age, serve) in [(None, 480), (Some(0), 240), (Some(1000), 800), (Some(u64::MAX), 2880)]
            .map(|(m, s)| (m, s + stale))
        {
            for age in [0, 1, 479, 480, 10_000, serve - 1] {
                let mut state = State::new(BOUNDS);
                state.ask(Need::Keys, s(50));
                assert!(state.restored(s(50), s(age), max_age.map(s)), "{max_age:?} {age}");
                assert!(state.is_restored());
                assert_eq!(state.step(s(50)), Step::Fetch, "the provider is asked at once");
                assert_eq!(state.age(s(60)), Some(s(age + 10)));
                assert_eq!(state.unusable_from(), Some(s(50 + serve - age)), "{max_age:?} {age}");
                assert!(!state.is_too_old(s(50 + serve - age) - Duration::from_nanos(1)));
                assert_eq!(state.step(s(50 + serve - age)), Step::Drop, "{max_age:?} {age}");
            }
            for age in [serve, serve + 1, u64::MAX] {
                let mut state = State::new(BOUNDS);
                state.ask(Need::Keys, s(50));
                assert!(!state.restored(s(50), s(age), max_age.map(s)), "{max_age:?} {age}");
                assert_eq!(
                    (state.is_restored(), state.age(s(50)), state.unusable_from()),
                    (false, None, None)
                );
                assert_eq!(state.step(s(50)), Step::Fetch, "who asked is still to be answered");
            }
        }
    }

    #[test]
    fn a_fetch_makes_restored_keys_ones_own_and_a_failure_does_not() {
        let mut state = State::new(BOUNDS);
        state.ask(Need::Keys, s(0));
        assert!(state.restored(s(0), s(9000), None));
        let end = state.unusable_from();
        state.begin(s(0));
        state.failed(s(0), None, 0.0);
        assert_eq!(state.step(s(0)), Step::Sleep(Some(s(1))), "the usual back-off");
        assert_eq!((state.is_restored(), state.unusable_from()), (true, end));
        state.begin(s(1));
        state.succeeded(s(1), None, 0.0);
        assert_eq!((state.is_restored(), state.age(s(1))), (false, Some(s(0))));
        assert_eq!(state.unusable_from(), Some(s(481) + BOUNDS.stale));
    }

    #[test]
    fn who_asks_for_a_kid_is_not_answered_by_restored_keys() {
        let mut state = State::new(BOUNDS);
        state.ask(Need::Keys, s(0));
        assert!(state.restored(s(0), s(60), None));
        state.begin(s(0));
        state.ask(Need::Kid, s(0));
        state.failed(s(0), None, 0.0);
        assert_eq!(
            state.ask(Need::Kid, s(2)),
            s(2),
            "a scheduled fetch is overdue, so no cooldown delays it"
        );
    }

    #[test]
    fn an_attempt_that_ends_with_its_runtime_can_be_made_again() {
        let mut state = State::new(BOUNDS);
        state.ask(Need::Keys, s(0));
        state.begin(s(0));
        state.interrupted();
        assert_eq!(state.step(s(1)), Step::Fetch, "nobody has to ask again");
        let mut state = fetched_at(s(0), None);
        state.ask(Need::Kid, s(3));
        state.begin(s(10));
        state.interrupted();
        assert_eq!(state.step(s(11)), Step::Sleep(Some(s(20))), "it counts for the cooldown");
        assert_eq!(state.step(s(20)), Step::Fetch);
    }

    proptest::proptest! {
        /// Whatever is asked and answered when: fetches for unknown kids keep to 1 + ceil(T / cooldown) beside the
        /// scheduled ones, and an unknown kid is looked for within a cooldown while the provider answers.
        #[test]
        fn the_formula_holds(events in proptest::collection::vec((0_u8..4, 0_u64..700), 1..200), failing in 0_u8..3) {
            let mut state = State::new(BOUNDS);
            let (mut now, mut attempts, mut scheduled) = (s(0), 0_u64, 0_u64);
            let mut asked_since: Option<Instant> = None;
            state.ask(Need::Keys, now);
            let run_until = |state: &mut State, now: &mut Instant, end: Instant, attempts: &mut u64, scheduled: &mut u64, asked: &mut Option<Instant>| {
                loop {
                    match state.step(*now) {
                        Step::Fetch => {
                            *attempts += 1;
                            if state.held.is_none_or(|held| held.refresh_at <= *now) { *scheduled += 1; }
                            let since = asked.take();
                            if let Some(since) = since && failing == 0 {
                                assert!(*now - since <= BOUNDS.cooldown, "waited from {since:?} to {now:?}");
                            }
                            state.begin(*now);
                            let spread = (*attempts % 5) as f64 / 2.0 - 1.0;
                            if failing > 0 && !attempts.is_multiple_of(u64::from(failing + 1)) {
                                state.failed(*now, attempts.is_multiple_of(7).then_some(s(20)), spread);
                            } else {
                                state.succeeded(*now, None, spread);
                            }
                        }
                        Step::Drop => state.dropped(),
                        Step::Sleep(Some(at)) if at <= end => *now = at,
                        Step::Sleep(_) => { *now = end; return; }
                    }
                }
            };
            for (event, pause) in events {
                if event == 0 {
                    let end = now + s(pause);
                    run_until(&mut state, &mut now, end, &mut attempts, &mut scheduled, &mut asked_since);
                } else {
                    state.ask(Need::Kid, now);
                    asked_since.get_or_insert(now);
                    let end = now + Duration::from_millis(pause);
                    run_until(&mut state, &mut now, end, &mut attempts, &mut scheduled, &mut asked_since);
                }
            }
            let bound = 1 + now.as_secs().div_ceil(10) + scheduled;
            assert!(attempts <= bound, "{attempts} attempts in {now:?}, of which {scheduled} were scheduled");
        }
    }
}
