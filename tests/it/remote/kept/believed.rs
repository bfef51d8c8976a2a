//! Which kept keys are believed.

use tower_jwt_auth::{Algorithm, KeySet, TestIssuer};
use tracing_subscriber::filter::LevelFilter;

use super::*;
use crate::support::logged;

/// Nothing of it is used, nothing panics, and the next good fetch puts it right.
async fn is_not_believed(world: World, what: &str) {
    let planted = world.store.stored();
    world.goes_down();
    let verifier = world.start();
    assert_eq!(reason(&verifier, &world.token()).await, Reason::KeysUnavailable, "{what}");
    let error = health(&verifier).store_error.unwrap();
    assert!(error.len() < 600, "{what}: {error}");
    assert_eq!(world.store.stored(), planted, "{what}: an outage writes nothing");
    world.provider.heals();
    pass(61).await;
    assert!(accepts(&verifier, &world.token()).await, "{what}");
    assert_eq!(health(&verifier).store_error, None, "{what}");
    drop(verifier);
    world.goes_down();
    assert!(accepts(&world.start(), &world.token()).await, "{what}: it was written over");
}

#[tokio::test(start_paused = true)]
async fn a_damaged_document_is_nothing() {
    let whole = World::after_one().await.store.stored().unwrap().as_bytes().to_vec();
    for length in (0..whole.len()).step_by(whole.len() / 12) {
        let world = World::new();
        world.store.plant(&whole[..length]);
        is_not_believed(world, &format!("{length} bytes of {}", whole.len())).await;
    }
    for damaged in ["null", "[]", "{}", "\"\"", "\u{0}", "{\"format\":7}"] {
        let world = World::new();
        world.store.plant(damaged);
        is_not_believed(world, damaged).await;
    }
    let mut flipped = whole.clone();
    flipped[whole.len() - 3] = 0xff;
    let world = World::new();
    world.store.plant(flipped);
    is_not_believed(world, "no UTF-8").await;
}

#[tokio::test(start_paused = true)]
async fn a_document_is_bound_to_its_source_and_version() {
    type Change = fn(&mut Value);
    let changes: [(&str, Change); 9] = [
        ("another URL", |d| d["url"] = "https://evil.example.com".into()),
        ("a slash more", |d| d["url"] = "https://id.example.com/".into()),
        ("another kind", |d| d["found"] = "jwks".into()),
        ("an unknown kind", |d| d["found"] = "ftp".into()),
        ("a later version", |d| d["format"] = "tower-jwt-auth fetched keys 2".into()),
        ("something else", |d| d["format"] = "".into()),
        ("a time that is none", |d| d["fetched_at"] = "yesterday".into()),
        ("a negative time", |d| d["fetched_at"] = json!(-1)),
        ("a set that is none", |d| d["jwks"] = json!({ "keys": [] })),
    ];
    for (what, change) in changes {
        let world = World::after_one().await;
        world.store.change(change);
        is_not_believed(world, what).await;
    }
}

