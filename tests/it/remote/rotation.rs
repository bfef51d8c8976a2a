//! New keys are found, old ones leave.

use std::time::Duration;

use serde_json::json;
use tower_jwt_auth::{Algorithm, ProviderFault, Reason};

use super::{accepts, at_once, copied, jwks, of_keys, oidc, pass, provider, reason, token};

#[tokio::test(start_paused = true)]
async fn an_announced_rotation_refuses_nobody() {
    let provider = provider();
    let verifier = oidc(&provider);
    verifier.warm().await.unwrap();
    provider.announce();
    pass(600).await; // at least one scheduled refresh
    let old = token(&provider);
    provider.rotate();
    for _ in 0..600 {
        assert_eq!(at_once(&verifier, &old), Some(true));
        assert_eq!(at_once(&verifier, &token(&provider)), Some(true), "and nobody waits");
        pass(1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_unannounced_rotation_refuses_for_one_cooldown_at_most() {
    for cooldown in [5, 10, 60] {
        let provider = provider();
        let keys = provider.jwks_keys().cooldown(Duration::from_secs(cooldown));
        let verifier = of_keys(keys, &provider);
        verifier.warm().await.unwrap();
        pass(1).await; // within the cooldown of the first fetch
        provider.rotate();
        let start = tokio::time::Instant::now();
        while !accepts(&verifier, &token(&provider)).await {
            assert!(start.elapsed() <= Duration::from_secs(cooldown), "{:?}", start.elapsed());
            pass(1).await;
        }
        assert_eq!(provider.jwks_calls(), 2);
        // Once the cooldown is over nobody is refused at all: the first token waits for the fetch.
        pass(cooldown).await;
        provider.rotate();
        assert!(accepts(&verifier, &token(&provider)).await);
        assert_eq!(provider.jwks_calls(), 3);
    }
}

/// One token asks within the cooldown, and nobody after it: the fetch is made up for.
#[tokio::test(start_paused = true)]
async fn a_question_within_the_cooldown_is_not_forgotten() {
    let provider = provider();
    let verifier = jwks(&provider);
    verifier.warm().await.unwrap();
    pass(1).await;
    provider.rotate();
    let token = token(&provider);
    assert_eq!(reason(&verifier, &token).await, Reason::UnknownKey);
    pass(10).await;
    assert_eq!(at_once(&verifier, &token), Some(true));
}

/// The answer under way may have been made before the rotation.
#[tokio::test(start_paused = true)]
async fn a_rotation_during_a_fetch_is_found_after_it() {
    let provider = provider();
    let verifier = jwks(&provider);
    verifier.warm().await.unwrap();
    pass(30).await;
    provider.latency(Duration::from_secs(1));
    let asks = tokio::spawn({
        let (verifier, invented) = (verifier.clone(), copied(&provider, "invented"));
        async move { reason(&verifier, &invented).await }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    provider.rotate();
    let token = token(&provider);
    assert_eq!(reason(&verifier, &token).await, Reason::UnknownKey);
    assert_eq!(asks.await.unwrap(), Reason::UnknownKey);
    pass(11).await;
    assert_eq!(at_once(&verifier, &token), Some(true));
}

#[tokio::test(start_paused = true)]
async fn a_removed_key_is_gone_with_the_next_success() {
    let provider = provider();
    let verifier = oidc(&provider);
    verifier.warm().await.unwrap();
    let old = token(&provider);
    provider.rotate();
    provider.retire_old_keys();
    provider.fails_with(ProviderFault::Status(500));
    pass(600).await;
    assert_eq!(at_once(&verifier, &old), Some(true), "a failure removes nothing");
    provider.heals();
    pass(120).await; // longer than the longest back-off
    let calls = provider.jwks_calls();
    assert_eq!(reason(&verifier, &old).await, Reason::UnknownKey);
    assert!(accepts(&verifier, &token(&provider)).await);
    assert!(provider.jwks_calls() <= calls + 1);
}

#[tokio::test(start_paused = true)]
async fn the_algorithm_may_change_with_the_key() {
    for (before, after) in [(Algorithm::RS256, Algorithm::ES256), (Algorithm::ES256, Algorithm::EdDSA)] {
        let provider = provider();
        provider.rotate_to(before);
        provider.retire_old_keys();
        let verifier = jwks(&provider);
        let old = token(&provider);
        assert!(accepts(&verifier, &old).await);
        pass(20).await;
        provider.rotate_to(after);
        assert!(accepts(&verifier, &token(&provider)).await, "{after}");
        assert_eq!(at_once(&verifier, &old), Some(true));
        pass(20).await;
        provider.retire_old_keys();
        pass(600).await;
        assert_eq!(
            provider.sign(json!({})).is_empty(),
            at_once(&verifier, &old) == Some(true),
            "{before} is gone"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn cache_control_is_honoured_within_bounds() {
    // From the fetch to the refresh: 80 % of the lifetime, a tenth of it earlier or later.
    for (value, lifetime) in [
        (None, 600),
        (Some("no-cache"), 600),
        (Some("public, max-age=15, stale-while-revalidate=15"), 300),
        (Some("max-age=1000"), 1000),
        (Some("private, MAX-AGE=\"86400\""), 3600),
        (Some("max-age=soon"), 600),
    ] {
        let provider = provider();
        provider.cache_control(value);
        let verifier = jwks(&provider);
        verifier.warm().await.unwrap();
        pass(lifetime * 69 / 100).await;
        assert_eq!(provider.jwks_calls(), 1, "{value:?}");
        pass(lifetime * 22 / 100).await;
        assert_eq!(provider.jwks_calls(), 2, "{value:?}");
    }
}
