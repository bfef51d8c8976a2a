//! A replica that cannot read its store does not trust for ever what another one has withdrawn.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tower::ServiceExt;
use tower_jwt_auth::{
    AuthError, Claims, Issuer, KeyDocument, KeyRing, KeyStore, MemoryKeyStore, NowOrLater, Reason,
    StoreError, TestClock, Verifier,
};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A store that one replica loses sight of.
#[derive(Clone, Debug, Default)]
struct Cut {
    store: Arc<MemoryKeyStore>,
    away: Arc<AtomicBool>,
}

impl KeyStore for Cut {
    fn load(&self) -> NowOrLater<Result<Option<KeyDocument>, StoreError>> {
        match self.away.load(Ordering::SeqCst) {
            true => NowOrLater::ready(Err(StoreError::new("it is away"))),
            false => self.store.load(),
        }
    }

    fn compare_and_swap(
        &self,
        expected: Option<KeyDocument>,
        new: KeyDocument,
    ) -> NowOrLater<Result<bool, StoreError>> {
        self.store.compare_and_swap(expected, new)
    }
}

#[tokio::test]
async fn a_stolen_key_is_refused_by_a_replica_without_its_store() {
    let (clock, cut) = (TestClock::now(), Cut::default());
    let open = async |store: Arc<dyn KeyStore>| {
        KeyRing::builder(store).rotate_by_hand().clock(clock.clone()).open().await.unwrap()
    };
    let issuer = |ring: &KeyRing| {
        let builder = Issuer::builder("https://id.example.com", ring.clone()).audience("api");
        builder.clock(clock.clone()).build().unwrap()
    };
    let healthy = open(Arc::clone(&cut.store) as _).await;
    let replica = open(Arc::new(cut.clone())).await;
    let verifier = Verifier::<Claims>::builder().authority(issuer(&replica).authority()).clock(clock.clone());
    let verifier = verifier.build().unwrap();
    let stolen = cut.store.load().now().unwrap().unwrap().unwrap();
    let forged = async || {
        let store = MemoryKeyStore::new();
        store.compare_and_swap(None, stolen.clone()).now().unwrap().unwrap();
        let token = issuer(&open(Arc::new(store)).await).sign(&json!({ "sub": "admin" })).unwrap();
        verifier.verify(&token).await.map(|_| ()).map_err(|error: AuthError| error.reason())
    };

    cut.away.store(true, Ordering::SeqCst);
    healthy.revoke_all().await.unwrap();
    clock.advance(DAY / 2);
    assert!(replica.refresh().await.is_err());
    assert_eq!(forged().await, Ok(()), "it cannot know yet");
    clock.advance(DAY / 2);
    assert!(replica.refresh().await.is_err());
    assert_eq!(forged().await, Err(Reason::KeysUnavailable));
    let late = tower_jwt_auth::Clock::now(&clock);
    clock.set(late.saturating_sub(DAY));
    let published = issuer(&replica).jwks_service().oneshot(http::Request::new(())).await.unwrap();
    assert_eq!(
        published.status(),
        http::StatusCode::SERVICE_UNAVAILABLE,
        "nobody is told that there are no keys"
    );
    clock.set(late);

    cut.away.store(false, Ordering::SeqCst);
    replica.refresh().await.unwrap();
    assert!(forged().await.is_err());
    healthy.refresh().await.unwrap();
    let good = issuer(&healthy).sign(&json!({ "sub": "bob" })).unwrap();
    assert!(verifier.verify(&good).await.is_ok(), "and it serves again");
}

/// A clock that ran ahead has made a key that signs in a year.
#[tokio::test]
async fn a_rotation_by_hand_does_not_wait_for_a_clock_that_ran_ahead() {
    let (store, clock) = (Arc::new(MemoryKeyStore::new()), TestClock::now());
    let ring = KeyRing::builder(Arc::clone(&store)).clock(clock.clone()).open().await.unwrap();
    let ahead = TestClock::at(tower_jwt_auth::Clock::now(&clock));
    ahead.advance(365 * DAY);
    drop(KeyRing::builder(store).clock(ahead).open().await.unwrap());
    ring.refresh().await.unwrap();

    let next = ring.rotate().await.unwrap();
    clock.advance(DAY + Duration::from_secs(1));
    ring.refresh().await.unwrap();
    let signing = ring.keys().find(|key| key.state() == tower_jwt_auth::KeyState::Signing).unwrap();
    assert_eq!(signing.kid(), next);
}
