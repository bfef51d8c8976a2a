//! The log of revocations in PostgreSQL.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};
use tower_jwt_auth::{
    LogPosition, NowOrLater, RevocationPage, RevocationRecord, RevocationStore, StoreError, UnixTime,
};

use super::db::Db;
use super::ear::{CHANNEL, Ear};
use crate::log::{self, Found, Place};
use crate::shared::{BATCH, check_runtime, millis};

// The row of the log is locked until the commit. So the next one who appends gets later numbers, and they become visible in
// their order. The channel is that of `ear`.
const APPEND: &str = "
    WITH numbered AS (
        UPDATE tower_jwt_auth_log SET last_seq = last_seq + cardinality($1::text[])
        RETURNING last_seq - cardinality($1::text[]) AS base
    ), appended AS (
        INSERT INTO tower_jwt_auth_revocations (seq, expires_at, record)
        SELECT numbered.base + given.n, given.expires_at, given.record::jsonb
        FROM numbered, unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS given (record, expires_at, n)
    )
    SELECT pg_notify($3, '')::text FROM numbered";
const READ: &str = "
    SELECT log.epoch, log.removed_seq, place.mark, later.seq, later.mark, later.record::text
    FROM tower_jwt_auth_log AS log
    LEFT JOIN tower_jwt_auth_revocations AS place ON place.seq = $1
    LEFT JOIN (SELECT seq, mark, record FROM tower_jwt_auth_revocations
               WHERE seq > $1 ORDER BY seq LIMIT $2) AS later ON true
    ORDER BY later.seq";
const REMOVE_EXPIRED: &str = "
    WITH gone AS (
        DELETE FROM tower_jwt_auth_revocations
        WHERE seq IN (SELECT seq FROM tower_jwt_auth_revocations WHERE expires_at <= $1
                      ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)
        RETURNING seq
    ), noted AS (
        UPDATE tower_jwt_auth_log SET removed_seq = greatest(removed_seq, (SELECT max(seq) FROM gone))
        WHERE EXISTS (SELECT FROM gone)
    )
    SELECT count(*) FROM gone";

/// The log of revocations in PostgreSQL: [`PostgresStores::revocations`](super::PostgresStores::revocations).
///
/// A reader that waits is woken by `NOTIFY`, and looks each second in any case
/// ([`poll_every`](Self::poll_every)): behind a PgBouncer that pools transactions no notification arrives. It keeps one
/// connection of the pool to listen with; of a pool that has only one it takes none, and looks only.
#[derive(Clone, Debug)]
pub struct PostgresRevocationStore {
    db: Db,
    poll: Duration,
    ear: Arc<Mutex<Ear>>,
}

impl PostgresRevocationStore {
    pub(super) fn new(db: Db) -> Self {
        Self { db, poll: Duration::from_secs(1), ear: Arc::default() }
    }

    /// How often a reader looks that is not woken: each second unless set, and not more often than each 10 milliseconds. Each
    /// process costs the server so many small queries.
    #[must_use]
    pub fn poll_every(mut self, pause: Duration) -> Self {
        self.poll = pause.max(Duration::from_millis(10));
        self
    }

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

impl RevocationStore for PostgresRevocationStore {
    fn append(&self, records: Vec<RevocationRecord>) -> NowOrLater<Result<(), StoreError>> {
        if records.is_empty() {
            return NowOrLater::ready(Ok(()));
        }
        self.db.write(move |connection| {
            Box::pin(async move {
                let (mut texts, mut times) = (Vec::new(), Vec::new());
                for record in &records {
                    texts.push(serde_json::to_string(record)?);
                    times.push(millis(record.expires_at()));
                }
                let append = sqlx::query(APPEND).bind(texts).bind(times).bind(CHANNEL);
                let numbered = append.fetch_optional(connection).await?;
                numbered.ok_or("the table tower_jwt_auth_log has no row: it was emptied by hand")?;
                Ok(())
            })
        })
    }

    fn read(
        &self,
        after: Option<LogPosition>,
        wait: Duration,
    ) -> NowOrLater<Result<RevocationPage, StoreError>> {
        let this = self.clone();
        NowOrLater::later(async move {
            check_runtime()?;
            let deadline = Instant::now() + wait;
            // Of several readers in one process one listens; the others look.
            let mut ear = if wait.is_zero() { None } else { this.ear.try_lock().ok() };
            loop {
                // First listen, then look: what is appended after the look is heard.
                if let Some(ear) = &mut ear {
                    ear.open(&this.db, this.poll).await;
                }
                let found = this.look(after.as_ref()).await?;
                let now = Instant::now();
                if !found.is_empty || now >= deadline {
                    return Ok(found.page);
                }
                let until = deadline.min(now + this.poll);
                match &mut ear {
                    Some(ear) => ear.hear(until).await,
                    None => sleep_until(until).await,
                }
            }
        })
    }

    fn remove_expired(&self, now: UnixTime) -> NowOrLater<Result<(), StoreError>> {
        let (db, now) = (self.db.clone(), millis(now));
        NowOrLater::later(async move {
            loop {
                let removed = db.write(move |connection| {
                    Box::pin(async move {
                        let remove = sqlx::query_scalar(REMOVE_EXPIRED).bind(now).bind(BATCH);
                        Ok(remove.fetch_one(connection).await?)
                    })
                });
                let removed: i64 = removed.await?;
                if removed < BATCH {
                    return Ok(());
                }
            }
        })
    }
}
