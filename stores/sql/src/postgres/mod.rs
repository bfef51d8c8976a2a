//! The stores in PostgreSQL.

mod db;
mod ear;
mod keys;
mod refresh;
mod replays;
mod revocations;
mod schema;

use std::fmt;
use std::time::Duration;

use sqlx::postgres::PgPool;
use tower_jwt_auth::StoreError;

use self::db::Db;
pub use self::keys::PostgresKeyStore;
pub use self::refresh::PostgresRefreshStore;
pub use self::replays::PostgresReplayStore;
pub use self::revocations::PostgresRevocationStore;
use crate::migration::Migration;
use crate::shared::Sweep;

/// The stores in one PostgreSQL database, which all processes share.
///
/// It may be the application's database: the names of all tables begin with `tower_jwt_auth_`, and they are where the pool's
/// `search_path` puts them. The server must be the one that takes writes: a replica that lags behind would take a new refresh
/// token for an old one, and end its session.
///
/// Each change is one transaction at `READ COMMITTED`, and on the server's disk before it is answered: `synchronous_commit`
/// is turned on where it is off. An operation that takes longer than the [`timeout`](Self::timeout) is an error.
///
/// ```no_run
/// use sqlx::PgPool;
/// use tower_jwt_auth::{KeyRing, RefreshTokens};
/// use tower_jwt_auth_sql::PostgresStores;
///
/// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
/// let pool = PgPool::connect("postgres://shop@localhost/shop").await?;
/// let stores = PostgresStores::new(pool);
/// stores.migrate().await?;
/// let refresh = RefreshTokens::builder(stores.refresh()).build()?;
/// let ring = KeyRing::builder(stores.keys("ring")).open().await?;
/// # drop((refresh, ring));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PostgresStores {
    db: Db,
}

impl PostgresStores {
    /// The stores on the application's own pool. Call [`migrate`](Self::migrate) before they are used.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { db: Db::new(pool, Duration::from_secs(5)) }
    }

    /// How long an operation may take, waiting for a connection and for locks included: 5 seconds unless set. Longer ones are
    /// errors, and their connection is closed, so that a server that hangs is an error and not a hang.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.db = Db::new(self.db.pool, limit);
        self
    }

    /// Makes the tables that are not there yet. Several processes may do so at once. The role needs the right to create tables
    /// only if some are missing. It may take a minute.
    ///
    /// Tables of a later version are taken as they are: a migration does not break the version of this crate before it, so old
    /// and new processes can run side by side.
    ///
    /// # Errors
    /// If the tables cannot be made.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        schema::migrate(&self.db.pool).await
    }

    /// The statements that make the tables, to be run by hand.
    #[must_use]
    pub const fn migrations() -> &'static [Migration] {
        schema::MIGRATIONS
    }

    /// Sessions.
    #[must_use]
    pub fn refresh(&self) -> PostgresRefreshStore {
        PostgresRefreshStore { db: self.db.clone(), sweep: Sweep::default() }
    }

    /// The document of keys with this name: that of a ring, or of keys that are fetched. It is as secret as the keys in it.
    pub fn keys(&self, name: impl Into<String>) -> PostgresKeyStore {
        PostgresKeyStore { db: self.db.clone(), name: name.into() }
    }

    /// The log of revocations. Take one for each process: each keeps a connection to listen with.
    #[must_use]
    pub fn revocations(&self) -> PostgresRevocationStore {
        PostgresRevocationStore::new(self.db.clone())
    }

    /// Names that may be used once.
    #[must_use]
    pub fn replays(&self) -> PostgresReplayStore {
        PostgresReplayStore { db: self.db.clone(), sweep: Sweep::default() }
    }
}

impl fmt::Debug for PostgresStores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStores").field("timeout", &self.db.limit).finish_non_exhaustive()
    }
}
