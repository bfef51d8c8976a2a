//! Bounds of number and bytes.

use super::*;

fn uri(at: usize) -> String {
    format!("{LISTS}{at}")
}

fn serve(world: &World, at: usize, statuses: usize) {
    world.serve_with(8, &vec![0; statuses], json!({ "sub": uri(at) }));
}

#[tokio::test(start_paused = true)]
async fn lists_beyond_the_number_displace_the_least_used() {
    let world = World::new();
    (0..3).for_each(|at| serve(&world, at, 1));
    let verifier = world.verifier_of(world.settings().lists(2));
    let verdict_of = async |at: usize| verdict(&verifier, &world.token_of(&uri(at), 0)).await;
    assert_eq!(verdict_of(0).await, Ok(()));
    world.pass(1).await;
    assert_eq!(verdict_of(1).await, Ok(()));
    assert_eq!(verdict_of(2).await, Err(Reason::RevocationUnavailable), "both were fetched just now");
    assert_eq!(world.provider.calls(), 2);
    world.pass(11).await;
    assert_eq!(verdict_of(2).await, Ok(()));
    // A look at the one that is gone would displace another.
    for at in [1, 2] {
        assert_eq!(at_once(&verifier, &world.token_of(&uri(at), 0)), Some(Ok(())), "{at}");
    }
    assert_eq!(verdict_of(0).await, Ok(()));
    assert_eq!(world.provider.calls(), 4);
}

#[tokio::test(start_paused = true)]
async fn lists_beyond_the_memory_displace_others_and_a_longer_one_is_refused() {
    let world = World::new();
    (0..3).for_each(|at| serve(&world, at, 1000));
    let verifier = world.verifier_of(world.settings().list_bytes(1024).memory(2000));
    let verdict_of = async |at: usize, idx: u64| verdict(&verifier, &world.token_of(&uri(at), idx)).await;
    assert_eq!(verdict_of(0, 999).await, Ok(()));
    assert_eq!(verdict_of(1, 999).await, Ok(()));
    assert_eq!(verdict_of(2, 999).await, Err(Reason::RevocationUnavailable));
    world.pass(11).await;
    assert_eq!(verdict_of(2, 999).await, Ok(()));
    // The bound of one list is exact.
    for (statuses, expected) in [(1024, Ok(())), (1025, Err(Reason::RevocationUnavailable))] {
        let world = World::new();
        serve(&world, 0, statuses);
        let verifier = world.verifier_of(world.settings().list_bytes(1024).memory(1024));
        assert_eq!(verdict(&verifier, &world.token_of(&uri(0), 0)).await, expected, "{statuses}");
    }
}

/// Tokens of one issuer that name ever new lists, as an issuer does who has lost control: fetches are bounded.
#[tokio::test(start_paused = true)]
async fn ever_new_lists_are_fetched_at_a_bounded_pace() {
    let world = World::new();
    let verifier = world.verifier_of(world.settings().lists(5));
    for second in 0..50 {
        for at in 0..20 {
            let _ = verdict(&verifier, &world.token_of(&uri(second * 20 + at), 0)).await;
        }
        world.pass(1).await;
    }
    assert!(world.provider.calls() <= 5 * 6, "{} fetches for 1,000 lists", world.provider.calls());
}
