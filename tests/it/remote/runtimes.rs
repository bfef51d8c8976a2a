//! The task that fetches lives as long as its runtime and its verifier, and no longer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use tokio::runtime::{Builder, Runtime};
use tower_jwt_auth::{Fetch, FetchError, NowOrLater, ProviderFault, Reason, TestProvider};

use super::{HOUR, accepts, at_once, jwks, of_keys, pass, provider, reason, token};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

#[test]
fn a_verifier_serves_in_one_runtime_after_the_other() {
    let provider = provider();
    let verifier = jwks(&provider);
    for round in 0..5_u64 {
        let runtime = runtime();
        runtime.block_on(async {
            provider.rotate();
            provider.retire_old_keys();
            // Each runtime's paused clock begins at the present, and so behind the one before.
            pass(60 * round + 11).await;
            assert!(accepts(&verifier, &token(&provider)).await, "round {round}");
            pass(11).await;
            provider.rotate();
            assert!(accepts(&verifier, &token(&provider)).await, "round {round}");
        });
        drop(runtime);
        // Without any: known keys go on.
        assert_eq!(at_once(&verifier, &token(&provider)), Some(true));
    }
}

#[test]
fn a_fetch_that_ended_with_its_runtime_is_made_again() {
    let provider = provider();
    let verifier = jwks(&provider);
    provider.next_fail_with(1, ProviderFault::Stall);
    runtime().block_on(async {
        let waits = verifier.verify(&token(&provider));
        assert!(tokio::time::timeout(Duration::from_secs(1), waits).await.is_err());
        assert_eq!(provider.jwks_calls(), 1);
    });
    runtime().block_on(async {
        // Without anybody who asks (a token of another audience does not): the question is still open.
        let other = provider.sign(serde_json::json!({ "aud": "other" }));
        assert!(verifier.verify(&other).now().is_some());
        pass(1).await;
        assert_eq!(provider.jwks_calls(), 2);
        assert_eq!(at_once(&verifier, &token(&provider)), Some(true));
    });
}

/// Who waits in one runtime is served though the task ended with another.
#[test]
fn who_waits_takes_over_the_task() {
    let provider = provider();
    let verifier = jwks(&provider);
    provider.next_fail_with(1, ProviderFault::Stall);
    let first = runtime();
    first.block_on(async {
        assert!(verifier.verify(&token(&provider)).now().is_none());
        pass(1).await;
    });
    let second = runtime();
    second.block_on(async {
        let waits = tokio::spawn({
            let (verifier, token) = (verifier.clone(), token(&provider));
            async move { accepts(&verifier, &token).await }
        });
        tokio::task::yield_now().await;
        tokio::task::spawn_blocking(move || drop(first)).await.unwrap();
        assert!(waits.await.unwrap());
    });
}

/// Keys do not outlive their bound because nobody drives the task.
#[test]
fn old_keys_are_dropped_without_the_task() {
    let provider = provider();
    let keys = provider.jwks_keys().stale(Duration::from_secs(HOUR));
    let verifier = of_keys(keys, &provider);
    let token = token(&provider);
    let other = runtime();
    // The task is on a runtime that nobody runs any longer.
    other.block_on(async { assert!(accepts(&verifier, &token).await) });
    runtime().block_on(async {
        provider.fails_with(ProviderFault::Status(500));
        assert_eq!(at_once(&verifier, &token), Some(true));
        tokio::time::advance(Duration::from_secs(HOUR + 600)).await;
        let refused = verifier.verify(&token).await.unwrap_err();
        assert_eq!(refused.reason(), Reason::KeysUnavailable);
    });
}

#[tokio::test(start_paused = true)]
async fn the_task_ends_with_the_verifier() {
    let provider = provider();
    let verifier = jwks(&provider);
    verifier.warm().await.unwrap();
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    assert_eq!(tasks(), 1);
    let clone = verifier.clone();
    drop(verifier);
    pass(1).await;
    assert_eq!(tasks(), 1, "a clone is left");
    drop(clone);
    tokio::task::yield_now().await;
    assert_eq!(tasks(), 0);
    pass(HOUR).await;
    assert_eq!(provider.jwks_calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_task_ends_in_the_middle_of_a_fetch() {
    let provider = provider();
    provider.fails_with(ProviderFault::Stall);
    let verifier = jwks(&provider);
    assert!(verifier.verify(&token(&provider)).now().is_none());
    pass(1).await;
    drop(verifier);
    tokio::task::yield_now().await;
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0);
}

/// Panics as often as told, then asks the provider.
#[derive(Debug)]
struct Panicking(TestProvider, Arc<AtomicUsize>, usize);

impl Fetch for Panicking {
    fn fetch(&self, url: &str, max_bytes: usize) -> NowOrLater<Result<Response<Bytes>, FetchError>> {
        if self.1.fetch_add(1, Ordering::Relaxed) < self.2 {
            panic!("a bug in somebody's fetcher");
        }
        self.0.fetch(url, max_bytes)
    }
}

#[tokio::test(start_paused = true)]
async fn a_fetcher_that_panics_is_a_failure_like_any_other() {
    let provider = provider();
    let calls = Arc::new(AtomicUsize::new(0));
    let keys = provider.jwks_keys().fetch(Panicking(provider.clone(), Arc::clone(&calls), 3));
    let verifier = of_keys(keys, &provider);
    let token = token(&provider);
    let start = tokio::time::Instant::now();
    assert_eq!(reason(&verifier, &token).await, Reason::KeysUnavailable);
    assert_eq!(start.elapsed(), Duration::ZERO, "who waits is told at once");
    let [health] = &verifier.key_health()[..] else { panic!() };
    assert_eq!(health.last_error.as_deref(), Some("the fetcher panicked"));
    for _ in 0..1000 {
        let _ = verifier.verify(&token).now();
    }
    assert_eq!(calls.load(Ordering::Relaxed), 1, "there is a back-off");
    for _ in 0..4 {
        pass(10).await;
        let _ = verifier.verify(&token).await;
    }
    assert_eq!(calls.load(Ordering::Relaxed), 4);
    assert_eq!(at_once(&verifier, &token), Some(true));
}
