//! What a token cannot be judged without, and how often that is asked for.

use super::authorities::SelectedAuthority;
use crate::error::{AuthError, Reason};
use crate::keys::Generation;

/// What a token could not be judged without.
pub(super) enum Unresolved<'v> {
    /// The authority of this issuer, which is not configured; the tenants may know it.
    Tenant(Box<str>),
    /// A key of this authority that is not in the set of this generation; a newer one might have it. Its `kid`, for a source that
    /// asks by it.
    Key(SelectedAuthority<'v>, Generation, Option<Box<str>>),
}

impl Unresolved<'_> {
    /// Without a single key to verify with the fault is ours.
    pub(super) fn refusal(&self) -> AuthError {
        match self {
            // It was found, and displaced by others before it could be used.
            Self::Tenant(_) => Reason::KeysUnavailable.into(),
            Self::Key(authority, ..) if authority.keys.load().algorithms.is_empty() => {
                Reason::KeysUnavailable.into()
            }
            Self::Key(..) => Reason::UnknownKey.into(),
        }
    }
}

/// What was asked for on behalf of one token.
#[derive(Clone, Copy)]
pub(super) enum LookedUp {
    Nothing,
    Tenant,
    Keys,
    Everything,
}

impl LookedUp {
    /// What was asked after this question too; `None` if it is not to be asked.
    pub(super) fn and_now(self, unresolved: &Unresolved<'_>) -> Option<Self> {
        match (self, unresolved) {
            (Self::Nothing, Unresolved::Tenant(_)) => Some(Self::Tenant),
            (Self::Nothing | Self::Tenant, Unresolved::Key(..)) => Some(Self::Keys),
            // Those of an earlier process say nothing of keys that are new since.
            (Self::Keys, Unresolved::Key(authority, seen, _))
                if authority.keys.source().is_restored(*seen) =>
            {
                Some(Self::Everything)
            }
            _ => None,
        }
    }
}
