//! What a store keeps of one session.

use serde::{Deserialize, Serialize};
use std::fmt;

use super::millis;
use crate::runtime::UnixTime;

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
    pub(crate) id: String,
    pub(crate) sid: String,
    pub(crate) subject: String,
    pub(crate) current: String,
    pub(crate) retry: Option<Retry>,
    #[serde(with = "millis")]
    pub(crate) created_at: UnixTime,
    #[serde(with = "millis")]
    pub(crate) last_used_at: UnixTime,
    #[serde(with = "millis")]
    pub(crate) expires_at: UnixTime,
    #[serde(with = "millis")]
    pub(crate) ends_at: UnixTime,
    pub(crate) revision: u64,
}

/// For the client that did not get the answer: the token before the current one, and what it is exchanged for.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Retry {
    pub(crate) token: String,
    pub(crate) sealed: String,
    #[serde(with = "millis")]
    pub(crate) until: UnixTime,
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
