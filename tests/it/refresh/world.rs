//! Refresh tokens with a clock that stands still. `stores/sql` runs the tests of this folder on its stores, so it takes this
//! file too.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tower_jwt_auth::{
    RefreshError, RefreshStore, RefreshToken, RefreshTokens, RefreshTokensBuilder, Rotated, TestClock,
    UnixTime,
};

pub(crate) const GRACE: Duration = Duration::from_secs(10);
pub(crate) const MOMENT: Duration = Duration::from_millis(1);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The time at which the clock of each test stands.
pub(crate) const START: UnixTime = UnixTime::from_secs(1_700_000_000);

/// Refresh tokens on one of the stores, with a clock that stands still.
pub(crate) struct World {
    pub(crate) clock: TestClock,
    pub(crate) store: Arc<dyn RefreshStore>,
    pub(crate) tokens: RefreshTokens,
}

impl World {
    pub(crate) fn new(store: Arc<dyn RefreshStore>) -> Self {
        Self::with(store, |settings| settings)
    }

    pub(crate) fn with(
        store: Arc<dyn RefreshStore>,
        settings: impl FnOnce(RefreshTokensBuilder) -> RefreshTokensBuilder,
    ) -> Self {
        let clock = TestClock::at(START);
        let builder = RefreshTokens::builder(Arc::clone(&store)).clock(clock.clone());
        Self { clock, store, tokens: settings(builder).build().unwrap() }
    }

    pub(crate) async fn login(&self) -> RefreshToken {
        self.tokens.begin("bob").await.unwrap().token
    }

    pub(crate) async fn rotate(&self, token: &RefreshToken) -> Result<RefreshToken, RefreshError> {
        rotate(&self.tokens, token).await
    }

    /// Each token of a session that was rotated so often, the first one first; the last one is current.
    pub(crate) async fn chain(&self, rotations: usize) -> Vec<RefreshToken> {
        let mut tokens = vec![self.login().await];
        for _ in 0..rotations {
            tokens.push(self.rotate(tokens.last().unwrap()).await.unwrap());
        }
        tokens
    }
}

/// Exchanges a token for a user who exists.
pub(crate) async fn rotate(
    tokens: &RefreshTokens,
    token: &RefreshToken,
) -> Result<RefreshToken, RefreshError> {
    let load = async |_| Ok::<_, Infallible>(Some(()));
    tokens.rotate(token, load).await.map(|rotated: Rotated<()>| rotated.token)
}

#[track_caller]
pub(crate) fn assert_same(one: &RefreshToken, other: &RefreshToken) {
    assert_eq!(one.as_str(), other.as_str());
}

#[track_caller]
pub(crate) fn assert_invalid<T: std::fmt::Debug>(result: Result<T, RefreshError>) {
    match result {
        Err(RefreshError::Invalid) => {}
        other => panic!("{other:?}"),
    }
}

#[track_caller]
pub(crate) fn assert_reused<T: std::fmt::Debug>(result: Result<T, RefreshError>) {
    match result {
        Err(RefreshError::Reused(_)) => {}
        other => panic!("{other:?}"),
    }
}
