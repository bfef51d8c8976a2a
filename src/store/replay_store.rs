//! Where names are noted that may be used once.

use std::fmt;

use super::StoreError;
use crate::runtime::{NowOrLater, UnixTime};

/// Notes what may be used only once, such as the proofs of RFC 9449, so that a second use is seen.
pub trait ReplayStore: fmt::Debug + Send + Sync + 'static {
    /// Notes a name until a time, and answers whether it was not there. Of many callers with the same name exactly one is told
    /// `true`. The name is a hash, so it tells nothing and has one length.
    ///
    /// From `expires_at` on the name may be forgotten, by the clock of the engine or of the caller; not earlier.
    ///
    /// # Errors
    /// If it is not sure that the name is noted. The caller refuses then.
    fn insert_if_absent(&self, name: [u8; 32], expires_at: UnixTime) -> NowOrLater<Result<bool, StoreError>>;
}

impl<T: ReplayStore + ?Sized> ReplayStore for std::sync::Arc<T> {
    fn insert_if_absent(&self, name: [u8; 32], expires_at: UnixTime) -> NowOrLater<Result<bool, StoreError>> {
        (**self).insert_if_absent(name, expires_at)
    }
}
