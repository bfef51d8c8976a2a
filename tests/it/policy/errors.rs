//! An `AuthError` can be logged: nothing of the token, of keys or of secrets is in it.

use std::error::Error;

use serde_json::json;
use tower_jwt_auth::{AuthError, Claims, Reason, Verifier};

use super::Bench;
use crate::support::verify;

/// All that an error can be made to say.
pub(crate) fn everything(error: &AuthError) -> String {
    let mut text = format!("{error} {error:?} {error:#?}");
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(" {cause} {cause:?}"));
        source = cause.source();
    }
    text
}

#[test]
fn no_text_of_the_token_is_in_an_error() {
    #[derive(Debug, serde::Deserialize)]
    struct Typed {
        #[allow(dead_code)]
        plan: u8,
    }

    let bench = Bench::new();
    let one: Verifier<Typed> =
        bench.verifier_of(bench.issuer.authority().subject("bob").required_claim("tenant"));
    let other = tower_jwt_auth::TestIssuer::new("other");
    let several: Verifier<Typed> = Verifier::builder()
        .authorities([bench.issuer.authority(), other.authority()])
        .clock(bench.clock.clone())
        .build()
        .unwrap();
    let canary = "CANARY";
    let mut tokens = vec![canary.to_owned(), format!("{canary}.{canary}.{canary}"), canary.repeat(4000)];
    for header in ["alg", "kid", "typ", "crit", "cty", "x"] {
        tokens.push(bench.issuer.sign_with(json!({ header: canary }), json!({ "sub": "bob" })));
    }
    for claim in
        ["iss", "sub", "aud", "exp", "nbf", "iat", "token_use", "cnf", "at_hash", "events", "plan", "x"]
    {
        for value in [json!(canary), json!([canary]), json!({ canary: canary })] {
            let mut claims = json!({ "sub": "bob", "tenant": canary });
            claims[claim] = value;
            tokens.push(bench.sign(claims));
        }
    }
    tokens.push(bench.issuer.sign_raw(bench.header(), canary));
    tokens.push(bench.issuer.sign_raw(bench.header(), format!("{{\"{canary}\":1,\"{canary}\":2}}")));
    let mut refusals = 0;
    for token in &tokens {
        for verifier in [&one, &several] {
            let error = verify(verifier, token).expect_err("no token of these is good");
            let text = everything(&error);
            assert!(!text.contains(canary), "{text}");
            for segment in token.split('.') {
                assert!(segment.len() < 6 || !text.contains(segment), "{text}");
            }
            refusals += 1;
        }
    }
    assert_eq!(refusals, 2 * tokens.len());
}

#[test]
fn a_verified_token_shows_no_claims_of_yours() {
    let bench = Bench::new();
    let verifier = bench.verifier(|authority| authority);
    let token = bench.sign(json!({ "sub": "bob", "email": "CANARY", "jti": "CANARY" }));
    let jwt = verify::<Claims>(&verifier, &token).unwrap();
    let principal = tower_jwt_auth::Jwt::principal(&jwt);
    let text = format!("{jwt:?} {jwt:#?} {principal:?} {verifier:?}");
    assert!(text.contains("bob") && !text.contains("CANARY"), "{text}");
    assert!(token.split('.').all(|segment| !text.contains(segment)));
}

#[test]
fn only_what_may_mend_itself_is_transient() {
    for reason in Reason::all() {
        let transient = matches!(reason.as_str(), "keys_unavailable" | "revocation_unavailable");
        assert_eq!(AuthError::new(*reason).is_transient(), transient, "{reason}");
    }
}
