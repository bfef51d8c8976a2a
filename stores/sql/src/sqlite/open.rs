//! Opens a database file as the stores need it.

use std::fs::OpenOptions;
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteSynchronous};

use crate::shared::Failure;

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// One writes at a time, the others read.
const CONNECTIONS: u32 = 4;

/// A pool on this file, which is made if there is none. Connections are made when they are needed.
pub(super) fn pool(path: &Path) -> Result<SqlitePool, Failure> {
    // So that a file name is nothing else to SQLite, such as `:memory:`.
    let path = Path::new(".").join(path);
    make_private(&path)?;
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .busy_timeout(BUSY_TIMEOUT)
        .synchronous(SqliteSynchronous::Full)
        .pragma("secure_delete", "ON");
    Ok(SqlitePoolOptions::new().max_connections(CONNECTIONS).connect_lazy_with(options))
}

/// SQLite gives the files beside it the same mode.
fn make_private(path: &Path) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata()?.permissions());
        if mode & 0o077 != 0 {
            let mode = mode & 0o7777;
            return Err(format!("its mode {mode:04o} opens it to others: chmod 600").into());
        }
    }
    drop(file);
    Ok(())
}
