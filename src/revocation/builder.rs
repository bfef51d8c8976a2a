//! Settings of revocations that are shared.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::revocations::{Followed, Revocations};
use crate::error::{ConfigError, ConfigProblemKind, Problems};
use crate::runtime::{Clock, SystemClock};
use crate::store::RevocationStore;

/// Settings of [`Revocations`]: the store that several processes share, how old the view of one may be, how long tokens live.
#[must_use = "call build()"]
pub struct RevocationsBuilder {
    store: Option<Arc<dyn RevocationStore>>,
    max_age: Option<(Duration, WhenStale)>,
    longest_token: Duration,
    clock: Arc<dyn Clock>,
}

/// What happens to tokens while this process does not know whether they were revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenStale {
    /// They are refused with 503 ([`Reason::RevocationUnavailable`](crate::Reason::RevocationUnavailable)): nobody is let in who
    /// may have been logged out.
    Refuse,
    /// They are judged by what is known: the service does not depend on the store, and a revocation may come late.
    ServeOn,
}

impl RevocationsBuilder {
    pub(super) const LONGEST_TOKEN: Duration = Duration::from_secs(24 * 60 * 60);
    const MIN_AGE: Duration = Duration::from_secs(2);
    const MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);
    const MIN_LONGEST: Duration = Duration::from_secs(60);
    const MAX_LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

    pub(super) fn new() -> Self {
        Self { store: None, max_age: None, longest_token: Self::LONGEST_TOKEN, clock: Arc::new(SystemClock) }
    }

    /// Shares revocations with other processes through this store. It needs [`max_age`](Self::max_age).
    pub fn store(mut self, store: impl RevocationStore) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// How old the view of the store may be, 2 seconds to 24 hours, and what happens beyond that. Both must be told: it is
    /// the choice between a service that depends on the store and one that may let in a token that was revoked.
    ///
    /// The age counts from when the store answered last. On a healthy network it is a few seconds at most. 30 seconds outlast a
    /// restart of the store.
    pub const fn max_age(mut self, age: Duration, when_stale: WhenStale) -> Self {
        self.max_age = Some((age, when_stale));
        self
    }

    /// How long tokens live at most, `exp` less `iat`: 24 hours by default, one minute to 366 days. Revocations are kept for so long,
    /// and a token that lives longer is refused.
    pub const fn longest_token(mut self, lifetime: Duration) -> Self {
        self.longest_token = lifetime;
        self
    }

    /// Reads the time from this clock; use the verifier's.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Checks the settings, and begins to follow the store if a tokio runtime is there; otherwise with the first token.
    ///
    /// # Errors
    /// If there is a store and `max_age` was not called, or the other way round; or if a setting is out of bounds.
    pub fn build(self) -> Result<Revocations, ConfigError> {
        let mut problems = Problems::default();
        let mut within = |setting, value: Duration, min: Duration, max: Duration| {
            if !(min..=max).contains(&value) {
                let remedy = format!("use {min:?} to {max:?}");
                let problem = format!("{value:?} is out of bounds");
                problems
                    .add(ConfigError::new(setting, problem, remedy).of_kind(ConfigProblemKind::OutOfBounds));
            }
        };
        within("longest_token", self.longest_token, Self::MIN_LONGEST, Self::MAX_LONGEST);
        if let Some((age, _)) = self.max_age {
            within("max_age", age, Self::MIN_AGE, Self::MAX_AGE);
        }
        if self.max_age.is_some() && self.store.is_none() {
            let remedy = "call .store(..), or leave .max_age(..) out: what is in memory is never old";
            problems.add(
                ConfigError::new("max_age", "it is set, and there is no store", remedy)
                    .of_kind(ConfigProblemKind::Conflict),
            );
        }
        if self.max_age.is_none() && self.store.is_some() {
            let remedy = "call .max_age(Duration::from_secs(30), WhenStale::Refuse), or WhenStale::ServeOn if the service must \
                          go on when the store is away";
            problems.add(
                ConfigError::new("max_age", "it is not set", remedy).of_kind(ConfigProblemKind::Missing),
            );
        }
        problems.into_result()?;
        let followed = self.store.zip(self.max_age);
        let followed = followed.map(|(store, (age, when_stale))| Followed::new(store, age, when_stale));
        Ok(Revocations::new(followed, self.clock, self.longest_token))
    }
}

impl fmt::Debug for RevocationsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationsBuilder")
            .field("store", &self.store)
            .field("max_age", &self.max_age)
            .field("longest_token", &self.longest_token)
            .finish_non_exhaustive()
    }
}
