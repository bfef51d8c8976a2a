//! Sessions: what the engine does by itself, and what the index says.

use std::num::NonZeroU16;
use std::time::Duration;

use tower_jwt_auth::{RefreshStore, RefreshTokens, Session, StoreError, TestClock, UnixTime};

use crate::comes;
use crate::connect::{connect, number, prefix, send, stores};
use crate::records::{at_revision, in_an_hour, now, session};

const FIVE_MINUTES: Duration = Duration::from_secs(300);

fn soon() -> UnixTime {
    now().saturating_add(Duration::from_millis(500))
}

fn record_key(prefix: &str, id: &str) -> String {
    format!("{{{prefix}:refresh:1}}:record:{id}")
}

fn retry_key(prefix: &str, id: &str) -> String {
    format!("{{{prefix}:refresh:1}}:retry:{id}")
}

fn index_key(prefix: &str, subject: &str) -> String {
    format!("{{{prefix}:refresh:1}}:of:{subject}")
}

async fn keeps_its_contract(store: impl RefreshStore) {
    let first = session("a", "bob", in_an_hour());
    store.insert(first.clone()).await.unwrap();
    assert!(store.insert(first.clone()).await.is_err(), "an id is not overwritten");
    assert!(store.load("a".into()).await.unwrap().unwrap() == first);
    let next = at_revision("a", "bob", in_an_hour(), 1, Some(in_an_hour()));
    assert!(!store.compare_and_swap(1, next.clone()).await.unwrap());
    assert!(store.compare_and_swap(0, next.clone()).await.unwrap());
    assert!(!store.compare_and_swap(0, next.clone()).await.unwrap());
    assert!(store.load("a".into()).await.unwrap().unwrap() == next);
    for number in 0..600 {
        store.insert(session(&format!("{number}"), "many", in_an_hour())).await.unwrap();
    }
    assert_eq!(store.list("many".into()).await.unwrap().len(), 600);
    assert!(store.list("bob".into()).await.unwrap() == [next.clone()]);
    store.remove((0..600).map(|number| number.to_string()).collect()).await.unwrap();
    assert!(store.list("many".into()).await.unwrap().is_empty());
    store.remove(vec!["a".into(), "a".into(), "unknown".into()]).await.unwrap();
    assert!(store.load("a".into()).await.unwrap().is_none());
    assert!(!store.compare_and_swap(1, next).await.unwrap(), "what was removed stays removed");
    assert!(store.list("bob".into()).await.unwrap().is_empty());
    store.remove(vec![]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn it_keeps_the_contract() {
    keeps_its_contract(stores(&prefix()).await.refresh()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_keeps_the_contract_spread_over_slots() {
    let parts = NonZeroU16::new(16).unwrap();
    keeps_its_contract(stores(&prefix()).await.spread_sessions_over(parts).refresh()).await;
}

#[tokio::test]
async fn a_session_and_all_that_belongs_to_it_vanish_by_the_engine() {
    let (prefix, mut raw) = (prefix(), connect().await);
    let store = stores(&prefix).await.refresh();
    store.insert(session("a", "bob", soon())).await.unwrap();
    assert!(store.compare_and_swap(0, at_revision("a", "bob", soon(), 1, Some(soon()))).await.unwrap());
    for key in [record_key(&prefix, "a"), retry_key(&prefix, "a"), index_key(&prefix, "bob")] {
        comes(&format!("the end of {key}"), async || number(&mut raw, &["EXISTS", &key]).await == 0).await;
    }
    assert!(store.load("a".into()).await.unwrap().is_none());
    assert!(store.list("bob".into()).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_answers_a_retry_vanishes_by_itself_and_the_session_stays() {
    let prefix = prefix();
    let store = stores(&prefix).await.refresh();
    store.insert(session("a", "bob", in_an_hour())).await.unwrap();
    let with_retry = at_revision("a", "bob", in_an_hour(), 1, Some(soon()));
    assert!(store.compare_and_swap(0, with_retry.clone()).await.unwrap());
    let without = with_retry.without_retry();
    comes("the end of the retry", async || store.load("a".into()).await.unwrap().unwrap() == without).await;
    assert!(store.list("bob".into()).await.unwrap() == [without]);
    // A rotation without one leaves none.
    let again = at_revision("a", "bob", in_an_hour(), 2, Some(in_an_hour()));
    assert!(store.compare_and_swap(1, again).await.unwrap());
    let plain = at_revision("a", "bob", in_an_hour(), 3, None);
    assert!(store.compare_and_swap(2, plain.clone()).await.unwrap());
    assert!(store.load("a".into()).await.unwrap().unwrap() == plain);
    assert_eq!(number(&mut connect().await, &["EXISTS", &retry_key(&prefix, "a")]).await, 0);
}

#[tokio::test]
async fn a_rotation_prolongs_the_session_and_its_index() {
    let (prefix, mut raw) = (prefix(), connect().await);
    let store = stores(&prefix).await.refresh();
    store.insert(session("a", "bob", soon())).await.unwrap();
    assert!(store.compare_and_swap(0, at_revision("a", "bob", in_an_hour(), 1, None)).await.unwrap());
    // A shorter one beside it does not shorten the index.
    store.insert(session("b", "bob", soon())).await.unwrap();
    comes("the end of the shorter session", async || store.load("b".into()).await.unwrap().is_none()).await;
    let index = index_key(&prefix, "bob");
    assert!(number(&mut raw, &["PTTL", &index]).await > 3_000_000);
    assert_eq!(store.list("bob".into()).await.unwrap().len(), 1);
    assert_eq!(number(&mut raw, &["ZCARD", &index]).await, 1, "listing removes what has expired");
}

/// An index may name a session that is gone, and is put right. It may not lack one.
#[tokio::test]
async fn the_index_is_repaired() {
    let (prefix, mut raw) = (prefix(), connect().await);
    let store = stores(&prefix).await.refresh();
    for id in ["a", "b"] {
        store.insert(session(id, "bob", in_an_hour())).await.unwrap();
    }
    send(&mut raw, &["DEL", &record_key(&prefix, "a")]).await;
    let index = index_key(&prefix, "bob");
    assert_eq!(number(&mut raw, &["ZCARD", &index]).await, 2);
    assert_eq!(store.list("bob".into()).await.unwrap().len(), 1);
    assert_eq!(number(&mut raw, &["ZCARD", &index]).await, 1);
    // Lost with an entry of the index: the next rotation brings it back.
    send(&mut raw, &["DEL", &index]).await;
    assert!(store.compare_and_swap(0, at_revision("b", "bob", in_an_hour(), 1, None)).await.unwrap());
    assert_eq!(store.list("bob".into()).await.unwrap().len(), 1);
}

/// Redis is told how long, by the clock of the caller, so a caller whose clock is wrong ends no session too early or too late.
#[tokio::test]
async fn a_callers_clock_may_be_wrong_by_five_minutes() {
    let (prefix, mut raw) = (prefix(), connect().await);
    for (id, its_now) in [
        ("ahead", now().saturating_add(FIVE_MINUTES)),
        ("behind", now().saturating_sub(FIVE_MINUTES)),
        ("in another year", UnixTime::from_secs(1_000_000_000)),
    ] {
        let store = stores(&prefix).await.clock(TestClock::at(its_now)).refresh();
        let (hour, grace) = (Duration::from_secs(3600), Duration::from_secs(10));
        store.insert(session(id, "bob", its_now.saturating_add(hour))).await.unwrap();
        let rotated =
            at_revision(id, "bob", its_now.saturating_add(hour), 1, Some(its_now.saturating_add(grace)));
        assert!(store.compare_and_swap(0, rotated.clone()).await.unwrap());
        let lives = number(&mut raw, &["PTTL", &record_key(&prefix, id)]).await;
        assert!((3_500_000..=3_600_001).contains(&lives), "{id}: {lives}");
        let lives = number(&mut raw, &["PTTL", &retry_key(&prefix, id)]).await;
        assert!((1..=10_001).contains(&lives), "{id}: {lives}");
        assert!(store.load(id.into()).await.unwrap().unwrap() == rotated);
    }
    assert_eq!(stores(&prefix).await.refresh().list("bob".into()).await.unwrap().len(), 3);
}

#[tokio::test]
async fn what_is_damaged_is_an_error_and_never_missing() {
    let (prefix, mut raw) = (prefix(), connect().await);
    let store = stores(&prefix).await.refresh();
    for damaged in ["", "0 abc", "x y {}", "0 abc {\"id\":\"a\"}"] {
        send(&mut raw, &["SET", &record_key(&prefix, "a"), damaged]).await;
        let error = store.load("a".into()).await.unwrap_err().to_string();
        assert!(error.contains("damaged"), "{error}");
    }
    send(&mut raw, &["SET", &record_key(&prefix, "a"), "garbage"]).await;
    assert!(store.compare_and_swap(0, session("a", "bob", in_an_hour())).await.is_err());
    assert!(store.insert(session("a", "bob", in_an_hour())).await.is_err());
    send(&mut raw, &["DEL", &record_key(&prefix, "a")]).await;
    send(&mut raw, &["LPUSH", &record_key(&prefix, "a"), "x"]).await;
    assert!(store.load("a".into()).await.is_err());
    assert!(store.insert(session("a", "bob", in_an_hour())).await.is_err());
    send(&mut raw, &["SET", &index_key(&prefix, "bob"), "x"]).await;
    assert!(store.list("bob".into()).await.is_err());
}

#[tokio::test]
async fn a_server_that_forgot_the_scripts_is_sent_them_again() {
    let mut raw = connect().await;
    let store = stores(&prefix()).await.refresh();
    for number in 0..3 {
        send(&mut raw, &["SCRIPT", "FLUSH"]).await;
        store.insert(session(&number.to_string(), "bob", in_an_hour())).await.unwrap();
        send(&mut raw, &["SCRIPT", "FLUSH"]).await;
        assert!(store.load(number.to_string()).await.unwrap().is_some());
    }
}

/// The whole of the crate's refresh tokens, over two connections.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_here_is_used_there() {
    let prefix = prefix();
    let here = RefreshTokens::builder(stores(&prefix).await.refresh()).build().unwrap();
    let there = RefreshTokens::builder(stores(&prefix).await.refresh()).build().unwrap();
    let load = async |_: Session| Ok::<_, StoreError>(Some(()));
    let grant = here.begin("bob").await.unwrap();
    let next = there.rotate(&grant.token, load).await.unwrap();
    // The answer was lost: the same token again, at the other process.
    let again = here.rotate(&grant.token, load).await.unwrap();
    assert_eq!(next.token.as_str(), again.token.as_str());
    let third = here.rotate(&next.token, load).await.unwrap();
    assert_eq!(there.sessions("bob").await.unwrap().len(), 1);
    there.end_all("bob").await.unwrap();
    assert!(here.rotate(&third.token, load).await.is_err());
    assert!(here.sessions("bob").await.unwrap().is_empty());
}
