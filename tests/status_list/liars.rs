//! A provider that lies, or whose answer is no list: nothing is believed, and the answer is 503.

use tower_jwt_auth::Algorithm;

use super::*;

/// Serves this, and says what a token gets and why.
async fn answered(world: &World, lists: StatusLists, answer: Answer) -> (Reason, String) {
    world.provider.serve(LIST, answer);
    let error = refusal(&world.verifier_of(lists), &world.token(0)).await;
    let why = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    assert!(error.is_transient(), "{error}");
    (error.reason(), why)
}

async fn refused_list(world: &World, answer: Answer, word: &str) {
    let (reason, why) = answered(world, world.settings(), answer).await;
    assert_eq!(reason, Reason::RevocationUnavailable, "{word}");
    assert!(why.contains(word), "{word}: {why}");
}

#[tokio::test(start_paused = true)]
async fn a_list_token_is_what_the_specification_says() {
    let world = World::new();
    let now = world.clock.now().as_secs();
    let claims = |more: Value| {
        let mut claims = world.list_claims(1, &[0; 16]);
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        claims
    };
    let lst = |bits: u64, bytes: &[u8]| json!({ "status_list": { "bits": bits, "lst": BASE64_URL_SAFE_NO_PAD.encode(bytes) } });
    let good = compress_to_vec_zlib(&[0, 0], 9);
    let bomb = compress_to_vec_zlib(&vec![0; 4 * 1024 * 1024], 9);
    for (more, word) in [
        (json!({ "sub": "https://status.example.com/lists/2" }), "another list"),
        (json!({ "sub": format!("{LIST}/") }), "another list"),
        (json!({ "sub": null }), "refused"),
        (json!({ "iat": null }), "missing_claim (iat)"),
        (json!({ "iat": now + 120 }), "not_yet_valid (iat)"),
        (json!({ "nbf": now + 120 }), "not_yet_valid (nbf)"),
        (json!({ "exp": now - 31 }), "expired (exp)"),
        (json!({ "exp": "never" }), "invalid_claim (exp)"),
        (json!({ "ttl": 0 }), "refused"),
        (json!({ "ttl": -5 }), "refused"),
        (json!({ "status_list": null }), "refused"),
        (json!({ "status_list": { "bits": 1 } }), "refused"),
        (lst(3, &good), "refused"),
        (lst(0, &good), "refused"),
        (lst(1, &bomb), "more than 1048576 bytes"),
        (lst(1, &good[..good.len() - 1]), "damaged"),
        (lst(1, &good[2..]), "damaged"),
        (lst(1, &[&good[..], b"\0"].concat()), "follows"),
        (lst(1, &[&good[..], &good[..]].concat()), "follows"),
        (lst(1, b"\0\0"), "damaged"),
        (json!({ "status_list": { "bits": 1, "lst": "eNpjYAAAAAIAAQ==" } }), "not base64url"),
    ] {
        let token = world.sign_list(claims(more.clone()));
        refused_list(&world, Answer::ok(token), word).await;
    }
    // Each of them is good but for that.
    for more in
        [json!({}), json!({ "exp": now - 29, "ttl": 1, "iss": "anybody", "aud": "anybody" }), lst(1, &good)]
    {
        world.provider.serve(LIST, Answer::ok(format!("{}\n", world.sign_list(claims(more)))));
        assert_eq!(verdict(&world.verifier(), &world.token(0)).await, Ok(()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_token_has_its_own_type() {
    let world = World::new();
    let claims = world.list_claims(1, &[0]);
    for typ in [json!("JWT"), json!("at+jwt"), json!("statuslist+cwt"), json!("statuslist"), json!(null)] {
        let token = world.lists.sign_with(json!({ "typ": typ }), &claims);
        refused_list(&world, Answer::ok(token), "wrong_type (typ)").await;
    }
    for typ in ["statuslist+jwt", "application/statuslist+jwt", "StatusList+JWT"] {
        world.provider.serve(LIST, Answer::ok(world.lists.sign_with(json!({ "typ": typ }), &claims)));
        assert_eq!(verdict(&world.verifier(), &world.token(0)).await, Ok(()), "{typ}");
    }
}

/// A list that is signed by anybody else, such as the issuer of the tokens, or a client with a token of its own making.
#[tokio::test(start_paused = true)]
async fn a_list_is_signed_by_the_keys_of_the_lists() {
    let world = World::new();
    let claims = world.list_claims(1, &[0]);
    let typ = json!({ "typ": "statuslist+jwt" });
    let as_lists = json!({ "typ": "statuslist+jwt", "kid": world.lists.kid() });
    let good = world.sign_list(claims.clone());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let other = world.sign_list(world.list_claims(1, &[1]));
    let other_payload = other.split('.').nth(1).unwrap();
    let header = good.split('.').next().unwrap();
    for (token, word) in [
        (world.tokens.sign_with(&typ, &claims), "unknown_key"),
        (world.tokens.sign_with(&as_lists, &claims), "bad_signature"),
        (world.lists.sign_with(json!({ "typ": "statuslist+jwt", "kid": "other" }), &claims), "unknown_key"),
        (world.token(0), "refused"),
        (format!("{signed}."), "refused"),
        (format!("{header}.{other_payload}.{signature}"), "bad_signature"),
        (
            format!(
                "{}.{other_payload}.",
                BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"statuslist+jwt"}"#)
            ),
            "refused",
        ),
    ] {
        refused_list(&world, Answer::ok(token), word).await;
    }
    // Keys of a list, and of another verifier that takes the same ones.
    let own = StatusLists::keys(world.tokens.key_set()).allow(LISTS).fetch(world.provider.clone());
    world.provider.serve(LIST, Answer::ok(world.tokens.sign_with(&typ, &claims)));
    assert_eq!(verdict(&world.verifier_of(own), &world.token(0)).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn an_issuer_algorithm_or_age_that_was_set_is_demanded() {
    let world = World::new();
    let now = world.clock.now().as_secs();
    let serve = |more: Value| {
        let mut claims = world.list_claims(1, &[0]);
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Answer::ok(world.sign_list(claims))
    };
    let of_issuer = || world.settings().issuer("https://status.example.com");
    let young = || world.settings().max_age(Duration::from_secs(3600));
    for (lists, more, word) in [
        (of_issuer(), json!({}), "missing_claim (iss)"),
        (of_issuer(), json!({ "iss": "https://id.example.com" }), "unknown_issuer"),
        (young(), json!({ "iat": now - 3631 }), "expired (iat)"),
    ] {
        let (reason, why) = answered(&world, lists, serve(more)).await;
        assert_eq!(reason, Reason::RevocationUnavailable);
        assert!(why.contains(word), "{word}: {why}");
    }
    for (lists, more) in [
        (of_issuer(), json!({ "iss": "https://status.example.com" })),
        (young(), json!({ "iat": now - 3600 })),
        (world.settings().algorithms([Algorithm::ES256]), json!({})),
    ] {
        world.provider.serve(LIST, serve(more));
        assert_eq!(verdict(&world.verifier_of(lists), &world.token(0)).await, Ok(()));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_answer_is_no_list() {
    let world = World::new();
    let good = world.sign_list(world.list_claims(1, &[0]));
    let with = |status: u16, headers: &[(&'static str, &str)]| match Answer::status(status, headers) {
        Answer::Send(status, headers, _) => Answer::Send(status, headers, good.clone().into()),
        answer => answer,
    };
    for (answer, word) in [
        (with(404, &[]), "answered 404"),
        (with(500, &[]), "answered 500"),
        (with(204, &[]), "answered 204"),
        (with(302, &[("location", "https://status.example.com/lists/moved")]), "302, which is not followed"),
        (with(200, &[("content-encoding", "gzip")]), "encoded"),
        (Answer::ok(""), "malformed_token"),
        (Answer::ok("<html>"), "malformed_token"),
        (Answer::ok(vec![0xff; 100]), "malformed_token"),
        (Answer::ok(vec![b'a'; 2 * 1024 * 1024 + 16 * 1024]), "malformed_token"),
        (Answer::ok(vec![b'a'; 2 * 1024 * 1024 + 16 * 1024 + 1]), "more than 2113536 bytes"),
        (Answer::HangUp, "the connection was closed"),
        (Answer::Panic, "nobody has fetched it"),
    ] {
        refused_list(&world, answer, word).await;
    }
    world
        .provider
        .serve(LIST, with(200, &[("content-encoding", "identity"), ("content-type", "text/plain")]));
    assert_eq!(verdict(&world.verifier(), &world.token(0)).await, Ok(()));
}

/// An index that is not in the list, also if its place is within the last byte of a shorter one.
#[tokio::test(start_paused = true)]
async fn an_index_out_of_range_is_refused() {
    for (bits, statuses, last) in [(1, 9, 15), (2, 4, 3), (4, 3, 3), (8, 1, 0), (8, 0, u64::MAX)] {
        let world = World::new();
        world.serve(bits, &vec![0; statuses]);
        let verifier = world.verifier();
        for idx in [last.wrapping_add(1), 1 << 32, u64::MAX / 8 + 1, u64::MAX] {
            let error = refusal(&verifier, &world.token(idx)).await;
            assert_eq!(
                (error.reason(), error.claim()),
                (Reason::InvalidClaim, Some("status")),
                "{bits} {idx}"
            );
        }
        if last < u64::MAX {
            assert_eq!(verdict(&verifier, &world.token(last)).await, Ok(()), "{bits}");
        }
    }
}
