//! Why there is no new token.

use std::error::Error;
use std::fmt;

use crate::store::{Session, StoreError};

/// Why a refresh token was not exchanged.
///
/// Tell the client apart only by [`RefreshError::is_transient`]: "try again" (503), or "log in again" (in OAuth: 400 with
/// `invalid_grant`, RFC 6749 section 5.2). It never carries a token.
#[derive(Debug)]
#[non_exhaustive]
pub enum RefreshError {
    /// The token is unknown, expired, logged out or no token at all, or there is no such user any more.
    Invalid,
    /// The token had been exchanged before, so somebody has a copy. The session has been ended; this was the session.
    ///
    /// Worth an alert, and a word to the user.
    Reused(Session),
    /// The store could not be read or written. Nothing is lost: the same token can be used again.
    Unavailable(StoreError),
    /// The user could not be loaded. Nothing was rotated.
    User(Box<dyn Error + Send + Sync>),
}

impl RefreshError {
    /// Whether the same token may be exchanged later without the client changing anything.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::User(_))
    }
}

impl fmt::Display for RefreshError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Invalid => "the refresh token is not valid",
            Self::Reused(_) => "the refresh token had been used before; its session was ended",
            Self::Unavailable(_) => "the store of refresh tokens is not available",
            Self::User(_) => "the user could not be loaded",
        })
    }
}

impl Error for RefreshError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Invalid | Self::Reused(_) => None,
            Self::Unavailable(error) => Some(error),
            Self::User(error) => Some(&**error),
        }
    }
}

impl From<StoreError> for RefreshError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error)
    }
}
