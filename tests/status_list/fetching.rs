//! When lists are fetched, and how often.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_list_is_fetched_when_a_token_needs_it_and_then_at_hand() {
    let world = World::new();
    world.serve(2, &[0, 1, 2, 3]);
    let verifier = world.verifier();
    world.pass(10_000).await;
    assert_eq!(world.provider.calls(), 0, "nothing before the first token");
    assert_eq!(at_once(&verifier, &world.token(0)), None);
    assert_eq!(verdict(&verifier, &world.token(0)).await, Ok(()));
    for (idx, expected) in
        [(0, Ok(())), (1, Err(Reason::Revoked)), (2, Err(Reason::Revoked)), (3, Err(Reason::Revoked))]
    {
        assert_eq!(at_once(&verifier, &world.token(idx)), Some(expected), "{idx}");
    }
    let calls = world.provider.script().calls.clone();
    assert_eq!(calls, [(LIST.to_owned(), "application/statuslist+jwt", 2 * 1024 * 1024 + 16 * 1024)]);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_requests_at_once_make_one_fetch() {
    let world = World::new();
    world.serve(1, &[0, 1]);
    world.provider.latency(Duration::from_millis(100));
    let verifier = world.verifier();
    let requests = (0..1000).map(|at| {
        let (verifier, token) = (verifier.clone(), world.token(at % 2));
        tokio::spawn(async move { verdict(&verifier, &token).await })
    });
    for (at, request) in requests.collect::<Vec<_>>().into_iter().enumerate() {
        let expected = if at % 2 == 0 { Ok(()) } else { Err(Reason::Revoked) };
        assert_eq!(request.await.unwrap(), expected);
    }
    assert_eq!(world.provider.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn while_a_list_cannot_be_had_the_provider_is_spared() {
    let world = World::new();
    world.provider.serve(LIST, Answer::status(500, &[]));
    let verifier = world.verifier();
    let token = world.token(0);
    for _ in 0..600 {
        for _ in 0..10 {
            assert_eq!(verdict(&verifier, &token).await, Err(Reason::RevocationUnavailable));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // In a minute: at once, and after about 1, 2, 4, 8, 16, 32 seconds, each up to half of it earlier or later.
    let calls = world.provider.calls();
    assert!((5..=8).contains(&calls), "{calls} calls for 6,000 requests");
    world.serve(1, &[0]);
    tokio::time::sleep(Duration::from_secs(90)).await;
    assert_eq!(at_once(&verifier, &token), Some(Ok(())), "it is had without another token");
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_asks_for_a_pause_gets_it() {
    let world = World::new();
    world.provider.serve(LIST, Answer::status(503, &[("retry-after", "40")]));
    let verifier = world.verifier();
    let token = world.token(0);
    assert_eq!(verdict(&verifier, &token).await, Err(Reason::RevocationUnavailable));
    world.serve(1, &[0]);
    tokio::time::sleep(Duration::from_secs(39)).await;
    assert_eq!(at_once(&verifier, &token), Some(Err(Reason::RevocationUnavailable)), "nobody waits for it");
    assert_eq!(world.provider.calls(), 1);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(verdict(&verifier, &token).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_token_waits_for_a_slow_list_up_to_the_deadline_of_checks() {
    let world = World::new();
    world.serve(1, &[0]);
    world.provider.latency(Duration::from_secs(3));
    let verifier =
        world.builder(world.settings()).check_deadline(Duration::from_millis(700)).build().unwrap();
    let began = tokio::time::Instant::now();
    assert_eq!(verdict(&verifier, &world.token(0)).await, Err(Reason::RevocationUnavailable));
    assert_eq!(began.elapsed().as_millis(), 700);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(at_once(&verifier, &world.token(0)), Some(Ok(())), "the fetch went on without it");
    assert_eq!(world.provider.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_hangs_is_given_up() {
    let world = World::new();
    world.provider.serve(LIST, Answer::Stall);
    let lists = world.settings().fetch_time(Duration::from_secs(2));
    let verifier = world.builder(lists).check_deadline(Duration::from_secs(5)).build().unwrap();
    let began = tokio::time::Instant::now();
    let error = refusal(&verifier, &world.token(0)).await;
    assert_eq!(error.reason(), Reason::RevocationUnavailable);
    assert_eq!(began.elapsed().as_secs(), 2);
    let why = std::error::Error::source(&error).unwrap().to_string();
    assert!(why.contains("no answer within 2s"), "{why}");
    world.serve(1, &[0]);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(verdict(&verifier, &world.token(0)).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_revocation_is_seen_at_the_next_fetch_which_nobody_waits_for() {
    let world = World::new();
    world.serve_with(1, &[0], json!({ "ttl": 100 }));
    let verifier = world.verifier();
    let token = world.token(0);
    assert_eq!(verdict(&verifier, &token).await, Ok(()));
    world.serve_with(1, &[1], json!({ "ttl": 100 }));
    world.provider.latency(Duration::from_secs(1));
    for _ in 0..69 {
        world.pass(1).await;
        assert_eq!(at_once(&verifier, &token), Some(Ok(())));
    }
    world.pass(25).await;
    assert_eq!(at_once(&verifier, &token), Some(Err(Reason::Revoked)));
    assert_eq!(world.provider.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_ttl_is_believed_within_bounds() {
    let minute = Duration::from_secs(60);
    for (ttl, bounds, seconds) in [
        (json!(1), minute..=minute * 60, 60),
        (json!(86_400), minute..=minute * 60, 3600),
        (json!(1), minute / 60..=minute, 1),
        (json!(600), minute / 60..=minute, 60),
        (json!(null), minute..=minute * 60, 600),
    ] {
        let world = World::new();
        world.serve_with(1, &[0], json!({ "ttl": ttl }));
        let verifier = world.verifier_of(world.settings().ttl(bounds));
        assert_eq!(verdict(&verifier, &world.token(0)).await, Ok(()));
        let last = world.token(0);
        tokio::time::sleep(Duration::from_millis(seconds * 690)).await;
        assert_eq!((at_once(&verifier, &last), world.provider.calls()), (Some(Ok(())), 1), "{ttl}");
        tokio::time::sleep(Duration::from_millis(seconds * 220)).await;
        assert_eq!(world.provider.calls(), 2, "{ttl}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_no_token_names_is_forgotten() {
    let world = World::new();
    world.serve(1, &[0]);
    let verifier = world.verifier();
    assert_eq!(verdict(&verifier, &world.token(0)).await, Ok(()));
    world.pass(24 * 3600).await;
    assert_eq!(world.provider.calls(), 2, "once more for the token that came, then no more");
    assert_eq!(at_once(&verifier, &world.token(0)), None, "an old list is not shown to the next one");
    assert_eq!(verdict(&verifier, &world.token(0)).await, Ok(()));
    assert_eq!(world.provider.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_has_grown_is_fetched_anew() {
    let world = World::new();
    world.serve(8, &[0]);
    let verifier = world.verifier();
    assert_eq!(verdict(&verifier, &world.token(0)).await, Ok(()));
    world.serve(8, &[0, 0, 1]);
    for _ in 0..100 {
        assert_eq!(at_once(&verifier, &world.token(1)), Some(Err(Reason::InvalidClaim)), "not so soon");
    }
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(at_once(&verifier, &world.token(1)), Some(Ok(())), "it was asked for");
    assert_eq!(at_once(&verifier, &world.token(2)), Some(Err(Reason::Revoked)));
    assert_eq!(world.provider.calls(), 2);
    // Another that never will be in it: as many fetches as there are cooldowns, whoever asks how often.
    for _ in 0..100 {
        assert!(verdict(&verifier, &world.token(7)).await.is_err());
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!((10..=13).contains(&world.provider.calls()), "{}", world.provider.calls());
}

#[tokio::test(start_paused = true)]
async fn lists_do_not_hinder_each_other() {
    let world = World::new();
    let other = "https://status.example.com/lists/2";
    world.provider.serve(LIST, Answer::Stall);
    world.serve_with(1, &[0], json!({ "sub": other }));
    let verifier = world.verifier();
    let stalled = tokio::spawn({
        let (verifier, token) = (verifier.clone(), world.token(0));
        async move { verdict(&verifier, &token).await }
    });
    tokio::task::yield_now().await;
    assert_eq!(verdict(&verifier, &world.token_of(other, 0)).await, Ok(()));
    assert_eq!(stalled.await.unwrap(), Err(Reason::RevocationUnavailable));
}

/// The task of a list ends with its runtime; the next one that has a runtime starts it again.
#[test]
fn a_runtime_may_end() {
    let world = World::new();
    world.serve_with(1, &[0], json!({ "ttl": 60 }));
    let verifier = world.verifier();
    let token = world.token(0);
    let runtime =
        || tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    world.provider.latency(Duration::from_secs(1));
    // In the middle of a fetch.
    runtime().block_on(async {
        assert_eq!(verdict(&verifier, &token).await, Err(Reason::RevocationUnavailable));
    });
    world.provider.latency(Duration::ZERO);
    runtime().block_on(async {
        tokio::time::sleep(Duration::from_secs(11)).await;
        assert_eq!(verdict(&verifier, &token).await, Ok(()));
    });
    runtime().block_on(async {
        assert_eq!(at_once(&verifier, &token), Some(Ok(())));
        world.serve_with(1, &[1], json!({ "ttl": 60 }));
        tokio::time::sleep(Duration::from_secs(70)).await;
        assert_eq!(at_once(&verifier, &token), Some(Err(Reason::Revoked)), "the task goes on here");
    });
}
