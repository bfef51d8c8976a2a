//! A process follows its store: it misses nothing, knows how old its view is, and outlives what can happen to a store.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tower_jwt_auth::{
    LogPosition, MemoryRevocationStore, NowOrLater, Revocation, RevocationPage, RevocationRecord,
    RevocationStore, StoreError, WhenStale,
};

use http_body_util::BodyExt;
use tower::ServiceExt;

use super::*;

const MAX_AGE: Duration = Duration::from_secs(30);

/// A store on which tests play tricks.
#[derive(Clone, Debug, Default)]
struct Tricky {
    log: MemoryRevocationStore,
    mood: Arc<AtomicUsize>,
    reads: Arc<AtomicUsize>,
}

const WELL: usize = 0;
const FAILS: usize = 1;
const HANGS: usize = 2;
const NEVER_WAITS: usize = 3;
const REFUSES_POISON: usize = 4;
const SLOW: usize = 5;
const READ_ONLY: usize = 6;
const HANGS_ON_WRITES: usize = 7;

impl Tricky {
    fn becomes(&self, mood: usize) {
        self.mood.store(mood, Ordering::SeqCst);
    }

    fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }
}

impl RevocationStore for Tricky {
    fn append(&self, records: Vec<RevocationRecord>) -> NowOrLater<Result<(), StoreError>> {
        match self.mood.load(Ordering::SeqCst) {
            FAILS | READ_ONLY => NowOrLater::ready(Err(StoreError::new("no space"))),
            SLOW => {
                let log = self.log.clone();
                NowOrLater::later(async move {
                    tokio::time::sleep(Duration::from_millis(700)).await;
                    log.append(records).await
                })
            }
            HANGS | HANGS_ON_WRITES => NowOrLater::later(std::future::pending()),
            REFUSES_POISON if records.iter().any(|record| format!("{record:?}").contains("poison")) => {
                NowOrLater::ready(Err(StoreError::new("no such text")))
            }
            _ => self.log.append(records),
        }
    }

    fn read(
        &self,
        after: Option<LogPosition>,
        wait: Duration,
    ) -> NowOrLater<Result<RevocationPage, StoreError>> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        match self.mood.load(Ordering::SeqCst) {
            FAILS => NowOrLater::ready(Err(StoreError::new("connection refused"))),
            HANGS => NowOrLater::later(std::future::pending()),
            NEVER_WAITS => self.log.read(after, Duration::ZERO),
            _ => self.log.read(after, wait),
        }
    }

    fn remove_expired(&self, now: UnixTime) -> NowOrLater<Result<(), StoreError>> {
        self.log.remove_expired(now)
    }
}

fn following(store: &Tricky, clock: &TestClock, when_stale: WhenStale) -> World {
    World::at(clock.clone(), |builder| builder.store(store.clone()).max_age(MAX_AGE, when_stale))
}

/// Lets time pass for timers and clock alike, in small steps, so that a task can do in it what it wants to.
async fn pass(clock: &TestClock, span: Duration) {
    let step = span.min(Duration::from_millis(100));
    let mut passed = Duration::ZERO;
    while passed < span {
        clock.advance(step);
        tokio::time::sleep(step).await;
        passed += step;
    }
}

#[tokio::test(start_paused = true)]
async fn a_revocation_reaches_all_processes() {
    let (store, clock) = (Tricky::default(), TestClock::at(START));
    let [a, b, c] = [(); 3].map(|()| following(&store, &clock, WhenStale::Refuse));
    let token = a.token(json!({}));
    for world in [&a, &b, &c] {
        world.revocations.ready().await;
    }
    b.revocations.revoke(Revocation::session(ISSUER, "s1")).await.unwrap();
    assert_eq!(b.reason_of(&a, &token), Some(Reason::Revoked), "at once where it was said");
    pass(&clock, Duration::from_millis(100)).await;
    for world in [&a, &c] {
        assert_eq!(world.reason_of(&a, &token), Some(Reason::Revoked));
    }
}

