//! When to fetch: a pure machine of times and events. It reads no clock and does no I/O.

use std::time::Duration;

/// The time since the source was made.
pub(super) type Instant = Duration;

/// The bounds that keep a provider from being flooded, and keys from growing old.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Between any attempt and one for an unknown `kid`.
    pub(super) cooldown: Duration,
    /// How long keys serve after they should have been refreshed.
    pub(super) stale: Duration,
}

impl Bounds {
    const BACK_OFF: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60);
    const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);
    const LIFETIME: std::ops::RangeInclusive<Duration> = Duration::from_secs(300)..=Duration::from_secs(3600);
    const LIFETIME_UNLESS_SAID: Duration = Duration::from_secs(600);
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
    fetching: bool,
    asked_for_keys: bool,
    asked_for_kid: bool,
    last_attempt: Option<Instant>,
    failures: u32,
    /// No attempt before this: the back-off, or what the provider asked for.
    not_before: Instant,
    /// How often a fetch for an unknown `kid` was put off.
    suppressed: u64,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    since: Instant,
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
            fetching: false,
            asked_for_keys: false,
            asked_for_kid: false,
            last_attempt: None,
            failures: 0,
            not_before: Instant::ZERO,
            suppressed: 0,
        }
    }

    /// Notes that somebody needs a fetch. Answers when the attempt that will tell begins, `now` if it runs or is due.
    pub(super) fn ask(&mut self, need: Need, now: Instant) -> Instant {
        match need {
            Need::Keys => self.asked_for_keys = true,
            Need::Kid => self.asked_for_kid = true,
        }
        if self.fetching {
            return now;
        }
        let begins = self.next_attempt().unwrap_or(now).max(now);
        if need == Need::Kid && begins > now {
            self.suppressed += 1;
        }
        begins
    }

    pub(super) fn step(&self, now: Instant) -> Step {
        if self.held.is_some_and(|held| held.unusable_from <= now) {
            return Step::Drop;
        }
        match self.next_attempt() {
            Some(at) if at <= now => Step::Fetch,
            at => {
                let dies = self.held.map(|held| held.unusable_from);
                Step::Sleep(at.into_iter().chain(dies).min())
            }
        }
    }

    pub(super) fn begin(&mut self, now: Instant) {
        self.fetching = true;
        self.last_attempt = Some(now);
        (self.asked_for_keys, self.asked_for_kid) = (false, false);
    }

    /// The fetch brought keys that others may keep for `max_age`. `spread` is from -1 to 1.
    pub(super) fn succeeded(&mut self, now: Instant, max_age: Option<Duration>, spread: f64) {
        let lifetime = max_age
            .unwrap_or(Bounds::LIFETIME_UNLESS_SAID)
            .clamp(*Bounds::LIFETIME.start(), *Bounds::LIFETIME.end());
        // At 80 % of the lifetime, a tenth earlier or later, so that a fleet does not come all at once.
        let refresh_at = now + lifetime.mul_f64(0.8 + 0.1 * spread.clamp(-1.0, 1.0));
        self.held = Some(Held { since: now, refresh_at, unusable_from: refresh_at + self.bounds.stale });
        self.fetching = false;
        self.failures = 0;
        self.not_before = now;
    }

    /// The fetch failed. `spread` is from -1 to 1.
    pub(super) fn failed(&mut self, now: Instant, retry_after: Option<Duration>, spread: f64) {
        self.fetching = false;
        let doubled = Bounds::BACK_OFF.start().saturating_mul(1 << self.failures.min(6));
        let back_off = doubled.min(*Bounds::BACK_OFF.end()).mul_f64(1.0 + 0.5 * spread.clamp(-1.0, 1.0));
        let asked = retry_after.unwrap_or_default().min(Bounds::RETRY_AFTER_MAX);
        self.failures = self.failures.saturating_add(1);
        self.not_before = now + back_off.max(asked);
    }

    /// The keys are gone.
    pub(super) fn dropped(&mut self) {
        self.held = None;
        self.asked_for_keys = true;
    }

    /// The fetch was given up with its task; it counts as an attempt.
    pub(super) fn interrupted(&mut self) {
        self.fetching = false;
    }

    pub(super) fn age(&self, now: Instant) -> Option<Duration> {
        Some(now.saturating_sub(self.held?.since))
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
        if self.fetching {
            return None;
        }
        let scheduled = self.held.map(|held| held.refresh_at);
        let first = self.asked_for_keys.then_some(Instant::ZERO);
        let cooled = self.last_attempt.map_or(Instant::ZERO, |last| last + self.bounds.cooldown);
        let unknown = self.asked_for_kid.then_some(cooled);
        let wanted = [scheduled, first, unknown].into_iter().flatten().min()?;
        Some(wanted.max(self.not_before))
    }
}
