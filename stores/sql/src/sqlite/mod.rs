//! The stores in SQLite.

mod keys;
mod open;
mod refresh;
mod replays;
mod revocations;
mod schema;

use std::fmt;
use std::path::Path;

use sqlx::sqlite::{SqliteConnection, SqlitePool};
use tower_jwt_auth::{NowOrLater, StoreError};

pub use self::keys::SqliteKeyStore;
pub use self::refresh::SqliteRefreshStore;
pub use self::replays::SqliteReplayStore;
pub use self::revocations::SqliteRevocationStore;
use crate::migration::Migration;
use crate::shared::{Failure, Job, Sweep, check_runtime};

/// The stores in one SQLite database, which several processes of one machine may share.
///
/// It may be the application's database: the names of all tables begin with `tower_jwt_auth_`, and `user_version` stays the
/// application's. The file must be on a local disk, because it is put into WAL mode.
///
/// Each change is on the disk before it is answered (`synchronous=FULL`). What was deleted is overwritten (`secure_delete`),
/// but stays in the write-ahead log beside the database until [`remove_expired`] of the sessions, which empties the log. The
/// stores set both on a connection of the pool before they write with it, and they stay set.
///
/// [`remove_expired`]: tower_jwt_auth::RefreshTokens::remove_expired
///
/// ```
/// use tower_jwt_auth::{KeyRing, RefreshTokens};
/// use tower_jwt_auth_sql::SqliteStores;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("auth.db");
/// let stores = SqliteStores::open(path).await?;
/// let refresh = RefreshTokens::builder(stores.refresh()).build()?;
/// let ring = KeyRing::builder(stores.keys("ring")).open().await?;
/// # drop((refresh, ring));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SqliteStores {
    db: Db,
}

impl SqliteStores {
    /// Opens the database file, or creates it, readable by its owner only (on Unix), and makes the tables.
    ///
    /// Keep it where no other user can put a file: a process that can write it can make sessions for any user.
    ///
    /// # Errors
    /// If it cannot be opened or created, is open to other users, or is not a SQLite database.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        check_runtime()?;
        let path = path.as_ref();
        let named = |error: Failure| StoreError::new(format!("{}: {error}", path.display()));
        let pool = open::pool(path).map_err(named)?;
        let stores = Self::new(pool);
        stores.prepare().await.map_err(named)?;
        Ok(stores)
    }

    /// The stores on the application's own pool. Call [`migrate`](Self::migrate) before they are used.
    #[must_use]
    pub fn new(pool: SqlitePool) -> Self {
        Self { db: Db { pool } }
    }

    /// Makes the tables that are not there yet, and puts the database into WAL mode. Several processes may do so at once.
    ///
    /// # Errors
    /// If the pool waits less than a second for others (`busy_timeout`), if the database is in memory and the pool has more
    /// than one connection, or if the tables cannot be made.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        check_runtime()?;
        self.prepare().await.map_err(StoreError::new)
    }

    async fn prepare(&self) -> Result<(), Failure> {
        schema::prepare(&self.db.pool).await
    }

    /// The statements that make the tables, to be run by hand.
    #[must_use]
    pub const fn migrations() -> &'static [Migration] {
        schema::MIGRATIONS
    }

    /// Sessions.
    #[must_use]
    pub fn refresh(&self) -> SqliteRefreshStore {
        SqliteRefreshStore { db: self.db.clone(), sweep: Sweep::default() }
    }

    /// The document of keys with this name: that of a ring, or of keys that are fetched. It is as secret as the keys in it.
    pub fn keys(&self, name: impl Into<String>) -> SqliteKeyStore {
        SqliteKeyStore { db: self.db.clone(), name: name.into() }
    }

    /// The log of revocations.
    #[must_use]
    pub fn revocations(&self) -> SqliteRevocationStore {
        SqliteRevocationStore { db: self.db.clone() }
    }

    /// Names that may be used once.
    #[must_use]
    pub fn replays(&self) -> SqliteReplayStore {
        SqliteReplayStore { db: self.db.clone(), sweep: Sweep::default() }
    }
}

impl fmt::Debug for SqliteStores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SqliteStores(..)")
    }
}

/// The database.
#[derive(Clone)]
struct Db {
    pool: SqlitePool,
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Db(..)")
    }
}

impl Db {
    /// Does a job that only reads.
    fn read<T: Send + 'static>(
        &self,
        job: impl for<'c> FnOnce(&'c mut SqliteConnection) -> Job<'c, T> + Send + 'static,
    ) -> NowOrLater<Result<T, StoreError>> {
        self.run(false, job)
    }

    /// Does a job that writes, on a connection whose changes are durable.
    fn write<T: Send + 'static>(
        &self,
        job: impl for<'c> FnOnce(&'c mut SqliteConnection) -> Job<'c, T> + Send + 'static,
    ) -> NowOrLater<Result<T, StoreError>> {
        self.run(true, job)
    }

    fn run<T: Send + 'static>(
        &self,
        writes: bool,
        job: impl for<'c> FnOnce(&'c mut SqliteConnection) -> Job<'c, T> + Send + 'static,
    ) -> NowOrLater<Result<T, StoreError>> {
        let pool = self.pool.clone();
        NowOrLater::later(async move {
            check_runtime()?;
            let work = async move {
                let mut connection = pool.acquire().await?;
                if writes {
                    schema::make_durable(&mut connection).await?;
                }
                job(&mut connection).await
            };
            work.await.map_err(|error: Failure| StoreError::new(error))
        })
    }
}
