//! What a list says of a token.

use serde::Deserialize;
use tower_jwt_auth::TokenCache;

use super::*;

#[derive(Deserialize)]
struct Vector {
    bits: u8,
    lst: String,
    /// Indexes and their statuses; all others are 0.
    entries: Vec<(u64, u8)>,
}

/// The vectors of the specification (sections 4 and "Test vectors"): of each width a list of 2^20 statuses.
#[tokio::test(start_paused = true)]
async fn vectors_of_the_specification() {
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("vectors.json")).unwrap();
    assert_eq!(vectors.len(), 4);
    for Vector { bits, lst, entries } in vectors {
        let world = World::new();
        world.serve_with(1, &[], json!({ "status_list": { "bits": bits, "lst": lst } }));
        let verifier = world.verifier();
        let zero =
            (0..1000).map(|at| (at * 1049, 0)).filter(|(idx, _)| !entries.iter().any(|(of, _)| of == idx));
        let zero: Vec<_> = zero.chain([((1 << 20) - 1, 0)]).collect();
        for (idx, status) in entries.iter().chain(&zero) {
            let expected = if *status == 0 { Ok(()) } else { Err(Reason::Revoked) };
            assert_eq!(verdict(&verifier, &world.token(*idx)).await, expected, "{bits} {idx} {status}");
        }
        assert_eq!(verdict(&verifier, &world.token(1 << 20)).await, Err(Reason::InvalidClaim), "{bits}");
        assert_eq!(world.provider.calls(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn only_valid_is_valid() {
    for bits in [1, 2, 4, 8] {
        let world = World::new();
        let most = ((1_u16 << bits) - 1) as u8;
        let statuses: Vec<u8> = (0..=most).collect();
        world.serve(bits, &statuses);
        let strict = world.verifier();
        let lenient = world.verifier_of(world.settings().accept_status(3).accept_status(15));
        for status in statuses {
            let token = world.token(u64::from(status));
            let expected = if status == 0 { Ok(()) } else { Err(Reason::Revoked) };
            assert_eq!(verdict(&strict, &token).await, expected, "{bits} {status}");
            let expected = if [0, 3, 15].contains(&status) { Ok(()) } else { Err(Reason::Revoked) };
            assert_eq!(verdict(&lenient, &token).await, expected, "{bits} {status}");
        }
    }
    let world = World::new();
    world.serve(1, &[1]);
    let error = refusal(&world.verifier(), &world.token(0)).await;
    assert_eq!(
        (error.claim(), error.signature_verified(), error.is_transient()),
        (Some("status"), true, false)
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_without_a_status_is_accepted_unless_one_is_required() {
    let world = World::new();
    let token = world.tokens.sign(json!({ "sub": "bob" }));
    let (verifier, strict) = (world.verifier(), world.verifier_of(world.settings().required()));
    assert_eq!(at_once(&verifier, &token), Some(Ok(())));
    assert_eq!(at_once(&strict, &token), Some(Err(Reason::MissingClaim)));
    assert_eq!(refusal(&strict, &token).await.claim(), Some("status"));
    // The same with a status is good for both.
    world.serve(1, &[0]);
    assert_eq!(verdict(&verifier, &world.token(0)).await, Ok(()));
    assert_eq!(verdict(&strict, &world.token(0)).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_malformed_status_is_refused_and_fetches_nothing() {
    let world = World::new();
    world.serve(1, &[0, 0]);
    let verifier = world.verifier();
    for status in [
        json!({}),
        json!([]),
        json!("VALID"),
        json!(0),
        json!({ "status_list": null }),
        json!({ "status_list": [0, LIST] }),
        json!({ "status_list": { "uri": LIST } }),
        json!({ "status_list": { "idx": 0 } }),
        json!({ "status_list": { "idx": -1, "uri": LIST } }),
        json!({ "status_list": { "idx": 0.5, "uri": LIST } }),
        json!({ "status_list": { "idx": 1e300, "uri": LIST } }),
        json!({ "status_list": { "idx": "0", "uri": LIST } }),
        json!({ "status_list": { "idx": 0, "uri": [LIST] } }),
        json!({ "another_mechanism": { "idx": 0, "uri": LIST } }),
    ] {
        let error = refusal(&verifier, &world.token_with(status.clone())).await;
        assert_eq!((error.reason(), error.claim()), (Reason::InvalidClaim, Some("status")), "{status}");
    }
    let raw = |status: &str| {
        let times =
            format!(r#""iat":{0},"exp":{1}"#, world.clock.now().as_secs(), world.clock.now().as_secs() + 60);
        let claims = format!(r#"{{"iss":"https://id.example.com","aud":"test",{times},{status}}}"#);
        world.tokens.sign_raw(format!(r#"{{"alg":"ES256","kid":"{}"}}"#, world.tokens.kid()), claims)
    };
    let good = r#""status":{"status_list":{"idx":0,"uri":"https://status.example.com/lists/1"}}"#;
    for (status, reason) in [
        (r#""status":null"#.to_owned(), Reason::InvalidClaim),
        (format!("{good},{good}"), Reason::MalformedToken),
        (good.replace(r#""idx":0"#, r#""idx":0,"idx":1"#), Reason::InvalidClaim),
        (good.replace(r#""idx":0"#, r#""idx":99999999999999999999999"#), Reason::InvalidClaim),
        (good.replace(r#""idx":0"#, r#""idx":-0"#), Reason::InvalidClaim),
    ] {
        assert_eq!(verdict(&verifier, &raw(&status)).await, Err(reason), "{status}");
    }
    assert_eq!(world.provider.calls(), 0);
    assert_eq!(verdict(&verifier, &raw(good)).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_not_allowed_is_not_fetched() {
    let world = World::new();
    let verifier = world.verifier_of(world.settings().allow("https://other.example.com/list"));
    for uri in [
        "https://status.example.com/lists",
        "https://status.example.com/lists/../1",
        "https://status.example.com/lists/%2e%2e/1",
        "https://status.example.com/lists/1?a",
        "https://status.example.com/lists/1#a",
        "https://status.example.com.evil.example/lists/1",
        "https://status.example.com@evil.example/lists/1",
        "https://other.example.com/list/1",
        "https://other.example.com/",
        "http://status.example.com/lists/1",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "/lists/1",
    ] {
        world.provider.serve(uri, Answer::ok(world.sign_list(world.list_claims(1, &[0]))));
        assert_eq!(at_once(&verifier, &world.token_of(uri, 0)), Some(Err(Reason::InvalidClaim)), "{uri}");
    }
    assert_eq!(world.provider.calls(), 0);
    world.serve_with(1, &[0], json!({ "sub": "https://other.example.com/list" }));
    assert_eq!(verdict(&verifier, &world.token_of("https://other.example.com/list", 0)).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_bad_otherwise_fetches_nothing() {
    let world = World::new();
    world.serve(1, &[0]);
    let authority = world.authority(world.settings()).check(|principal| match principal.subject() {
        Some("mallory") => Err(AuthError::new(Reason::InvalidClaim).with_claim("sub")),
        _ => Ok(()),
    });
    let authority = authority.check_async(async |principal| match principal.subject() {
        Some("eve") => Err(AuthError::new(Reason::Revoked)),
        _ => Ok(()),
    });
    let verifier: Verifier<Claims> =
        Verifier::builder().authority(authority).clock(world.clock.clone()).build().unwrap();
    let status = json!({ "status_list": { "idx": 0, "uri": LIST } });
    let sign = |claims: Value| {
        let mut claims = claims;
        claims["status"] = status.clone();
        world.tokens.sign(claims)
    };
    let past = UnixTime::from_secs(world.clock.now().as_secs() - 3600);
    let stranger = TestIssuer::new("https://id.example.com").clock(world.clock.clone());
    for (token, reason) in [
        (sign(json!({ "exp": past, "iat": past })), Reason::Expired),
        (sign(json!({ "aud": "other" })), Reason::WrongAudience),
        (sign(json!({ "iss": "https://evil.example" })), Reason::UnknownIssuer),
        (stranger.sign(json!({ "status": status })), Reason::UnknownKey),
        (
            stranger.sign_with(json!({ "kid": world.tokens.kid() }), json!({ "status": status })),
            Reason::BadSignature,
        ),
        (sign(json!({ "sub": "mallory" })), Reason::InvalidClaim),
        (sign(json!({ "sub": "eve" })), Reason::Revoked),
    ] {
        assert_eq!(verdict(&verifier, &token).await, Err(reason));
    }
    assert_eq!(world.provider.calls(), 0);
    assert_eq!(verdict(&verifier, &sign(json!({ "sub": "bob" }))).await, Ok(()));
    assert_eq!(world.provider.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_of_the_cache_is_looked_up_each_time() {
    let world = World::new();
    world.serve(1, &[0]);
    let verifier = world.builder(world.settings()).cache(TokenCache::new()).build().unwrap();
    let token = world.token(0);
    assert_eq!(verdict(&verifier, &token).await, Ok(()));
    assert_eq!(at_once(&verifier, &token), Some(Ok(())));
    world.serve(1, &[1]);
    world.pass(600).await;
    assert_eq!(at_once(&verifier, &token), Some(Err(Reason::Revoked)));
    world.serve(1, &[0]);
    world.pass(600).await;
    assert_eq!(at_once(&verifier, &token), Some(Ok(())), "SUSPENDED ends, too");
}

#[tokio::test(start_paused = true)]
async fn explain_says_what_the_list_says() {
    let world = World::new();
    world.serve(1, &[0, 1]);
    let verifier = world.verifier();
    let explained = |token: &str| verifier.explain(token).to_string();
    assert!(explained(&world.token(0)).starts_with("undecided"));
    assert_eq!(verdict(&verifier, &world.token(0)).await, Ok(()));
    assert!(explained(&world.token(0)).starts_with("accepted"));
    let revoked = explained(&world.token(1));
    assert!(revoked.contains("refused: revoked") && revoked.contains("its status list says so"), "{revoked}");
    let elsewhere = explained(&world.token_of("https://evil.example/1", 0));
    assert!(elsewhere.contains("StatusLists::allow"), "{elsewhere}");
    world.provider.serve(LIST, Answer::HangUp);
    world.pass(24 * 3600).await;
    assert!(verdict(&verifier, &world.token(0)).await.is_err());
    let gone = explained(&world.token(0));
    assert!(gone.contains("revocation_unavailable") && gone.contains("the connection was closed"), "{gone}");
}

/// Without a runtime nobody can fetch, so the status is not known.
#[test]
fn without_a_runtime_the_answer_is_that_it_is_not_known() {
    let world = World::new();
    world.serve(1, &[0]);
    let verifier = world.verifier();
    assert_eq!(at_once(&verifier, &world.token(0)), Some(Err(Reason::RevocationUnavailable)));
    assert_eq!(at_once(&verifier, &world.tokens.sign(json!({}))), Some(Ok(())));
}
