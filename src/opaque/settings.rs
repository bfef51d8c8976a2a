//! Which tokens an authority asks about, and how.

use std::time::Duration;

use super::rule::Rule;
use crate::error::ConfigProblemKind::{Conflict, OutOfBounds};
use crate::error::{ConfigError, Problems};

/// Which tokens belong to an authority that asks about them, and how it asks: for
/// [`Authority::opaque`](crate::Authority::opaque) and `Authority::introspection`.
///
/// A token belongs to the authority whose rule takes it. Nothing is found out by trial, so two rules that take the same token are a
/// [`ConfigError`] when the verifier is built.
///
/// An answer is kept by the SHA-256 of the token, and what is kept is judged anew by each request: by the clock, the rules of
/// the authority, and your checks. Requests with the same token ask once. Failures are not kept; after three in a row nobody is asked for a
/// while, at most ten seconds. What cannot be asked is refused with 503
/// ([`Reason::RevocationUnavailable`](crate::Reason::RevocationUnavailable)), never with 401.
///
/// ```
/// use std::time::Duration;
/// use tower_jwt_auth::OpaqueTokens;
///
/// let tokens = OpaqueTokens::with_prefix("sk_live_").or_prefix("sk_test_").kept_for(Duration::from_secs(10));
/// ```
#[derive(Clone, Debug)]
#[must_use = "give it to Authority::opaque or Authority::introspection"]
pub struct OpaqueTokens {
    pub(crate) rule: Rule,
    pub(super) kept_for: Duration,
    pub(super) refusals_kept_for: Duration,
    pub(super) answer_time: Duration,
    pub(super) in_flight: usize,
    pub(super) entries: usize,
    pub(super) bytes: usize,
    is_contradictory: bool,
}

impl OpaqueTokens {
    /// The tokens that begin with this prefix, such as `sk_live_`.
    pub fn with_prefix(prefix: impl Into<String>) -> Self {
        Self::of(Rule::Prefixes(vec![prefix.into()]))
    }

    /// The tokens that are not of the shape of a JWT, which has exactly two dots; but for those with a prefix that another
    /// authority names.
    pub const fn not_jwts() -> Self {
        Self::of(Rule::NotJwts)
    }

    /// Every token, JWTs as well: for the only authority of a verifier.
    pub const fn every() -> Self {
        Self::of(Rule::Every)
    }

    const fn of(rule: Rule) -> Self {
        Self {
            rule,
            kept_for: Duration::from_secs(60),
            refusals_kept_for: Duration::from_secs(5),
            answer_time: Duration::from_secs(2),
            in_flight: 32,
            entries: 10_000,
            bytes: 16 * 1024 * 1024,
            is_contradictory: false,
        }
    }

    /// The tokens that begin with this prefix as well.
    pub fn or_prefix(mut self, prefix: impl Into<String>) -> Self {
        match &mut self.rule {
            Rule::Prefixes(prefixes) => prefixes.push(prefix.into()),
            Rule::NotJwts | Rule::Every => self.is_contradictory = true,
        }
        self
    }

    /// How long a yes counts, from the question on: 60 seconds by default, at most 1 hour, and never longer than the token's `exp`.
    ///
    /// A token that is withdrawn is accepted for this long. Zero asks for each request; those that come with the same token at the
    /// same time still ask once.
    pub const fn kept_for(mut self, time: Duration) -> Self {
        self.kept_for = time;
        self
    }

    /// How long a no counts: 5 seconds by default, at most 60.
    ///
    /// A token that is presented before it is known everywhere is refused for this long.
    pub const fn refusals_kept_for(mut self, time: Duration) -> Self {
        self.refusals_kept_for = time;
        self
    }

    /// How long a request waits for an answer: 2 seconds by default, at most 10. Whoever is asked has as long to answer.
    pub const fn answer_time(mut self, time: Duration) -> Self {
        self.answer_time = time;
        self
    }

    /// Questions at one time: 32 by default, 1 to 1,024. 1,000 more wait for their turn, and others are refused with 503 at once.
    pub const fn in_flight(mut self, questions: usize) -> Self {
        self.in_flight = questions;
        self
    }

    /// Answers that are kept: 10,000 by default, 32 to 100 million. There is room for as many that say no.
    pub const fn entries(mut self, entries: usize) -> Self {
        self.entries = entries;
        self
    }

    /// Bytes of the answers that are kept: 16 MiB by default, 64 KiB to 1 TiB.
    pub const fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// # Errors
    /// All that is out of bounds or contradicts itself.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let mut problems = Problems::default();
        problems.take(self.rule.check());
        if self.is_contradictory {
            let remedy = "begin with OpaqueTokens::with_prefix(..), or leave the prefix out";
            let problem = "a prefix stands beside a rule that takes more than prefixes";
            problems.add(ConfigError::new("prefix", problem, remedy).of_kind(Conflict));
        }
        let second = Duration::from_secs(1);
        for (setting, value, least, most) in [
            ("kept_for", self.kept_for, Duration::ZERO, 3600 * second),
            ("refusals_kept_for", self.refusals_kept_for, Duration::ZERO, 60 * second),
            ("answer_time", self.answer_time, Duration::from_millis(1), 10 * second),
        ] {
            if value < least || value > most {
                let remedy = format!("use {least:?} to {most:?}");
                let error = ConfigError::new(setting, format!("{value:?} is out of bounds"), remedy);
                problems.add(error.of_kind(OutOfBounds));
            }
        }
        for (setting, value, least, most) in [
            ("in_flight", self.in_flight, 1, 1024),
            ("entries", self.entries, 32, 100_000_000),
            ("bytes", self.bytes, 64 * 1024, 1 << 40),
        ] {
            if !(least..=most).contains(&value) {
                let remedy = format!("use {least} to {most}");
                let error = ConfigError::new(setting, format!("{value} is out of bounds"), remedy);
                problems.add(error.of_kind(OutOfBounds));
            }
        }
        problems.into_result()
    }
}
