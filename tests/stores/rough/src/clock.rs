//! A clock that is wrong.

use std::time::Duration;

use tower_jwt_auth::{Clock, SystemClock, UnixTime};

/// The clock of a machine that is ahead by so many seconds, or behind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ahead(pub(crate) i64);

impl Clock for Ahead {
    fn now(&self) -> UnixTime {
        let span = Duration::from_secs(self.0.unsigned_abs());
        match self.0 < 0 {
            true => SystemClock.now().saturating_sub(span),
            false => SystemClock.now().saturating_add(span),
        }
    }
}
