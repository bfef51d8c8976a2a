//! Invented key ids flood neither the provider nor a rotation.

use std::time::Duration;

use serde_json::{Value, json};
use tower_jwt_auth::{Authority, Claims, Clock, Reason, SystemClock, TestIssuer, Verifier};

use super::{ISS, accepts, copied, jwks, oidc, pass, provider, reason, token};

/// 100,000 tokens that copy all that can be copied, 100 a second; each names a key of its own.
#[tokio::test(start_paused = true)]
async fn a_flood_of_unknown_kids_keeps_to_the_formula() {
    let provider = provider();
    let verifier = jwks(&provider);
    verifier.warm().await.unwrap();
    let model = copied(&provider, "model");
    let (_, rest) = model.split_once('.').unwrap();
    let start = tokio::time::Instant::now();
    let accepted = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let mut rotated = None;
    let mut found_after = None;
    for n in 0..100_000_u32 {
        let header = json!({ "alg": "ES256", "typ": "JWT", "kid": format!("invented-{n}") }).to_string();
        let flood = format!("{}.{rest}", base64url(header.as_bytes()));
        // As a server does: a task of its own, so that who waits keeps nobody.
        tokio::spawn({
            let verifier = verifier.clone();
            let accepted = std::sync::Arc::clone(&accepted);
            async move {
                let good = accepts(&verifier, &flood).await;
                accepted.fetch_add(u32::from(good), std::sync::atomic::Ordering::Relaxed);
            }
        });
        if n % 100 == 99 {
            pass(1).await;
        }
        // Between two fetches, which come every ten seconds.
        if n == 50_110 {
            provider.rotate();
            rotated = Some(tokio::time::Instant::now());
        }
        if let Some(rotated) = rotated
            && found_after.is_none()
            && n % 100 == 0
            && accepts(&verifier, &token(&provider)).await
        {
            found_after = Some(rotated.elapsed());
        }
    }
    pass(30).await;
    assert_eq!(accepted.load(std::sync::atomic::Ordering::Relaxed), 0, "none of the flood came through");
    let found_after = found_after.unwrap();
    assert!(found_after <= Duration::from_secs(11), "{found_after:?}");
    let seconds = start.elapsed().as_secs();
    let scheduled = seconds.div_ceil(420);
    let bound = 1 + seconds.div_ceil(10) + scheduled;
    println!(
        "100,000 tokens in {seconds} s: {} calls of at most {bound}; a rotation was found after {found_after:?}",
        provider.jwks_calls()
    );
    assert!(provider.jwks_calls() <= bound, "{} calls in {seconds} s", provider.jwks_calls());
    let [health] = &verifier.key_health()[..] else { panic!() };
    assert!(health.suppressed_refetches > 90_000, "{health:?}");
    // The scheduled refresh was not starved: the keys are young.
    assert!(health.age.unwrap() <= Duration::from_secs(41), "30 of them after the flood");
}

fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits =
            chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        (0..=chunk.len()).for_each(|n| text.push(ALPHABET[(bits >> (18 - 6 * n)) as usize & 63].into()));
    }
    text
}

