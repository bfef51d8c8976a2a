//! When not to ask: a pure machine of times and events.

use std::time::Duration;

/// Failures in a row that may be chance.
const TOLERATED: u32 = 2;
const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(10);
/// What the other side may ask for.
const LONGEST_ASKED_FOR: Duration = Duration::from_secs(30);

/// Failures in a row, and until when nobody is asked because of them.
#[derive(Debug, Default)]
pub(super) struct BackOff {
    failures: u32,
    quiet_until: Duration,
}

impl BackOff {
    /// Whether a question may be asked now. After a silence one goes first, and has `time` to be answered.
    pub(super) fn may_ask(&mut self, now: Duration, time: Duration) -> bool {
        if self.failures <= TOLERATED {
            return true;
        }
        if now < self.quiet_until {
            return false;
        }
        self.quiet_until = now + time;
        true
    }

    /// Whether nobody is asked just now.
    pub(super) fn is_quiet(&self, now: Duration) -> bool {
        self.failures > TOLERATED && now < self.quiet_until
    }

    /// Answers whether it had failed before.
    pub(super) fn succeeded(&mut self) -> bool {
        std::mem::take(&mut self.failures) > TOLERATED
    }

    /// `chance` is a random byte, so that many processes do not come back at once.
    pub(super) fn failed(&mut self, now: Duration, asked_for: Option<Duration>, chance: u8) {
        self.failures = self.failures.saturating_add(1);
        if self.failures <= TOLERATED {
            return;
        }
        let doubled = FIRST.saturating_mul(1 << (self.failures - TOLERATED - 1).min(16)).min(LONGEST);
        // 80 to 120 per cent.
        let quiet = doubled * (800 + u32::from(chance) * 400 / 255) / 1000;
        let asked_for = asked_for.unwrap_or_default().min(LONGEST_ASKED_FOR);
        self.quiet_until = now + quiet.max(asked_for);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_secs(2);

    fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn two_failures_are_chance_and_the_third_begins_a_silence() {
        let mut back_off = BackOff::default();
        for _ in 0..2 {
            back_off.failed(at(0), None, 255);
            assert!(back_off.may_ask(at(0), TIME));
        }
        back_off.failed(at(0), None, 255);
        assert!(!back_off.may_ask(at(299), TIME) && back_off.is_quiet(at(299)));
        assert!(back_off.may_ask(at(300), TIME), "one goes first");
        assert!(!back_off.may_ask(at(300), TIME), "and no other one");
        assert!(back_off.succeeded());
        assert!(back_off.may_ask(at(300), TIME) && !back_off.succeeded());
    }

    #[test]
    fn a_silence_doubles_up_to_ten_seconds() {
        let mut back_off = BackOff::default();
        let mut lengths = Vec::new();
        for _ in 0..60 {
            back_off.failed(at(0), None, 0);
            lengths.push(back_off.quiet_until.as_millis());
        }
        assert_eq!(lengths[2..9], [200, 400, 800, 1600, 3200, 6400, 8000]);
        assert_eq!(lengths[59], 8000);
        back_off.failed(at(0), None, 255);
        assert_eq!(back_off.quiet_until, at(12_000));
    }

    #[test]
    fn what_the_other_side_asks_for_is_bounded() {
        let mut back_off = BackOff::default();
        for _ in 0..3 {
            back_off.failed(at(0), Some(Duration::from_secs(5)), 0);
        }
        assert_eq!(back_off.quiet_until, at(5000));
        back_off.failed(at(0), Some(Duration::from_secs(3600)), 0);
        assert_eq!(back_off.quiet_until, at(30_000));
    }

    #[test]
    fn a_question_that_goes_first_and_is_lost_does_not_end_all() {
        let mut back_off = BackOff::default();
        for _ in 0..3 {
            back_off.failed(at(0), None, 0);
        }
        assert!(back_off.may_ask(at(200), TIME));
        assert!(!back_off.may_ask(at(2199), TIME) && back_off.may_ask(at(2200), TIME));
    }
}
