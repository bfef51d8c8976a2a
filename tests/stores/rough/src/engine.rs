//! A store of each kind, by a URL: `redis://`, `postgres://`, or the path of a file of SQLite.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use sqlx::postgres::PgPoolOptions;
use tower_jwt_auth::{KeyStore, RefreshStore, ReplayStore, RevocationStore};
use tower_jwt_auth_redis::RedisStores;
use tower_jwt_auth_sql::{PostgresStores, SqliteStores};

use crate::Failure;
use crate::clock::Ahead;

/// One process's way to an engine.
#[derive(Clone)]
pub(crate) struct Stores {
    pub(crate) refresh: Arc<dyn RefreshStore>,
    pub(crate) keys: Arc<dyn KeyStore>,
    pub(crate) revocations: Arc<dyn RevocationStore>,
    pub(crate) replays: Arc<dyn ReplayStore>,
}

/// Opens the stores; `name` is that of the document of keys.
pub(crate) async fn open(url: &str, name: &str, clock: Ahead) -> Result<Stores, Failure> {
    macro_rules! of {
        ($stores:expr) => {{
            let stores = $stores;
            Stores {
                refresh: Arc::new(stores.refresh()),
                keys: Arc::new(stores.keys(name)),
                revocations: Arc::new(stores.revocations()),
                replays: Arc::new(stores.replays()),
            }
        }};
    }
    Ok(if url.starts_with("redis://") {
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(Duration::from_secs(2)))
            .set_connection_timeout(Some(Duration::from_secs(2)))
            .set_number_of_retries(1);
        let manager = ConnectionManager::new_with_config(redis::Client::open(url)?, config).await?;
        of!(RedisStores::new(manager).prefix("rough").clock(clock))
    } else if url.starts_with("postgres://") {
        let pool = PgPoolOptions::new().max_connections(8).connect_lazy(url)?;
        let stores = PostgresStores::new(pool).timeout(Duration::from_secs(3));
        stores.migrate().await?;
        of!(stores)
    } else {
        of!(SqliteStores::open(url).await?)
    })
}
