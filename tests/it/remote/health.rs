//! What can be seen from outside: health, and the log.

use std::time::Duration;

use tower_jwt_auth::{Authority, Claims, ProviderFault, Reason, Secret, TestProvider, Verifier};
use tracing_subscriber::filter::LevelFilter;

use super::{accepts, copied, jwks, oidc, pass, provider, reason, token};
use crate::support::logged;

#[tokio::test(start_paused = true)]
async fn health_tells_all_there_is_to_know() {
    let provider = provider();
    let verifier = oidc(&provider);
    let health = || verifier.key_health().remove(0);
    let before = health();
    assert_eq!(before.url, "https://id.example.com");
    assert_eq!((before.is_ready(), before.keys, before.age, before.generation), (false, 0, None, 0));
    assert_eq!((before.attempts, before.next_refresh), (0, None));

    assert!(accepts(&verifier, &token(&provider)).await);
    pass(5).await;
    let fresh = health();
    assert!(fresh.is_ready() && fresh.last_error.is_none());
    assert_eq!((fresh.kids, fresh.keys), (vec![provider.kid()], 1));
    assert_eq!((fresh.generation, fresh.attempts, fresh.failures), (1, 1, 0));
    assert_eq!(fresh.age, Some(Duration::from_secs(5)));
    let next = fresh.next_refresh.unwrap().as_secs();
    assert!((414..=535).contains(&next), "{next}");

    assert_eq!(reason(&verifier, &copied(&provider, "invented")).await, Reason::UnknownKey);
    assert_eq!(health().suppressed_refetches, 1);

    provider.rotate();
    pass(600).await;
    assert_eq!((health().generation, health().keys), (2, 2));
    let attempts = health().attempts;
    pass(600).await;
    assert!(health().attempts > attempts);
    assert_eq!(health().generation, 2, "the same keys are the same set");

    provider.fails_with(ProviderFault::Stall);
    pass(700).await;
    let failing = health();
    assert!(failing.is_ready() && failing.failures > 0, "old keys still serve");
    assert_eq!(failing.last_error.as_deref(), Some("no answer within 5s"));
}

#[test]
fn keys_in_memory_have_no_health() {
    let authority = Authority::hs256(Secret::generate().unwrap()).issuer("i").audience("a");
    assert!(Verifier::<Claims>::new(authority).unwrap().key_health().is_empty());
}

#[tokio::test(start_paused = true)]
async fn added_and_removed_keys_are_logged() {
    let provider = provider();
    let old = provider.kid();
    let log = logged(LevelFilter::INFO, async {
        let verifier = jwks(&provider);
        verifier.warm().await.unwrap();
        provider.rotate();
        provider.retire_old_keys();
        pass(600).await;
        drop(verifier);
    })
    .await;
    let new = provider.kid();
    for (kid, what) in [(&old, "a key was added"), (&new, "a key was added"), (&old, "a key was removed")] {
        let lines = log.lines().filter(|line| line.contains(what) && line.contains(kid.as_str())).count();
        assert_eq!(lines, 1, "{what} {kid}: {log}");
    }
}

#[tokio::test(start_paused = true)]
async fn failures_and_odd_keys_are_logged_and_bounded() {
    let provider = provider();
    let log = logged(LevelFilter::WARN, async {
        provider.next_fail_with(1, ProviderFault::OnlyOddKeys);
        let verifier = jwks(&provider);
        verifier.warm().await.unwrap_err();
        provider.fails_with(ProviderFault::OddKeys);
        pass(2).await;
        verifier.warm().await.unwrap();
        provider.fails_with(ProviderFault::Status(500));
        pass(8 * 3600).await;
    })
    .await;
    assert!(log.contains("keys cannot be fetched") && log.contains("answered 500"), "{log}");
    assert!(log.contains("a key is not used") && log.contains("unknown-type"), "{log}");
    assert_eq!(log.lines().filter(|line| line.contains("too old to be trusted")).count(), 1);
    assert!(log.lines().all(|line| line.len() < 1000), "{log}");
}

#[tokio::test(start_paused = true)]
async fn no_token_is_logged() {
    let provider = provider();
    let (good, flood) = (token(&provider), copied(&provider, "invented"));
    let log = logged(LevelFilter::TRACE, async {
        let verifier = oidc(&provider);
        assert!(accepts(&verifier, &good).await);
        assert_eq!(reason(&verifier, &flood).await, Reason::UnknownKey);
        provider.fails_with(ProviderFault::Garbage);
        pass(3600).await;
        println!("{verifier:?} {:?}", verifier.key_health());
    })
    .await;
    for token in [&good, &flood] {
        for part in token.split('.').skip(1) {
            assert!(!log.contains(part), "{log}");
        }
    }
    assert!(!log.contains("invented"), "{log}");
}

/// Several providers that hang take no longer than one.
#[tokio::test(start_paused = true)]
async fn all_are_warmed_at_once() {
    let providers = ["https://one.example.com", "https://two.example.com"].map(TestProvider::in_memory);
    let authorities = providers.each_ref().map(|provider| {
        provider.fails_with(ProviderFault::Stall);
        Authority::oidc(provider.oidc_keys()).audience("test")
    });
    let verifier = Verifier::<Claims>::new(authorities).unwrap();
    let start = tokio::time::Instant::now();
    assert!(verifier.warm().await.unwrap_err().to_string().contains("one.example.com"));
    assert!(start.elapsed() < Duration::from_millis(5200), "{:?}", start.elapsed());
    providers[0].heals();
    pass(2).await;
    assert!(verifier.warm().await.unwrap_err().to_string().contains("two.example.com"));
}
