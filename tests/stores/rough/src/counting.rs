//! A store that counts how its swaps went.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tower_jwt_auth::{NowOrLater, RefreshRecord, RefreshStore, StoreError, UnixTime};

#[derive(Clone, Debug)]
pub(crate) struct Counting {
    pub(crate) store: Arc<dyn RefreshStore>,
    /// Swaps that were answered `true`, by the id of the record.
    pub(crate) won: tokio::sync::mpsc::UnboundedSender<String>,
    pub(crate) lost: Arc<AtomicU64>,
}

impl RefreshStore for Counting {
    fn insert(&self, record: RefreshRecord) -> NowOrLater<Result<(), StoreError>> {
        self.store.insert(record)
    }

    fn load(&self, id: String) -> NowOrLater<Result<Option<RefreshRecord>, StoreError>> {
        self.store.load(id)
    }

    fn compare_and_swap(&self, expected: u64, new: RefreshRecord) -> NowOrLater<Result<bool, StoreError>> {
        let this = self.clone();
        NowOrLater::later(async move {
            let id = format!("{}-{}", new.id(), new.revision());
            let swapped = this.store.compare_and_swap(expected, new).await?;
            match swapped {
                true => drop(this.won.send(id)),
                false => drop(this.lost.fetch_add(1, Ordering::SeqCst)),
            }
            Ok(swapped)
        })
    }

    fn remove(&self, ids: Vec<String>) -> NowOrLater<Result<(), StoreError>> {
        self.store.remove(ids)
    }

    fn list(&self, subject: String) -> NowOrLater<Result<Vec<RefreshRecord>, StoreError>> {
        self.store.list(subject)
    }

    fn remove_expired(&self, now: UnixTime) -> NowOrLater<Result<(), StoreError>> {
        self.store.remove_expired(now)
    }
}
