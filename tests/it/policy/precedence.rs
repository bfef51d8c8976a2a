//! Which of several faults is told.

use serde::Deserialize;
use serde_json::{Value, json};
use tower_jwt_auth::Verifier;

use super::{Bench, NOW, verdict};
use crate::support::verify;

/// No token of these tests fits it unless it says so.
#[derive(Debug, Deserialize)]
struct Strict {
    #[allow(dead_code)]
    plan: u8,
}

#[test]
fn a_verdict_of_the_policy_outranks_a_misfit_of_the_claims_type() {
    let bench = Bench::new();
    let verifier: Verifier<Strict> = bench.verifier_of(bench.issuer.authority().required_claim("tenant"));
    let good = json!({ "tenant": "t1" });
    for (claims, expected) in [
        (json!({ "exp": NOW - 30 }), "expired (exp)"),
        (json!({ "nbf": NOW + 31 }), "not_yet_valid (nbf)"),
        (json!({ "aud": "other" }), "wrong_audience (aud)"),
        (json!({ "iss": "other" }), "unknown_issuer (iss)"),
        (json!({ "at_hash": "x" }), "wrong_type (at_hash)"),
        (json!({ "tenant": null }), "missing_claim (tenant)"),
        (json!({ "exp": "soon" }), "invalid_claim (exp)"),
        (json!({}), "invalid_claim"),
    ] {
        for plan in [json!("pro"), json!(-1), json!([7]), json!({ "exp": NOW + 600 })] {
            let mut all = good.clone();
            for (name, value) in claims.as_object().unwrap() {
                all[name] = value.clone();
            }
            all["plan"] = plan;
            assert_eq!(verdict(&verifier, &bench.sign(all)), expected, "{claims}");
        }
    }
    assert_eq!(verdict(&verifier, &bench.sign(json!({ "tenant": "t1", "plan": 7 }))), "accepted");
}

#[test]
fn a_misfit_tells_the_place_and_no_value() {
    let bench = Bench::new();
    let verifier: Verifier<Strict> = bench.verifier_of(bench.issuer.authority());
    let error = verify(&verifier, &bench.sign(json!({ "plan": "canary-value" }))).unwrap_err();
    assert_eq!((error.reason().as_str(), error.claim()), ("invalid_claim", None));
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("line 1, column"), "{source}");
    assert!(!format!("{source} {error:?}").contains("canary"), "{source}");
}

/// Each step mends the fault that was told, and the next one appears.
#[test]
fn faults_are_told_in_a_fixed_order() {
    let bench = Bench::new();
    let authority = bench.issuer.authority().subject("bob").required_claim("tenant");
    let verifier: Verifier<Strict> = bench.verifier_of(authority);
    let mut claims = json!({
        "jti": 7, "at_hash": "x", "cnf": {}, "iss": "other", "aud": "other",
        "exp": NOW - 30, "nbf": NOW + 31, "sub": "eve", "plan": "pro",
    });
    let steps: [(&str, &str, Value); 10] = [
        ("invalid_claim (jti)", "jti", json!("1")),
        ("wrong_type (at_hash)", "at_hash", Value::Null),
        ("invalid_claim (cnf)", "cnf", Value::Null),
        ("unknown_issuer (iss)", "iss", json!("https://id.example.com")),
        ("wrong_audience (aud)", "aud", json!("api")),
        ("expired (exp)", "exp", json!(NOW + 600)),
        ("not_yet_valid (nbf)", "nbf", Value::Null),
        ("invalid_claim (sub)", "sub", json!("bob")),
        ("missing_claim (tenant)", "tenant", json!("t1")),
        ("invalid_claim", "plan", json!(7)),
    ];
    for (expected, claim, mended) in steps {
        let error = verify(&verifier, &bench.sign(claims.clone())).unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert!(error.signature_verified());
        claims[claim] = mended;
    }
    assert_eq!(verdict(&verifier, &bench.sign(claims)), "accepted");
}

#[test]
fn nothing_of_the_claims_is_told_before_the_signature() {
    let bench = Bench::new();
    let verifier = bench.verifier(|authority| authority);
    let bad_claims = json!({ "exp": 1, "aud": "other", "iss": "other", "cnf": {} });
    let token = bench.sign(bad_claims.clone());
    assert!(verify(&verifier, &token).unwrap_err().signature_verified());
    let (input, signature) = token.rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { "B" } else { "A" };
    let forged = format!("{input}.{other}{}", &signature[1..]);
    let key = bench.issuer.kid().to_owned();
    for (token, expected) in [
        (forged, "bad_signature"),
        (format!("{input}.AAAA"), "bad_signature"),
        (bench.issuer.sign_with(json!({ "kid": "other" }), &bad_claims), "unknown_key"),
        (bench.issuer.sign_with(json!({ "alg": "HS512" }), &bad_claims), "algorithm_not_allowed"),
        (bench.issuer.sign_with(json!({ "alg": "none" }), &bad_claims), "algorithm_not_allowed"),
        (bench.issuer.sign_with(json!({ "typ": "logout+jwt" }), &bad_claims), "wrong_type (typ)"),
        (
            bench.issuer.sign_with(json!({ "crit": ["x"], "x": 1, "kid": key }), &bad_claims),
            "malformed_token",
        ),
        ("x.y".to_owned(), "malformed_token"),
        ("x".repeat(16 * 1024 + 1), "token_too_long"),
    ] {
        let error = verify(&verifier, &token).unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert!(!error.signature_verified(), "{expected}");
    }
}

#[test]
fn a_payload_that_does_not_begin_an_object_is_refused_before_the_signature() {
    let bench = Bench::new();
    let verifier = bench.verifier(|authority| authority);
    for (payload, signature_verified) in
        [("[]", false), ("null", false), (" 7", false), ("{\"exp\":1,\"exp\":1}", true), ("{}{}", true)]
    {
        let error = verify(&verifier, &bench.issuer.sign_raw(bench.header(), payload)).unwrap_err();
        assert_eq!(
            (error.to_string().as_str(), error.signature_verified()),
            ("malformed_token", signature_verified),
            "{payload}"
        );
    }
}
