//! Sessions in SQLite.

use sqlx::sqlite::SqliteConnection;
use tower_jwt_auth::{NowOrLater, RefreshRecord, RefreshStore, StoreError, UnixTime};

use super::{Db, schema};
use crate::shared::{BATCH, Failure, MARGIN, RefreshRow, Sweep, integer, millis, record};

const INSERT: &str = "
    INSERT INTO tower_jwt_auth_refresh (id, subject, expires_at, retry_until, revision, record)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const LOAD: &str = "SELECT record FROM tower_jwt_auth_refresh WHERE id = ?1";
const LIST: &str = "SELECT record FROM tower_jwt_auth_refresh WHERE subject = ?1";
const SWAP: &str = "
    UPDATE tower_jwt_auth_refresh
    SET subject = ?2, expires_at = ?3, retry_until = ?4, revision = ?5, record = ?6
    WHERE id = ?1 AND revision = ?7";
const REMOVE: &str = "DELETE FROM tower_jwt_auth_refresh WHERE id IN (SELECT value FROM json_each(?1))";
const REMOVE_EXPIRED: &str = "
    DELETE FROM tower_jwt_auth_refresh
    WHERE id IN (SELECT id FROM tower_jwt_auth_refresh WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)";
const FORGET_RETRIES: &str = "
    UPDATE tower_jwt_auth_refresh SET retry_until = NULL, record = json_remove(record, '$.retry')
    WHERE id IN (SELECT id FROM tower_jwt_auth_refresh WHERE retry_until <= ?1 ORDER BY retry_until LIMIT ?2)";
/// The earlier of the given time and the engine's own, less the margin: a clock that runs ahead, or that a test has set,
/// removes nothing that is in force for others.
const EARLIER: &str = "SELECT min(?1, CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) - ?2)";

/// Sessions in SQLite: [`SqliteStores::refresh`](super::SqliteStores::refresh).
///
/// Each fiftieth new session removes up to 500 that expired more than an hour ago. So the table does not grow without end if
/// nobody calls [`remove_expired`](RefreshStore::remove_expired); only that empties the write-ahead log.
#[derive(Clone, Debug)]
pub struct SqliteRefreshStore {
    pub(super) db: Db,
    pub(super) sweep: Sweep,
}

impl RefreshStore for SqliteRefreshStore {
    fn insert(&self, record: RefreshRecord) -> NowOrLater<Result<(), StoreError>> {
        let sweeps = self.sweep.is_due();
        self.db.write(move |connection| {
            Box::pin(async move {
                let row = RefreshRow::of(&record)?;
                let insert = sqlx::query(INSERT).bind(&row.id).bind(&row.subject).bind(row.expires_at);
                let insert = insert.bind(row.retry_until).bind(row.revision).bind(&row.record);
                insert.execute(&mut *connection).await?;
                if sweeps {
                    // The session is there; what is left lying is swept the next time.
                    let _ = sweep(connection, row.expired).await;
                }
                Ok(())
            })
        })
    }

    fn load(&self, id: String) -> NowOrLater<Result<Option<RefreshRecord>, StoreError>> {
        self.db.read(move |connection| {
            Box::pin(async move {
                let found: Option<String> =
                    sqlx::query_scalar(LOAD).bind(id).fetch_optional(connection).await?;
                found.as_deref().map(record).transpose()
            })
        })
    }

    fn compare_and_swap(
        &self,
        expected_revision: u64,
        new: RefreshRecord,
    ) -> NowOrLater<Result<bool, StoreError>> {
        self.db.write(move |connection| {
            Box::pin(async move {
                let row = RefreshRow::of(&new)?;
                let swap = sqlx::query(SWAP).bind(&row.id).bind(&row.subject).bind(row.expires_at);
                let swap = swap.bind(row.retry_until).bind(row.revision).bind(&row.record);
                let done = swap.bind(integer(expected_revision)).execute(connection).await?;
                Ok(done.rows_affected() == 1)
            })
        })
    }

    fn remove(&self, ids: Vec<String>) -> NowOrLater<Result<(), StoreError>> {
        self.db.write(move |connection| {
            Box::pin(async move {
                let ids = serde_json::to_string(&ids)?;
                sqlx::query(REMOVE).bind(ids).execute(connection).await?;
                Ok(())
            })
        })
    }

    fn list(&self, subject: String) -> NowOrLater<Result<Vec<RefreshRecord>, StoreError>> {
        self.db.read(move |connection| {
            Box::pin(async move {
                let found: Vec<String> = sqlx::query_scalar(LIST).bind(subject).fetch_all(connection).await?;
                found.iter().map(|json| record(json)).collect()
            })
        })
    }

    fn remove_expired(&self, now: UnixTime) -> NowOrLater<Result<(), StoreError>> {
        let now = millis(now);
        self.db.write(move |connection| {
            Box::pin(async move {
                while clean(connection, now).await? {}
                match schema::empty_log(connection).await? {
                    true => Ok(()),
                    false => {
                        Err("deleted sessions are still in the log: others read the database; try again"
                            .into())
                    }
                }
            })
        })
    }
}

/// One batch of what has expired. Answers whether there may be more.
async fn clean(connection: &mut SqliteConnection, now: i64) -> Result<bool, Failure> {
    let mut is_full = false;
    for statement in [REMOVE_EXPIRED, FORGET_RETRIES] {
        let done = sqlx::query(statement).bind(now).bind(BATCH).execute(&mut *connection).await?;
        is_full |= done.rows_affected() >= BATCH.unsigned_abs();
    }
    Ok(is_full)
}

async fn sweep(connection: &mut SqliteConnection, expired: i64) -> Result<(), Failure> {
    let margin = i64::try_from(MARGIN.as_millis())?;
    let until = sqlx::query_scalar(EARLIER).bind(expired).bind(margin).fetch_one(&mut *connection).await?;
    clean(connection, until).await.map(drop)
}
