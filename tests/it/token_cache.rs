//! The cache of verified tokens: what it saves, and that it changes no verdict.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use tower_jwt_auth::{
    Algorithm, AuthError, Authority, Clock, Jwt, KeySet, ProviderFault, Reason, Require, Tenants, TestClock,
    TestIssuer, TestProvider, TokenCache, UnixTime, Verifier,
};

use crate::remote::pass;
use crate::support::verify;

/// Makes a claims type that counts how often it is read, which is once for each signature that was good.
macro_rules! counted {
    () => {
        static READ: AtomicUsize = AtomicUsize::new(0);

        #[derive(Debug)]
        struct Counted;

        impl<'de> Deserialize<'de> for Counted {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                READ.fetch_add(1, Ordering::SeqCst);
                Value::deserialize(deserializer).map(|_| Self)
            }
        }

        #[allow(unused)]
        fn read() -> usize {
            READ.load(Ordering::SeqCst)
        }
    };
}

fn issuer_of(algorithm: Algorithm) -> (TestIssuer, TestClock) {
    let clock = TestClock::at(UnixTime::from_secs(1_800_000_000));
    let issuer = TestIssuer::with_algorithm("https://id.example.com", algorithm);
    (issuer.audience("api").clock(clock.clone()), clock)
}

fn issuer() -> (TestIssuer, TestClock) {
    issuer_of(Algorithm::ES256)
}

fn cached<C>(authority: Authority, clock: &TestClock, cache: TokenCache) -> Verifier<C>
where
    C: serde::de::DeserializeOwned + Send + Sync + 'static,
{
    Verifier::builder().authority(authority).clock(clock.clone()).cache(cache).build().unwrap()
}

fn reason<C>(verdict: Result<Jwt<C>, AuthError>) -> Option<Reason> {
    verdict.err().map(|refused| refused.reason())
}

#[test]
fn a_token_is_verified_once() {
    counted!();
    for algorithm in [Algorithm::HS256, Algorithm::ES256] {
        READ.store(0, Ordering::SeqCst);
        let (issuer, clock) = issuer_of(algorithm);
        let verifier = cached::<Counted>(issuer.authority(), &clock, TokenCache::new());
        let token = issuer.sign(json!({ "sub": "bob" }));
        let first = Jwt::principal(&verify(&verifier, &token).unwrap());
        let memory = first.issuer().map(str::as_ptr);
        clock.advance(Duration::from_secs(7));
        for _ in 0..3 {
            let again = verify(&verifier.clone(), &token).unwrap();
            let principal = Jwt::principal(&again);
            assert_eq!(principal.issuer().map(str::as_ptr), memory, "the same memory");
            assert_eq!((principal.subject(), principal.verified_at()), (Some("bob"), clock.now()));
        }
        assert_eq!(read(), 1);
        // Without a cache each one is verified.
        let verifier = Verifier::<Counted>::builder();
        let verifier = verifier.authority(issuer.authority()).clock(clock.clone()).build().unwrap();
        verify(&verifier, &token).unwrap();
        verify(&verifier, &token).unwrap();
        assert_eq!(read(), 3);
    }
}

#[test]
fn the_clock_judges_each_hit() {
    counted!();
    let (issuer, clock) = issuer();
    let verifier = cached::<Counted>(issuer.authority().leeway(Duration::ZERO), &clock, TokenCache::new());
    let now = clock.now();
    let at = |seconds: u64| now.saturating_add(Duration::from_secs(seconds));
    // Its life depends on no claim that may lack.
    let token = issuer.sign(json!({ "iat": null, "nbf": now, "exp": at(60) }));
    let verdict = |time| {
        clock.set(time);
        verify(&verifier, &token)
    };
    for (time, expected) in [
        (at(0), None),
        (at(59), None),
        (now.saturating_sub(Duration::from_secs(1)), Some(Reason::NotYetValid)),
        (at(59), None),
        (at(60), Some(Reason::Expired)),
        (at(61), Some(Reason::Expired)),
    ] {
        assert_eq!(reason(verdict(time)), expected, "{time:?}");
    }
    clock.set(at(0));
    verify(&verifier, &token).unwrap();
    clock.set(at(60));
    let refused = verify(&verifier, &token).unwrap_err();
    assert!(refused.signature_verified() && refused.claim() == Some("exp"));
}