impl World {
    /// What this process says of a token of that one's issuer.
    fn reason_of(&self, other: &Self, token: &str) -> Option<Reason> {
        let verifier = verifier(&other.issuer, &self.clock, &self.revocations);
        verifier.verify(token).now().unwrap().err().map(|refused| refused.reason())
    }
}

/// A store that waits for news has nothing to wait for at first.
#[tokio::test(start_paused = true)]
async fn an_empty_log_is_known_at_once() {
    let started = tokio::time::Instant::now();
    let world =
        World::with(|builder| builder.store(MemoryRevocationStore::new()).max_age(HOUR, WhenStale::Refuse));
    world.revocations.ready().await;
    assert_eq!(started.elapsed(), Duration::ZERO);
    assert_eq!(world.reason(&world.token(json!({}))), None);
}

/// A process that starts late reads all pages before it takes a token, while more is appended.
#[tokio::test(start_paused = true)]
async fn a_late_process_catches_up_and_misses_nothing() {
    let (store, clock) = (Tricky::default(), TestClock::at(START));
    let first = following(&store, &clock, WhenStale::Refuse);
    let sessions =
        |range: std::ops::Range<usize>| range.map(|n| Revocation::session(ISSUER, format!("s{n}")));
    first.revocations.revoke_all(sessions(0..2500)).await.unwrap();

    let late = following(&store, &clock, WhenStale::Refuse);
    let token = |n: usize| late.token(json!({ "sid": format!("s{n}") }));
    assert_eq!(late.reason(&token(0)), Some(Reason::RevocationUnavailable), "nothing was read yet");
    assert_eq!(late.revocations.health().age, None);
    let ready = late.revocations.ready();
    first.revocations.revoke_all(sessions(2500..2600)).await.unwrap();
    ready.await;
    pass(&clock, SECOND).await;
    assert_eq!(late.revocations.health().entries, 2600);
    for n in [0, 999, 1000, 1001, 1999, 2000, 2499, 2500, 2599] {
        assert_eq!(late.reason(&token(n)), Some(Reason::Revoked), "{n}");
    }
    assert_eq!(late.reason(&token(2600)), None);
}

#[tokio::test(start_paused = true)]
async fn a_view_that_is_too_old_refuses_or_serves_as_was_said() {
    let (store, clock) = (Tricky::default(), TestClock::at(START));
    let strict = following(&store, &clock, WhenStale::Refuse);
    let lenient = following(&store, &clock, WhenStale::ServeOn);
    let token = strict.token(json!({}));
    // Before the first view.
    assert_eq!(strict.reason(&token), Some(Reason::RevocationUnavailable));
    assert_eq!(lenient.reason_of(&strict, &token), None);
    for world in [&strict, &lenient] {
        world.revocations.ready().await;
        world.revocations.revoke(Revocation::session(ISSUER, "gone")).await.unwrap();
    }
    let gone = strict.token(json!({ "sid": "gone" }));

    store.becomes(HANGS);
    pass(&clock, 6 * SECOND).await; // what is read now hangs
    let age = strict.revocations.health().age.unwrap();
    tokio::time::advance(MAX_AGE - age).await;
    assert_eq!(strict.reason(&token), None, "at the edge");
    assert!(!strict.revocations.health().is_stale);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(strict.reason(&token), Some(Reason::RevocationUnavailable));
    clock.set(START); // a clock that is set back makes nothing fresh
    assert_eq!(strict.reason(&token), Some(Reason::RevocationUnavailable));
    assert_eq!(strict.verify(&token).unwrap_err().reason().status(), 503);
    assert!(strict.revocations.health().refuses);
    assert_eq!(lenient.reason_of(&strict, &token), None);
    assert_eq!(lenient.reason_of(&strict, &gone), Some(Reason::Revoked), "what is known counts");
    let health = lenient.revocations.health();
    assert!(health.is_stale && !health.refuses);

    store.becomes(WELL);
    pass(&clock, 15 * SECOND).await;
    assert_eq!(strict.reason(&token), None, "{:?}", strict.revocations.health());
}

