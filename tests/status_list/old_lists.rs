//! Lists that are old: how long they serve, and that none comes back.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_stale_list_serves_for_the_time_that_was_set_and_then_503() {
    let world = World::new();
    world.serve_with(1, &[0, 1], json!({ "ttl": 100 }));
    let verifier = world.verifier_of(world.settings().stale(Duration::from_secs(900)));
    let (token, revoked) = (world.token(0), world.token(1));
    assert_eq!(verdict(&verifier, &token).await, Ok(()));
    world.provider.serve(LIST, Answer::HangUp);
    for _ in 0..99 {
        world.pass(10).await;
        assert_eq!(at_once(&verifier, &token), Some(Ok(())));
        assert_eq!(at_once(&verifier, &revoked), Some(Err(Reason::Revoked)));
    }
    world.pass(10).await;
    for token in [&token, &revoked] {
        let error = refusal(&verifier, token).await;
        assert_eq!(error.reason(), Reason::RevocationUnavailable, "never 401");
    }
    let calls = world.provider.calls();
    assert!((15..=25).contains(&calls), "{calls} calls in 1,000 seconds");
    world.serve(1, &[0, 1]);
    world.pass(90).await;
    assert_eq!(verdict(&verifier, &token).await, Ok(()));
}

/// Without tokens as well: who comes after a pause shall not find the list gone that the provider fails to renew.
#[tokio::test(start_paused = true)]
async fn a_stale_list_stays_though_no_token_comes() {
    let world = World::new();
    world.serve_with(1, &[0], json!({ "ttl": 100 }));
    let verifier = world.verifier();
    let token = world.token(0);
    assert_eq!(verdict(&verifier, &token).await, Ok(()));
    world.provider.serve(LIST, Answer::HangUp);
    world.pass(3600).await;
    assert_eq!(at_once(&verifier, &token), Some(Ok(())));
    world.pass(101).await;
    assert_eq!(at_once(&verifier, &token), Some(Err(Reason::RevocationUnavailable)));
}

#[tokio::test(start_paused = true)]
async fn no_list_serves_after_its_exp() {
    let world = World::new();
    let exp = world.clock.now().saturating_add(Duration::from_secs(200));
    world.serve_with(1, &[0], json!({ "ttl": 3600, "exp": exp }));
    let verifier = world.verifier();
    let token = world.token(0);
    assert_eq!(verdict(&verifier, &token).await, Ok(()));
    world.pass(150).await;
    assert_eq!(at_once(&verifier, &token), Some(Ok(())));
    world.provider.serve(LIST, Answer::HangUp);
    // 30 seconds for clocks that differ.
    world.pass(79).await;
    assert_eq!(at_once(&verifier, &token), Some(Ok(())));
    world.pass(1).await;
    assert_eq!(verdict(&verifier, &token).await, Err(Reason::RevocationUnavailable));
    world.serve(1, &[0]);
    world.pass(90).await;
    assert_eq!(verdict(&verifier, &token).await, Ok(()));
}

/// The clock jumps, such as that of a machine that slept: tokio's timers have not.
#[tokio::test(start_paused = true)]
async fn an_exp_that_passes_at_once_is_noticed_by_the_next_token() {
    let world = World::new();
    let exp = world.clock.now().saturating_add(Duration::from_secs(200));
    world.serve_with(1, &[0], json!({ "exp": exp }));
    let verifier = world.verifier();
    assert_eq!(verdict(&verifier, &world.token(0)).await, Ok(()));
    world.pass(20).await;
    world.clock.advance(Duration::from_secs(210));
    world.serve(1, &[1]);
    assert_eq!(at_once(&verifier, &world.token(0)), None);
    assert_eq!(verdict(&verifier, &world.token(0)).await, Err(Reason::Revoked));
}

#[tokio::test(start_paused = true)]
async fn lists_that_expire_at_once_are_not_fetched_for_each_token() {
    let world = World::new();
    let verifier = world.verifier();
    for _ in 0..100 {
        let exp = world.clock.now().saturating_sub(Duration::from_secs(29));
        world.serve_with(1, &[0], json!({ "exp": exp }));
        for _ in 0..10 {
            let _ = verdict(&verifier, &world.token(0)).await;
        }
        world.pass(1).await;
    }
    assert!(world.provider.calls() <= 11, "{} calls in 100 seconds", world.provider.calls());
}

#[tokio::test(start_paused = true)]
async fn max_age_counts_for_a_list_at_hand_as_well() {
    let world = World::new();
    world.serve_with(1, &[0], json!({ "ttl": 3600 }));
    let verifier = world.verifier_of(world.settings().max_age(Duration::from_secs(300)));
    assert_eq!(verdict(&verifier, &world.token(0)).await, Ok(()));
    world.provider.serve(LIST, Answer::HangUp);
    world.pass(329).await;
    assert_eq!(at_once(&verifier, &world.token(0)), Some(Ok(())));
    world.pass(1).await;
    assert_eq!(verdict(&verifier, &world.token(0)).await, Err(Reason::RevocationUnavailable));
}

#[tokio::test(start_paused = true)]
async fn an_older_list_does_not_come_back() {
    let world = World::new();
    let iat = world.clock.now().as_secs();
    let serve = |status: u8, iat: u64| world.serve_with(1, &[status], json!({ "iat": iat, "ttl": 60 }));
    let verifier = world.verifier_of(world.settings().stale(Duration::from_secs(600)));
    let token = world.token(0);
    let passes = async || {
        for _ in 0..6 {
            world.pass(10).await;
            let _ = verdict(&verifier, &token).await;
        }
    };
    serve(1, iat);
    assert_eq!(verdict(&verifier, &token).await, Err(Reason::Revoked));
    // A list of before the revocation, played back.
    serve(0, iat - 1);
    passes().await;
    assert_eq!(at_once(&verifier, &token), Some(Err(Reason::Revoked)));
    assert!(world.provider.calls() > 1);
    // Not when the one at hand is too old either.
    for _ in 0..11 {
        passes().await;
    }
    let error = refusal(&verifier, &token).await;
    assert_eq!(error.reason(), Reason::RevocationUnavailable);
    let why = std::error::Error::source(&error).unwrap().to_string();
    assert!(why.contains("older than the one before"), "{why}");
    // Two of the same second cannot be told apart.
    serve(0, iat);
    passes().await;
    passes().await;
    assert_eq!(verdict(&verifier, &token).await, Ok(()));
}
