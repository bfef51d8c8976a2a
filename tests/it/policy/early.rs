//! The look at the claims before an expensive signature is checked: it may only refuse.

use std::collections::HashSet;

use http::{Request, Response};
use proptest::prelude::*;
use serde_json::{Value, json};
use tower::{ServiceExt, service_fn};
use tower_jwt_auth::{
    Algorithm, AuthError, Authority, Claims, JwtAuthLayer, Reason, TestClock, TestIssuer, Verifier,
};

use crate::support::{World, verify};

fn world() -> World {
    World::with_algorithm(Algorithm::ES256)
}

/// The same token with another signature of the right length.
fn forged(token: &str) -> String {
    let (input, signature) = token.rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { "B" } else { "A" };
    format!("{input}.{other}{}", &signature[1..])
}

fn refused(world: &World, token: &str) -> AuthError {
    verify(&world.verifier, token).unwrap_err()
}

#[test]
fn what_cannot_be_accepted_costs_no_signature() {
    let world = world();
    for (claims, reason) in [
        (json!({ "exp": 1_000_000_000 }), Reason::Expired),
        (json!({ "aud": "other" }), Reason::WrongAudience),
        (json!({ "aud": ["other", "another"] }), Reason::WrongAudience),
        (json!({ "iss": "https://evil.example" }), Reason::UnknownIssuer),
        (json!({ "exp": "soon" }), Reason::InvalidClaim),
    ] {
        let token = world.issuer.sign(&claims);
        for token in [&token, &forged(&token)] {
            let error = refused(&world, token);
            assert_eq!((error.reason(), error.signature_verified()), (reason, false), "{claims}");
        }
    }
}

#[test]
fn good_claims_are_no_proof() {
    let world = world();
    let token = world.issuer.sign(json!({ "sub": "bob" }));
    assert!(verify(&world.verifier, &token).is_ok());
    assert_eq!(refused(&world, &forged(&token)).reason(), Reason::BadSignature);
    // Now the header is known.
    assert_eq!(refused(&world, &forged(&token)).reason(), Reason::BadSignature);
}

