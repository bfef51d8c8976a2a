//! The stores in PostgreSQL, on a server whose URL is in `TOWER_JWT_AUTH_POSTGRES`: the rules of refresh tokens as the core tests
//! them, races, locks that others hold, backups. Each test makes a schema of its own, so the user of the URL is to be a superuser.

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

#[path = "../both/conforms.rs"]
mod conforms;
#[path = "../both/fresh.rs"]
mod fresh;
mod log;
mod races;
mod server;
mod tables;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use tower_jwt_auth::{RefreshStore, RefreshToken, RefreshTokens, UnixTime};
use tower_jwt_auth_sql::PostgresStores;

use self::fresh::Fresh;
use self::world::*;

fn stores() -> [Arc<dyn RefreshStore>; 1] {
    [Arc::new(Fresh::new(|| {
        Box::pin(async {
            let place = Place::new().await;
            let store = place.open().await.refresh();
            (Arc::new(store) as Arc<dyn RefreshStore>, Box::new(place) as Box<_>)
        })
    }))]
}

/// A schema of its own on the server.
struct Place {
    options: PgConnectOptions,
    pool: PgPool,
}

impl Place {
    async fn new() -> Self {
        let url =
            std::env::var("TOWER_JWT_AUTH_POSTGRES").expect("the URL of a server: see tests/stores/run");
        let options: PgConnectOptions = url.parse().unwrap();
        let pool = PgPoolOptions::new().max_connections(1).connect_with(options.clone()).await.unwrap();
        let (schema,): (String,) = sqlx::query_as("SELECT 's' || replace(gen_random_uuid()::text, '-', '')")
            .fetch_one(&pool)
            .await
            .unwrap();
        let create = AssertSqlSafe(format!("CREATE SCHEMA {schema}"));
        sqlx::raw_sql(create).execute(&pool).await.unwrap();
        pool.close().await;
        // By the name the server's own tables tell these connections from those of other tests.
        let options = options.application_name(&schema).options([("search_path", schema)]);
        let pool = PgPoolOptions::new().max_connections(2).connect_lazy_with(options.clone());
        Self { options, pool }
    }

    /// Another process, with a pool of its own.
    fn pool(&self, connections: u32) -> PgPool {
        PgPoolOptions::new().max_connections(connections).connect_lazy_with(self.options.clone())
    }

    async fn open(&self) -> PostgresStores {
        let stores = PostgresStores::new(self.pool(4));
        stores.migrate().await.unwrap();
        stores
    }

    /// Runs statements, as somebody else does.
    async fn execute(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&self.pool).await.unwrap();
    }

    async fn number(&self, sql: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&self.pool).await.unwrap()
    }

    /// Other tables are at the place, as in a database that was made anew.
    async fn lose_everything(&self) {
        for table in ["migrations", "refresh", "keys", "revocations", "log", "replays"] {
            self.execute(&format!("DROP TABLE tower_jwt_auth_{table}")).await;
        }
        self.open().await;
    }
}