#[tokio::test(start_paused = true)]
async fn what_goes_wrong_is_told_and_mends_itself() {
    let (store, clock) = (Tricky::default(), TestClock::at(START));
    let world = following(&store, &clock, WhenStale::Refuse);
    world.revocations.ready().await;
    for (mood, told) in [(FAILS, "connection refused"), (HANGS, "elapsed")] {
        store.becomes(mood);
        pass(&clock, 20 * SECOND).await;
        let error = world.revocations.health().last_error.unwrap_or_default();
        assert!(error.contains(told), "{error:?}");
        store.becomes(WELL);
        pass(&clock, 15 * SECOND).await;
        assert_eq!(world.revocations.health().last_error, None);
    }
}

/// The shortest age that can be set: a healthy store on which nothing happens keeps the view fresh.
#[tokio::test(start_paused = true)]
async fn a_calm_store_keeps_the_view_fresh() {
    let (store, clock) = (Tricky::default(), TestClock::at(START));
    let world = World::at(clock.clone(), |builder| {
        builder.store(store.clone()).max_age(2 * SECOND, WhenStale::Refuse)
    });
    world.revocations.ready().await;
    let token = world.token(json!({}));
    for _ in 0..60 {
        pass(&clock, SECOND / 2).await;
        assert_eq!(world.reason(&token), None, "{:?}", world.revocations.health());
    }
    assert!(store.reads() < 60, "{}", store.reads());
}

/// A hundred revocations a second are read a few at a time.
#[tokio::test(start_paused = true)]
async fn a_busy_store_is_not_read_for_each_revocation() {
    let (store, clock) = (Tricky::default(), TestClock::at(START));
    let [world, other] = [(); 2].map(|()| following(&store, &clock, WhenStale::Refuse));
    world.revocations.ready().await;
    other.revocations.ready().await;
    let before = store.reads();
    for n in 0..100 {
        other.revocations.revoke(Revocation::session(ISSUER, n.to_string())).await.unwrap();
        pass(&clock, Duration::from_millis(10)).await;
    }
    pass(&clock, SECOND).await;
    assert_eq!(world.revocations.health().entries, 100);
    assert!(store.reads() - before < 40, "{}", store.reads() - before);
}

/// A store that is down is not asked all the time, and neither is one that does not wait.
#[tokio::test(start_paused = true)]
async fn a_store_is_not_hammered() {
    for (mood, most) in [(FAILS, 60), (NEVER_WAITS, 8 * 60)] {
        let (store, clock) = (Tricky::default(), TestClock::at(START));
        store.becomes(mood);
        let _world = following(&store, &clock, WhenStale::ServeOn);
        pass(&clock, 60 * SECOND).await;
        assert!((10..=most).contains(&store.reads()), "{mood}: {} reads in a minute", store.reads());
    }
}

#[tokio::test(start_paused = true)]
async fn a_revocation_that_is_not_stored_holds_here_and_is_told() {
    let (store, clock) = (Tricky::default(), TestClock::at(START));
    let world = following(&store, &clock, WhenStale::Refuse);
    world.revocations.ready().await;
    let token = world.token(json!({}));
    store.becomes(FAILS);
    let error = world.revocations.revoke(Revocation::session(ISSUER, "s1")).await.unwrap_err();
    assert_eq!(error.to_string(), "no space");
    assert_eq!(world.reason(&token), Some(Reason::Revoked));

    // It goes on trying, and in the end the others know.
    let other = following(&store, &clock, WhenStale::ServeOn);
    pass(&clock, 20 * SECOND).await;
    assert_eq!(other.reason_of(&world, &token), None);
    store.becomes(WELL);
    pass(&clock, 20 * SECOND).await;
    assert_eq!(other.reason_of(&world, &token), Some(Reason::Revoked));
    assert_eq!(format!("{:?}", store.log), "MemoryRevocationStore(1 records)", "appended once");
}

