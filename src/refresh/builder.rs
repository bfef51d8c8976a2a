//! The settings of refresh tokens, checked.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::access_tokens::AccessTokens;
use super::rules::Lifetimes;
use super::tokens::RefreshTokens;
use crate::crypto::{hmac_sha256, sha256};
use crate::error::{ConfigError, ConfigProblemKind, Problems};
use crate::revocation::Revocations;
use crate::runtime::{Clock, SystemClock};
use crate::store::RefreshStore;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const LEAST_IDLE: Duration = Duration::from_secs(1);
const MAX_ABSOLUTE: Duration = Duration::from_secs(3650 * 24 * 60 * 60);
const MAX_GRACE: Duration = Duration::from_secs(60);
const MAX_SESSIONS: usize = 1000;

/// Settings of [`RefreshTokens`].
#[must_use = "call build()"]
pub struct RefreshTokensBuilder {
    store: Arc<dyn RefreshStore>,
    clock: Arc<dyn Clock>,
    lifetimes: Lifetimes,
    sessions_per_subject: usize,
    access_tokens: Option<AccessTokens>,
}

impl RefreshTokensBuilder {
    pub(super) fn new(store: impl RefreshStore) -> Self {
        Self {
            store: Arc::new(store),
            clock: Arc::new(SystemClock),
            lifetimes: Lifetimes { idle: 14 * DAY, absolute: 30 * DAY, grace: Duration::from_secs(10) },
            sessions_per_subject: 100,
            access_tokens: None,
        }
    }

    /// How long a token lives that is not used: 14 days by default, at least a second, at most the absolute lifetime.
    pub fn idle(mut self, lifetime: Duration) -> Self {
        self.lifetimes.idle = lifetime;
        self
    }

    /// How long a session lives, however often its token is rotated: 30 days by default, at most ten years.
    pub fn absolute(mut self, lifetime: Duration) -> Self {
        self.lifetimes.absolute = lifetime;
        self
    }

    /// How long an exchanged token may be sent again by a client that did not get the answer: 10 seconds by default,
    /// at most 60 and less than the idle lifetime.
    ///
    /// It ends as soon as the successor is used, so a client with several tabs keeps one token for all of them. Machines
    /// that share a store need clocks that agree much better than this.
    ///
    /// Zero switches it off. A user whose client loses an answer, or refreshes in two tabs at once, then has to log in again.
    pub fn grace(mut self, span: Duration) -> Self {
        self.lifetimes.grace = span;
        self
    }

    /// How many sessions one subject may have: 100 by default, at most 1,000. A login beyond it ends the session that
    /// has not been used for longest. After logins at the same moment there may be one more, until the next login.
    pub fn sessions_per_subject(mut self, most: usize) -> Self {
        self.sessions_per_subject = most;
        self
    }

    /// Ends the access tokens of a session with it: whenever a session is ended, its `sid` is revoked for the tokens of this issuer.
    ///
    /// Use the revocations that the verifiers of the access tokens have
    /// ([`VerifierBuilder::revocations`](crate::VerifierBuilder::revocations)).
    pub fn revocations(mut self, issuer: impl Into<String>, revocations: Revocations) -> Self {
        self.access_tokens = Some(AccessTokens { issuer: issuer.into(), revocations });
        self
    }

    /// Reads the time from this clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// If settings are out of bounds, or no cryptography is compiled in. The error lists all of them, each with its remedy.
    pub fn build(self) -> Result<RefreshTokens, ConfigError> {
        let Lifetimes { idle, absolute, grace } = self.lifetimes;
        let mut problems = Problems::default();
        let mut out_of_bounds = |setting: &'static str, value: &dyn fmt::Debug, remedy: &str| {
            let error = ConfigError::new(setting, format!("{value:?} is out of bounds"), remedy);
            problems.add(error.of_kind(ConfigProblemKind::OutOfBounds));
        };
        if absolute > MAX_ABSOLUTE {
            out_of_bounds("absolute", &absolute, "use at most 3650 days");
        }
        if idle < LEAST_IDLE || idle > absolute {
            out_of_bounds("idle", &idle, "use at least 1 second and at most the absolute lifetime");
        }
        if grace > MAX_GRACE || grace >= idle {
            out_of_bounds("grace", &grace, "use at most 60 seconds and less than the idle lifetime");
        }
        if !(1..=MAX_SESSIONS).contains(&self.sessions_per_subject) {
            out_of_bounds("sessions_per_subject", &self.sessions_per_subject, "use 1 to 1,000");
        }
        if sha256(&[]).and_then(|key| hmac_sha256(&key, &[])).is_none() {
            problems.add(ConfigError::no_backend());
        }
        problems.into_result()?;
        Ok(RefreshTokens::new(
            self.store,
            self.clock,
            self.lifetimes,
            self.sessions_per_subject,
            self.access_tokens,
        ))
    }
}

impl fmt::Debug for RefreshTokensBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshTokensBuilder")
            .field("store", &self.store)
            .field("lifetimes", &self.lifetimes)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(any(feature = "rust-crypto", feature = "aws-lc-rs"))))]
mod tests {
    use super::*;
    use crate::store::MemoryRefreshStore;

    #[test]
    fn without_cryptography_there_are_no_tokens() {
        let error = RefreshTokensBuilder::new(MemoryRefreshStore::new()).build().unwrap_err();
        assert_eq!(error.setting(), "backend");
    }
}
