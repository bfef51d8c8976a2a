//! The record of one decision, for those who watch.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Uri};

use crate::error::{AuthError, Reason};
use crate::jose::Algorithm;
use crate::runtime::{metric, trace};
use crate::verify::TrailNotes;

/// What a [`JwtAuthLayer`](crate::JwtAuthLayer) decided about one request, and by what: see
/// [`JwtAuthLayer::on_decision`](crate::JwtAuthLayer::on_decision).
///
/// It holds no token, no claim's value and no `kid`, and nothing that a client can make up, so it may go to any log.
#[derive(Clone)]
pub struct Decision {
    pub(super) outcome: Outcome,
    pub(super) refusal: Option<AuthError>,
    pub(super) source: Option<&'static str>,
    pub(super) notes: TrailNotes,
    pub(super) duration: Duration,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// It passed, with a verified token.
    Accepted,
    /// It passed without a token, or with an expired one, where the layer allows that. With an expired one the record has a
    /// [`source`](Decision::source).
    Anonymous,
    /// It was answered by a refusal.
    Refused,
    /// It went away while it waited for keys or a check: the client hung up, or a time limit outside of the layer was over.
    Abandoned,
    /// It would have been refused, but the layer only reports: see
    /// [`JwtAuthLayer::insecure_report_only`](crate::JwtAuthLayer::insecure_report_only).
    Reported,
}

impl Outcome {
    /// A stable code: `accepted`, `anonymous`, `refused`, `abandoned` or `reported`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Anonymous => "anonymous",
            Self::Refused => "refused",
            Self::Abandoned => "abandoned",
            Self::Reported => "reported",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Decision {
    /// What became of the request.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Why the request was refused, or would have been.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        self.refusal.as_ref().map(AuthError::reason)
    }

    /// The name of the claim whose rule decided, such as `aud`.
    #[must_use]
    pub fn claim(&self) -> Option<&str> {
        self.refusal.as_ref()?.claim()
    }

    /// Whether the signature was found good before the request was refused.
    #[must_use]
    pub fn signature_verified(&self) -> bool {
        self.refusal.as_ref().map_or(self.outcome == Outcome::Accepted, AuthError::signature_verified)
    }

    /// The kind of place where the token was: `authorization`, `header`, `cookie`, `query`, `websocket` or `own`.
    #[must_use]
    pub const fn source(&self) -> Option<&'static str> {
        self.source
    }

    /// The issuer of the authority that judged the token, as it is configured: `(any)` for one that takes any, and `(tenant)`
    /// for all those that [`Tenants`](crate::Tenants) found. A preset for many tenants has its template. `None` if no authority was
    /// chosen.
    #[must_use]
    pub fn authority(&self) -> Option<&str> {
        self.notes.authority.as_deref()
    }

    /// The token's `alg`, if it is a known one.
    #[must_use]
    pub const fn algorithm(&self) -> Option<Algorithm> {
        self.notes.algorithm
    }

    /// The first 64 bits of the SHA-256 of the token's `kid`, in hexadecimal. `None` if no key of the authority has it.
    #[must_use]
    pub fn key_hash(&self) -> Option<&str> {
        self.notes.key_hash.as_deref()
    }

    /// Whether the token was found in the cache of verified tokens, or the answer about an opaque one was kept; `None` if the cache is
    /// off or was not asked.
    #[must_use]
    pub const fn was_cached(&self) -> Option<bool> {
        self.notes.was_cached
    }

    /// How long the decision took, the wait for keys and the user's checks included.
    #[must_use]
    pub const fn duration(&self) -> Duration {
        self.duration
    }

    pub(super) fn measure(&self) {
        let outcome = self.outcome.as_str();
        let _algorithm = self.algorithm().map_or("none", Algorithm::as_str);
        metric::counter!(
            metric::DECISIONS,
            "outcome" => outcome,
            "error.type" => self.reason().map_or("none", Reason::as_str),
            "authority" => metric::label(self.notes.authority.as_ref()),
            "algorithm" => _algorithm,
            "cache" => match self.was_cached() {
                None => "none",
                Some(true) => "hit",
                Some(false) => "miss",
            },
        );
        metric::histogram!(
            metric::DECISION_DURATION, self.duration.as_secs_f64(),
            "outcome" => outcome,
            "algorithm" => _algorithm,
        );
    }

    /// A refusal has an event of its own, which knows the request.
    #[allow(clippy::match_same_arms)] // without tracing all of them do nothing
    pub(super) fn tell(&self, _request: Option<&(Method, Uri)>) {
        match self.outcome {
            Outcome::Refused | Outcome::Abandoned => {}
            Outcome::Reported => trace::warn!(
                reason = self.reason().map(Reason::as_str),
                claim = self.claim(),
                authority = self.authority(),
                method = _request.map(|(method, _)| method.as_str()),
                path = _request.map(|(_, uri)| uri.path()),
                "report only: this request would have been refused"
            ),
            Outcome::Accepted | Outcome::Anonymous => trace::debug!(
                outcome = self.outcome.as_str(),
                source = self.source,
                authority = self.authority(),
                algorithm = self.algorithm().map(Algorithm::as_str),
                key = self.key_hash(),
                cached = self.was_cached(),
                "request accepted"
            ),
        }
    }
}

// By hand: the source of an error may be a user's, with anything in it.
impl fmt::Debug for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decision")
            .field("outcome", &self.outcome)
            .field("reason", &self.reason())
            .field("claim", &self.claim())
            .field("signature_verified", &self.signature_verified())
            .field("source", &self.source)
            .field("authority", &self.authority())
            .field("algorithm", &self.algorithm())
            .field("key_hash", &self.key_hash())
            .field("was_cached", &self.was_cached())
            .field("duration", &self.duration)
            .finish()
    }
}

/// Measures what a policy decided.
pub(crate) fn policy_decided(decided: &Result<(), AuthError>, report_only: bool) {
    let _outcome = match decided {
        Ok(()) => Outcome::Accepted,
        Err(_) if report_only => Outcome::Reported,
        Err(_) => Outcome::Refused,
    };
    metric::counter!(
        metric::POLICY_DECISIONS,
        "outcome" => _outcome.as_str(),
        "error.type" => decided.as_ref().err().map_or("none", |error| error.reason().as_str()),
    );
}

/// The functions that see every decision.
#[derive(Clone, Default)]
pub(super) struct Watchers(pub(super) Vec<Arc<Watcher>>);

pub(super) type Watcher = dyn Fn(&Decision) + Send + Sync;

impl Watchers {
    pub(super) fn add<F: Fn(&Decision) + Send + Sync + 'static>(&mut self, watcher: F) {
        self.0.push(Arc::new(watcher));
    }
}

impl fmt::Debug for Watchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} watchers", self.0.len())
    }
}
