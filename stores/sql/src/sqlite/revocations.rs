//! The log of revocations in SQLite.

use std::time::Duration;

use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use tokio::time::{Instant, sleep_until};
use tower_jwt_auth::{
    LogPosition, NowOrLater, RevocationPage, RevocationRecord, RevocationStore, StoreError, UnixTime,
};

use super::Db;
use crate::log::{self, Found, Place};
use crate::shared::{BATCH, Failure, millis};

const NUMBER: &str = "UPDATE tower_jwt_auth_log SET last_seq = last_seq + ?1 RETURNING last_seq - ?1";
const APPEND: &str = "
    INSERT INTO tower_jwt_auth_revocations (seq, expires_at, record)
    SELECT ?1 + key + 1, value ->> '$[0]', value ->> '$[1]' FROM json_each(?2)";
const READ: &str = "
    SELECT log.epoch, log.removed_seq, place.mark, later.seq, later.mark, later.record
    FROM tower_jwt_auth_log AS log
    LEFT JOIN tower_jwt_auth_revocations AS place ON place.seq = ?1
    LEFT JOIN (SELECT seq, mark, record FROM tower_jwt_auth_revocations
               WHERE seq > ?1 ORDER BY seq LIMIT ?2) AS later ON true
    ORDER BY later.seq";
const REMOVE_EXPIRED: &str = "
    DELETE FROM tower_jwt_auth_revocations
    WHERE seq IN (SELECT seq FROM tower_jwt_auth_revocations WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)
    RETURNING seq";
const NOTE_REMOVED: &str = "UPDATE tower_jwt_auth_log SET removed_seq = max(removed_seq, ?1)";

/// How often a reader that waits looks whether another process has appended something.
const PAUSE: Duration = Duration::from_millis(100);

/// The log of revocations in SQLite, for the processes of one machine:
/// [`SqliteStores::revocations`](super::SqliteStores::revocations).
///
/// A reader that waits looks ten times a second.
#[derive(Clone, Debug)]
pub struct SqliteRevocationStore {
    pub(super) db: Db,
}

impl SqliteRevocationStore {
    /// What is behind this place, or at the beginning if it is in no log or in another one.
    async fn look(&self, after: Option<&LogPosition>) -> Result<Found, StoreError> {
        if let Some(from) = after.and_then(Place::read)
            && let Some(found) = self.ask(Some(from)).await?
        {
            return Ok(found);
        }
        let found = self.ask(None).await?;
        let found = found.ok_or_else(|| StoreError::new("the log has no beginning"))?;
        match after {
            Some(_) => Ok(Found { page: found.page.restarted(), is_empty: false }),
            None => Ok(found),
        }
    }

    fn ask(&self, from: Option<Place>) -> NowOrLater<Result<Option<Found>, StoreError>> {
        self.db.read(move |connection| {
            Box::pin(async move {
                let seq = from.as_ref().map_or(0, |from| from.seq);
                let rows = sqlx::query_as(READ).bind(seq).bind(log::ASKED_FOR).fetch_all(connection).await?;
                log::page(from.as_ref(), rows)
            })
        })
    }
}

impl RevocationStore for SqliteRevocationStore {
    fn append(&self, records: Vec<RevocationRecord>) -> NowOrLater<Result<(), StoreError>> {
        if records.is_empty() {
            return NowOrLater::ready(Ok(()));
        }
        self.db.write(move |connection| Box::pin(append(connection, records)))
    }

    fn read(
        &self,
        after: Option<LogPosition>,
        wait: Duration,
    ) -> NowOrLater<Result<RevocationPage, StoreError>> {
        let this = self.clone();
        NowOrLater::later(async move {
            crate::shared::check_runtime()?;
            let deadline = Instant::now() + wait;
            loop {
                let found = this.look(after.as_ref()).await?;
                let now = Instant::now();
                if !found.is_empty || now >= deadline {
                    return Ok(found.page);
                }
                sleep_until(deadline.min(now + PAUSE)).await;
            }
        })
    }

    fn remove_expired(&self, now: UnixTime) -> NowOrLater<Result<(), StoreError>> {
        let now = millis(now);
        self.db.write(move |connection| {
            Box::pin(async move {
                while clean(connection, now).await? {}
                Ok(())
            })
        })
    }
}

async fn append(connection: &mut SqliteConnection, records: Vec<RevocationRecord>) -> Result<(), Failure> {
    let count = i64::try_from(records.len())?;
    let mut rows = Vec::new();
    for record in &records {
        rows.push((millis(record.expires_at()), serde_json::to_string(record)?));
    }
    // Whoever else appends waits here, so the numbers become visible in their order.
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let base: Option<i64> = sqlx::query_scalar(NUMBER).bind(count).fetch_optional(&mut *transaction).await?;
    let base = base.ok_or("the table tower_jwt_auth_log has no row: it was emptied by hand")?;
    let rows = serde_json::to_string(&rows)?;
    sqlx::query(APPEND).bind(base).bind(rows).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(())
}

/// One batch of what has expired. Answers whether there may be more.
async fn clean(connection: &mut SqliteConnection, now: i64) -> Result<bool, Failure> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let remove = sqlx::query_scalar(REMOVE_EXPIRED).bind(now).bind(BATCH);
    let removed: Vec<i64> = remove.fetch_all(&mut *transaction).await?;
    if let Some(highest) = removed.iter().max() {
        sqlx::query(NOTE_REMOVED).bind(highest).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(i64::try_from(removed.len())? >= BATCH)
}
