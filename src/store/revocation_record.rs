//! What a store keeps of one revocation.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::millis;
use crate::runtime::UnixTime;

/// What a store keeps of one revocation. Stores write and read it through `serde`, as JSON text for instance, and need to
/// know only when it may be deleted.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocationRecord {
    pub(crate) kind: RevocationKind,
    /// `iss` of the tokens that it concerns; empty for tokens without one.
    pub(crate) issuer: String,
    /// The `jti`, `sid` or `sub`; empty if all of the issuer's tokens are concerned.
    pub(crate) name: String,
    /// Only tokens that were issued before this time, or in the same second.
    #[serde(with = "millis::optional")]
    pub(crate) issued_before: Option<UnixTime>,
    #[serde(with = "millis")]
    pub(crate) expires_at: UnixTime,
}

/// Which tokens of the issuer are revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RevocationKind {
    /// The one with this `jti`.
    Token,
    /// Those with this `sid`.
    Session,
    /// Those of this `sub`.
    Subject,
    /// All of them.
    Issuer,
}

impl RevocationRecord {
    pub(crate) fn concerns_the_same(&self, other: &Self) -> bool {
        self.kind == other.kind && self.name == other.name && self.issuer == other.issuer
    }

    /// Takes over what reaches further in a record of the same tokens.
    pub(crate) fn reach_as_far_as(&mut self, other: &Self) {
        self.issued_before = match (self.issued_before, other.issued_before) {
            (Some(one), Some(two)) => Some(one.max(two)),
            _ => None,
        };
        self.expires_at = self.expires_at.max(other.expires_at);
    }

    /// From when on the tokens that it concerns must have expired, so that it is of no use and may be deleted. Whole
    /// milliseconds.
    #[must_use]
    pub const fn expires_at(&self) -> UnixTime {
        self.expires_at
    }
}

// Without the name in it: it may be personal.
impl fmt::Debug for RevocationRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationRecord")
            .field("kind", &self.kind)
            .field("issuer", &self.issuer)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}