/// What could not be accepted with any key causes no fetch.
#[tokio::test(start_paused = true)]
async fn a_token_that_is_wrong_in_anything_else_fetches_nothing() {
    let now = SystemClock.now().as_secs();
    let stranger = TestIssuer::new(ISS);
    let hmac = TestIssuer::with_algorithm(ISS, tower_jwt_auth::Algorithm::HS256);
    let named = |claims: Value| stranger.sign_with(json!({ "kid": "invented" }), claims);
    let with = |header: Value| stranger.sign_with(header, json!({}));
    let payload = named(json!({})).split('.').nth(1).unwrap().to_owned();
    let none = base64url(br#"{"alg":"none","kid":"invented"}"#);
    let cases = [
        ("issuer", named(json!({ "iss": "https://evil.example.com" }))),
        ("no issuer", named(json!({ "iss": null }))),
        ("audience", named(json!({ "aud": "other" }))),
        ("no audience", named(json!({ "aud": null }))),
        ("expired", named(json!({ "exp": now - 3600, "iat": null }))),
        ("without an end", named(json!({ "exp": null }))),
        ("not yet", named(json!({ "nbf": now + 3600 }))),
        ("issued later", named(json!({ "iat": now + 3600 }))),
        ("an ID token", named(json!({ "at_hash": "x" }))),
        ("bound", named(json!({ "cnf": { "jkt": "x" } }))),
        ("another typ", with(json!({ "kid": "invented", "typ": "logout+jwt" }))),
        ("crit", with(json!({ "kid": "invented", "crit": ["x"] }))),
        ("HS256", hmac.sign_with(json!({ "kid": "invented" }), json!({}))),
        ("none", format!("{none}.{payload}.")),
        ("an unknown algorithm", with(json!({ "alg": "XS256", "kid": "invented" }))),
        ("a long kid", with(json!({ "kid": "k".repeat(300) }))),
        ("deep", named(json!({ "deep": (0..40).fold(json!(0), |inner, _| json!([inner])) }))),
        ("oversized", format!("{}{}", named(json!({})), "A".repeat(16 * 1024))),
        ("twice", {
            let claims = format!(r#"{{"iss":"{ISS}","iss":"{ISS}","aud":"test","exp":{}}}"#, now + 60);
            stranger.sign_raw(r#"{"alg":"ES256","kid":"invented"}"#, claims)
        }),
    ];
    for warm in [false, true] {
        let provider = provider();
        for verifier in [jwks(&provider), oidc(&provider)] {
            if warm {
                verifier.warm().await.unwrap();
                pass(60).await;
            }
            let calls = (provider.jwks_calls(), provider.discovery_calls());
            for (what, token) in &cases {
                let refused = verifier.verify(token).now();
                let refused = refused.unwrap_or_else(|| panic!("{what} waits")).unwrap_err();
                assert!(!refused.is_transient(), "{what}: {refused:?}");
            }
            pass(60).await;
            assert_eq!((provider.jwks_calls(), provider.discovery_calls()), calls);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_issuer_costs_no_fetch() {
    let (one, two) = (provider(), tower_jwt_auth::TestProvider::in_memory("https://other.example.com"));
    let authorities = [&one, &two].map(|provider| Authority::oidc(provider.oidc_keys()).audience("test"));
    let verifier = Verifier::<Claims>::new(authorities).unwrap();
    let token = TestIssuer::new("https://evil.example.com").sign(json!({}));
    assert_eq!(reason(&verifier, &token).await, Reason::UnknownIssuer);
    pass(60).await;
    assert_eq!(one.discovery_calls() + two.discovery_calls(), 0);
    assert!(accepts(&verifier, &super::token(&one)).await);
    assert_eq!(
        (one.discovery_calls(), two.discovery_calls()),
        (1, 0),
        "one issuer's token is no affair of the other"
    );
}

/// While nothing is fetched for unknown keys, those that are known go on as before, whatever else a header says.
#[tokio::test(start_paused = true)]
async fn a_flood_of_unknown_keys_leaves_known_ones_alone() {
    let provider = provider();
    let verifier = jwks(&provider);
    let stranger = TestIssuer::new(ISS);
    for round in 0..20 {
        let unknown = stranger.sign_with(json!({ "kid": format!("invented-{round}") }), json!({}));
        assert_eq!(reason(&verifier, &unknown).await, Reason::UnknownKey);
        let good = provider.sign_with(json!({ "x": round }), json!({}));
        assert!(accepts(&verifier, &good).await);
        let forged = stranger.sign_with(json!({ "kid": provider.kid(), "y": round }), json!({}));
        assert_eq!(reason(&verifier, &forged).await, Reason::BadSignature);
    }
}
