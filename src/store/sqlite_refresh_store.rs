//! Sessions in SQLite.

use std::fmt;
use std::fs::OpenOptions;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, TransactionBehavior, params};
use tokio::runtime::Handle;

use super::{RefreshRecord, RefreshStore, millis};
use crate::runtime::{NowOrLater, UnixTime};

use crate::store::StoreError;

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

// The version is part of the name: in a database of the application, `user_version` belongs to the application.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS tower_jwt_auth_refresh_1 (
        id TEXT NOT NULL PRIMARY KEY,
        subject TEXT NOT NULL,
        expires_at INTEGER NOT NULL,
        retry_until INTEGER,
        revision INTEGER NOT NULL,
        record TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS tower_jwt_auth_refresh_1_subject ON tower_jwt_auth_refresh_1 (subject);
    CREATE INDEX IF NOT EXISTS tower_jwt_auth_refresh_1_expires_at ON tower_jwt_auth_refresh_1 (expires_at);
    CREATE INDEX IF NOT EXISTS tower_jwt_auth_refresh_1_retry_until ON tower_jwt_auth_refresh_1 (retry_until)
        WHERE retry_until IS NOT NULL;
";
const INSERT: &str = "
    INSERT INTO tower_jwt_auth_refresh_1 (id, subject, expires_at, retry_until, revision, record)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const LOAD: &str = "SELECT record FROM tower_jwt_auth_refresh_1 WHERE id = ?1";
const LIST: &str = "SELECT record FROM tower_jwt_auth_refresh_1 WHERE subject = ?1";
const SWAP: &str = "
    UPDATE tower_jwt_auth_refresh_1
    SET subject = ?2, expires_at = ?3, retry_until = ?4, revision = ?5, record = ?6
    WHERE id = ?1 AND revision = ?7";
const REMOVE: &str = "DELETE FROM tower_jwt_auth_refresh_1 WHERE id IN (SELECT value FROM json_each(?1))";
const REMOVE_EXPIRED: &str = "DELETE FROM tower_jwt_auth_refresh_1 WHERE expires_at <= ?1";
const FORGET_RETRIES: &str = "
    UPDATE tower_jwt_auth_refresh_1
    SET retry_until = NULL, record = json_remove(record, '$.retry')
    WHERE retry_until <= ?1";

/// Keeps sessions in a SQLite database (feature `sqlite`), which several processes of one machine may share.
///
/// It uses one table, `tower_jwt_auth_refresh_1`, so the database may be that of the application. Each change is on the
/// disk before it is answered (`synchronous=FULL`). What was deleted is overwritten (`secure_delete`), but stays in the
/// write-ahead log beside the database until [`remove_expired`](RefreshStore::remove_expired), which empties it. The
/// database is put into WAL mode, so it must be on a local disk. Its methods need a tokio runtime; they block its threads for blocking
/// work only.
pub struct SqliteRefreshStore {
    connection: Arc<Mutex<Connection>>,
}

impl SqliteRefreshStore {
    /// Opens the database file, or creates it, readable by its owner only (on Unix).
    ///
    /// A file that exists is taken as it is. Keep it where no other user can put a file: a process that can write it can make
    /// sessions for any user.
    ///
    /// # Errors
    /// If it cannot be opened or created, or is not a SQLite database.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        // So that a file name is nothing else to SQLite, such as `:memory:`.
        let path = Path::new(".").join(path);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        // SQLite gives the files beside it the same mode.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let named = |error: &dyn fmt::Display| StoreError::new(format!("{}: {error}", path.display()));
        options.open(&path).map_err(|error| named(&error))?;
        Self::from_connection(Connection::open(&path).map_err(|error| named(&error))?)
    }

    /// Uses a connection that is open already, such as one to the database of the application.
    ///
    /// The connection is set to `synchronous=FULL` and `secure_delete`, and waits up to five seconds for others.
    ///
    /// # Errors
    /// If the table cannot be created, or has not the columns it should have.
    pub fn from_connection(mut connection: Connection) -> Result<Self, StoreError> {
        prepare(&mut connection).map_err(StoreError::new)?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)) })
    }

    /// Does the work on a thread that may block. It is finished even if nobody waits for it any more.
    fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> NowOrLater<Result<T, StoreError>> {
        let connection = Arc::clone(&self.connection);
        NowOrLater::later(async move {
            let runtime = Handle::try_current().map_err(StoreError::new)?;
            let work = move || work(&connection.lock().unwrap_or_else(PoisonError::into_inner));
            runtime.spawn_blocking(work).await.map_err(StoreError::new)?
        })
    }
}

