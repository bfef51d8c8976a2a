//! A store that is made when it is used first: the tests of the rules make stores where nobody can wait.

use std::any::Any;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::OnceCell;
use tower_jwt_auth::{NowOrLater, RefreshRecord, RefreshStore, StoreError, UnixTime};

/// A new store, and what lives as long as it does.
type Made = (Arc<dyn RefreshStore>, Box<dyn Any + Send + Sync>);
type Making = Pin<Box<dyn Future<Output = Made> + Send>>;

#[derive(Clone)]
pub(crate) struct Fresh {
    made: Arc<OnceCell<Made>>,
    make: fn() -> Making,
}

impl Fresh {
    pub(crate) fn new(make: fn() -> Making) -> Self {
        Self { made: Arc::default(), make }
    }

    fn then<T: Send + 'static>(
        &self,
        job: impl FnOnce(Arc<dyn RefreshStore>) -> NowOrLater<T> + Send + 'static,
    ) -> NowOrLater<T> {
        let (made, make) = (Arc::clone(&self.made), self.make);
        NowOrLater::later(async move {
            let (store, _) = made.get_or_init(make).await;
            job(Arc::clone(store)).await
        })
    }
}

impl fmt::Debug for Fresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.made.get().map(|(store, _)| store), f)
    }
}

impl RefreshStore for Fresh {
    fn insert(&self, record: RefreshRecord) -> NowOrLater<Result<(), StoreError>> {
        self.then(move |store| store.insert(record))
    }

    fn load(&self, id: String) -> NowOrLater<Result<Option<RefreshRecord>, StoreError>> {
        self.then(move |store| store.load(id))
    }

    fn compare_and_swap(&self, expected: u64, new: RefreshRecord) -> NowOrLater<Result<bool, StoreError>> {
        self.then(move |store| store.compare_and_swap(expected, new))
    }

    fn remove(&self, ids: Vec<String>) -> NowOrLater<Result<(), StoreError>> {
        self.then(move |store| store.remove(ids))
    }

    fn list(&self, subject: String) -> NowOrLater<Result<Vec<RefreshRecord>, StoreError>> {
        self.then(move |store| store.list(subject))
    }

    fn remove_expired(&self, now: UnixTime) -> NowOrLater<Result<(), StoreError>> {
        self.then(move |store| store.remove_expired(now))
    }
}
