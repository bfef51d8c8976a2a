//! The stores in SQLite: the rules of refresh tokens as the core tests them, its file, crashes, races.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)] // tests: a failure should stop them

#[path = "../../../../tests/it/refresh/contract.rs"]
mod contract;
#[path = "../../../../tests/it/refresh/lifetimes.rs"]
mod lifetimes;
#[path = "../../../../tests/it/refresh/rotation.rs"]
mod rotation;
#[path = "../../../../tests/it/refresh/secrecy.rs"]
mod secrecy;
#[path = "../../../../tests/it/refresh/sessions.rs"]
mod sessions;
#[path = "../../../../tests/it/refresh/world.rs"]
mod world;

mod clean_up;
#[path = "../both/conforms.rs"]
mod conforms;
mod file;
#[path = "../both/fresh.rs"]
mod fresh;
mod keys;
mod kills;
mod races;
mod worker;

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
use tower_jwt_auth::{RefreshError, RefreshStore, RefreshToken, RefreshTokens, StoreError, UnixTime};
use tower_jwt_auth_sql::SqliteStores;

use self::fresh::Fresh;
use self::world::*;

fn stores() -> [Arc<dyn RefreshStore>; 1] {
    [Arc::new(Fresh::new(|| {
        Box::pin(async {
            let folder = tempfile::tempdir().unwrap();
            let stores = SqliteStores::open(folder.path().join("auth.db")).await.unwrap();
            (Arc::new(stores.refresh()) as Arc<dyn RefreshStore>, Box::new(folder) as Box<_>)
        })
    }))]
}

/// The sessions in this file.
async fn open(path: &Path) -> World {
    World::new(Arc::new(SqliteStores::open(path).await.unwrap().refresh()))
}

/// Somebody else who has the file open.
async fn connect(path: &Path) -> SqliteConnection {
    SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(path)).await.unwrap()
}

/// Runs statements, as somebody else does.
async fn execute(path: &Path, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connect(path).await).await.unwrap();
}

/// A pool of one, as an application may have it.
fn pool(path: &Path) -> SqlitePool {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    SqlitePoolOptions::new().max_connections(1).connect_lazy_with(options)
}

/// A place for a database.
struct Place(tempfile::TempDir);

impl Place {
    async fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> std::path::PathBuf {
        self.0.path().join("auth.db")
    }

    async fn open(&self) -> SqliteStores {
        SqliteStores::open(self.path()).await.unwrap()
    }

    /// Another database is at the place, as after a restart without the disk.
    async fn lose_everything(&self) {
        let mut drop_all = String::new();
        for table in ["migrations", "refresh", "keys", "revocations", "log", "replays"] {
            drop_all += &format!("DROP TABLE tower_jwt_auth_{table};");
        }
        execute(&self.path(), &drop_all).await;
        self.open().await;
    }
}
