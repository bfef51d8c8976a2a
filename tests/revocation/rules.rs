//! Which tokens a revocation concerns, and for how long.

use tower::{Layer, ServiceExt, service_fn};
use tower_jwt_auth::{JwtAuthLayer, Revocation};

use super::*;

#[tokio::test]
async fn each_kind_of_revocation_concerns_its_tokens_and_no_others() {
    // What is revoked, a token that it concerns, one that it does not.
    let rows = [
        (Revocation::token(ISSUER, "t1", START.saturating_add(HOUR)), json!({}), json!({ "jti": "t2" })),
        (Revocation::session(ISSUER, "s1"), json!({ "jti": "t9", "sub": "eve" }), json!({ "sid": "s2" })),
        (Revocation::subject(ISSUER, "bob"), json!({ "sid": "s9" }), json!({ "sub": "bobby" })),
        (Revocation::issuer(ISSUER), json!({ "sub": "eve" }), json!({ "iat": START.as_secs() + 1 })),
    ];
    for (revocation, concerned, other) in rows {
        let world = World::new();
        let (concerned, other) = (world.token(concerned), world.token(other));
        assert_eq!(world.reason(&concerned), None);
        world.revocations.revoke(revocation.clone()).await.unwrap();
        assert_eq!(world.reason(&concerned), Some(Reason::Revoked), "{revocation:?}");
        world.clock.advance(SECOND); // for the token that was issued after all others
        assert_eq!(world.reason(&other), None, "{revocation:?}");
    }
}

/// The names of one kind are not those of another, and the empty name is none.
#[tokio::test]
async fn a_name_counts_where_it_stands() {
    let world = World::new();
    let token = world.token(json!({ "sub": "x", "sid": "y", "jti": "z" }));
    let until = START.saturating_add(HOUR);
    for other in [
        Revocation::token(ISSUER, "x", until),
        Revocation::token(ISSUER, "y", until),
        Revocation::session(ISSUER, "x"),
        Revocation::session(ISSUER, "z"),
        Revocation::subject(ISSUER, "y"),
        Revocation::subject(ISSUER, "z"),
        Revocation::subject(ISSUER, ""),
        Revocation::session(ISSUER, ""),
        Revocation::token(ISSUER, "", until),
        // The end of the issuer and the beginning of the name are told apart.
        Revocation::subject("https://id.example.co", "mx"),
        Revocation::subject("https://id.example.comx", ""),
    ] {
        world.revocations.revoke(other.clone()).await.unwrap();
        assert_eq!(world.reason(&token), None, "{other:?}");
    }
    assert_eq!(world.revocations.health().entries, 11);
}

#[tokio::test]
async fn what_another_issuer_revokes_is_its_own() {
    let world = World::new();
    let token = world.token(json!({}));
    let other = "https://other.example.com";
    let all = [
        Revocation::token(other, "t1", START.saturating_add(HOUR)),
        Revocation::session(other, "s1"),
        Revocation::subject(other, "bob"),
        Revocation::issuer(other),
        Revocation::issuer(""),
    ];
    world.revocations.revoke_all(all).await.unwrap();
    assert_eq!(world.reason(&token), None);
}

#[tokio::test]
async fn a_subject_can_log_in_again() {
    let world = World::new();
    let before = world.token(json!({ "iat": START.as_secs() - 1 }));
    let in_the_same_second = world.token(json!({}));
    world.revocations.revoke(Revocation::subject(ISSUER, "bob")).await.unwrap();
    world.clock.advance(SECOND);
    let after = world.token(json!({}));
    assert_eq!(world.reason(&before), Some(Reason::Revoked));
    assert_eq!(world.reason(&in_the_same_second), Some(Reason::Revoked));
    assert_eq!(world.reason(&after), None);
}

