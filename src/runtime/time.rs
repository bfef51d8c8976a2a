//! Points in time, and the only place that reads the clock.

use std::fmt;
use std::time::Duration;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

/// The latest time that is accepted anywhere: the end of the year 9999.
const MAX_SECONDS: u64 = 253_402_300_799;

/// A point in time, counted from 1970-01-01T00:00:00Z.
///
/// Serialized as a `NumericDate` (RFC 7519 section 2): a JSON number of seconds, which may have a fraction.
///
/// ```
/// use std::time::Duration;
/// use tower_jwt_auth::UnixTime;
///
/// let noon = UnixTime::from_secs(1_700_000_000);
/// assert_eq!(noon.saturating_add(Duration::from_secs(60)).as_secs(), 1_700_000_060);
/// assert_eq!(serde_json::to_string(&noon).unwrap(), "1700000000");
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(Duration);

impl UnixTime {
    /// The latest time that a token can name: the end of the year 9999.
    pub(crate) const LATEST: Self = Self::from_secs(MAX_SECONDS);

    /// The time that lies this many seconds after the epoch.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// Whole seconds since the epoch; a fraction is cut off.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0.as_secs()
    }

    /// The time since the epoch.
    #[must_use]
    pub const fn since_epoch(self) -> Duration {
        self.0
    }

    /// This time, later by `span`; stops at the largest time there is.
    #[must_use]
    pub const fn saturating_add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span))
    }

    /// This time, earlier by `span`; stops at the epoch.
    #[must_use]
    pub const fn saturating_sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(span))
    }

    /// How much later than `earlier` this time is; zero if it is not.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// Reads a `NumericDate` that was written as an integer.
    pub(crate) fn from_integer(seconds: u64) -> Option<Self> {
        (seconds <= MAX_SECONDS).then(|| Self::from_secs(seconds))
    }

    /// Reads a `NumericDate` that was written with a fraction or an exponent.
    pub(crate) fn from_float(seconds: f64) -> Option<Self> {
        // The comparison is false for NaN.
        if !(0.0..=MAX_SECONDS as f64).contains(&seconds) {
            return None;
        }
        Duration::try_from_secs_f64(seconds).ok().map(Self)
    }
}

impl fmt::Debug for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnixTime({:?})", self.0)
    }
}

impl Serialize for UnixTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.subsec_nanos() == 0 {
            serializer.serialize_u64(self.0.as_secs())
        } else {
            serializer.serialize_f64(self.0.as_secs_f64())
        }
    }
}

impl<'de> Deserialize<'de> for UnixTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumericDate;

        impl Visitor<'_> for NumericDate {
            type Value = UnixTime;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of seconds between 1970 and 9999")
            }

            fn visit_u64<E: de::Error>(self, v: u64) -> Result<UnixTime, E> {
                UnixTime::from_integer(v).ok_or_else(|| E::invalid_value(de::Unexpected::Unsigned(v), &self))
            }

            fn visit_i64<E: de::Error>(self, v: i64) -> Result<UnixTime, E> {
                let time = u64::try_from(v).ok().and_then(UnixTime::from_integer);
                time.ok_or_else(|| E::invalid_value(de::Unexpected::Signed(v), &self))
            }

            fn visit_f64<E: de::Error>(self, v: f64) -> Result<UnixTime, E> {
                UnixTime::from_float(v).ok_or_else(|| E::invalid_value(de::Unexpected::Float(v), &self))
            }
        }

        // Asking for a float makes serde_json read integers and fractions alike, whatever its features.
        deserializer.deserialize_f64(NumericDate)
    }
}

/// Where a verifier reads the time; replace it in tests.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The current time.
    fn now(&self) -> UnixTime;
}

impl<T: Clock + ?Sized> Clock for std::sync::Arc<T> {
    fn now(&self) -> UnixTime {
        (**self).now()
    }
}

/// The clock of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods)] // the one place that may
    fn now(&self) -> UnixTime {
        // A clock set before 1970 reads as the epoch: every token is then refused as not yet valid or
        // accepted only if it has no lower bound, never expired by wrap-around.
        UnixTime(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default())
    }
}

/// Measures how long something lasts. It stands still with tokio's clock in tests that pause that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(tokio::time::Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(tokio::time::Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numeric_dates_are_read_strictly() {
        let read = |text: &str| serde_json::from_str::<UnixTime>(text).ok().map(UnixTime::since_epoch);
        assert_eq!(read("0"), Some(Duration::ZERO));
        assert_eq!(read("1.7e9"), Some(Duration::from_secs(1_700_000_000)));
        assert_eq!(read("1790170386.5"), Some(Duration::from_millis(1_790_170_386_500)));
        assert_eq!(read("253402300799"), Some(Duration::from_secs(MAX_SECONDS)));
        for refused in
            ["253402300800", "-1", "-0.5", "1e400", "18446744073709551616", "\"1\"", "null", "[1]", "true"]
        {
            assert_eq!(read(refused), None, "{refused}");
        }
        assert_eq!(UnixTime::from_float(f64::NAN), None);
        assert_eq!(UnixTime::from_float(f64::INFINITY), None);
    }

    #[test]
    fn arithmetic_saturates() {
        let last = UnixTime(Duration::MAX);
        assert_eq!(last.saturating_add(Duration::from_secs(1)), last);
        assert_eq!(UnixTime::from_secs(5).saturating_sub(Duration::from_secs(9)), UnixTime::default());
        assert_eq!(UnixTime::from_secs(5).saturating_since(UnixTime::from_secs(9)), Duration::ZERO);
    }

    #[test]
    fn a_whole_second_is_written_as_an_integer() {
        assert_eq!(serde_json::to_string(&UnixTime::from_secs(7)).unwrap(), "7");
        assert_eq!(serde_json::to_string(&UnixTime(Duration::from_millis(7500))).unwrap(), "7.5");
    }
}
