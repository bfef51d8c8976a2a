//! What both engines have in common.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tower_jwt_auth::{RefreshRecord, StoreError, UnixTime};

/// The most rows that one statement cleans up, so that no lock is held for long.
pub(crate) const BATCH: i64 = 500;

/// Every so many inserts one cleans up a batch. It is far less than a batch, so a table cannot grow without end.
const SWEEP_EVERY: u32 = 50;

/// How long an insert lets rows lie that have expired: clocks differ.
pub(crate) const MARGIN: Duration = Duration::from_secs(60 * 60);

/// Counts inserts. Clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sweep(Arc<AtomicU32>);

impl Sweep {
    /// Whether this insert is one that cleans up.
    pub(crate) fn is_due(&self) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1
    }
}

/// The columns of a session.
pub(crate) struct RefreshRow {
    pub(crate) id: String,
    pub(crate) subject: String,
    pub(crate) expires_at: i64,
    pub(crate) retry_until: Option<i64>,
    pub(crate) revision: i64,
    pub(crate) record: String,
    /// The time by the clock of whoever wrote the record, less the margin: what expired before may go.
    pub(crate) expired: i64,
}

impl RefreshRow {
    pub(crate) fn of(record: &RefreshRecord) -> Result<Self, Failure> {
        Ok(Self {
            id: record.id().to_owned(),
            subject: record.subject().to_owned(),
            expires_at: millis(record.expires_at()),
            retry_until: record.retry_until().map(millis),
            revision: integer(record.revision()),
            record: serde_json::to_string(record)?,
            expired: millis(record.session().last_used_at().saturating_sub(MARGIN)),
        })
    }
}

/// Reads a record. One that cannot be read is an error, never left out.
pub(crate) fn record<T: serde::de::DeserializeOwned>(json: &str) -> Result<T, Failure> {
    Ok(serde_json::from_str(json)?)
}

pub(crate) fn millis(time: UnixTime) -> i64 {
    i64::try_from(time.since_epoch().as_millis()).unwrap_or(i64::MAX)
}

/// SQL has no larger numbers; no revision comes near.
pub(crate) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The drivers panic without a runtime.
pub(crate) fn check_runtime() -> Result<(), StoreError> {
    tokio::runtime::Handle::try_current().map(drop).map_err(StoreError::new)
}

/// Whatever went wrong in a job.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A job on a connection.
pub(crate) type Job<'c, T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send + 'c>>;
