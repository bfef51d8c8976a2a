//! Names that may be used once.

use std::fmt;
use std::time::Duration;

use tower_jwt_auth::{NowOrLater, ReplayStore, StoreError, UnixTime};

use crate::answer::is_one;
use crate::link::call_name;
use crate::script::NOTE_NAME;
use crate::{RedisStores, life};

/// A process whose clock is behind may still accept what is over for the one that noted it.
const CLOCKS: Duration = Duration::from_secs(300);

/// Notes names in Redis, which many processes share; [`RedisStores::replays`] makes it.
///
/// A name is one key, which vanishes by itself five minutes after its time: so long may the clocks of two processes differ.
#[derive(Clone)]
pub struct RedisReplayStore(RedisStores);

impl RedisReplayStore {
    pub(crate) fn new(stores: &RedisStores) -> Self {
        Self(stores.clone())
    }
}

impl ReplayStore for RedisReplayStore {
    fn insert_if_absent(&self, name: [u8; 32], expires_at: UnixTime) -> NowOrLater<Result<bool, StoreError>> {
        let this = self.clone();
        NowOrLater::later(async move {
            let life = life::of_key(&*this.0.clock, expires_at.saturating_add(CLOCKS));
            let arguments = [call_name()?, life.to_string()].map(String::into_bytes);
            let key = [this.0.prefix.replay(&name)];
            is_one(&this.0.link.run("note a name", &NOTE_NAME, &key, &arguments).await?)
        })
    }
}

impl fmt::Debug for RedisReplayStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisReplayStore({:?})", self.0.prefix.as_str())
    }
}
