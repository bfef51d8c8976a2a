//! The rules of a session: pure functions of a record, a token and the time.

use std::time::Duration;

use super::token::{Parts, RefreshToken};
use crate::runtime::UnixTime;
use crate::store::{RefreshRecord, Retry, StoreError};

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