/// A record that is on its way is not sent a second time by the task that follows the store.
#[tokio::test(start_paused = true)]
async fn what_is_stored_is_stored_once() {
    let (store, clock) = (Tricky::default(), TestClock::at(START));
    let [here, other] = [(); 2].map(|()| following(&store, &clock, WhenStale::Refuse));
    here.revocations.ready().await;
    store.becomes(SLOW);
    for n in 0..20 {
        let there = other.revocations.revoke(Revocation::session(ISSUER, format!("there-{n}")));
        let here = here.revocations.revoke(Revocation::session(ISSUER, format!("here-{n}")));
        let (there, here) = tokio::join!(there, here);
        assert!(there.is_ok() && here.is_ok());
    }
    pass(&clock, 10 * SECOND).await;
    assert_eq!(format!("{:?}", store.log), "MemoryRevocationStore(40 records)");
}

/// The store lost everything and is away again when it is to be filled: it is filled later.
#[tokio::test(start_paused = true)]
async fn what_was_lost_is_appended_until_it_is_there() {
    let (store, clock) = (Tricky::default(), TestClock::at(START));
    let here = following(&store, &clock, WhenStale::Refuse);
    here.revocations.ready().await;
    for n in 0..30 {
        here.revocations.revoke(Revocation::session(ISSUER, n.to_string())).await.unwrap();
    }
    pass(&clock, SECOND).await;
    store.becomes(READ_ONLY);
    store.log.lose_everything();
    pass(&clock, 20 * SECOND).await;
    assert_eq!(format!("{:?}", store.log), "MemoryRevocationStore(0 records)");
    store.becomes(WELL);
    pass(&clock, 20 * SECOND).await;
    assert_eq!(format!("{:?}", store.log), "MemoryRevocationStore(30 records)");
}

/// A store that can be read and hangs when it is written: the view stays fresh.
#[tokio::test(start_paused = true)]
async fn a_write_that_hangs_does_not_keep_a_process_from_reading() {
    let (store, clock) = (Tricky::default(), TestClock::at(START));
    let world = following(&store, &clock, WhenStale::Refuse);
    world.revocations.ready().await;
    let token = world.token(json!({}));
    store.becomes(HANGS_ON_WRITES);
    for n in 0..30 {
        let revoked = world.revocations.revoke(Revocation::session(ISSUER, format!("x{n}")));
        assert!(tokio::time::timeout(Duration::from_millis(1), revoked).await.is_err());
    }
    for _ in 0..120 {
        pass(&clock, SECOND).await;
        assert_eq!(world.reason(&token), None, "{:?}", world.revocations.health());
    }
}

/// Twenty-five records that the store refuses stand before a good one.
#[tokio::test(start_paused = true)]
async fn refused_records_let_others_pass() {
    let (store, clock) = (Tricky::default(), TestClock::at(START));
    let here = following(&store, &clock, WhenStale::ServeOn);
    here.revocations.ready().await;
    store.becomes(REFUSES_POISON);
    for n in 0..25 {
        here.revocations.revoke(Revocation::session("poison", n.to_string())).await.unwrap_err();
    }
    store.becomes(FAILS);
    here.revocations.revoke(Revocation::session(ISSUER, "good")).await.unwrap_err();
    store.becomes(REFUSES_POISON);
    pass(&clock, 60 * SECOND).await;
    assert_eq!(format!("{:?}", store.log), "MemoryRevocationStore(1 records)");
}

