//! How often somebody is asked, and what becomes of those who wait. Tokio's clock stands still but for what a test moves.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};
use tokio::task::{JoinSet, yield_now};
use tower_jwt_auth::{
    Authority, Claims, Jwt, OpaqueToken, OpaqueTokens, Reason, Revocation, Revocations, TestClock,
    TestIssuer, UnixTime, Verifier,
};

use crate::table::{ISSUER, NOW, Table, bob, clock, reason, verifier};

const SECOND: Duration = Duration::from_secs(1);

fn tokens() -> OpaqueTokens {
    OpaqueTokens::not_jwts()
}

/// Answers when it is let go, and counts how many are in it at once.
#[derive(Clone)]
struct Slow {
    table: Table,
    gate: Arc<Semaphore>,
    entered: Arc<Notify>,
    within: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Slow {
    fn new() -> Self {
        Self {
            table: Table::of(bob()),
            gate: Arc::new(Semaphore::new(0)),
            entered: Arc::default(),
            within: Arc::default(),
            most: Arc::default(),
        }
    }

    async fn look_up(self, token: OpaqueToken) -> Result<Option<Value>, Box<dyn Error + Send + Sync>> {
        let found = self.table.look_up(&token);
        let within = self.within.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(within, Ordering::SeqCst);
        self.entered.notify_one();
        self.gate.acquire().await?.forget();
        self.within.fetch_sub(1, Ordering::SeqCst);
        Ok(found)
    }

    fn verifier(&self, tokens: OpaqueTokens) -> Verifier<Claims> {
        let slow = self.clone();
        let authority = Authority::opaque(tokens, move |token| slow.clone().look_up(token));
        verifier(authority.issuer("i").any_audience(), &clock())
    }
}

/// Answers, or fails, as it is told.
fn failing(fails: &Arc<AtomicBool>, table: &Table) -> Authority {
    let (fails, table) = (Arc::clone(fails), table.clone());
    Authority::opaque(tokens(), move |token| {
        let (fails, found) = (fails.load(Ordering::SeqCst), table.look_up(&token));
        async move { if fails { Err(std::io::Error::other("the database is away")) } else { Ok(found) } }
    })
    .issuer("i")
    .any_audience()
}

async fn all(requests: &mut JoinSet<Option<Reason>>) -> (usize, usize) {
    let (mut good, mut unavailable) = (0, 0);
    while let Some(reason) = requests.join_next().await {
        match reason.unwrap() {
            None => good += 1,
            Some(Reason::RevocationUnavailable) => unavailable += 1,
            Some(other) => panic!("{other}"),
        }
    }
    (good, unavailable)
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_requests_with_one_token_ask_once() {
    let slow = Slow::new();
    let verifier = slow.verifier(tokens());
    let mut requests = JoinSet::new();
    for _ in 0..10_000 {
        let verifier = verifier.clone();
        requests.spawn(async move { reason(&verifier, "one").await });
    }
    slow.entered.notified().await;
    slow.gate.add_permits(10_000);
    assert_eq!(all(&mut requests).await, (10_000, 0));
    assert_eq!(slow.table.calls(), 1);
    // From now on it is in memory.
    assert!(verifier.verify("one").now().unwrap().is_ok());
    assert_eq!(slow.table.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_requests_with_different_garbage_are_bounded() {
    let slow = Slow::new();
    let verifier = slow.verifier(tokens());
    let mut requests = JoinSet::new();
    for number in 0..10_000 {
        let verifier = verifier.clone();
        requests.spawn(async move { reason(&verifier, &format!("garbage{number}")).await });
    }
    while slow.within.load(Ordering::SeqCst) < 32 {
        yield_now().await;
    }
    slow.gate.add_permits(10_000);
    // 32 are asked at once and 1,000 wait; the others get 503 at once.
    assert_eq!(all(&mut requests).await, (1032, 8968));
    assert_eq!(slow.table.calls(), 1032);
    assert_eq!(slow.most.load(Ordering::SeqCst), 32);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_garbage_against_one_who_hangs_is_cut_off() {
    let slow = Slow::new();
    let verifier = slow.verifier(tokens());
    let mut requests = JoinSet::new();
    for number in 0..10_000 {
        let verifier = verifier.clone();
        requests.spawn(async move { reason(&verifier, &format!("garbage{number}")).await });
    }
    assert_eq!(all(&mut requests).await, (0, 10_000));
    assert_eq!(slow.table.calls(), 32, "those that waited are not asked any longer");
    assert_eq!(reason(&verifier, "later").await, Some(Reason::RevocationUnavailable));
    assert_eq!(slow.table.calls(), 32, "nobody is asked for a while");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_hangs_up_cancels_nothing() {
    let slow = Slow::new();
    let verifier = slow.verifier(tokens());
    let first = tokio::spawn({
        let verifier = verifier.clone();
        async move { reason(&verifier, "one").await }
    });
    slow.entered.notified().await;
    let second = tokio::spawn({
        let verifier = verifier.clone();
        async move { reason(&verifier, "one").await }
    });
    yield_now().await;
    first.abort();
    yield_now().await;
    slow.gate.add_permits(1);
    assert_eq!(second.await.unwrap(), None);
    assert_eq!(slow.table.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_answer_is_kept_if_the_only_caller_hangs_up() {
    let slow = Slow::new();
    let verifier = slow.verifier(tokens());
    let only = tokio::spawn({
        let verifier = verifier.clone();
        async move { reason(&verifier, "one").await }
    });
    slow.entered.notified().await;
    only.abort();
    slow.gate.add_permits(1);
    while slow.within.load(Ordering::SeqCst) > 0 {
        yield_now().await;
    }
    yield_now().await;
    assert!(verifier.verify("one").now().unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_question_for_which_nobody_waits_is_not_asked() {
    let slow = Slow::new();
    let verifier = slow.verifier(tokens().in_flight(1));
    let ask = |token: &'static str| {
        let verifier = verifier.clone();
        tokio::spawn(async move { reason(&verifier, token).await })
    };
    let first = ask("one");
    slow.entered.notified().await;
    let second = ask("two");
    yield_now().await;
    second.abort();
    let third = ask("three");
    yield_now().await;
    slow.gate.add_permits(2);
    assert_eq!((first.await.unwrap(), third.await.unwrap()), (None, None));
    assert_eq!(slow.table.asked(), ["one", "three"]);
}

#[tokio::test(start_paused = true)]
async fn a_yes_counts_for_a_minute() {
    let table = Table::of(bob());
    let verifier = verifier(table.authority(tokens()).any_audience(), &clock());
    assert_eq!(reason(&verifier, "one").await, None);
    table.says(None);
    tokio::time::advance(60 * SECOND - Duration::from_millis(1)).await;
    assert_eq!(reason(&verifier, "one").await, None);
    assert_eq!(table.calls(), 1);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(reason(&verifier, "one").await, Some(Reason::Inactive));
    assert_eq!(table.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_no_counts_for_five_seconds() {
    let table = Table::default();
    let verifier = verifier(table.authority(tokens()).any_audience(), &clock());
    assert_eq!(reason(&verifier, "one").await, Some(Reason::Inactive));
    table.says(Some(bob()));
    tokio::time::advance(5 * SECOND - Duration::from_millis(1)).await;
    assert_eq!(verifier.verify("one").now().unwrap().unwrap_err().reason(), Reason::Inactive);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(reason(&verifier, "one").await, None);
    assert_eq!(table.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn no_answer_is_kept_beyond_its_exp() {
    let table = Table::of(json!({ "exp": NOW + 10 }));
    let clock = clock();
    let verifier = verifier(table.authority(tokens()).any_audience(), &clock);
    assert_eq!(reason(&verifier, "one").await, None);
    // By the clock, which judges each hit.
    clock.advance(9 * SECOND);
    assert!(verifier.verify("one").now().unwrap().is_ok());
    table.says(None);
    clock.advance(SECOND);
    assert_eq!(reason(&verifier, "one").await, Some(Reason::Inactive));
    assert_eq!(table.calls(), 2);
    // By the time that passes, whatever the clock is set to.
    clock.set(UnixTime::from_secs(NOW));
    table.says(Some(json!({ "exp": NOW + 10 })));
    assert_eq!(reason(&verifier, "two").await, None);
    table.says(None);
    tokio::time::advance(9 * SECOND).await;
    assert!(verifier.verify("two").now().unwrap().is_ok());
    tokio::time::advance(SECOND).await;
    assert_eq!(reason(&verifier, "two").await, Some(Reason::Inactive));
}

#[tokio::test(start_paused = true)]
async fn each_hit_is_judged_by_the_clock() {
    let table = Table::of(json!({ "iat": NOW, "nbf": NOW }));
    let clock = clock();
    let authority = table.authority(tokens().kept_for(3600 * SECOND)).any_audience().max_age(60 * SECOND);
    let verifier = verifier(authority, &clock);
    assert_eq!(reason(&verifier, "one").await, None);
    clock.advance(90 * SECOND);
    assert_eq!(verifier.verify("one").now().unwrap().unwrap_err().reason(), Reason::Expired);
    clock.set(UnixTime::from_secs(NOW - 31));
    assert_eq!(verifier.verify("one").now().unwrap().unwrap_err().reason(), Reason::NotYetValid);
}

#[tokio::test(start_paused = true)]
async fn kept_for_nothing_asks_for_each_request() {
    let table = Table::of(bob());
    let authority = table.authority(tokens().kept_for(Duration::ZERO).refusals_kept_for(Duration::ZERO));
    let verifier = verifier(authority.any_audience(), &clock());
    for calls in 1..=3 {
        assert_eq!(reason(&verifier, "one").await, None);
        assert_eq!(table.calls(), calls);
    }
    assert_eq!(reason(&verifier, "bad").await, Some(Reason::Inactive));
    assert_eq!(reason(&verifier, "bad").await, Some(Reason::Inactive));
    assert_eq!(table.calls(), 5);
}

#[tokio::test(start_paused = true)]
async fn garbage_displaces_no_good_token() {
    let table = Table::of(bob());
    let authority = table.authority(tokens().entries(32).bytes(64 * 1024)).any_audience();
    let verifier = verifier(authority, &clock());
    assert_eq!(reason(&verifier, "one").await, None);
    for number in 0..1000 {
        assert_eq!(reason(&verifier, &format!("bad{number}")).await, Some(Reason::Inactive));
    }
    assert!(verifier.verify("one").now().unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_places_are_bounded() {
    let table = Table::of(bob());
    let authority = table.authority(tokens().entries(32).bytes(64 * 1024)).any_audience();
    let verifier = verifier(authority, &clock());
    for number in 0..200 {
        assert_eq!(reason(&verifier, &format!("good{number}")).await, None);
    }
    let kept = (0..200).filter(|number| verifier.verify(&format!("good{number}")).now().is_some()).count();
    assert!((16..=64).contains(&kept), "{kept}");
}

#[tokio::test(start_paused = true)]
async fn answers_of_one_authority_do_not_count_for_another() {
    let (a, b) = (Table::of(bob()), Table::default());
    let of = |table: &Table| verifier(table.authority(tokens()).any_audience(), &clock());
    let (a, b) = (of(&a), of(&b));
    assert_eq!(reason(&a, "one").await, None);
    assert_eq!(reason(&b, "one").await, Some(Reason::Inactive));
    assert_eq!(reason(&a, "one").await, None);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_503_and_is_not_kept() {
    let (fails, table) = (Arc::new(AtomicBool::new(true)), Table::of(bob()));
    let verifier = verifier(failing(&fails, &table), &clock());
    let refused = verifier.verify("one").await.unwrap_err();
    assert_eq!(refused.reason(), Reason::RevocationUnavailable);
    assert!(refused.is_transient());
    assert_eq!(Error::source(&refused).unwrap().to_string(), "the database is away");
    fails.store(false, Ordering::SeqCst);
    assert_eq!(reason(&verifier, "one").await, None);
}

#[tokio::test(start_paused = true)]
async fn after_three_failures_nobody_is_asked_for_a_while_and_what_is_kept_serves() {
    let (fails, table) = (Arc::new(AtomicBool::new(false)), Table::of(bob()));
    let verifier = verifier(failing(&fails, &table), &clock());
    assert_eq!(reason(&verifier, "kept").await, None);
    fails.store(true, Ordering::SeqCst);
    for number in 0..1000 {
        let reason = reason(&verifier, &format!("t{number}")).await;
        assert_eq!(reason, Some(Reason::RevocationUnavailable));
    }
    assert_eq!(table.calls(), 1 + 3);
    assert!(verifier.verify("kept").now().unwrap().is_ok());
    // One goes first, and fails.
    tokio::time::advance(SECOND).await;
    for number in 0..1000 {
        assert_eq!(reason(&verifier, &format!("u{number}")).await, Some(Reason::RevocationUnavailable));
    }
    assert_eq!(table.calls(), 1 + 3 + 1);
    // A minute of it: the silences double up to ten seconds.
    for _ in 0..600 {
        tokio::time::advance(Duration::from_millis(100)).await;
        let _ = reason(&verifier, "v").await;
    }
    let calls = table.calls() - 5;
    assert!((6..=14).contains(&calls), "{calls}");
    // It heals within twelve seconds.
    fails.store(false, Ordering::SeqCst);
    tokio::time::advance(12 * SECOND).await;
    assert_eq!(reason(&verifier, "v").await, None);
    assert_eq!(reason(&verifier, "w").await, None);
}

#[tokio::test(start_paused = true)]
async fn one_who_hangs_is_waited_for_until_the_deadline() {
    let slow = Slow::new();
    let verifier = slow.verifier(tokens().answer_time(SECOND));
    let began = tokio::time::Instant::now();
    let refused = verifier.verify("one").await.unwrap_err();
    assert_eq!(refused.reason(), Reason::RevocationUnavailable);
    assert_eq!(began.elapsed().as_secs(), 1, "by a clock that stands still but for timers");
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_function_is_503_and_the_next_question_is_asked() {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let authority = Authority::opaque(tokens(), move |_| {
        let call = count.fetch_add(1, Ordering::SeqCst);
        async move {
            assert!(call > 0, "the first one panics");
            Ok::<_, std::io::Error>(Some(bob()))
        }
    });
    let verifier = verifier(authority.issuer("i").any_audience(), &clock());
    assert_eq!(reason(&verifier, "one").await, Some(Reason::RevocationUnavailable));
    assert_eq!(reason(&verifier, "one").await, None);
}

#[test]
fn without_a_runtime_it_is_503() {
    let verifier = verifier(Table::of(bob()).authority(tokens()).any_audience(), &clock());
    let refused = verifier.verify("one").now().unwrap().unwrap_err();
    assert_eq!(refused.reason(), Reason::RevocationUnavailable);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_away_hurts_no_jwt() {
    let (fails, table) = (Arc::new(AtomicBool::new(true)), Table::of(bob()));
    let clock: TestClock = clock();
    let issuer = TestIssuer::new("https://id.example.com").clock(clock.clone());
    let verifier = Verifier::<Claims>::builder()
        .authorities([issuer.authority(), failing(&fails, &table)])
        .clock(clock)
        .build()
        .unwrap();
    assert_eq!(reason(&verifier, "one").await, Some(Reason::RevocationUnavailable));
    assert!(verifier.verify(&issuer.sign(json!({}))).now().unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_revocation_is_obeyed_at_once_though_the_answer_is_kept() {
    let table = Table::of(json!({ "sub": "bob", "jti": "7" }));
    let clock = clock();
    let revocations = Revocations::builder().clock(clock.clone()).build().unwrap();
    let verifier = Verifier::<Claims>::builder()
        .authority(table.authority(tokens()).any_audience())
        .revocations(revocations.clone())
        .clock(clock)
        .build()
        .unwrap();
    let user = Jwt::principal(&verifier.verify("one").await.unwrap());
    let ended = tokio::spawn(user.ended());
    yield_now().await;
    assert!(!ended.is_finished(), "without `exp` it does not end by itself");
    let this = Revocation::token(ISSUER, "7", UnixTime::from_secs(NOW + 3600));
    revocations.revoke(this).await.unwrap();
    let refused = verifier.verify("one").now().unwrap().unwrap_err();
    assert_eq!((refused.reason(), table.calls()), (Reason::Revoked, 1));
    assert_eq!(ended.await.unwrap().reason(), Reason::Revoked);
    let text = verifier.explain("one").to_string();
    assert!(text.contains("it was revoked"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_lives_for_years_is_revoked_with_its_owner() {
    let table = Table::of(json!({ "sub": "bob", "iat": NOW - 100_000_000, "exp": NOW + 100_000_000 }));
    let clock = clock();
    let revocations = Revocations::builder().clock(clock.clone()).build().unwrap();
    let verifier = Verifier::<Claims>::builder()
        .authority(table.authority(tokens()).any_audience())
        .revocations(revocations.clone())
        .clock(clock)
        .build()
        .unwrap();
    assert_eq!(reason(&verifier, "one").await, None);
    let earlier = Revocation::subject(ISSUER, "bob").issued_before(UnixTime::from_secs(NOW - 100_000_001));
    revocations.revoke(earlier).await.unwrap();
    assert_eq!(reason(&verifier, "one").await, None);
    revocations.revoke(Revocation::subject(ISSUER, "bob")).await.unwrap();
    assert_eq!(reason(&verifier, "one").await, Some(Reason::Revoked));
}