/// Makes the connection durable and the table present.
fn prepare(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // In a transaction: of two processes that start at once, the second finds the table.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(SCHEMA)?;
    transaction.commit()?;
    use_wal(connection)?;
    // Answers with the value that holds from now on.
    connection.query_row("PRAGMA secure_delete = ON", [], |_| Ok(()))?;
    connection.execute_batch("PRAGMA synchronous = FULL")?;
    for sql in [INSERT, LOAD, LIST, SWAP, REMOVE, REMOVE_EXPIRED, FORGET_RETRIES] {
        connection.prepare_cached(sql)?;
    }
    Ok(())
}

/// Puts the database into WAL mode. While another process does the same, SQLite refuses at once instead of waiting.
fn use_wal(connection: &Connection) -> rusqlite::Result<()> {
    const PAUSE: Duration = Duration::from_millis(10);
    let mut waited = Duration::ZERO;
    loop {
        match connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())) {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && waited < BUSY_TIMEOUT =>
            {
                std::thread::sleep(PAUSE);
                waited = waited.saturating_add(PAUSE);
            }
            done => return done,
        }
    }
}

/// Runs one statement, which SQLite does as a unit. Answers how many rows it changed.
fn execute(connection: &Connection, sql: &str, params: impl rusqlite::Params) -> Result<usize, StoreError> {
    let statement = connection.prepare_cached(sql).map_err(StoreError::new);
    statement?.execute(params).map_err(StoreError::new)
}

/// Takes what was deleted out of the write-ahead log too, which `secure_delete` does not reach. It would have the seals of
/// many rotations one after the other, which lead from an old token to the current one.
fn empty_log(connection: &Connection) -> Result<(), StoreError> {
    let others: bool = connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
        .map_err(StoreError::new)?;
    match others {
        true => {
            Err(StoreError::new("deleted sessions are still in the log: others read the database; try again"))
        }
        false => Ok(()),
    }
}

/// The columns of a record, in the order of `INSERT`.
type Columns = (String, String, i64, Option<i64>, i64, String);

fn columns(record: &RefreshRecord) -> Result<Columns, StoreError> {
    Ok((
        record.id().to_owned(),
        record.subject().to_owned(),
        integer(millis::of(record.expires_at())),
        record.retry_until().map(|until| integer(millis::of(until))),
        integer(record.revision()),
        serde_json::to_string(record).map_err(StoreError::new)?,
    ))
}

/// SQLite has no larger numbers; no time or revision comes near.
fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn json(row: &Row<'_>) -> rusqlite::Result<String> {
    row.get(0)
}

fn record(json: &str) -> Result<RefreshRecord, StoreError> {
    serde_json::from_str(json).map_err(StoreError::new)
}

impl RefreshStore for SqliteRefreshStore {
    fn insert(&self, record: RefreshRecord) -> NowOrLater<Result<(), StoreError>> {
        self.run(move |connection| execute(connection, INSERT, columns(&record)?).map(|_| ()))
    }

    fn load(&self, id: String) -> NowOrLater<Result<Option<RefreshRecord>, StoreError>> {
        self.run(move |connection| {
            let mut statement = connection.prepare_cached(LOAD).map_err(StoreError::new)?;
            let found = statement.query_row([id], json).optional().map_err(StoreError::new)?;
            found.as_deref().map(record).transpose()
        })
    }

    fn compare_and_swap(
        &self,
        expected_revision: u64,
        new: RefreshRecord,
    ) -> NowOrLater<Result<bool, StoreError>> {
        self.run(move |connection| {
            let (id, subject, expires_at, retry_until, revision, record) = columns(&new)?;
            let expected = integer(expected_revision);
            let row = params![id, subject, expires_at, retry_until, revision, record, expected];
            Ok(execute(connection, SWAP, row)? == 1)
        })
    }

    fn remove(&self, ids: Vec<String>) -> NowOrLater<Result<(), StoreError>> {
        self.run(move |connection| {
            let ids = serde_json::to_string(&ids).map_err(StoreError::new)?;
            execute(connection, REMOVE, [ids]).map(|_| ())
        })
    }

    fn list(&self, subject: String) -> NowOrLater<Result<Vec<RefreshRecord>, StoreError>> {
        self.run(move |connection| {
            let mut statement = connection.prepare_cached(LIST).map_err(StoreError::new)?;
            let rows = statement.query_map([subject], json).map_err(StoreError::new)?;
            rows.map(|row| row.map_err(StoreError::new).and_then(|json| record(&json))).collect()
        })
    }

    fn remove_expired(&self, now: UnixTime) -> NowOrLater<Result<(), StoreError>> {
        let now = integer(millis::of(now));
        self.run(move |connection| {
            execute(connection, REMOVE_EXPIRED, [now])?;
            execute(connection, FORGET_RETRIES, [now])?;
            empty_log(connection)
        })
    }
}

impl fmt::Debug for SqliteRefreshStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SqliteRefreshStore(..)")
    }
}
