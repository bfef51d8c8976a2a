//! How a job gets a connection and a transaction, and how long it may take.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{AssertSqlSafe, Connection, Postgres};
use tokio::time::{Instant, timeout_at};
use tower_jwt_auth::{NowOrLater, StoreError};

use crate::shared::{Job, check_runtime};

/// The database, and how long an operation on it may take.
#[derive(Clone)]
pub(super) struct Db {
    pub(super) pool: PgPool,
    pub(super) limit: Duration,
    begin: Arc<str>,
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Db(..)")
    }
}

impl Db {
    pub(super) fn new(pool: PgPool, limit: Duration) -> Self {
        // 0 would mean no limit.
        let millis = i32::try_from(limit.as_millis()).unwrap_or(i32::MAX).max(1);
        // In one message, so it costs no further round trip. A process that stops in the middle of a transaction must not keep
        // its locks: the server ends its session.
        let begin = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
             SET LOCAL statement_timeout = {millis};
             SET LOCAL idle_in_transaction_session_timeout = {millis};
             SELECT set_config('synchronous_commit', 'on', true)
             WHERE current_setting('synchronous_commit') = 'off'"
        );
        Self { pool, limit, begin: begin.into() }
    }

    /// Does a job that only reads, in one statement.
    pub(super) fn read<T: Send + 'static>(
        &self,
        job: impl for<'c> FnOnce(&'c mut PgConnection) -> Job<'c, T> + Send + 'static,
    ) -> NowOrLater<Result<T, StoreError>> {
        let this = self.clone();
        NowOrLater::later(async move { this.within(job).await })
    }

    /// Does a job in a transaction, which is committed if the job succeeds.
    pub(super) fn write<T: Send + 'static>(
        &self,
        job: impl for<'c> FnOnce(&'c mut PgConnection) -> Job<'c, T> + Send + 'static,
    ) -> NowOrLater<Result<T, StoreError>> {
        let (this, begin) = (self.clone(), Arc::clone(&self.begin));
        NowOrLater::later(
            async move { this.within(|connection| in_transaction(connection, begin, job)).await },
        )
    }

    async fn within<T>(
        &self,
        job: impl for<'c> FnOnce(&'c mut PgConnection) -> Job<'c, T>,
    ) -> Result<T, StoreError> {
        check_runtime()?;
        let deadline = Instant::now() + self.limit;
        let late = |what: &str| StoreError::new(format!("{what} within {:?}", self.limit));
        let connection = timeout_at(deadline, self.pool.acquire()).await;
        let connection =
            connection.map_err(|_| late("no connection to PostgreSQL"))?.map_err(StoreError::new)?;
        let mut borrowed = Borrowed { connection, is_done: false };
        let done = timeout_at(deadline, job(&mut borrowed.connection)).await;
        let done = done.map_err(|_| late("no answer from PostgreSQL"))?;
        borrowed.is_done = true;
        done.map_err(StoreError::new)
    }
}

/// A connection of the pool, which goes back to it only when the job is done. Otherwise an answer may come at any time, or never, and a
/// transaction may be open that the driver does not know of; whether the deadline has passed, or the caller has gone away.
struct Borrowed {
    connection: PoolConnection<Postgres>,
    is_done: bool,
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        if !self.is_done {
            self.connection.close_on_drop();
        }
    }
}

/// Does a job in a transaction that begins so.
fn in_transaction<'c, T: Send + 'static>(
    connection: &'c mut PgConnection,
    begin: Arc<str>,
    job: impl for<'t> FnOnce(&'t mut PgConnection) -> Job<'t, T> + Send + 'c,
) -> Job<'c, T> {
    Box::pin(async move {
        let mut transaction = connection.begin_with(AssertSqlSafe(begin)).await?;
        let done = job(&mut transaction).await?;
        transaction.commit().await?;
        Ok(done)
    })
}