/// A good token may be written so that a glance does not find what it looks for.
#[test]
fn another_spelling_is_as_good() {
    let world = world();
    let now = tower_jwt_auth::Clock::now(&world.clock).as_secs();
    let header = json!({ "alg": "ES256", "kid": world.issuer.kid() }).to_string();
    let iss = "https://id.example.com";
    let exp = now + 600;
    for payload in [
        format!(r#"{{"iss":"{iss}","aud":"api","exp":{exp}}}"#),
        format!(r#"{{"iss":"https:\/\/id.example.com","aud":"api","exp":{exp}}}"#),
        format!(r#"{{"iss":"{iss}","aud":"\u0061pi","exp":{exp}}}"#),
        format!(r#"{{"iss":"{iss}","aud":"api","\u0065xp":{exp}}}"#),
        format!(r#"{{"iss":"{iss}","aud":"api","exp"  : {exp} }}"#),
        format!(r#"{{"iss":"{iss}","aud":"api","exp":{exp}.25}}"#),
        format!(r#"{{"iss":"{iss}","aud":"api","exp":{exp}e0}}"#),
        format!(r#"{{"old":{{"exp":7}},"iss":"{iss}","aud":"api","exp":{exp}}}"#),
        format!(r#"{{"text":"\"exp\":7,","iss":"{iss}","aud":"api","exp":{exp}}}"#),
    ] {
        let token = world.issuer.sign_raw(&header, &payload);
        assert!(verify(&world.verifier, &token).is_ok(), "{payload}");
        assert_eq!(refused(&world, &forged(&token)).reason(), Reason::BadSignature, "{payload}");
    }
}

/// The texts stand in the payload, but not where they count.
#[test]
fn a_text_elsewhere_does_not_help() {
    let world = world();
    for (claims, reason) in [
        (json!({ "aud": "other", "x": "api" }), Reason::WrongAudience),
        (json!({ "iss": "evil", "x": "https://id.example.com" }), Reason::UnknownIssuer),
        (json!({ "a": { "exp": 4_000_000_000_u64 }, "exp": 1_000_000_000 }), Reason::Expired),
    ] {
        let error = refused(&world, &world.issuer.sign(&claims));
        assert_eq!(error.reason(), reason, "{claims}");
    }
}

/// A long array is not collected before the signature, and means the same as after it.
#[test]
fn a_long_array_is_refused_all_the_same() {
    let world = world();
    let audiences = |count: usize| {
        (1..count).map(|number| number.to_string()).chain(["api".to_owned()]).collect::<Vec<_>>()
    };
    for (count, reason) in [(32, None), (33, Some(Reason::InvalidClaim))] {
        let token = world.issuer.sign(json!({ "aud": audiences(count) }));
        assert_eq!(verify(&world.verifier, &token).err().map(|refused| refused.reason()), reason, "{count}");
    }
    // Of other claims the final judgement sees all elements.
    let kinds: Vec<String> = (0..40).map(|number| number.to_string()).chain(["refresh".to_owned()]).collect();
    let error = refused(&world, &world.issuer.sign(json!({ "typ": kinds, "aud": "\u{61}pi" })));
    assert_eq!((error.reason(), error.claim()), (Reason::WrongType, Some("typ")));
    let payload = json!({ "iss": "https://id.example.com", "exp": 4_000_000_000_u64, "typ": kinds, "old": { "exp": 1 } });
    let header = json!({ "alg": "ES256", "kid": world.issuer.kid() }).to_string();
    let payload = payload.to_string().replacen('{', r#"{"aud":"\u0061pi","#, 1);
    let error = refused(&world, &world.issuer.sign_raw(header, payload));
    assert_eq!((error.reason(), error.signature_verified()), (Reason::WrongType, true));
}

/// A long payload is not looked at early, because the look would cost as much as the signature.
#[test]
fn a_long_payload_is_read_after_the_signature() {
    let world = world();
    let long = |length: usize| world.issuer.sign(json!({ "exp": 1_000_000_000, "x": "x".repeat(length) }));
    assert!(!refused(&world, &long(1000)).signature_verified());
    let error = refused(&world, &long(4000));
    assert_eq!((error.reason(), error.signature_verified()), (Reason::Expired, true));
    assert_eq!(refused(&world, &forged(&long(4000))).reason(), Reason::BadSignature);
}

/// Nor is one of many members, whose names would have to be held.
#[test]
fn many_members_are_read_after_the_signature() {
    let world = world();
    let with = |more: usize| {
        let mut claims: serde_json::Map<String, Value> =
            (0..more).map(|number| (format!("m{number}"), json!(0))).collect();
        claims.insert("exp".to_owned(), json!(1_000_000_000));
        refused(&world, &world.issuer.sign(claims))
    };
    for (more, signature_verified) in [(50, false), (64, true)] {
        let error = with(more);
        assert_eq!(
            (error.reason(), error.signature_verified()),
            (Reason::Expired, signature_verified),
            "{more}"
        );
    }
}

/// The client is told the same as after the signature.
#[tokio::test]
async fn the_answer_is_the_same() {
    let world = world();
    let layer = JwtAuthLayer::new(world.verifier.clone());
    let service = tower::ServiceBuilder::new()
        .layer(layer)
        .service(service_fn(|_: Request<()>| async { Ok::<_, std::convert::Infallible>(Response::new(())) }));
    let mut answers = HashSet::new();
    for token in [
        world.issuer.sign(json!({ "exp": 1_000_000_000 })),
        world.issuer.sign(json!({ "exp": 1_000_000_000, "x": "x".repeat(4000) })),
        forged(&world.issuer.sign(json!({ "exp": 1_000_000_000 }))),
        forged(&world.issuer.sign(json!({}))),
    ] {
        let request = Request::get("/").header("authorization", format!("Bearer {token}")).body(()).unwrap();
        let (parts, ()) = service.clone().oneshot(request).await.unwrap().into_parts();
        answers.insert(format!("{} {:?}", parts.status, parts.headers));
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
}

fn claims() -> impl Strategy<Value = Value> {
    let text = || prop_oneof!["https://id.example.com", "api", "[a-z\"\\\\/é]{0,6}"].prop_map(Value::from);
    let date = prop_oneof![
        (1_700_000_000_u64..1_900_000_000).prop_map(Value::from),
        (1.7e9..1.9e9).prop_map(Value::from),
        Just(Value::Null),
        Just(json!("7")),
    ];
    let audience = prop_oneof![text(), prop::collection::vec(text(), 0..3).prop_map(Value::from)];
    let nested = date.clone().prop_map(|exp| json!({ "exp": exp, "iss": "api" }));
    let members = (text(), audience, date.clone(), date, nested, prop::collection::vec(0_usize..5, 0..5));
    members.prop_map(|(iss, aud, exp, nbf, deep, order)| {
        let values = [("iss", iss), ("aud", aud), ("exp", exp), ("nbf", nbf), ("deep", deep)];
        let mut object = serde_json::Map::new();
        order.into_iter().chain(0..4).for_each(|index| {
            object.insert(values[index].0.to_owned(), values[index].1.clone());
        });
        Value::Object(object)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever the claims, an authority whose signatures are looked at after the claims says what one says whose
    /// signatures come first.
    #[test]
    fn early_and_late_agree(claims in claims(), pretty in any::<bool>()) {
        let payload = if pretty { serde_json::to_string_pretty(&claims) } else { serde_json::to_string(&claims) };
        let payload = payload.unwrap();
        let clock = TestClock::at(tower_jwt_auth::UnixTime::from_secs(1_800_000_000));
        let verdict = |algorithm: Algorithm| {
            let issuer = TestIssuer::with_algorithm("https://id.example.com", algorithm);
            let authority = Authority::keys(issuer.key_set()).issuer("https://id.example.com").audience("api");
            let verifier =
                Verifier::<Claims>::builder().authority(authority).clock(clock.clone()).build().unwrap();
            let header = json!({ "alg": algorithm.as_str(), "kid": issuer.kid() }).to_string();
            verify(&verifier, &issuer.sign_raw(header, &payload)).map(drop).map_err(|error| error.to_string())
        };
        prop_assert_eq!(verdict(Algorithm::EdDSA), verdict(Algorithm::HS256), "{}", payload);
    }
}