#[tokio::test]
async fn issued_before_names_another_time() {
    let world = World::new();
    let early = START.saturating_sub(HOUR / 2);
    let revocation = Revocation::subject(ISSUER, "bob").issued_before(early);
    world.revocations.revoke(revocation).await.unwrap();
    let issued = |seconds: u64| world.token(json!({ "iat": seconds, "exp": seconds + 3600 }));
    assert_eq!(world.reason(&issued(early.as_secs())), Some(Reason::Revoked));
    assert_eq!(world.reason(&issued(early.as_secs() + 1)), None);

    // Of two, that counts which reaches further, whatever their order.
    world.revocations.revoke(Revocation::subject(ISSUER, "bob").issued_before(START)).await.unwrap();
    world.revocations.revoke(Revocation::subject(ISSUER, "bob").issued_before(early)).await.unwrap();
    assert_eq!(world.reason(&issued(START.as_secs())), Some(Reason::Revoked));
}

/// A transmitter that lies about the time cannot lock a user out for ever.
#[tokio::test]
async fn a_time_that_lies_ahead_counts_for_five_minutes() {
    let world = World::new();
    let far = UnixTime::from_secs(200_000_000_000);
    world.revocations.revoke(Revocation::subject(ISSUER, "bob").issued_before(far)).await.unwrap();
    for (later, reason) in [(0, Some(Reason::Revoked)), (300, Some(Reason::Revoked)), (301, None)] {
        world.clock.set(START.saturating_add(later * SECOND));
        assert_eq!(world.reason(&world.token(json!({}))), reason, "{later}");
    }
}

#[tokio::test]
async fn a_token_that_could_outlive_its_revocation_is_refused() {
    let world = World::with(|builder| builder.longest_token(HOUR));
    let claim = |token: &str| {
        let refused = world.verify(token).unwrap_err();
        (refused.reason(), refused.claim().map(str::to_owned))
    };
    let now = START.as_secs();
    assert_eq!(world.reason(&world.token(json!({ "exp": now + 3600 }))), None);
    let longer = world.token(json!({ "exp": now + 3601 }));
    assert_eq!(claim(&longer), (Reason::InvalidClaim, Some("exp".to_owned())));
    // `exp` alone does not say when a token was issued.
    let undated = world.issuer.sign_raw(
        json!({ "alg": "ES256", "kid": world.issuer.kid() }).to_string(),
        json!({ "iss": ISSUER, "aud": "api", "exp": now + 60 }).to_string(),
    );
    assert_eq!(claim(&undated), (Reason::MissingClaim, Some("iat".to_owned())));
    // Without revocations both are good.
    let authority = world.issuer.authority();
    let plain =
        Verifier::<Claims>::builder().authority(authority).clock(world.clock.clone()).build().unwrap();
    for token in [&longer, &undated] {
        assert!(plain.verify(token).now().unwrap().is_ok());
    }
}

/// From the revocation on there is no moment at which the token is good, and at the end nothing is left of it.
#[tokio::test]
async fn an_entry_goes_when_its_tokens_have_expired() {
    for revocation in [
        Revocation::token(ISSUER, "t1", START.saturating_add(HOUR)),
        Revocation::session(ISSUER, "s1"),
        Revocation::subject(ISSUER, "bob"),
        Revocation::issuer(ISSUER),
    ] {
        let world = World::with(|builder| builder.longest_token(HOUR));
        let token = world.token(json!({}));
        world.revocations.revoke(revocation.clone()).await.unwrap();
        for _ in 0..90 {
            world.clock.advance(60 * SECOND);
            assert!(world.reason(&token).is_some(), "{revocation:?} at {:?}", world.clock.now());
        }
        // Another revocation clears away.
        world.revocations.revoke(Revocation::session(ISSUER, "new")).await.unwrap();
        assert_eq!(world.revocations.health().entries, 1, "{revocation:?}");
    }
}

/// The same session is ended again before its entry has expired: the entry is prolonged, and counted once.
#[tokio::test]
async fn to_revoke_again_prolongs() {
    let world = World::with(|builder| builder.longest_token(HOUR));
    let revoke = || world.revocations.revoke(Revocation::session(ISSUER, "s1"));
    revoke().await.unwrap();
    world.clock.advance(HOUR);
    revoke().await.unwrap();
    assert_eq!(world.revocations.health().entries, 1);
    world.clock.advance(HOUR);
    world.revocations.revoke(Revocation::session(ISSUER, "other")).await.unwrap();
    assert_eq!(world.revocations.health().entries, 2);
    assert_eq!(world.reason(&world.token(json!({}))), Some(Reason::Revoked));
}

