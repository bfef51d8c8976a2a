//! The database of users and notes: one SQLite file behind one connection.

use std::fs::OpenOptions;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

use crate::error::AppError;

/// A handle on the database. Clones share the connection.
#[derive(Clone, Debug)]
pub struct Db(Arc<Mutex<Connection>>);

impl Db {
    /// Opens the file, and makes the tables that are not there yet.
    ///
    /// # Errors
    /// If it cannot be opened or is no database.
    pub fn open(path: &Path) -> Result<Self, AppError> {
        make_private(path).map_err(|error| AppError::Internal(format!("{}: {error}", path.display())))?;
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.execute_batch(include_str!("schema.sql"))?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    /// Runs `job` on a thread that may block.
    ///
    /// # Errors
    /// Those of `job`.
    pub async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    ) -> Result<T, AppError> {
        let shared = Arc::clone(&self.0);
        // A job that panicked has left no transaction open: each is a single statement.
        let done =
            tokio::task::spawn_blocking(move || job(&shared.lock().unwrap_or_else(PoisonError::into_inner)));
        Ok(done.await??)
    }
}

/// Makes the file, if it is not there, so that only its owner can read it. SQLite gives its other files the same mode.
fn make_private(path: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}
