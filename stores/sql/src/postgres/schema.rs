//! The tables.

use std::time::Duration;

use sqlx::Connection;
use sqlx::postgres::{PgConnection, PgPool};
use tower_jwt_auth::StoreError;

use crate::migration::Migration;
use crate::shared::{Failure, check_runtime};

pub(super) const MIGRATIONS: &[Migration] =
    &[Migration::new(1, include_str!("../../migrations/postgres/1.sql"))];

/// Longer than another operation may take, but not for ever.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Of several processes that start at once one makes the tables; the number is that of `tower_jwt_auth` in the server's own
/// hash. The lock ends with the transaction.
const BEGIN: &str = "
    BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
    SET LOCAL statement_timeout = '60s';
    SET LOCAL idle_in_transaction_session_timeout = '60s';
    SELECT pg_advisory_xact_lock(hashtext('tower_jwt_auth'))";

pub(super) async fn migrate(pool: &PgPool) -> Result<(), StoreError> {
    check_runtime()?;
    let late = |_| StoreError::new(format!("PostgreSQL has not made the tables within {TIMEOUT:?}"));
    tokio::time::timeout(TIMEOUT, run(pool)).await.map_err(late)?.map_err(StoreError::new)
}

async fn run(pool: &PgPool) -> Result<(), Failure> {
    let mut connection = pool.acquire().await?;
    if version(&mut connection).await? >= newest() {
        return Ok(());
    }
    let mut transaction = connection.begin_with(BEGIN).await?;
    let done = version(&mut transaction).await?;
    for migration in MIGRATIONS.iter().filter(|migration| migration.version() > done) {
        sqlx::raw_sql(migration.sql()).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(())
}

fn newest() -> i32 {
    MIGRATIONS.last().map_or(0, Migration::version)
}

/// The version of the tables, 0 if there are none.
async fn version(connection: &mut PgConnection) -> Result<i32, Failure> {
    // Not `to_regclass`: after a wait for the lock it answers what this session knew before.
    let table = "SELECT EXISTS (SELECT FROM pg_catalog.pg_class
        WHERE relname = 'tower_jwt_auth_migrations' AND pg_catalog.pg_table_is_visible(oid))";
    let is_there: bool = sqlx::query_scalar(table).fetch_one(&mut *connection).await?;
    if !is_there {
        return Ok(0);
    }
    let version = "SELECT coalesce(max(version), 0) FROM tower_jwt_auth_migrations";
    Ok(sqlx::query_scalar(version).fetch_one(connection).await?)
}
