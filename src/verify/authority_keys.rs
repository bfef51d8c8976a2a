//! The prepared keys of an authority, following its source.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use crate::crypto::Backend;
use crate::jose::{Algorithm, AlgorithmSet, Family};
use crate::keys::{KeySource, PreparedSet};
use crate::runtime::trace;

#[derive(Debug)]
pub(super) struct AuthorityKeys {
    source: Arc<dyn KeySource>,
    allowed: Option<AlgorithmSet>,
    backend: Backend,
    prepared: ArcSwap<PreparedSet>,
}

impl AuthorityKeys {
    pub(super) fn new(
        source: Arc<dyn KeySource>,
        allowed: Option<AlgorithmSet>,
        backend: Backend,
        prepared: PreparedSet,
    ) -> Self {
        Self { source, allowed, backend, prepared: ArcSwap::from_pointee(prepared) }
    }

    pub(super) fn source(&self) -> &dyn KeySource {
        &*self.source
    }

    pub(super) fn allowed(&self) -> Option<AlgorithmSet> {
        self.allowed
    }

    pub(super) fn shared_source(&self) -> Arc<dyn KeySource> {
        Arc::clone(&self.source)
    }

    /// Whether a newer set may have keys for this algorithm, which the present one has not.
    pub(super) fn may_come(&self, algorithm: Algorithm) -> bool {
        self.source.is_remote()
            && algorithm.family() != Family::Hmac
            && self.backend.has(algorithm)
            && self.allowed.is_none_or(|allowed| allowed.contains(algorithm))
    }

    /// The prepared keys of the source's current set. Takes no lock.
    pub(super) fn load(&self) -> Guard<Arc<PreparedSet>> {
        let prepared = self.prepared.load();
        if prepared.generation == self.source.generation() {
            return prepared;
        }
        drop(prepared);
        self.follow();
        self.prepared.load()
    }

    /// Prepares the current set. Two threads may do so at once; the newer set stays.
    #[cold]
    fn follow(&self) {
        let (generation, set) = self.source.current();
        let next = match PreparedSet::new(generation, &set, self.allowed, &self.backend) {
            _ if set.is_empty() => PreparedSet::empty(generation),
            Ok(next) => next,
            Err(_error) => {
                trace::warn!(error = %_error, "a new key set cannot verify anything, so there are no keys");
                PreparedSet::empty(generation)
            }
        };
        let next = Arc::new(next);
        self.prepared.rcu(|current| {
            if current.generation < generation { Arc::clone(&next) } else { Arc::clone(current) }
        });
    }
}