#[test]
fn the_greatest_age_is_judged_at_each_hit() {
    counted!();
    let (issuer, clock) = issuer();
    let authority = issuer.authority().leeway(Duration::ZERO).max_age(Duration::from_secs(30));
    let verifier = cached::<Counted>(authority, &clock, TokenCache::new());
    let token = issuer.sign(json!({}));
    verify(&verifier, &token).unwrap();
    clock.advance(Duration::from_secs(29));
    verify(&verifier, &token).unwrap();
    clock.advance(Duration::from_secs(1));
    let refused = verify(&verifier, &token).unwrap_err();
    assert_eq!((refused.reason(), refused.claim()), (Reason::Expired, Some("iat")));
    assert_eq!(read(), 1);
}

/// The seam for revocation: whatever a check asks, it is asked each time.
#[test]
fn checks_run_at_each_hit() {
    counted!();
    let (issuer, clock) = issuer();
    let (asked, revoked) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(usize::MAX)));
    let check = {
        let (asked, revoked) = (Arc::clone(&asked), Arc::clone(&revoked));
        move |_: &tower_jwt_auth::Principal| {
            let before = asked.fetch_add(1, Ordering::SeqCst);
            if before < revoked.load(Ordering::SeqCst) {
                Ok(())
            } else {
                Err(AuthError::new(Reason::Revoked))
            }
        }
    };
    let verifier = cached::<Counted>(issuer.authority().check(check), &clock, TokenCache::new());
    let token = issuer.sign(json!({}));
    for _ in 0..5 {
        verify(&verifier, &token).unwrap();
    }
    assert_eq!((read(), asked.load(Ordering::SeqCst)), (1, 5));
    revoked.store(0, Ordering::SeqCst);
    assert_eq!(reason(verify(&verifier, &token)), Some(Reason::Revoked));
}

#[test]
fn a_token_goes_with_its_key() {
    counted!();
    let (mut issuer, clock) = issuer();
    let verifier = cached::<Counted>(issuer.authority(), &clock, TokenCache::new());
    let token = issuer.sign(json!({}));
    verify(&verifier, &token).unwrap();
    // Another key comes: the set is another one, so the token is verified again, once.
    issuer.rotate();
    verify(&verifier, &token).unwrap();
    verify(&verifier, &token).unwrap();
    assert_eq!(read(), 2);
    issuer.retire_old_keys();
    assert_eq!(reason(verify(&verifier, &token)), Some(Reason::UnknownKey));
}

#[test]
fn a_key_of_the_same_name_is_another_key() {
    counted!();
    let (issuer, clock) = issuer();
    let token = issuer.sign(json!({}));
    let other = TestIssuer::new("https://id.example.com").key_set().with_kid(issuer.kid()).unwrap();
    let verifier = |keys: KeySet| {
        cached::<Counted>(
            Authority::keys(keys).issuer("https://id.example.com").audience("api"),
            &clock,
            TokenCache::new(),
        )
    };
    verify(&verifier(issuer.key_set()), &token).unwrap();
    assert_eq!(reason(verify(&verifier(other), &token)), Some(Reason::BadSignature));
}

#[test]
fn only_the_very_token_is_known() {
    counted!();
    let (issuer, clock) = issuer();
    let verifier = cached::<Counted>(issuer.authority(), &clock, TokenCache::new());
    let token = issuer.sign(json!({ "sub": "bob" }));
    verify(&verifier, &token).unwrap();
    for position in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
        let other = String::from_utf8(bytes).unwrap();
        assert!(verify(&verifier, &other).is_err(), "{position}");
    }
    // A payload of one's own under a signature that is known.
    let parts: Vec<&str> = token.split('.').collect();
    let eve = issuer.sign(json!({ "sub": "eve" }));
    let swapped = format!("{}.{}.{}", parts[0], eve.split('.').nth(1).unwrap(), parts[2]);
    assert_eq!(reason(verify(&verifier, &swapped)), Some(Reason::BadSignature));
    assert_eq!(read(), 1);
}

