//! How long something lives: what Redis is told in place of a time, because its clock is not that of the caller.

use std::time::Duration;

use tower_jwt_auth::{Clock, UnixTime};

/// 100 years. Redis refuses what it cannot add to the time.
const LONGEST: i64 = 100 * 366 * 24 * 60 * 60 * 1000;

/// Milliseconds from now until `end`, never fewer than there are; negative if it is over.
pub(crate) fn left(clock: &dyn Clock, end: UnixTime) -> i64 {
    between(clock.now(), end)
}

fn between(now: UnixTime, end: UnixTime) -> i64 {
    if now <= end {
        let ahead = end.saturating_since(now);
        millis(ahead.saturating_add(Duration::from_nanos(999_999)))
    } else {
        -millis(now.saturating_since(end))
    }
}

/// The same for a key, which lives at least for a millisecond: it is gone when the caller looks again.
pub(crate) fn of_key(clock: &dyn Clock, end: UnixTime) -> i64 {
    left(clock, end).max(1)
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(LONGEST).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_never_too_short() {
        let at = |millis, nanos| {
            UnixTime::from_secs(1000)
                .saturating_add(Duration::from_millis(millis) + Duration::from_nanos(nanos))
        };
        assert_eq!(between(at(0, 0), at(1500, 0)), 1500);
        assert_eq!(between(at(0, 1), at(1500, 0)), 1500);
        assert_eq!(between(at(0, 999_999), at(1500, 0)), 1500);
        assert_eq!(between(at(0, 0), at(0, 0)), 0);
        assert_eq!(between(at(1500, 0), at(0, 0)), -1500);
    }

    #[test]
    fn no_time_is_too_far_for_the_server() {
        let last = UnixTime::from_secs(u64::MAX);
        assert_eq!(between(UnixTime::from_secs(0), last), LONGEST);
        assert_eq!(between(last, UnixTime::from_secs(0)), -LONGEST);
        // Added to any time of this century, it is a number that Lua writes exactly.
        const { assert!(LONGEST < 1 << 52) };
    }

    #[test]
    fn a_key_that_is_over_lives_for_a_moment() {
        let clock = Fixed(UnixTime::from_secs(1000));
        assert_eq!(of_key(&clock, UnixTime::from_secs(10)), 1);
        assert_eq!(of_key(&clock, UnixTime::from_secs(1001)), 1000);
    }

    #[derive(Debug)]
    struct Fixed(UnixTime);

    impl Clock for Fixed {
        fn now(&self) -> UnixTime {
            self.0
        }
    }
}
