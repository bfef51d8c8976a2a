//! Sessions in PostgreSQL.

use sqlx::postgres::PgConnection;
use tower_jwt_auth::{NowOrLater, RefreshRecord, RefreshStore, StoreError, UnixTime};

use super::db::Db;
use crate::shared::{BATCH, Failure, MARGIN, RefreshRow, Sweep, integer, millis, record};

const INSERT: &str = "
    INSERT INTO tower_jwt_auth_refresh (id, subject, expires_at, retry_until, revision, record)
    VALUES ($1, $2, $3, $4, $5, $6::jsonb)";
const LOAD: &str = "SELECT record::text FROM tower_jwt_auth_refresh WHERE id = $1";
const LIST: &str = "SELECT record::text FROM tower_jwt_auth_refresh WHERE subject = $1";
// Of two at once the second waits for the first, and then finds another revision.
const SWAP: &str = "
    UPDATE tower_jwt_auth_refresh
    SET subject = $2, expires_at = $3, retry_until = $4, revision = $5, record = $6::jsonb
    WHERE id = $1 AND revision = $7";
// Locked in order, so that two who remove the same do not wait for each other.
const REMOVE: &str = "
    DELETE FROM tower_jwt_auth_refresh
    WHERE id IN (SELECT id FROM tower_jwt_auth_refresh WHERE id = ANY($1) ORDER BY id FOR UPDATE)";
// What somebody else has locked he is changing, or removing himself.
const REMOVE_EXPIRED: &str = "
    DELETE FROM tower_jwt_auth_refresh
    WHERE id IN (SELECT id FROM tower_jwt_auth_refresh WHERE expires_at <= $1
                 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)";
const FORGET_RETRIES: &str = "
    UPDATE tower_jwt_auth_refresh SET retry_until = NULL, record = record - 'retry'
    WHERE id IN (SELECT id FROM tower_jwt_auth_refresh WHERE retry_until <= $1
                 ORDER BY retry_until LIMIT $2 FOR UPDATE SKIP LOCKED)";
/// The earlier of the given time and the engine's own, less the margin: a clock that runs ahead, or that a test has set,
/// removes nothing that is in force for others.
const EARLIER: &str = "SELECT least($1, (extract(epoch FROM clock_timestamp()) * 1000)::bigint - $2)";

/// Sessions in PostgreSQL: [`PostgresStores::refresh`](super::PostgresStores::refresh).
///
/// Each fiftieth new session removes up to 500 that expired more than an hour ago. So the table does not grow without end if
/// nobody calls [`remove_expired`](RefreshStore::remove_expired).
///
/// What was removed stays in the files of the server until it is vacuumed, and in archives of its log for as long as they are
/// kept.
#[derive(Clone, Debug)]
pub struct PostgresRefreshStore {
    pub(super) db: Db,
    pub(super) sweep: Sweep,
}

impl RefreshStore for PostgresRefreshStore {
    fn insert(&self, record: RefreshRecord) -> NowOrLater<Result<(), StoreError>> {
        let (db, sweeps) = (self.db.clone(), self.sweep.is_due());
        NowOrLater::later(async move {
            let row = RefreshRow::of(&record).map_err(StoreError::new)?;
            let expired = row.expired;
            db.write(move |connection| {
                Box::pin(async move {
                    let insert = sqlx::query(INSERT).bind(row.id).bind(row.subject).bind(row.expires_at);
                    let insert = insert.bind(row.retry_until).bind(row.revision).bind(row.record);
                    insert.execute(connection).await?;
                    Ok(())
                })
            })
            .await?;
            if sweeps {
                // The session is there; what is left lying is swept the next time.
                let _ = db.write(move |connection| Box::pin(sweep(connection, expired))).await;
            }
            Ok(())
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
                let swap = sqlx::query(SWAP).bind(row.id).bind(row.subject).bind(row.expires_at);
                let swap = swap.bind(row.retry_until).bind(row.revision).bind(row.record);
                let done = swap.bind(integer(expected_revision)).execute(connection).await?;
                Ok(done.rows_affected() == 1)
            })
        })
    }

    fn remove(&self, ids: Vec<String>) -> NowOrLater<Result<(), StoreError>> {
        self.db.write(move |connection| {
            Box::pin(async move {
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
        let (db, now) = (self.db.clone(), millis(now));
        NowOrLater::later(async move {
            // A transaction for each batch.
            while db.write(move |connection| Box::pin(clean(connection, now))).await? {}
            Ok(())
        })
    }
}

/// One batch of what has expired. Answers whether there may be more.
async fn clean(connection: &mut PgConnection, now: i64) -> Result<bool, Failure> {
    let mut is_full = false;
    for statement in [REMOVE_EXPIRED, FORGET_RETRIES] {
        let done = sqlx::query(statement).bind(now).bind(BATCH).execute(&mut *connection).await?;
        is_full |= done.rows_affected() >= BATCH.unsigned_abs();
    }
    Ok(is_full)
}

async fn sweep(connection: &mut PgConnection, expired: i64) -> Result<(), Failure> {
    let margin = i64::try_from(MARGIN.as_millis())?;
    let until = sqlx::query_scalar(EARLIER).bind(expired).bind(margin).fetch_one(&mut *connection).await?;
    clean(connection, until).await.map(drop)
}