#[test]
fn refused_tokens_take_no_place() {
    counted!();
    let (issuer, clock) = issuer_of(Algorithm::HS256);
    let verifier = cached::<Counted>(issuer.authority(), &clock, TokenCache::new().entries(32));
    let good: Vec<String> = (0..8).map(|number| issuer.sign(json!({ "n": number }))).collect();
    good.iter().for_each(|token| drop(verify(&verifier, token).unwrap()));
    let stranger = issuer_of(Algorithm::HS256).0;
    for number in 0..5000 {
        let forged = stranger.sign_with(json!({ "kid": issuer.kid() }), json!({ "n": number }));
        assert_eq!(reason(verify(&verifier, &forged)), Some(Reason::BadSignature));
    }
    let before = read();
    good.iter().for_each(|token| drop(verify(&verifier, token).unwrap()));
    assert_eq!(read(), before, "all of them are still there");
}

#[test]
fn it_is_bounded_in_entries_and_in_bytes() {
    counted!();
    let (issuer, clock) = issuer_of(Algorithm::HS256);
    let hits = |cache: TokenCache, length: usize| {
        let verifier = cached::<Counted>(issuer.authority(), &clock, cache);
        let tokens: Vec<String> =
            (0..500).map(|number| issuer.sign(json!({ "n": number, "x": "x".repeat(length) }))).collect();
        tokens.iter().for_each(|token| drop(verify(&verifier, token).unwrap()));
        let before = read();
        tokens.iter().for_each(|token| drop(verify(&verifier, token).unwrap()));
        500 - (read() - before)
    };
    assert_eq!(hits(TokenCache::new(), 0), 500);
    let few = hits(TokenCache::new().entries(32), 0);
    assert!(few <= 32, "{few}");
    // Each counts twice its payload.
    let few = hits(TokenCache::new().bytes(64 * 1024), 4000);
    assert!(few <= 8, "{few}");
}

#[test]
fn a_long_token_is_not_kept() {
    counted!();
    let (issuer, clock) = issuer_of(Algorithm::HS256);
    let verifier = cached::<Counted>(issuer.authority(), &clock, TokenCache::new());
    for (length, reads) in [(4000, 1), (7000, 2)] {
        let (token, before) = (issuer.sign(json!({ "x": "x".repeat(length) })), read());
        assert_eq!(token.len() > 8192, reads == 2);
        (0..2).for_each(|_| drop(verify(&verifier, &token).unwrap()));
        assert_eq!(read() - before, reads, "{length}");
    }
}

#[test]
fn who_comes_at_once_waits_for_one_verification() {
    counted!();
    const CALLERS: usize = 8;
    let (issuer, clock) = issuer();
    let verifier = cached::<Counted>(issuer.authority(), &clock, TokenCache::new());
    for round in 0..20 {
        let token = issuer.sign(json!({ "round": round }));
        let before = read();
        let start = Barrier::new(CALLERS);
        std::thread::scope(|scope| {
            for _ in 0..CALLERS {
                scope.spawn(|| {
                    start.wait();
                    verify(&verifier, &token).unwrap();
                });
            }
        });
        assert_eq!(read() - before, 1, "round {round}");
    }
}

/// A panic in the user's claims type blocks nobody who comes later.
#[test]
fn a_panic_leaves_nothing_behind() {
    static PANICS: AtomicUsize = AtomicUsize::new(1);

    #[derive(Debug)]
    struct Once;

    impl<'de> Deserialize<'de> for Once {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            assert_ne!(PANICS.swap(0, Ordering::SeqCst), 1, "once");
            Value::deserialize(deserializer).map(|_| Self)
        }
    }

    let (issuer, clock) = issuer();
    let verifier = cached::<Once>(issuer.authority(), &clock, TokenCache::new());
    let token = issuer.sign(json!({}));
    let panicked =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| verify(&verifier, &token).map(drop)));
    assert!(panicked.is_err());
    verify(&verifier, &token).unwrap();
}