/// The client closed the connection while its logout was being stored: the others hear of it all the same.
#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_loses_nothing() {
    let (store, clock) = (Tricky::default(), TestClock::at(START));
    let [here, other] = [(); 2].map(|()| following(&store, &clock, WhenStale::ServeOn));
    here.revocations.ready().await;
    let token = here.token(json!({}));
    store.becomes(HANGS);
    let gone = here.revocations.revoke(Revocation::session(ISSUER, "s1"));
    assert!(tokio::time::timeout(SECOND, gone).await.is_err());
    store.becomes(WELL);
    pass(&clock, 40 * SECOND).await;
    assert_eq!(other.reason_of(&here, &token), Some(Reason::Revoked));
}

/// One record that the store refuses for ever holds up no other, and what one client repeats takes the place of nothing.
#[tokio::test(start_paused = true)]
async fn what_cannot_be_stored_is_in_nobodys_way() {
    let (store, clock) = (Tricky::default(), TestClock::at(START));
    let [here, other] = [(); 2].map(|()| following(&store, &clock, WhenStale::ServeOn));
    here.revocations.ready().await;
    let token = here.token(json!({}));
    store.becomes(FAILS);
    here.revocations.revoke(Revocation::session(ISSUER, "s1")).await.unwrap_err();
    for _ in 0..20_000 {
        here.revocations.revoke(Revocation::session(ISSUER, "again")).await.unwrap_err();
    }
    here.revocations.revoke(Revocation::session("poison", "x")).await.unwrap_err();
    store.becomes(REFUSES_POISON);
    pass(&clock, 40 * SECOND).await;
    assert_eq!(other.reason_of(&here, &token), Some(Reason::Revoked));
    assert_eq!(other.revocations.health().entries, 2);
}

/// A store that hangs does not hold up who revokes.
#[tokio::test(start_paused = true)]
async fn a_write_that_hangs_is_an_error() {
    let (store, clock) = (Tricky::default(), TestClock::at(START));
    let world = following(&store, &clock, WhenStale::Refuse);
    world.revocations.ready().await;
    store.becomes(HANGS);
    assert!(world.revocations.revoke(Revocation::session(ISSUER, "s1")).await.is_err());
    assert_eq!(world.reason(&world.token(json!({}))), Some(Reason::Revoked));
}

/// A store without persistence starts again: who knows more keeps it, and each process appends what it had said itself.
#[tokio::test(start_paused = true)]
async fn a_store_that_lost_everything_is_filled_again() {
    let (store, clock) = (Tricky::default(), TestClock::at(START));
    let [a, b] = [(); 2].map(|()| following(&store, &clock, WhenStale::Refuse));
    a.revocations.ready().await;
    b.revocations.ready().await;
    a.revocations.revoke(Revocation::session(ISSUER, "of-a")).await.unwrap();
    b.revocations.revoke(Revocation::session(ISSUER, "of-b")).await.unwrap();
    pass(&clock, SECOND).await;
    store.log.lose_everything();
    pass(&clock, SECOND).await;
    let newcomer = following(&store, &clock, WhenStale::Refuse);
    newcomer.revocations.ready().await;
    pass(&clock, SECOND).await;
    for world in [&a, &b, &newcomer] {
        assert_eq!(world.revocations.health().entries, 2);
        for sid in ["of-a", "of-b"] {
            assert_eq!(world.reason(&world.token(json!({ "sid": sid }))), Some(Reason::Revoked));
        }
    }
}

/// The task ends with its runtime, and goes on in the next one.
#[test]
fn a_process_may_change_its_runtime() {
    let (store, clock) = (Tricky::default(), TestClock::at(START));
    let runtime =
        || tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    // Without a runtime nothing is read.
    let world = following(&store, &clock, WhenStale::Refuse);
    let token = world.token(json!({}));
    assert_eq!(world.reason(&token), Some(Reason::RevocationUnavailable));
    assert_eq!(store.reads(), 0);
    runtime().block_on(world.revocations.ready());
    assert_eq!(world.reason(&token), None);
    let other = following(&store, &clock, WhenStale::Refuse);
    runtime().block_on(other.revocations.revoke(Revocation::session(ISSUER, "s1"))).unwrap();
    assert_eq!(world.reason(&token), None, "nobody reads");
    runtime().block_on(async {
        assert_eq!(world.reason(&token), None); // starts the task
        pass(&clock, SECOND).await;
        assert_eq!(world.reason(&token), Some(Reason::Revoked));
    });
}

