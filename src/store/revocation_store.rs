//! Where revocations are kept.

use std::fmt;
use std::time::Duration;

use super::{RevocationRecord, StoreError};
use crate::runtime::{NowOrLater, UnixTime};

/// Keeps revocations as a log: those that are in force, in the order in which they were appended.
///
/// Each process reads the log from its beginning once, and from then on what is appended. So there is no snapshot beside the
/// log that could miss something.
///
/// What it must guarantee:
/// - What `append` answered is durable, and every `read` that begins later from an earlier position has it.
/// - A reader that goes on from the position of a page gets every record that was appended after that page, each at least
///   once. A record must not become visible behind a position that was already given out: with sequence numbers that are drawn
///   before the commit, appends have to be serialised.
/// - A position belongs to one incarnation of the log. If the engine has lost what it had (it came back empty, a backup was
///   restored), `read` notices, begins anew, and says so by [`RevocationPage::restarted`].
pub trait RevocationStore: fmt::Debug + Send + Sync + 'static {
    /// Appends these records, all or none. To append a record that is there already is harmless.
    ///
    /// # Errors
    /// If it is not sure that all were written.
    fn append(&self, records: Vec<RevocationRecord>) -> NowOrLater<Result<(), StoreError>>;

    /// A page of the records that were appended after the position, or of all if there is none.
    ///
    /// If there are none it waits for some, at most for `wait`; then, or earlier, it answers an empty page. Whoever drops the
    /// future gives up waiting, and loses nothing.
    ///
    /// # Errors
    /// If the log could not be read. A record that cannot be read is an error, and never left out.
    fn read(
        &self,
        after: Option<LogPosition>,
        wait: Duration,
    ) -> NowOrLater<Result<RevocationPage, StoreError>>;

    /// Removes the records whose [`expires_at`](RevocationRecord::expires_at) is `now` or earlier. A store that does so by other
    /// means does nothing.
    ///
    /// # Errors
    /// If they could not be removed.
    fn remove_expired(&self, now: UnixTime) -> NowOrLater<Result<(), StoreError>>;
}

/// A place in the log of a [`RevocationStore`]; only the store that made it knows what it means.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LogPosition(String);

impl LogPosition {
    /// The position that a store writes so.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// As the store wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a [`RevocationStore`] answers to a reader.
#[derive(Clone, Debug)]
#[must_use]
pub struct RevocationPage {
    pub(crate) records: Vec<RevocationRecord>,
    pub(crate) position: LogPosition,
    pub(crate) has_more: bool,
    pub(crate) is_restarted: bool,
}

impl RevocationPage {
    /// These records; the reader goes on from `position`, and has seen everything now.
    pub const fn new(records: Vec<RevocationRecord>, position: LogPosition) -> Self {
        Self { records, position, has_more: false, is_restarted: false }
    }

    /// The records, in the order in which they were appended.
    #[must_use]
    pub fn records(&self) -> &[RevocationRecord] {
        &self.records
    }

    /// Where a reader goes on.
    #[must_use]
    pub const fn position(&self) -> &LogPosition {
        &self.position
    }

    /// Whether there are more records behind this page.
    #[must_use]
    pub const fn has_more(&self) -> bool {
        self.has_more
    }

    /// Whether the store did not know the position that was asked for.
    #[must_use]
    pub const fn is_restarted(&self) -> bool {
        self.is_restarted
    }

    /// There are more records behind this page, so the reader has not seen everything yet.
    pub const fn with_more(mut self) -> Self {
        self.has_more = true;
        self
    }

    /// The store does not know the position that was asked for, so this is the first page of the log.
    pub const fn restarted(mut self) -> Self {
        self.is_restarted = true;
        self
    }
}

impl<T: RevocationStore + ?Sized> RevocationStore for std::sync::Arc<T> {
    fn append(&self, records: Vec<RevocationRecord>) -> NowOrLater<Result<(), StoreError>> {
        (**self).append(records)
    }

    fn read(
        &self,
        after: Option<LogPosition>,
        wait: Duration,
    ) -> NowOrLater<Result<RevocationPage, StoreError>> {
        (**self).read(after, wait)
    }

    fn remove_expired(&self, now: UnixTime) -> NowOrLater<Result<(), StoreError>> {
        (**self).remove_expired(now)
    }
}
