//! What every room stands on: time, waiting, events. Nothing in here knows of tokens.

#[cfg(any(feature = "issuer", feature = "jwks"))]
pub(crate) mod crash_point;
pub(crate) mod deadline;
pub(crate) mod metric;
mod now_or_later;
mod time;
pub(crate) mod trace;

#[cfg(feature = "metrics")]
pub use metric::describe_metrics;
pub use now_or_later::NowOrLater;
pub(crate) use time::Stopwatch;
pub use time::{Clock, SystemClock, UnixTime};