#[tokio::test]
async fn a_cached_token_obeys_at_once() {
    let world = World::new();
    let verifier = cached(&world);
    let token = world.token(json!({}));
    let reason = || verifier.verify(&token).now().unwrap().err().map(|refused| refused.reason());
    // With something to compare with, so that its names are hashed already when it is revoked.
    world.revocations.revoke(Revocation::token(ISSUER, "another", START.saturating_add(HOUR))).await.unwrap();
    assert_eq!((reason(), reason()), (None, None));
    world.revocations.revoke(Revocation::session(ISSUER, "s1")).await.unwrap();
    assert_eq!((reason(), reason()), (Some(Reason::Revoked), Some(Reason::Revoked)));
    let refused = verifier.verify(&token).now().unwrap().unwrap_err();
    assert!(refused.signature_verified());
}

#[tokio::test]
async fn a_principal_names_what_revokes_its_token_alone() {
    let world = World::new();
    let (token, other) = (world.token(json!({})), world.token(json!({ "jti": "t2" })));
    let principal = Jwt::principal(&world.verify(&token).unwrap());
    assert_eq!(principal.session_id(), Some("s1"));
    world.revocations.revoke(principal.revocation().unwrap()).await.unwrap();
    assert_eq!((world.reason(&token), world.reason(&other)), (Some(Reason::Revoked), None));
    let nameless = world.issuer.sign_raw(
        json!({ "alg": "ES256", "kid": world.issuer.kid() }).to_string(),
        json!({ "iss": ISSUER, "aud": "api", "iat": START.as_secs(), "exp": START.as_secs() + 60 })
            .to_string(),
    );
    assert_eq!(Jwt::principal(&world.verify(&nameless).unwrap()).revocation(), None);
}

/// The client learns what it learns of any bad token.
#[tokio::test]
async fn the_answer_is_that_of_a_bad_token() {
    let world = World::new();
    let service =
        JwtAuthLayer::new(world.verifier.clone()).layer(service_fn(async |_: http::Request<String>| {
            Ok::<_, std::convert::Infallible>(http::Response::new(String::new()))
        }));
    let call = |token: String| {
        let request = http::Request::builder().header("authorization", format!("Bearer {token}"));
        service.clone().oneshot(request.body(String::new()).unwrap())
    };
    let token = world.token(json!({}));
    assert_eq!(call(token.clone()).await.unwrap().status(), 200);
    world.revocations.revoke(Revocation::subject(ISSUER, "bob")).await.unwrap();
    let revoked = call(token.clone()).await.unwrap();
    let forged = call(format!("{}AAAA", &token[..token.len() - 4])).await.unwrap();
    assert_eq!(revoked.status(), 401);
    assert_eq!(revoked.headers(), forged.headers());
    assert_eq!(revoked.body(), forged.body());
}

#[tokio::test]
async fn explain_names_the_rule() {
    let world = World::with(|builder| builder.longest_token(HOUR));
    let token = world.token(json!({}));
    let long = world.token(json!({ "exp": START.as_secs() + 3601 }));
    let explained = world.verifier.explain(&long).to_string();
    assert!(explained.contains("longer than 3600s, for which revocations are kept"), "{explained}");
    world.revocations.revoke(Revocation::session(ISSUER, "s1")).await.unwrap();
    let explained = world.verifier.explain(&token).to_string();
    assert!(explained.contains("it was revoked: by its `jti`"), "{explained}");
    // What a check of the user's refuses is not said to be revoked here.
    let check = |_: &tower_jwt_auth::Principal| Err(AuthError::new(Reason::Revoked));
    let authority = world.issuer.authority().check(check);
    let builder = Verifier::<Claims>::builder().authority(authority).clock(world.clock.clone());
    let verifier = builder.revocations(world.revocations.clone()).build().unwrap();
    let explained = verifier.explain(&world.token(json!({ "sid": "s2" }))).to_string();
    assert!(explained.contains("a check of your own"), "{explained}");
}

#[tokio::test]
async fn debug_shows_no_names() {
    let world = World::new();
    world.revocations.revoke(Revocation::subject(ISSUER, "bob-the-secret")).await.unwrap();
    assert!(!format!("{:?} {:?}", world.revocations, world.verifier).contains("bob-the-secret"));
}
