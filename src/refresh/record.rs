//! What is stored of a session, and the rules: pure functions of a record, a token and the time.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::token::{Parts, RefreshToken};
use crate::store_error::StoreError;
use crate::time::UnixTime;

/// A session: what began with a login and lasts as long as its refresh tokens are rotated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    sid: String,
    subject: String,
    created_at: UnixTime,
    last_used_at: UnixTime,
    expires_at: UnixTime,
    ends_at: UnixTime,
}

impl Session {
    /// The session's public name: 128 random bits, to be the claim `sid` of its access tokens.
    #[must_use]
    pub fn sid(&self) -> &str {
        &self.sid
    }

    /// Whose session it is.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// When the login was.
    #[must_use]
    pub const fn created_at(&self) -> UnixTime {
        self.created_at
    }

    /// When its token was last rotated, or the login.
    #[must_use]
    pub const fn last_used_at(&self) -> UnixTime {
        self.last_used_at
    }

    /// When it ends unless its token is rotated before.
    #[must_use]
    pub const fn expires_at(&self) -> UnixTime {
        self.expires_at
    }

    /// When it ends, whatever is done.
    #[must_use]
    pub const fn ends_at(&self) -> UnixTime {
        self.ends_at
    }
}

/// What a store keeps of one session: hashes, never a token. Its size does not grow with use.
///
/// Stores write and read it through `serde` and need to know only what has an accessor here.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshRecord {
    id: String,
    sid: String,
    subject: String,
    current: String,
    retry: Option<Retry>,
    #[serde(with = "millis")]
    created_at: UnixTime,
    #[serde(with = "millis")]
    last_used_at: UnixTime,
    #[serde(with = "millis")]
    expires_at: UnixTime,
    #[serde(with = "millis")]
    ends_at: UnixTime,
    revision: u64,
}

/// For the client that did not get the answer: the token before the current one, and what it is exchanged for.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Retry {
    token: String,
    sealed: String,
    #[serde(with = "millis")]
    until: UnixTime,
}

/// How long sessions and retries last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lifetimes {
    pub(super) idle: Duration,
    pub(super) absolute: Duration,
    pub(super) grace: Duration,
}

/// What a token that fits a record's family is.
pub(super) enum Verdict {
    /// The newest one.
    Current,
    /// The one before, within the grace: it gets what it got.
    Retry(RefreshToken),
    /// One that has been exchanged: somebody has a copy.
    Reused,
    /// Of a session that is over.
    Expired,
}

impl RefreshRecord {
    /// The key that the record is stored under: 43 characters of base64url.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whose session it is; records are listed by it.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// From when on the record is of no use and may be deleted. Whole milliseconds.
    #[must_use]
    pub const fn expires_at(&self) -> UnixTime {
        self.expires_at
    }

    /// Until when a retry is answered; from then on [`RefreshRecord::without_retry`] says the same. Whole milliseconds.
    #[must_use]
    pub fn retry_until(&self) -> Option<UnixTime> {
        self.retry.as_ref().map(|retry| retry.until)
    }

    /// The same record without what answers a retry: the JSON member `retry` removed.
    #[must_use]
    pub fn without_retry(mut self) -> Self {
        self.retry = None;
        self
    }

    /// Counts the rotations: what compare-and-swap compares.
    #[must_use]
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// The session that this is the record of.
    #[must_use]
    pub fn session(&self) -> Session {
        Session {
            sid: self.sid.clone(),
            subject: self.subject.clone(),
            created_at: self.created_at,
            last_used_at: self.last_used_at,
            expires_at: self.expires_at,
            ends_at: self.ends_at,
        }
    }

    /// The record of a new session.
    pub(super) fn begin(
        first: &Parts,
        sid: String,
        subject: String,
        lifetimes: &Lifetimes,
        now: UnixTime,
    ) -> Result<Self, StoreError> {
        let ends_at = now.saturating_add(lifetimes.absolute);
        Ok(Self {
            id: first.record_id()?,
            sid,
            subject,
            current: first.fingerprint()?,
            retry: None,
            created_at: now,
            last_used_at: now,
            expires_at: ends_at.min(now.saturating_add(lifetimes.idle)),
            ends_at,
            revision: 0,
        })
    }

    /// The record after `current` has been exchanged for `successor`.
    pub(super) fn rotated(
        &self,
        current: &Parts,
        successor: &Parts,
        lifetimes: &Lifetimes,
        now: UnixTime,
    ) -> Result<Self, StoreError> {
        let retry = Retry {
            token: self.current.clone(),
            sealed: current.seal(successor)?,
            until: now.saturating_add(lifetimes.grace),
        };
        Ok(Self {
            current: successor.fingerprint()?,
            // What is not there cannot be stolen.
            retry: Some(retry).filter(|_| !lifetimes.grace.is_zero()),
            last_used_at: now,
            expires_at: self.ends_at.min(now.saturating_add(lifetimes.idle)),
            revision: self.revision.saturating_add(1),
            ..self.clone()
        })
    }

    pub(super) fn is_live(&self, now: UnixTime) -> bool {
        now < self.expires_at
    }

    /// Judges a token that knows the key of this family.
    ///
    /// Hashes are compared, so how long the comparison takes tells nothing of use.
    pub(super) fn judge(&self, token: &Parts, now: UnixTime) -> Result<Verdict, StoreError> {
        if !self.is_live(now) {
            return Ok(Verdict::Expired);
        }
        let fingerprint = token.fingerprint()?;
        if fingerprint == self.current {
            return Ok(Verdict::Current);
        }
        match &self.retry {
            Some(retry) if fingerprint == retry.token && now < retry.until => {
                let successor = token.unseal(&retry.sealed)?;
                if successor.fingerprint()? != self.current {
                    return Err(StoreError::new("a record is damaged: its sealed successor"));
                }
                Ok(Verdict::Retry(successor.token()))
            }
            _ => Ok(Verdict::Reused),
        }
    }
}

impl fmt::Debug for RefreshRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshRecord")
            .field("sid", &self.sid)
            .field("subject", &self.subject)
            .field("expires_at", &self.expires_at)
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}

/// Times as whole milliseconds, which every engine can keep and compare.
pub(super) mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    use crate::time::UnixTime;

    pub(in crate::refresh) fn of(time: UnixTime) -> u64 {
        u64::try_from(time.since_epoch().as_millis()).unwrap_or(u64::MAX)
    }

    /// Cuts off what is finer, so that a time is the same before and after it was stored.
    pub(in crate::refresh) fn whole(time: UnixTime) -> UnixTime {
        from(of(time))
    }

    fn from(millis: u64) -> UnixTime {
        UnixTime::from_secs(0).saturating_add(Duration::from_millis(millis))
    }

    pub(super) fn serialize<S: Serializer>(time: &UnixTime, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(of(*time))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<UnixTime, D::Error> {
        u64::deserialize(deserializer).map(from)
    }
}
