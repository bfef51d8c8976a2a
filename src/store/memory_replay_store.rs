//! Names that may be used once, as long as the process lives.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{ReplayStore, StoreError};
use crate::runtime::{Clock, NowOrLater, SystemClock, UnixTime};

/// Notes names in memory, for one process: for tests, and for services that have one. It holds so many names at most; when it is
/// full of names that have not expired, it answers an error rather than forget one.
pub struct MemoryReplayStore {
    names: Mutex<Names>,
    most: usize,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct Names {
    known: HashSet<[u8; 32]>,
    by_expiry: BTreeSet<(UnixTime, [u8; 32])>,
}

impl MemoryReplayStore {
    /// An empty store for at most so many names, of about 150 bytes each.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { names: Mutex::default(), most, clock: Arc::new(SystemClock) }
    }

    /// Forgets names by this clock.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReplayStore for MemoryReplayStore {
    fn insert_if_absent(&self, name: [u8; 32], expires_at: UnixTime) -> NowOrLater<Result<bool, StoreError>> {
        let now = self.clock.now();
        let mut names = self.names();
        while let Some((expires, expired)) = names.by_expiry.first().copied()
            && expires <= now
        {
            names.by_expiry.pop_first();
            names.known.remove(&expired);
        }
        if names.known.contains(&name) {
            return NowOrLater::ready(Ok(false));
        }
        if names.known.len() >= self.most {
            return NowOrLater::ready(Err(StoreError::new("there is no room for another name")));
        }
        names.known.insert(name);
        names.by_expiry.insert((expires_at, name));
        NowOrLater::ready(Ok(true))
    }
}

impl fmt::Debug for MemoryReplayStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryReplayStore({} names)", self.names().known.len())
    }
}
