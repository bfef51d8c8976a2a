//! Where sessions are kept.

use std::fmt;

use super::{RefreshRecord, StoreError};
use crate::runtime::{NowOrLater, UnixTime};

/// Keeps the records of sessions, one for each.
///
/// An engine fits that can replace one record as a unit under a condition: SQL by `UPDATE .. WHERE id = .. AND
/// revision = ..`, Redis by a script. It keeps the record in the form that `serde` gives it, and beside it what
/// [`RefreshRecord`] has accessors for.
///
/// What it must guarantee:
/// - Each change of a record is atomic, and durable before it is answered. Changes of different records need not be
///   one transaction.
/// - A read sees every change that was answered before it began, whoever made it. A replica that lags behind will not
///   do: a new token would be taken for an old one, and its session ended.
/// - What was removed stays removed: compare-and-swap never brings it back.
///
/// After an error it is unknown whether the change was made; the callers are prepared for both.
///
/// `conformance::refresh_store` (feature `test-util`) tests all of this; so do its sisters for the other traits.
pub trait RefreshStore: fmt::Debug + Send + Sync + 'static {
    /// Adds a record. Its `id` is new; one that is there is not overwritten.
    ///
    /// # Errors
    /// If it could not be written, or the `id` is there.
    fn insert(&self, record: RefreshRecord) -> NowOrLater<Result<(), StoreError>>;

    /// The record with this `id`, or `None` if there is none.
    ///
    /// # Errors
    /// If it could not be read. What is there and unreadable is an error, never `None`.
    fn load(&self, id: String) -> NowOrLater<Result<Option<RefreshRecord>, StoreError>>;

    /// Replaces the record with the `id` of `new` if there is one and it has this revision. Answers whether it did.
    ///
    /// # Errors
    /// If it could not be written.
    fn compare_and_swap(
        &self,
        expected_revision: u64,
        new: RefreshRecord,
    ) -> NowOrLater<Result<bool, StoreError>>;

    /// Removes the records with these `id`s, as far as they are there.
    ///
    /// # Errors
    /// If one of them may still be there.
    fn remove(&self, ids: Vec<String>) -> NowOrLater<Result<(), StoreError>>;

    /// All records of this subject, in any order, expired ones included if they are still there.
    ///
    /// # Errors
    /// If they could not be read.
    fn list(&self, subject: String) -> NowOrLater<Result<Vec<RefreshRecord>, StoreError>>;

    /// Removes the records whose [`expires_at`](RefreshRecord::expires_at) is `now` or earlier, and puts
    /// [`without_retry`](RefreshRecord::without_retry) in place of those whose
    /// [`retry_until`](RefreshRecord::retry_until) is. The revision stays, and no record that has changed meanwhile is
    /// overwritten. A store whose engine lets them go by itself, at these times, does nothing.
    ///
    /// # Errors
    /// If they could not be written.
    fn remove_expired(&self, now: UnixTime) -> NowOrLater<Result<(), StoreError>>;
}

impl<T: RefreshStore + ?Sized> RefreshStore for std::sync::Arc<T> {
    fn insert(&self, record: RefreshRecord) -> NowOrLater<Result<(), StoreError>> {
        (**self).insert(record)
    }

    fn load(&self, id: String) -> NowOrLater<Result<Option<RefreshRecord>, StoreError>> {
        (**self).load(id)
    }

    fn compare_and_swap(
        &self,
        expected_revision: u64,
        new: RefreshRecord,
    ) -> NowOrLater<Result<bool, StoreError>> {
        (**self).compare_and_swap(expected_revision, new)
    }

    fn remove(&self, ids: Vec<String>) -> NowOrLater<Result<(), StoreError>> {
        (**self).remove(ids)
    }

    fn list(&self, subject: String) -> NowOrLater<Result<Vec<RefreshRecord>, StoreError>> {
        (**self).list(subject)
    }

    fn remove_expired(&self, now: UnixTime) -> NowOrLater<Result<(), StoreError>> {
        (**self).remove_expired(now)
    }
}
