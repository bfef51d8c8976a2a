//! A removed key does not come back.

use super::*;

/// A process with a key that the provider has just withdrawn, an old token, and one of the new key.
async fn withdrawn() -> (World, Verifier<Claims>, [String; 2]) {
    let world = World::new();
    let verifier = world.start();
    verifier.warm().await.unwrap();
    let old = world.token();
    pass(20).await;
    world.provider.rotate();
    world.provider.retire_old_keys();
    let new = world.token();
    (world, verifier, [old, new])
}

const HALF: Duration = Duration::from_millis(500);

#[tokio::test(start_paused = true)]
async fn a_removal_is_written_before_it_takes_effect_and_nobody_waits_for_it() {
    let (world, verifier, [old, new]) = withdrawn().await;
    world.store.when_written(Mode::Takes(HALF));
    let start = tokio::time::Instant::now();
    assert!(accepts(&verifier, &new).await, "the unknown key causes the fetch");
    assert_eq!(start.elapsed(), Duration::ZERO, "and is there before the store has written");
    assert_eq!(world.store.kids().len(), 1);
    assert_ne!(world.store.kids(), [world.provider.kid()], "nothing is written yet");
    assert_eq!(at_once(&verifier, &old), Some(true), "so the old key is still good");
    tokio::time::sleep(HALF + Duration::from_millis(1)).await;
    assert_eq!(world.store.kids(), [world.provider.kid()]);
    assert_eq!(reason(&verifier, &old).await, Reason::UnknownKey);
    assert!(accepts(&verifier, &new).await);
    assert_eq!(health(&verifier).store_error, None);
}

/// Killed after the write and before it takes effect, or after both: it is gone.
#[tokio::test(start_paused = true)]
async fn a_crash_does_not_bring_a_removed_key_back() {
    let (world, verifier, [old, new]) = withdrawn().await;
    world.store.when_written(Mode::NeverSaysSo);
    assert!(accepts(&verifier, &new).await);
    tokio::time::sleep(HALF).await;
    assert_eq!(at_once(&verifier, &old), Some(true), "it has not taken effect");
    drop(verifier);
    world.store.when_written(Mode::Works);
    world.goes_down();
    let next = world.start();
    assert!(accepts(&next, &new).await);
    assert_eq!(reason(&next, &old).await, Reason::KeysUnavailable, "the provider cannot be asked for it");
    world.provider.heals();
    pass(61).await;
    assert_eq!(reason(&next, &old).await, Reason::UnknownKey);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_write_does_not_keep_a_removed_key_alive() {
    for mode in [Mode::Fails, Mode::Hangs, Mode::Panics] {
        let (world, verifier, [old, new]) = withdrawn().await;
        world.store.when_written(mode);
        assert!(accepts(&verifier, &new).await, "{mode:?}");
        tokio::time::sleep(Duration::from_millis(1001)).await;
        assert_eq!(reason(&verifier, &old).await, Reason::UnknownKey, "{mode:?}");
        let error = health(&verifier).store_error.unwrap();
        let why = match mode {
            Mode::Fails => "the disk is gone",
            Mode::Hangs => "did not answer within 1s",
            _ => "panicked",
        };
        assert!(error.contains(why), "{mode:?}: {error}");
        // The next fetch makes up for it.
        world.store.when_written(Mode::Works);
        pass(600).await;
        assert_eq!((health(&verifier).store_error, world.store.kids()), (None, vec![world.provider.kid()]));
    }
}

#[tokio::test(start_paused = true)]
async fn an_addition_takes_effect_before_it_is_written() {
    let world = World::new();
    let verifier = world.start();
    verifier.warm().await.unwrap();
    pass(20).await;
    world.provider.rotate();
    let (new, start) = (world.token(), tokio::time::Instant::now());
    world.store.when_written(Mode::Hangs);
    assert!(accepts(&verifier, &new).await);
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(world.store.kids().len(), 1);
    // Nor does the store delay the answer that there is no such key.
    pass(20).await;
    let start = tokio::time::Instant::now();
    assert_eq!(reason(&verifier, &copied(&world.provider, "invented")).await, Reason::UnknownKey);
    assert_eq!(start.elapsed(), Duration::ZERO);
}

/// The clock is set back by some minutes, or that of another process is ahead: what is stored seems to be newer.
#[tokio::test(start_paused = true)]
async fn a_removal_is_written_though_what_is_stored_seems_newer() {
    let world = World::new();
    world.wall.is_wrong_by(200);
    let verifier = world.start();
    verifier.warm().await.unwrap();
    let old = world.token();
    pass(1).await;
    world.wall.is_wrong_by(0);
    pass(20).await;
    world.provider.rotate();
    world.provider.retire_old_keys();
    let new = world.token();
    assert!(accepts(&verifier, &new).await);
    pass(2).await;
    assert_eq!(reason(&verifier, &old).await, Reason::UnknownKey);
    assert_eq!(health(&verifier).store_error, None);
    drop(verifier);
    world.goes_down();
    let next = world.start();
    // The old one has no kept key, and nobody else can be asked: what both agree on is nothing.
    assert_eq!(reason(&next, &old).await, Reason::KeysUnavailable);
}

/// The same, where one key stays: that one is kept.
#[tokio::test(start_paused = true)]
async fn of_two_sets_that_each_seem_newer_what_both_have_is_kept() {
    let world = World::new();
    world.provider.announce();
    world.wall.is_wrong_by(200);
    let verifier = world.start();
    verifier.warm().await.unwrap();
    let old = world.token();
    pass(1).await;
    world.wall.is_wrong_by(0);
    pass(20).await;
    world.provider.rotate();
    world.provider.retire_old_keys();
    let staying = world.token();
    world.provider.announce();
    assert!(accepts(&verifier, &staying).await);
    // A kid that is nowhere makes it fetch.
    let _ = reason(&verifier, &copied(&world.provider, "invented")).await;
    pass(2).await;
    assert_eq!(reason(&verifier, &old).await, Reason::UnknownKey);
    assert_eq!(world.store.kids(), [world.provider.kid()]);
    drop(verifier);
    world.goes_down();
    let next = world.start();
    assert!(accepts(&next, &staying).await);
    assert_eq!(reason(&next, &old).await, Reason::KeysUnavailable, "nobody can be asked for it");
}
