//! Refresh tokens: the rules, their edges, the thieves. `stores/sql` runs the same tests on its stores, and those of crashes.

mod contract;
mod lifetimes;
mod log;
mod model;
mod rotation;
mod secrecy;
mod sessions;
mod world;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tower_jwt_auth::{MemoryRefreshStore, RefreshError, RefreshStore, RefreshToken, RefreshTokens, UnixTime};

use self::world::*;

fn stores() -> [Arc<dyn RefreshStore>; 1] {
    [Arc::new(MemoryRefreshStore::new())]
}
