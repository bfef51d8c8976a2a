//! Keys that live as long as the process.

use std::sync::{Mutex, PoisonError};

use super::{KeyDocument, KeyStore};
use crate::runtime::NowOrLater;
use crate::store::StoreError;

/// Keeps keys in memory: for tests, and for services whose tokens may end with the process.
#[derive(Debug, Default)]
pub struct MemoryKeyStore(Mutex<Option<KeyDocument>>);

impl MemoryKeyStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl KeyStore for MemoryKeyStore {
    fn load(&self) -> NowOrLater<Result<Option<KeyDocument>, StoreError>> {
        NowOrLater::ready(Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()))
    }

    fn compare_and_swap(
        &self,
        expected: Option<KeyDocument>,
        new: KeyDocument,
    ) -> NowOrLater<Result<bool, StoreError>> {
        let mut stored = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same = *stored == expected;
        if same {
            *stored = Some(new);
        }
        NowOrLater::ready(Ok(same))
    }
}