/// The last handle is gone: nobody reads any more, and the store is free.
#[tokio::test(start_paused = true)]
async fn the_task_ends_with_the_last_handle() {
    let (store, clock) = (Tricky::default(), TestClock::at(START));
    let world = following(&store, &clock, WhenStale::Refuse);
    world.revocations.ready().await;
    drop(world);
    pass(&clock, 15 * SECOND).await;
    let reads = store.reads();
    pass(&clock, 60 * SECOND).await;
    assert_eq!(store.reads(), reads);
    assert_eq!(Arc::strong_count(&store.mood), 1);
}

/// The probe of a load balancer sees what a request would.
#[tokio::test(start_paused = true)]
async fn readiness_shows_the_age() {
    let (store, clock) = (Tricky::default(), TestClock::at(START));
    let strict = following(&store, &clock, WhenStale::Refuse);
    let lenient = following(&store, &clock, WhenStale::ServeOn);
    let probe = async |world: &World| {
        let service = world.verifier.health_service().with_details();
        let response = service.oneshot(http::Request::new(())).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice::<Value>(&body).unwrap())
    };
    let expected = |status: &str, of_view: &str, age: Value, error: Value, failures: u64| {
        json!({
            "status": status, "sources": [],
            "revocations": {
                "status": of_view, "entries": 0, "age_seconds": age,
                "last_error": error, "failures": failures,
            },
        })
    };
    let before = (503, expected("unavailable", "unavailable", Value::Null, Value::Null, 0));
    assert_eq!(probe(&strict).await, before);
    for world in [&strict, &lenient] {
        world.revocations.ready().await;
        assert_eq!(probe(world).await, (200, expected("ok", "ok", json!(0.0), Value::Null, 0)));
    }
    store.becomes(FAILS);
    pass(&clock, 6 * SECOND + MAX_AGE).await;
    for (world, code, word) in [(&strict, 503, "unavailable"), (&lenient, 200, "stale")] {
        let (status, body) = probe(world).await;
        let age = body["revocations"]["age_seconds"].clone();
        assert!(age.as_f64().unwrap() > 30.0);
        let failures = body["revocations"]["failures"].as_u64().unwrap();
        assert!(failures > 1);
        let expected = expected(word, word, age, json!("connection refused"), failures);
        assert_eq!((status, body), (code, expected));
    }
    let refused = strict.verifier.explain(&strict.token(json!({}))).to_string();
    assert!(refused.contains("older than RevocationsBuilder::max_age: connection refused"), "{refused}");
}

#[test]
fn what_is_wrong_with_the_settings_is_told() {
    let store = MemoryRevocationStore::new;
    let told = |builder: RevocationsBuilder| builder.build().unwrap_err().to_string();
    let builder = Revocations::builder;
    assert!(told(builder().store(store())).contains(".max_age(Duration::from_secs(30), WhenStale::Refuse)"));
    assert!(told(builder().max_age(MAX_AGE, WhenStale::Refuse)).contains("there is no store"));
    let aged = |age| builder().store(store()).max_age(age, WhenStale::ServeOn);
    for wrong in [SECOND, Duration::from_secs(86_401)] {
        assert!(told(aged(wrong)).contains("2s to 86400s"), "{}", told(aged(wrong)));
    }
    for good in [2 * SECOND, Duration::from_secs(86_400)] {
        assert!(aged(good).build().is_ok());
    }
    for wrong in [59 * SECOND, Duration::from_secs(366 * 86_400 + 1)] {
        assert!(told(builder().longest_token(wrong)).contains("longest_token"));
    }
    for good in [60 * SECOND, Duration::from_secs(366 * 86_400)] {
        assert!(builder().longest_token(good).build().is_ok());
    }
}
