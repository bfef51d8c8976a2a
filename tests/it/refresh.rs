//! Refresh tokens: the rules, their edges, the thieves, the crashes. Most tests run on each store.

mod kills;
mod lifetimes;
mod model;
mod races;
mod rotation;
mod secrecy;
mod sessions;
mod sqlite;
mod worker;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tower_jwt_auth::{
    MemoryRefreshStore, RefreshError, RefreshStore, RefreshToken, RefreshTokens, RefreshTokensBuilder,
    Rotated, SqliteRefreshStore, TestClock, UnixTime,
};

const GRACE: Duration = Duration::from_secs(10);
const MOMENT: Duration = Duration::from_millis(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The time at which the clock of each test stands.
const START: UnixTime = UnixTime::from_secs(1_700_000_000);

/// Refresh tokens on one of the stores, with a clock that stands still.
struct World {
    clock: TestClock,
    store: Arc<dyn RefreshStore>,
    tokens: RefreshTokens,
}

impl World {
    fn new(store: Arc<dyn RefreshStore>) -> Self {
        Self::with(store, |settings| settings)
    }

    fn with(
        store: Arc<dyn RefreshStore>,
        settings: impl FnOnce(RefreshTokensBuilder) -> RefreshTokensBuilder,
    ) -> Self {
        let clock = TestClock::at(START);
        let builder = RefreshTokens::builder(Arc::clone(&store)).clock(clock.clone());
        Self { clock, store, tokens: settings(builder).build().unwrap() }
    }

    async fn login(&self) -> RefreshToken {
        self.tokens.begin("bob").await.unwrap().token
    }

    async fn rotate(&self, token: &RefreshToken) -> Result<RefreshToken, RefreshError> {
        rotate(&self.tokens, token).await
    }

    /// Each token of a session that was rotated so often, the first one first; the last one is current.
    async fn chain(&self, rotations: usize) -> Vec<RefreshToken> {
        let mut tokens = vec![self.login().await];
        for _ in 0..rotations {
            tokens.push(self.rotate(tokens.last().unwrap()).await.unwrap());
        }
        tokens
    }
}

fn stores() -> [Arc<dyn RefreshStore>; 2] {
    let connection = rusqlite::Connection::open_in_memory().unwrap();
    [Arc::new(MemoryRefreshStore::new()), Arc::new(SqliteRefreshStore::from_connection(connection).unwrap())]
}

/// Exchanges a token for a user who exists.
async fn rotate(tokens: &RefreshTokens, token: &RefreshToken) -> Result<RefreshToken, RefreshError> {
    let load = async |_| Ok::<_, Infallible>(Some(()));
    tokens.rotate(token, load).await.map(|rotated: Rotated<()>| rotated.token)
}

#[track_caller]
fn assert_same(one: &RefreshToken, other: &RefreshToken) {
    assert_eq!(one.as_str(), other.as_str());
}

#[track_caller]
fn assert_invalid<T: std::fmt::Debug>(result: Result<T, RefreshError>) {
    match result {
        Err(RefreshError::Invalid) => {}
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn assert_reused<T: std::fmt::Debug>(result: Result<T, RefreshError>) {
    match result {
        Err(RefreshError::Reused(_)) => {}
        other => panic!("{other:?}"),
    }
}
