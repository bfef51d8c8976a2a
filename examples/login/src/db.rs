//! The database: SQLite files in a directory, or PostgreSQL, which several machines may share. What differs is here and in
//! the two files with the tables; the statements are the same.

use std::fmt;
use std::fs::OpenOptions;
use std::path::Path;
use std::sync::Arc;

use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool};
use tower_jwt_auth::{FileKeyStore, KeyStore, RefreshStore, RevocationStore};
use tower_jwt_auth_redis::RedisStores;
use tower_jwt_auth_sql::{PostgresStores, SqliteStores};

use crate::config::{Config, ServerUrl};
use crate::error::AppError;

/// The name of the key ring's document in PostgreSQL.
const RING: &str = "login";

/// The tables of users and notes. Clones share the connections.
#[derive(Clone)]
pub enum Db {
    /// `users.db` in the directory.
    Sqlite(SqlitePool),
    /// What `DATABASE_URL` names.
    Postgres(PgPool),
}

/// Where the library keeps what it keeps.
#[derive(Debug)]
pub struct AuthStores {
    /// The key ring.
    pub keys: Arc<dyn KeyStore>,
    /// The sessions.
    pub sessions: Arc<dyn RefreshStore>,
    /// What is revoked, as it is told to all processes.
    pub revocations: Arc<dyn RevocationStore>,
}

/// Runs the same code on either kind of pool.
macro_rules! on_either {
    ($db:expr, $pool:ident => $work:expr) => {
        match $db {
            $crate::db::Db::Sqlite($pool) => $work,
            $crate::db::Db::Postgres($pool) => $work,
        }
    };
}

pub(crate) use on_either;

impl Db {
    /// Opens the database of `config`, and makes the tables that are not there yet.
    ///
    /// # Errors
    /// If it cannot be opened, or is no database.
    pub async fn open(config: &Config) -> Result<(Self, AuthStores), AppError> {
        let (db, mut stores) = match &config.database_url {
            Some(url) => Self::open_postgres(url).await,
            None => Self::open_sqlite(&config.dir).await,
        }?;
        if let Some(url) = &config.redis_url {
            stores.revocations = Arc::new(redis(url).await?.revocations());
        }
        Ok((db, stores))
    }

    async fn open_sqlite(dir: &Path) -> Result<(Self, AuthStores), AppError> {
        let users = Self::open_users(&dir.join("users.db")).await?;
        let stores = SqliteStores::open(dir.join("sessions.db")).await?;
        let keys = Arc::new(FileKeyStore::new(dir.join("keys.json")));
        let (sessions, revocations) = (Arc::new(stores.refresh()), Arc::new(stores.revocations()));
        Ok((users, AuthStores { keys, sessions, revocations }))
    }

    /// Users and notes alone, in this SQLite file.
    ///
    /// # Errors
    /// If it cannot be opened or is no database.
    pub async fn open_users(path: &Path) -> Result<Self, AppError> {
        make_private(path).map_err(|error| AppError::Internal(format!("{}: {error}", path.display())))?;
        let options = SqliteConnectOptions::new().filename(path).journal_mode(SqliteJournalMode::Wal);
        let pool = SqlitePool::connect_with(options.foreign_keys(true)).await?;
        sqlx::raw_sql(include_str!("schema_sqlite.sql")).execute(&pool).await?;
        Ok(Self::Sqlite(pool))
    }

    async fn open_postgres(url: &ServerUrl) -> Result<(Self, AuthStores), AppError> {
        let pool = PgPoolOptions::new().max_connections(10).connect(url.expose()).await?;
        // As one transaction, in which one process after the other does it.
        sqlx::raw_sql(include_str!("schema_postgres.sql")).execute(&pool).await?;
        let stores = PostgresStores::new(pool.clone());
        stores.migrate().await?;
        let auth = AuthStores {
            keys: Arc::new(stores.keys(RING)),
            sessions: Arc::new(stores.refresh()),
            revocations: Arc::new(stores.revocations()),
        };
        Ok((Self::Postgres(pool), auth))
    }
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite(_) => "Db(SQLite)",
            Self::Postgres(_) => "Db(PostgreSQL)",
        })
    }
}

/// The stores in Redis, if they are set up as they should be.
async fn redis(url: &ServerUrl) -> Result<RedisStores, AppError> {
    let failed = |error: &dyn fmt::Display| AppError::Internal(format!("REDIS_URL: {error}"));
    let client = redis::Client::open(url.expose()).map_err(|error| failed(&error))?;
    let connection = redis::aio::ConnectionManager::new(client).await.map_err(|error| failed(&error))?;
    let stores = RedisStores::new(connection).prefix("login");
    for problem in stores.check().await.map_err(|error| failed(&error))? {
        eprintln!("warning: REDIS_URL: {}; {}", problem.problem(), problem.remedy());
    }
    Ok(stores)
}

/// Makes the file, if it is not there, so that only its owner can read it. SQLite gives its other files the same mode.
fn make_private(path: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}
