//! A stream ends with its token.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use tower_jwt_auth::{MemoryRevocationStore, Revocation, WhenStale};

use super::*;

fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test(start_paused = true)]
async fn it_ends_with_its_revocation() {
    let world = World::new();
    let principal = Jwt::principal(&world.verify(&world.token(json!({}))).unwrap());
    let mut ended = pin!(principal.ended());
    drop(principal);
    assert!(poll(ended.as_mut()).is_pending());
    world.revocations.revoke(Revocation::session(ISSUER, "s2")).await.unwrap();
    assert!(poll(ended.as_mut()).is_pending(), "another session");
    world.revocations.revoke(Revocation::session(ISSUER, "s1")).await.unwrap();
    assert_eq!(ended.await.reason(), Reason::Revoked);
    assert!(tokio::time::Instant::now().elapsed().is_zero());
}

#[tokio::test(start_paused = true)]
async fn it_ends_with_its_expiry() {
    let world = World::new();
    let principal = Jwt::principal(&world.verify(&world.token(json!({}))).unwrap());
    let mut ended = pin!(principal.ended());
    assert!(poll(ended.as_mut()).is_pending());
    tokio::time::advance(HOUR - SECOND).await;
    assert!(poll(ended.as_mut()).is_pending());
    tokio::time::advance(2 * SECOND).await;
    assert_eq!(ended.await.reason(), Reason::Expired);
}

/// Nothing is lost between the verdict and the first poll.
#[tokio::test]
async fn it_has_ended_if_it_was_revoked_before() {
    let world = World::new();
    let principal = Jwt::principal(&world.verify(&world.token(json!({}))).unwrap());
    let ended = principal.ended();
    world.revocations.revoke(Revocation::subject(ISSUER, "bob")).await.unwrap();
    assert_eq!(ended.await.reason(), Reason::Revoked);
    assert_eq!(principal.ended().await.reason(), Reason::Revoked);
}

/// The token of a stream is revoked by another process.
#[tokio::test(start_paused = true)]
async fn it_ends_with_a_revocation_elsewhere() {
    let store = MemoryRevocationStore::new();
    let follows = |builder: RevocationsBuilder| builder.store(store.clone()).max_age(HOUR, WhenStale::Refuse);
    let clock = TestClock::at(START);
    let (here, elsewhere) = (World::at(clock.clone(), follows), World::at(clock, follows));
    here.revocations.ready().await;
    let token = here.token(json!({}));
    let principal = Jwt::principal(&here.verify(&token).unwrap());
    let stream = tokio::spawn(principal.ended());
    elsewhere.revocations.revoke(Revocation::session(ISSUER, "s1")).await.unwrap();
    assert_eq!(stream.await.unwrap().reason(), Reason::Revoked);
    assert_eq!(here.reason(&token), Some(Reason::Revoked));
}

/// A cached token has the same end as one that was verified just now.
#[tokio::test]
async fn a_cached_token_ends_too() {
    let world = World::new();
    let verifier = cached(&world);
    let token = world.token(json!({}));
    let [_, again] = [(); 2].map(|()| verifier.verify(&token).now().unwrap().unwrap());
    let stream = tokio::spawn(Jwt::principal(&again).ended());
    world.revocations.revoke(Revocation::session(ISSUER, "s1")).await.unwrap();
    assert_eq!(stream.await.unwrap().reason(), Reason::Revoked);
}
