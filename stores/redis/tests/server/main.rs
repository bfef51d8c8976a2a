//! The stores on a real server, whose URL is in `TOWER_JWT_AUTH_REDIS`; several, of the nodes of a cluster, have commas between them.
//! `tests/stores/run` and `tests/stores/redis-cluster` start servers and run this. The tests use keys of their own, so they may run at
//! once.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)] // tests

mod check;
mod connect;
mod keys;
mod races;
mod records;
mod refresh;
mod replays;
mod revocations;
mod twice;

use std::time::Duration;

/// Asks until it is so, for what the server does by its own clock. It is no measurement: after so long it will not come.
async fn comes(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..1000 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{what} did not come");
}
