//! The stores when the server is killed, halted, or comes back empty. `tests/stores/redis-outages` starts the server and runs them, one
//! after the other: `durable` with an append-only file, `empty` without persistence, `hang` with either.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)] // tests

mod durable;
mod empty;
mod hang;

use std::env;
use std::process::Command;
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use tower_jwt_auth::{Clock, SystemClock, UnixTime};
use tower_jwt_auth_redis::RedisStores;

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run tests/stores/redis-outages"))
}

/// `kill` (with SIGKILL), `start`, `halt` (SIGSTOP) or `go` (SIGCONT).
fn server(task: &str) {
    let done = Command::new(variable("TOWER_JWT_AUTH_REDIS_CONTROL")).arg(task).status().unwrap();
    assert!(done.success(), "{task}: {done}");
}

async fn manager() -> ConnectionManager {
    let client = redis::Client::open(variable("TOWER_JWT_AUTH_REDIS")).unwrap();
    // It connects anew as often as it takes, and soon.
    let config = ConnectionManagerConfig::new().set_max_delay(Duration::from_millis(100));
    ConnectionManager::new_with_config(client, config).await.unwrap()
}

async fn stores(prefix: &str) -> RedisStores {
    RedisStores::new(manager().await).prefix(prefix)
}

fn prefix() -> String {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).unwrap();
    format!("test-{:016x}", u64::from_be_bytes(bytes))
}

fn in_an_hour() -> UnixTime {
    SystemClock.now().saturating_add(Duration::from_secs(3600))
}

/// Asks until it is so. It is no measurement: after so long it will not come.
async fn comes(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..1500 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{what} did not come");
}