/// The same URL as that of an issuer and as that of a key set are two sources.
#[tokio::test(start_paused = true)]
async fn the_kind_of_source_counts_though_the_url_is_the_same() {
    let world = World::after_one().await;
    world.goes_down();
    let keys = RemoteKeys::new(world.provider.issuer()).fetch(world.provider.clone());
    let verifier = world.start_of(Authority::jwks(keys.keep_in(Arc::clone(&world.store))));
    assert_eq!(reason(&verifier, &world.token()).await, Reason::KeysUnavailable);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_of_the_future_is_none() {
    for (ahead, believed) in [(300, true), (301, false), (36_000, false), (-3600, true)] {
        let world = World::new();
        world.wall.is_wrong_by(ahead);
        world.start().warm().await.unwrap();
        // No time has passed when the next one starts, with a clock that is right.
        world.wall.is_wrong_by(0);
        if !believed {
            is_not_believed(world, &format!("{ahead} s")).await;
            continue;
        }
        world.goes_down();
        let verifier = world.start();
        assert!(accepts(&verifier, &world.token()).await, "{ahead}");
        assert_eq!(health(&verifier).age.unwrap().as_secs() as i64, (-ahead).max(0), "{ahead}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_document_is_read_by_the_rules_of_a_fetch() {
    // Too many keys.
    let world = World::after_one().await;
    world.store.change(|document| {
        let key = document["jwks"]["keys"][0].clone();
        document["jwks"]["keys"] = (0..101).map(|_| key.clone()).collect();
    });
    is_not_believed(world, "101 keys").await;

    // A secret alone.
    let oct = json!({ "kty": "oct", "kid": "planted", "alg": "HS256", "k": "hiOYSjPFTKR9bbBpyQqw2Pn1fjZ0Vb3vXzmIY5K0p1s" });
    KeySet::from_jwks_with_secrets(json!({ "keys": [oct] }).to_string()).unwrap();
    let world = World::after_one().await;
    world.store.change(|document| document["jwks"]["keys"] = json!([oct]));
    is_not_believed(world, "a secret").await;

    // A secret beside good keys: they are used, and it is not.
    let world = World::after_one().await;
    world.store.change(|document| document["jwks"]["keys"].as_array_mut().unwrap().push(oct));
    world.goes_down();
    let verifier = world.start();
    assert!(accepts(&verifier, &world.token()).await);
    assert_eq!(health(&verifier).kids, [world.provider.kid()]);
    let claims = world.token().split('.').nth(1).unwrap().to_owned();
    let header = "eyJhbGciOiJIUzI1NiIsImtpZCI6InBsYW50ZWQifQ"; // {"alg":"HS256","kid":"planted"}
    let forged = format!("{header}.{claims}.{}", "A".repeat(43));
    assert_eq!(reason(&verifier, &forged).await, Reason::AlgorithmNotAllowed);
}

/// What the provider sends comes back as it was: algorithms, keys without `kid`, two of one `kid`, odd ones.
#[tokio::test(start_paused = true)]
async fn a_set_comes_back_as_it_was() {
    for fault in [None, Some(ProviderFault::OddKeys), Some(ProviderFault::DuplicateKid)] {
        let world = World::new();
        for algorithm in [Algorithm::PS384, Algorithm::EdDSA, Algorithm::ES384] {
            world.provider.rotate_to(algorithm);
        }
        let tokens: Vec<_> = [Algorithm::RS512, Algorithm::ES256]
            .map(|algorithm| {
                world.provider.rotate_to(algorithm);
                world.token()
            })
            .into();
        if let Some(fault) = fault.clone() {
            world.provider.fails_with(fault);
        }
        let first = world.start();
        first.warm().await.unwrap();
        pass(1).await;
        let before = health(&first);
        drop(first);
        world.goes_down();
        let next = world.start();
        for token in &tokens {
            assert!(accepts(&next, token).await, "{fault:?}");
        }
        assert_eq!((health(&next).kids, health(&next).keys), (before.kids, before.keys), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_set_with_a_stranger_in_it_is_why_the_store_must_be_guarded() {
    // Who can write the store can sign: this is what the documentation warns of.
    let world = World::after_one().await;
    let mallory = TestIssuer::new(world.provider.issuer());
    world.store.change(|document| document["jwks"] = serde_json::from_str(&mallory.jwks()).unwrap());
    world.goes_down();
    assert!(accepts(&world.start(), &mallory.sign(json!({}))).await);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_believed_is_logged_without_what_it_says() {
    let log = logged(LevelFilter::INFO, async {
        let world = World::after_one().await;
        world.goes_down();
        assert!(accepts(&world.start(), &world.token()).await);
        world.store.change(|document| document["url"] = "https://evil.example.com".into());
        assert_eq!(reason(&world.start(), &world.token()).await, Reason::KeysUnavailable);
    })
    .await;
    assert_eq!(
        log.lines().filter(|line| line.contains("keys of an earlier process were restored")).count(),
        1
    );
    assert!(log.contains("kept keys cannot be restored") && log.contains("a store of its own"), "{log}");
    assert!(!log.contains("\"keys\""), "{log}");
}

/// What this very process dropped as too old does not come back by a wall clock that is set back.
#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_revives_nothing() {
    let world = World::new();
    let verifier = world.start();
    verifier.warm().await.unwrap();
    let old = world.token();
    world.goes_down();
    pass(8 * HOUR).await;
    assert_eq!(reason(&verifier, &old).await, Reason::KeysUnavailable);
    world.wall.is_wrong_by(-7 * 3600);
    pass(120).await;
    assert_eq!(reason(&verifier, &old).await, Reason::KeysUnavailable);
}

#[tokio::test(start_paused = true)]
async fn one_key_that_cannot_be_used_does_not_spoil_those_beside_it() {
    let world = World::after_one().await;
    world.store.change(|document| {
        let keys = document["jwks"]["keys"].as_array_mut().unwrap();
        keys.insert(0, json!({ "$serde_json::private::RawValue": "1", "kty": "EC" }));
    });
    world.goes_down();
    assert!(accepts(&world.start(), &world.token()).await);
}
