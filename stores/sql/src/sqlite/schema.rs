//! What the database and its connections are set to, and the tables.

use std::time::Duration;

use sqlx::Connection;
use sqlx::sqlite::{SqliteConnection, SqlitePool};

use crate::migration::Migration;
use crate::shared::Failure;

pub(super) const MIGRATIONS: &[Migration] =
    &[Migration::new(1, include_str!("../../migrations/sqlite/1.sql"))];

/// Waits for others, in all, until the mode of the database could be changed.
const MODE_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) async fn prepare(pool: &SqlitePool) -> Result<(), Failure> {
    let mut connection = pool.acquire().await?;
    let wait: i64 = sqlx::query_scalar("PRAGMA busy_timeout").fetch_one(&mut *connection).await?;
    if wait < 1000 {
        let problem = format!(
            "the pool waits {wait} ms for others: set SqliteConnectOptions::busy_timeout to a second or more"
        );
        return Err(problem.into());
    }
    make_durable(&mut connection).await?;
    let mode = use_wal(&mut connection).await?;
    match mode.as_str() {
        "wal" => {}
        "memory" if pool.options().get_max_connections() == 1 => {}
        "memory" => return Err("a database in memory needs a pool with max_connections(1)".into()),
        other => return Err(format!("the database stays in the mode {other}, and needs WAL").into()),
    }
    migrate(&mut connection).await
}

async fn migrate(connection: &mut SqliteConnection) -> Result<(), Failure> {
    if version(connection).await? == newest() {
        return Ok(());
    }
    // Of several processes that start at once, the others wait here and find it done.
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
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
async fn version(connection: &mut SqliteConnection) -> Result<i32, Failure> {
    let table =
        "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'tower_jwt_auth_migrations'";
    let tables: i64 = sqlx::query_scalar(table).fetch_one(&mut *connection).await?;
    if tables == 0 {
        return Ok(0);
    }
    let version = "SELECT coalesce(max(version), 0) FROM tower_jwt_auth_migrations";
    Ok(sqlx::query_scalar(version).fetch_one(connection).await?)
}

/// Sees to it that what this connection changes is on the disk before it is answered, and that what it deletes is
/// overwritten.
pub(super) async fn make_durable(connection: &mut SqliteConnection) -> Result<(), Failure> {
    const FULL: i64 = 2;
    let settings = "SELECT synchronous, secure_delete FROM pragma_synchronous, pragma_secure_delete";
    let (synchronous, secure_delete): (i64, i64) =
        sqlx::query_as(settings).fetch_one(&mut *connection).await?;
    if synchronous < FULL {
        sqlx::raw_sql("PRAGMA synchronous = FULL").execute(&mut *connection).await?;
    }
    if secure_delete != 1 {
        sqlx::raw_sql("PRAGMA secure_delete = ON").execute(connection).await?;
    }
    Ok(())
}

/// Puts the database into WAL mode, and answers the mode that holds. While another process does the same, SQLite refuses at
/// once instead of waiting.
async fn use_wal(connection: &mut SqliteConnection) -> Result<String, Failure> {
    const PAUSE: Duration = Duration::from_millis(10);
    let mut waited = Duration::ZERO;
    loop {
        match sqlx::query_scalar("PRAGMA journal_mode = WAL").fetch_one(&mut *connection).await {
            Err(error) if is_busy(&error) && waited < MODE_TIMEOUT => {
                tokio::time::sleep(PAUSE).await;
                waited = waited.saturating_add(PAUSE);
            }
            done => return Ok(done?),
        }
    }
}

fn is_busy(error: &sqlx::Error) -> bool {
    const BUSY: i64 = 5;
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    // The lowest byte of an extended code is the code.
    code.and_then(|code| code.parse::<i64>().ok()).is_some_and(|code| code & 0xff == BUSY)
}

/// Takes what was deleted out of the write-ahead log too, which `secure_delete` does not reach. It would have the seals of
/// many rotations one after the other, which lead from an old token to the current one. Answers whether it is empty: not
/// while others read the database.
pub(super) async fn empty_log(connection: &mut SqliteConnection) -> Result<bool, Failure> {
    let (busy, _, _): (i64, i64, i64) =
        sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(connection).await?;
    Ok(busy == 0)
}
