//! Times and numbers as people read them.

use std::time::Duration;

use tower_jwt_auth::UnixTime;

/// The time of day.
pub(crate) fn clock(at: UnixTime) -> String {
    let second = at.as_secs() % 86_400;
    format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

pub(crate) fn ago(now: UnixTime, then: UnixTime) -> String {
    format!("{} ago", long(now.saturating_since(then)))
}

/// A time that people wait for: the two largest units of it at most.
pub(crate) fn long(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        seconds @ 3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        seconds => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// A time that machines take.
pub(crate) fn short(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds < 0.001 => format!("{:.0} µs", seconds * 1e6),
        seconds if seconds < 1.0 => format!("{:.1} ms", seconds * 1e3),
        seconds => format!("{seconds:.1} s"),
    }
}

pub(crate) fn share(part: u64, all: u64) -> String {
    if all == 0 { "–".to_owned() } else { format!("{:.1} %", part as f64 * 100.0 / all as f64) }
}

/// A number with commas.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        let seconds = |seconds| long(Duration::from_secs(seconds));
        assert_eq!([59, 60, 3660, 90_000].map(seconds), ["59 s", "1 min 0 s", "1 h 1 min", "1 d 1 h"]);
        assert_eq!(
            [3, 3000, 3_000_000].map(|n| short(Duration::from_micros(n))),
            ["3 µs", "3.0 ms", "3.0 s"]
        );
        assert_eq!(clock(UnixTime::from_secs(86_400 + 3661)), "01:01:01");
        assert_eq!((share(1, 0), share(1, 3)), ("–".to_owned(), "33.3 %".to_owned()));
    }
}
