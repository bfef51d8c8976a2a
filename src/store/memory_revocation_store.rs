//! Revocations that live as long as the process.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::{LogPosition, RevocationPage, RevocationRecord, RevocationStore, StoreError};
use crate::runtime::{NowOrLater, UnixTime};

/// Records in a page.
const PAGE: usize = 1000;

/// Keeps revocations in memory, for tests: clones are handles on one log, as if several processes shared an engine.
///
/// A single process needs none: [`Revocations::in_memory`](crate::Revocations::in_memory).
#[derive(Clone, Default)]
pub struct MemoryRevocationStore(Arc<Shared>);

#[derive(Default)]
struct Shared {
    log: Mutex<Log>,
    appended: Notify,
}

#[derive(Default)]
struct Log {
    /// Each with its number; the numbers grow.
    records: Vec<(u64, RevocationRecord)>,
    last: u64,
    epoch: u64,
}

impl MemoryRevocationStore {
    /// An empty log.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Loses everything, as an engine without persistence does when it restarts.
    pub fn lose_everything(&self) {
        let mut log = self.log();
        *log = Log { epoch: log.epoch + 1, ..Log::default() };
        drop(log);
        self.0.appended.notify_waiters();
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.0.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn page(&self, after: Option<&LogPosition>) -> RevocationPage {
        let log = self.log();
        let known = after.and_then(|position| {
            let (epoch, number) = position.as_str().split_once('/')?;
            (epoch.parse() == Ok(log.epoch)).then(|| number.parse().ok())?
        });
        let from = known.unwrap_or(0);
        let later = || log.records.iter().filter(|(number, _)| *number > from);
        let records: Vec<_> = later().take(PAGE).map(|(_, record)| record.clone()).collect();
        let last = later().take(PAGE).last().map_or(from, |(number, _)| *number);
        let has_more = later().nth(PAGE).is_some();
        let page = RevocationPage::new(records, LogPosition::new(format!("{}/{last}", log.epoch)));
        let page = if has_more { page.with_more() } else { page };
        if after.is_some() && known.is_none() { page.restarted() } else { page }
    }
}

impl RevocationStore for MemoryRevocationStore {
    fn append(&self, records: Vec<RevocationRecord>) -> NowOrLater<Result<(), StoreError>> {
        let mut log = self.log();
        for record in records {
            log.last += 1;
            let number = log.last;
            log.records.push((number, record));
        }
        drop(log);
        self.0.appended.notify_waiters();
        NowOrLater::ready(Ok(()))
    }

    fn read(
        &self,
        after: Option<LogPosition>,
        wait: Duration,
    ) -> NowOrLater<Result<RevocationPage, StoreError>> {
        let store = self.clone();
        NowOrLater::later(async move {
            let deadline = tokio::time::Instant::now() + wait;
            loop {
                let mut appended = std::pin::pin!(store.0.appended.notified());
                appended.as_mut().enable();
                let page = store.page(after.as_ref());
                if !page.records.is_empty() || page.is_restarted {
                    return Ok(page);
                }
                if tokio::time::timeout_at(deadline, appended).await.is_err() {
                    return Ok(page);
                }
            }
        })
    }

    fn remove_expired(&self, now: UnixTime) -> NowOrLater<Result<(), StoreError>> {
        self.log().records.retain(|(_, record)| now < record.expires_at());
        NowOrLater::ready(Ok(()))
    }
}

impl fmt::Debug for MemoryRevocationStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryRevocationStore({} records)", self.log().records.len())
    }
}
