//! What the check and the tasks share.

use std::fmt;

use super::entry::{Entry, Held};
use super::loader::{Loaded, Loader};
use super::schedule::Instant;
use super::table::Table;
use crate::keys::{Failure, short, spread};
use crate::runtime::{Stopwatch, metric, trace};

pub(super) struct Shared {
    pub(super) loader: Loader,
    pub(super) table: Table,
    pub(super) stopwatch: Stopwatch,
}

impl Shared {
    pub(super) fn now(&self) -> Instant {
        self.stopwatch.elapsed()
    }

    /// One attempt to fetch a list, from its beginning to what all are told of its end.
    pub(super) async fn attempt(&self, entry: &Entry) {
        let began = self.now();
        entry.begin(began);
        let loaded = self.loader.load(&entry.uri).await;
        let taken = loaded.and_then(|loaded| self.take(entry, loaded, began));
        let _outcome = if taken.is_ok() { "ok" } else { "failed" };
        metric::counter!(metric::STATUS_LIST_FETCHES, "outcome" => _outcome);
        let Err(Failure { why, retry_after }) = taken else {
            return entry.ended(None);
        };
        let why = short(&why);
        trace::warn!(uri = entry.place(), error = why, "a status list cannot be had");
        entry.schedule().failed(self.now(), retry_after, spread());
        entry.ended(Some(why.into()));
    }

    /// # Errors
    /// If the list is older than the one before, or there is no room for it.
    fn take(&self, entry: &Entry, loaded: Loaded, began: Instant) -> Result<(), Failure> {
        let Loaded { list, issued_at, valid_until, ttl } = loaded;
        let place = entry.place();
        if entry.newest().is_some_and(|newest| issued_at < newest) {
            return Err(Failure::new(format!(
                "{place}: the list is older than the one before, by its `iat`"
            )));
        }
        let left = valid_until.saturating_since(self.loader.clock.now());
        let unusable_from = entry.schedule().succeeded(began, ttl, left, spread());
        let held = Held { list, issued_at, valid_until, since: began, unusable_from };
        self.table.hold(entry, held, self.now()).map_err(|_| {
            Failure::new(format!("{place}: there is no room for the list; see StatusLists::memory"))
        })
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("loader", &self.loader).finish_non_exhaustive()
    }
}
