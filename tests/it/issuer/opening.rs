//! Opening a ring: the settings, the runtime, and stores that cannot be opened.

use std::sync::Arc;
use std::time::Duration;

use tower_jwt_auth::{Algorithm, KeyRing, KeyRingBuilder, KeyState, MemoryKeyStore, TestClock};

use super::{START, Shelf};

const MINUTE: Duration = Duration::from_secs(60);

fn builder() -> KeyRingBuilder {
    KeyRing::builder(MemoryKeyStore::new()).clock(TestClock::at(START))
}

#[tokio::test]
async fn settings_out_of_bounds_are_refused_with_a_remedy() {
    let (lead, second) = (15 * MINUTE, Duration::from_secs(1));
    type Case = (KeyRingBuilder, &'static str, &'static [&'static str]);
    let refused: Vec<Case> = vec![
        (builder().algorithm(Algorithm::HS256), "KeyRing::algorithm", &["HS256", "ES256"]),
        (builder().algorithm(Algorithm::HS512), "KeyRing::algorithm", &["HS512"]),
        (builder().publish_lead(lead - second), "publish_lead", &["899s", "15 minutes"]),
        (builder().publish_lead(Duration::ZERO), "publish_lead", &["15 minutes"]),
        (builder().publish_lead(lead).rotate_every(2 * lead - second), "rotate_every", &["1799s", "twice"]),
        (builder().rotate_every(Duration::from_secs(47 * 3600)), "rotate_every", &["86400s"]),
        (builder().publish_lead(Duration::MAX), "rotate_every", &["twice"]),
    ];
    for (builder, setting, words) in refused {
        let error = builder.open().await.unwrap_err().to_string();
        assert!(error.contains(setting), "{error}");
        words.iter().for_each(|word| assert!(error.contains(word), "{word}: {error}"));
    }
    for good in [
        builder(),
        builder().publish_lead(lead).rotate_every(2 * lead),
        builder().publish_lead(lead).rotate_by_hand(),
        builder().rotate_every(Duration::MAX),
    ] {
        let ring = good.open().await.unwrap();
        assert_eq!(ring.keys().map(|key| key.state()).collect::<Vec<_>>(), [KeyState::Signing]);
        ring.rotate().await.unwrap();
    }
}

#[test]
fn without_a_runtime_nothing_would_keep_the_ring_up_to_date() {
    let mut opening = std::pin::pin!(KeyRing::open(MemoryKeyStore::new()));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Err(error)) = opening.as_mut().poll(&mut cx) else { panic!("it was opened") };
    let error = error.to_string();
    assert!(error.contains("no tokio runtime") && error.contains("#[tokio::main]"), "{error}");
}

#[tokio::test]
async fn a_store_out_of_order_is_an_error_and_stays_as_it_is() {
    let shelf = Shelf::default();
    shelf.break_down(true);
    let error = KeyRing::open(shelf.clone()).await.unwrap_err().to_string();
    assert!(error.contains("out of order") && error.contains("mend the key store"), "{error}");
    assert_eq!(shelf.swaps(), 0);
    shelf.break_down(false);
    assert!(KeyRing::open(shelf.clone()).await.is_ok());
    assert_eq!(shelf.swaps(), 1);
}

#[tokio::test]
async fn the_usual_ring_signs_with_es256() {
    let ring = KeyRing::open(MemoryKeyStore::new()).await.unwrap();
    let key = ring.keys().next().unwrap();
    assert_eq!((key.algorithm(), key.kid().len(), key.gone_at()), (Algorithm::ES256, 43, None));
}

#[tokio::test]
async fn keys_that_are_there_stay_when_the_algorithm_changes() {
    let (store, clock) = (Arc::new(MemoryKeyStore::new()), TestClock::at(START));
    let open = |algorithm| {
        KeyRing::builder(Arc::clone(&store)).algorithm(algorithm).clock(clock.clone()).rotate_by_hand().open()
    };
    let old = open(Algorithm::ES256).await.unwrap();
    let ring = open(Algorithm::Ed25519).await.unwrap();
    assert_eq!(ring.keys().collect::<Vec<_>>(), old.keys().collect::<Vec<_>>());
    ring.rotate().await.unwrap();
    let algorithms: Vec<_> = ring.keys().map(|key| key.algorithm()).collect();
    assert_eq!(algorithms, [Algorithm::ES256, Algorithm::Ed25519]);
}

/// The task of the ring: with tokio's time, which stands still but for `advance`.
#[tokio::test(start_paused = true)]
async fn the_ring_keeps_itself_up_to_date_until_it_is_dropped() {
    let (shelf, clock) = (Shelf::default(), TestClock::at(START));
    let open = || {
        let ring = KeyRing::builder(shelf.clone()).algorithm(Algorithm::Ed25519).clock(clock.clone());
        ring.rotate_by_hand().open()
    };
    let (one, other) = (open().await.unwrap(), open().await.unwrap());
    let kid = one.rotate().await.unwrap();
    assert_eq!(other.keys().count(), 1);
    tokio::time::sleep(61 * Duration::from_secs(1)).await;
    assert!(other.keys().any(|key| key.kid() == kid), "found within a minute");

    // It goes on after a failure.
    shelf.break_down(true);
    tokio::time::sleep(MINUTE).await;
    shelf.break_down(false);
    clock.advance(Duration::from_secs(25 * 3600));
    one.rotate().await.unwrap();
    tokio::time::sleep(MINUTE).await;
    assert_eq!(other.keys().count(), 3);

    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    drop((one, other));
    tokio::time::sleep(MINUTE).await;
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), tasks - 2);
}