#[test]
fn bounds_are_checked_and_named() {
    let (issuer, _) = issuer();
    let build = |cache| Verifier::<Value>::builder().authority(issuer.authority()).cache(cache).build();
    for (cache, what) in [
        (TokenCache::new().entries(31), "TokenCache::entries(31)"),
        (TokenCache::new().entries(100_000_001), "TokenCache::entries(100000001)"),
        (TokenCache::new().bytes(65_535), "TokenCache::bytes(65535)"),
    ] {
        let error = build(cache).unwrap_err();
        let text = error.to_string();
        assert!(
            error.setting() == "cache" && text.contains(what) && text.contains("use a value from"),
            "{text}"
        );
    }
    assert!(build(TokenCache::new().entries(32).bytes(64 * 1024)).is_ok());
}

/// How long ago the user authenticated is measured from this request, not from the first one.
#[test]
fn a_policy_sees_the_time_of_each_hit() {
    counted!();
    let (issuer, clock) = issuer();
    let verifier = cached::<Counted>(issuer.authority(), &clock, TokenCache::new());
    let token = issuer.sign(json!({ "auth_time": clock.now() }));
    let policy = Require::max_auth_age(Duration::from_secs(60));
    let decide = || {
        let principal = Jwt::principal(&verify(&verifier, &token).unwrap());
        policy.decide(&principal).now().unwrap().map_err(|refused| refused.reason())
    };
    assert_eq!(decide(), Ok(()));
    clock.advance(Duration::from_secs(60));
    assert_eq!(decide(), Ok(()));
    clock.advance(Duration::from_secs(1));
    assert_eq!(decide(), Err(Reason::InsufficientUserAuthentication));
    assert_eq!(read(), 1);
}

fn tomorrow() -> u64 {
    tower_jwt_auth::SystemClock.now().as_secs() + 24 * 3600
}

#[tokio::test(start_paused = true)]
async fn the_same_keys_keep_their_tokens_and_old_keys_serve_none() {
    counted!();
    let provider = TestProvider::in_memory("https://id.example.com");
    let authority = Authority::oidc(provider.oidc_keys().stale(Duration::from_secs(600))).audience("test");
    let verifier =
        Verifier::<Counted>::builder().authority(authority).cache(TokenCache::new()).build().unwrap();
    let token = provider.sign(json!({ "exp": tomorrow() }));
    verifier.verify(&token).await.unwrap();
    let calls = provider.jwks_calls();
    pass(1200).await;
    assert!(provider.jwks_calls() > calls, "the keys were fetched again");
    verifier.verify(&token).await.unwrap();
    assert_eq!(read(), 1);
    provider.fails_with(ProviderFault::Stall);
    pass(2 * 3600).await;
    assert_eq!(reason(verifier.verify(&token).await), Some(Reason::KeysUnavailable));
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_was_forgotten_has_no_tokens() {
    counted!();
    let provider = TestProvider::in_memory("https://acme.example.com");
    let audience = Arc::new(std::sync::Mutex::new("test"));
    let tenants = {
        let (provider, audience) = (provider.clone(), Arc::clone(&audience));
        Tenants::new(move |_| Some(Authority::oidc(provider.oidc_keys()).audience(*audience.lock().unwrap())))
    };
    let verifier = Verifier::<Counted>::builder().tenants(tenants).cache(TokenCache::new()).build().unwrap();
    let token = provider.sign(json!({ "exp": tomorrow() }));
    verifier.verify(&token).await.unwrap();
    verifier.verify(&token).await.unwrap();
    assert_eq!(read(), 1);
    // The same issuer with another policy.
    *audience.lock().unwrap() = "other";
    assert!(verifier.forget_tenant("https://acme.example.com"));
    assert_eq!(reason(verifier.verify(&token).await), Some(Reason::WrongAudience));
}
