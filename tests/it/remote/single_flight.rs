//! One fetch at a time, whoever asks and whoever goes away.

use std::time::Duration;

use tower_jwt_auth::{ProviderFault, Reason};

use super::{accepts, at_once, copied, jwks, of_keys, oidc, pass, provider, reason, token, verify};
use crate::services::hangs_up_after;

#[tokio::test(start_paused = true)]
async fn a_hundred_first_tokens_are_one_fetch() {
    let provider = provider();
    provider.latency(Duration::from_secs(1));
    let verifier = jwks(&provider);
    let tokens: Vec<_> = (0..100)
        .map(|_| {
            let (verifier, token) = (verifier.clone(), token(&provider));
            tokio::spawn(async move { accepts(&verifier, &token).await })
        })
        .collect();
    for token in tokens {
        assert!(token.await.unwrap());
    }
    pass(60).await;
    assert_eq!(provider.jwks_calls(), 1, "and no other one in their wake");
}

/// Wherever it waits: for discovery, for the keys.
#[tokio::test(start_paused = true)]
async fn a_client_that_hangs_up_cancels_nothing() {
    for polls in 0.. {
        let provider = provider();
        provider.latency(Duration::from_millis(450));
        let verifier = oidc(&provider);
        let token = token(&provider);
        let answered = hangs_up_after(polls, verifier.verify(&token)).await;
        assert_eq!(answered, polls > 10, "after {polls} polls");
        pass(2).await;
        assert_eq!(at_once(&verifier, &token), Some(true), "hung up after {polls} polls");
        assert_eq!((provider.discovery_calls(), provider.jwks_calls()), (1, 1), "{polls}");
        if answered {
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_places_of_those_who_hang_up_are_free_again() {
    let provider = provider();
    provider.latency(Duration::from_millis(500));
    let verifier = jwks(&provider);
    let token = token(&provider);
    for _ in 0..3 {
        let waiting: Vec<_> = (0..1024).map(|_| verifier.verify(&token)).collect();
        let refused = verifier.verify(&token).now().expect("there is no room to wait").unwrap_err();
        assert_eq!(refused.reason(), Reason::KeysUnavailable);
        drop(waiting);
    }
    assert!(verify(&verifier, &token).await.is_ok());
}

/// With no room to wait nobody knows whether the key is new, so it is not the token's fault.
#[tokio::test(start_paused = true)]
async fn a_crowd_that_waits_makes_no_401() {
    let provider = provider();
    let verifier = jwks(&provider);
    verifier.warm().await.unwrap();
    pass(20).await;
    provider.latency(Duration::from_secs(1));
    let invented = copied(&provider, "invented");
    let crowd: Vec<_> = (0..1024).map(|_| verifier.verify(&invented)).collect();
    provider.rotate();
    assert_eq!(reason(&verifier, &token(&provider)).await, Reason::KeysUnavailable);
    drop(crowd);
    assert!(accepts(&verifier, &token(&provider)).await);
}

#[tokio::test(start_paused = true)]
async fn known_keys_never_wait() {
    let provider = provider();
    let verifier = jwks(&provider);
    verifier.warm().await.unwrap();
    let token = token(&provider);
    provider.fails_with(ProviderFault::Stall);
    // Over the scheduled refresh and its retries, each of which hangs for five seconds.
    for _ in 0..1200 {
        assert_eq!(at_once(&verifier, &token), Some(true));
        pass(1).await;
    }
    assert!(provider.jwks_calls() > 5, "{} fetches hung meanwhile", provider.jwks_calls());
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_no_longer_than_it_was_told() {
    let provider = provider();
    provider.fails_with(ProviderFault::Stall);
    let verifier = of_keys(provider.jwks_keys().wait(Duration::from_secs(3)), &provider);
    let start = tokio::time::Instant::now();
    assert_eq!(reason(&verifier, &token(&provider)).await, Reason::KeysUnavailable);
    assert_eq!(start.elapsed().as_secs(), 3);
}
