//! Sessions that live as long as the process.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{RefreshRecord, RefreshStore};
use crate::runtime::{NowOrLater, UnixTime};

use crate::store::StoreError;

/// Keeps sessions in memory: for tests, and for a single process whose users may log in again after a restart.
///
/// Listing a subject's sessions looks at all there are.
#[derive(Default)]
pub struct MemoryRefreshStore(Mutex<HashMap<String, RefreshRecord>>);

impl MemoryRefreshStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn records(&self) -> MutexGuard<'_, HashMap<String, RefreshRecord>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryRefreshStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryRefreshStore({} sessions)", self.records().len())
    }
}

impl RefreshStore for MemoryRefreshStore {
    fn insert(&self, record: RefreshRecord) -> NowOrLater<Result<(), StoreError>> {
        let inserted = match self.records().entry(record.id().to_owned()) {
            Entry::Occupied(_) => Err(StoreError::new("there is a session with this id")),
            Entry::Vacant(place) => {
                place.insert(record);
                Ok(())
            }
        };
        NowOrLater::ready(inserted)
    }

    fn load(&self, id: String) -> NowOrLater<Result<Option<RefreshRecord>, StoreError>> {
        NowOrLater::ready(Ok(self.records().get(&id).cloned()))
    }

    fn compare_and_swap(
        &self,
        expected_revision: u64,
        new: RefreshRecord,
    ) -> NowOrLater<Result<bool, StoreError>> {
        let swapped = match self.records().get_mut(new.id()) {
            Some(stored) if stored.revision() == expected_revision => {
                *stored = new;
                true
            }
            _ => false,
        };
        NowOrLater::ready(Ok(swapped))
    }

    fn remove(&self, ids: Vec<String>) -> NowOrLater<Result<(), StoreError>> {
        let mut records = self.records();
        for id in &ids {
            records.remove(id);
        }
        NowOrLater::ready(Ok(()))
    }

    fn list(&self, subject: String) -> NowOrLater<Result<Vec<RefreshRecord>, StoreError>> {
        let records = self.records();
        let of_subject = records.values().filter(|record| record.subject() == subject);
        NowOrLater::ready(Ok(of_subject.cloned().collect()))
    }

    fn remove_expired(&self, now: UnixTime) -> NowOrLater<Result<(), StoreError>> {
        let mut records = self.records();
        records.retain(|_, record| now < record.expires_at());
        for record in records.values_mut() {
            if record.retry_until().is_some_and(|until| until <= now) {
                *record = record.clone().without_retry();
            }
        }
        NowOrLater::ready(Ok(()))
    }
}
