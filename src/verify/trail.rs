//! What was found out about a token on the way to its verdict, for those who watch.

use std::sync::{Arc, Mutex, PoisonError};

use super::authorities::SelectedAuthority;
use crate::jose::Algorithm;

/// Notes of one verification. They are shared, because a verdict may come later.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trail(Arc<Mutex<TrailNotes>>);

/// What the notes say at the end. Nothing in it grows with what a client sends.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrailNotes {
    /// The issuer as it is configured; never what a token says.
    pub(crate) authority: Option<Arc<str>>,
    /// The header's `alg`, of the closed list.
    pub(crate) algorithm: Option<Algorithm>,
    /// A hash of the header's `kid`, if a key has it: what a client invents is not noted.
    pub(crate) key_hash: Option<Arc<str>>,
    /// Whether the token was in the cache of verified tokens; `None` if that was not asked.
    pub(crate) was_cached: Option<bool>,
}

/// How an authority is called that is not configured but was found at run time: one name for all of them.
const TENANT: &str = "(tenant)";

impl Trail {
    pub(crate) fn notes(&self) -> TrailNotes {
        self.change(|notes| notes.clone())
    }

    pub(super) fn change<T>(&self, change: impl FnOnce(&mut TrailNotes) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn authority(&self, authority: &SelectedAuthority<'_>) {
        let name = match authority {
            SelectedAuthority::Configured(authority) => Arc::clone(&authority.name),
            SelectedAuthority::Tenant(_) => TENANT.into(),
        };
        self.change(|notes| notes.authority = Some(name));
    }

    pub(super) fn algorithm(&self, algorithm: Option<Algorithm>) {
        self.change(|notes| notes.algorithm = algorithm);
    }

    pub(super) fn key_hash(&self, key_hash: Option<Arc<str>>) {
        self.change(|notes| notes.key_hash = key_hash);
    }
}
