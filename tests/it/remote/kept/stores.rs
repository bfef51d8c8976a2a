//! Stores that fail, and stores that are shared.

use tower_jwt_auth::KeyRing;

use super::*;
use crate::services::hangs_up_after;

#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_be_read_stops_nobody() {
    for mode in [Mode::Fails, Mode::Hangs, Mode::Panics] {
        let world = World::after_one().await;
        world.store.when_read(mode);
        let start = tokio::time::Instant::now();
        let verifier = world.start();
        assert!(accepts(&verifier, &world.token()).await, "{mode:?}: the provider is asked");
        assert!(start.elapsed() <= Duration::from_secs(1), "{mode:?}: {:?}", start.elapsed());
        // What cannot be read is not written over either.
        pass(600).await;
        assert!(health(&verifier).store_error.is_some(), "{mode:?}");
        let before = world.store.stored();
        pass(600).await;
        assert_eq!(world.store.stored(), before, "{mode:?}");
        assert_eq!(at_once(&verifier, &world.token()), Some(true), "{mode:?}");
        world.store.when_read(Mode::Works);
        pass(600).await;
        assert_eq!(health(&verifier).store_error, None, "{mode:?}");
        assert_ne!(world.store.stored(), before, "{mode:?}");
    }
}

/// The longest way: a slow store, whose keys lack the token's, so that it asks once more and waits for the provider.
#[tokio::test(start_paused = true)]
async fn a_client_that_hangs_up_cancels_no_restoring() {
    for polls in 0.. {
        let world = World::after_one().await;
        let calls = world.provider.jwks_calls();
        let old = world.token();
        world.provider.rotate();
        let time = Duration::from_millis(450);
        world.provider.latency(time);
        world.store.when_read(Mode::Takes(time));
        let (verifier, new) = (world.start(), world.token());
        let answered = hangs_up_after(polls, verifier.verify(&new)).await;
        assert_eq!(answered, polls > 14, "after {polls} polls");
        let restored = Duration::from_millis(100 * polls as u64) >= time;
        assert_eq!(
            at_once(&verifier, &old),
            restored.then_some(true),
            "{polls}: kept keys wait for no provider"
        );
        pass(3).await;
        assert_eq!(at_once(&verifier, &new), Some(true), "hung up after {polls} polls");
        assert_eq!(world.provider.jwks_calls(), calls + 1, "{polls}");
        if answered {
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_comes_back_during_an_outage_still_helps() {
    let world = World::after_one().await;
    world.goes_down();
    world.store.when_read(Mode::Fails);
    let verifier = world.start();
    assert_eq!(reason(&verifier, &world.token()).await, Reason::KeysUnavailable);
    world.store.when_read(Mode::Works);
    pass(3).await;
    assert!(accepts(&verifier, &world.token()).await);
    assert_eq!(health(&verifier).store_error, None);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_be_written_is_told_of() {
    let world = World::new();
    world.store.when_written(Mode::Fails);
    let verifier = world.start();
    assert!(accepts(&verifier, &world.token()).await);
    pass(1).await;
    assert_eq!(health(&verifier).store_error.as_deref(), Some("the disk is gone"));
    assert_eq!((health(&verifier).last_error, world.store.stored()), (None, None));
}

/// It asks first, and is answered last; the other one has meanwhile fetched what is newer.
#[tokio::test(start_paused = true)]
async fn of_two_processes_neither_brings_back_what_the_other_saw_removed() {
    let world = World::new();
    world.provider.latency(Duration::from_secs(2));
    let slow = world.start_with(world.provider.oidc_keys());
    let waits = tokio::spawn({
        let (slow, token) = (slow.clone(), world.token());
        async move { accepts(&slow, &token).await }
    });
    pass(3).await; // the discovery document is there; the set is on its way, as it is now
    world.provider.latency(Duration::ZERO);
    world.provider.rotate();
    let quick = world.start();
    assert!(accepts(&quick, &world.token()).await);
    pass(0).await;
    assert_eq!(world.store.kids().len(), 2);
    pass(2).await;
    assert_eq!(health(&slow).keys, 1, "the slow one has the older set");
    // By the clocks alone nobody knows which of the two is the later one, so what both have is kept.
    assert_eq!(world.store.kids().len(), 1);
    drop(waits);
    pass(600).await;
    assert_eq!(world.store.kids().len(), 2, "with the next fetch");
}

#[tokio::test(start_paused = true)]
async fn who_loses_a_swap_reads_again() {
    // What another one wrote meanwhile is older, newer, or nothing that can be read.
    for (fetched_at, written) in [(Some(-60), true), (Some(60), false), (None, true)] {
        let world = World::after_one().await;
        let mut other = world.store.json();
        pass(60).await;
        let now = world.wall.now().as_secs();
        other["fetched_at"] = fetched_at.map_or(Value::Null, |by: i64| json!(now.saturating_add_signed(by)));
        let other = KeyDocument::from_bytes(other.to_string().into_bytes());
        *world.store.intruder.lock().unwrap() = Some(other.clone());
        let verifier = world.start();
        assert!(accepts(&verifier, &world.token()).await);
        pass(1).await;
        assert_eq!(world.store.stored().unwrap() != other, written, "{fetched_at:?}");
        assert_eq!(health(&verifier).store_error, None, "{fetched_at:?}");
    }
}

/// Many processes on one file: whatever the order, the document is whole, and none has failed.
#[tokio::test(start_paused = true)]
async fn many_processes_share_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let world = World::of(FileKeyStore::new(directory.path().join("keys.json")));
    let processes: Vec<_> = (0..8).map(|_| world.start()).collect();
    let starts = processes.iter().cloned().map(|process| {
        tokio::spawn(async move {
            process.warm().await.unwrap();
        })
    });
    for start in starts.collect::<Vec<_>>() {
        start.await.unwrap();
    }
    world.provider.rotate();
    world.provider.retire_old_keys();
    pass(HOUR).await;
    for process in &processes {
        assert_eq!(health(process).store_error, None);
    }
    drop(processes);
    world.goes_down();
    let next = world.start();
    assert!(accepts(&next, &world.token()).await);
    assert_eq!(health(&next).keys, 1);
}

/// A slip in the configuration must not cost a ring its keys.
#[tokio::test(start_paused = true)]
async fn the_store_of_a_ring_is_not_written_over() {
    let world = World::new();
    let ring = KeyRing::open(Arc::clone(&world.store)).await.unwrap();
    let keys = world.store.stored().unwrap();
    drop(ring);
    for damaged in [false, true] {
        let mut document = keys.as_bytes().to_vec();
        if damaged {
            document.truncate(document.len() - 1);
        }
        world.store.plant(&document);
        let verifier = world.start();
        assert!(accepts(&verifier, &world.token()).await);
        pass(1).await;
        let error = health(&verifier).store_error.unwrap();
        assert!(error.contains("key ring") && error.contains("store of its own"), "{error}");
        assert_eq!(world.store.stored().unwrap().as_bytes(), document);
    }
    // Nor is a ring content with fetched keys.
    let world = World::after_one().await;
    KeyRing::open(Arc::clone(&world.store)).await.unwrap_err();
}

const HALF: Duration = Duration::from_millis(500);

/// A runtime that ends while the store is asked leaves the next one as it was.
#[test]
fn a_restore_that_ended_with_its_runtime_is_made_again() {
    let runtime =
        || tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let world = runtime().block_on(World::after_one());
    world.goes_down();
    let verifier = world.start();
    world.store.when_read(Mode::Hangs);
    runtime().block_on(async {
        let waits = verifier.verify(&world.token());
        assert!(tokio::time::timeout(HALF, waits).await.is_err());
    });
    world.store.when_read(Mode::Works);
    runtime().block_on(async { assert!(accepts(&verifier, &world.token()).await) });
}

/// The words by which a ring's document is known, in a provider's set.
#[tokio::test(start_paused = true)]
async fn a_set_with_the_words_of_a_ring_is_no_ring() {
    let world = World::after_one().await;
    world.store.change(|document| document["jwks"]["note"] = json!("tower-jwt-auth key ring"));
    pass(60).await;
    let verifier = world.start();
    assert!(accepts(&verifier, &world.token()).await);
    pass(1).await;
    assert_eq!(health(&verifier).store_error, None);
    assert!(world.store.json()["jwks"]["note"].is_null(), "it was written over");
}
