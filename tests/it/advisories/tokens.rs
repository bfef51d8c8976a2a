//! The form of a token: attacks 18 to 23, 25, 26 and 71.

use serde_json::json;
use tower_jwt_auth::{Algorithm, Limits, Verifier};

use super::{cut, decode, encode, judge};
use crate::policy::{Bench, verdict};

/// One component checks the first of two members, another uses the second.
#[test]
fn attack_18_duplicate_members() {
    let bench = Bench::new();
    let kid = bench.issuer.kid();
    let claims = r#""iss":"https://id.example.com","aud":"api","exp":1800000600"#;
    let good = format!("{{{claims}}}");
    let sign = |header: &str, payload: &str| bench.issuer.sign_raw(header, payload);
    assert_eq!(judge(&bench, &sign(&bench.header(), &good)), "accepted");
    for header in [
        format!(r#"{{"alg":"none","alg":"HS256","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"HS256","alg":"HS256","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"HS256","kid":"{kid}","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"HS256","kid":"{kid}","x":1,"x":2}}"#),
        format!(r#"{{"alg":"HS256","kid":"{kid}","a\u006cg":"none"}}"#),
    ] {
        assert_eq!(judge(&bench, &sign(&header, &good)), "malformed_token", "{header}");
    }
    for twin in [
        r#""aud":"api""#,
        r#""aud":"other""#,
        r#""exp":9999999999"#,
        r#""iss":"other""#,
        r#""\u0065xp":1"#,
        r#""sub":"a","sub":"b""#,
        r#""role":"user","role":"admin""#,
        r#""":1,"":2"#,
    ] {
        let token = sign(&bench.header(), &format!("{{{claims},{twin}}}"));
        // Whatever type reads it, even one that keeps only the last of two.
        assert_eq!(bench.judge(|| bench.issuer.authority(), &token), "malformed_token", "{twin}");
        let map = bench
            .verifier_of::<std::collections::HashMap<String, serde_json::Value>>(bench.issuer.authority());
        assert_eq!(verdict(&map, &token), "malformed_token", "{twin}");
    }
}

/// A claim under a name of another case is taken for it, here or by whoever reads it next.
#[test]
fn attack_19_names_that_differ_in_case_only() {
    let bench = Bench::new();
    for (claim, twin, value) in
        [("exp", "Exp", "1800000600"), ("aud", "AUD", "\"api\""), ("sub", "Sub", "\"bob\"")]
    {
        let token = bench.token_of(claim, None);
        let payload = String::from_utf8(decode(cut(&token)[1])).unwrap();
        let payload = payload.replacen('{', &format!("{{\"{twin}\":{value},"), 1);
        let token = bench.issuer.sign_raw(bench.header(), payload);
        let expected = format!("missing_claim ({claim})");
        assert_eq!(bench.judge(|| bench.issuer.authority().required_claim("sub"), &token), expected);
    }
    let header = bench.header().replace("alg", "ALG");
    assert_eq!(judge(&bench, &bench.issuer.sign_raw(header, "{}")), "malformed_token");
}

/// The JSON serialization is taken for a compact token, or hides in one (CVE-2022-39227 of python-jwt).
#[test]
fn attack_20_json_serialization_and_foreign_characters() {
    let bench = Bench::new();
    let token = bench.sign(json!({}));
    let [header, payload, signature] = cut(&token);
    let flattened = json!({ "protected": header, "payload": payload, "signature": signature }).to_string();
    let general =
        json!({ "payload": payload, "signatures": [{ "protected": header, "signature": signature }] });
    for text in [
        flattened.clone(),
        general.to_string(),
        format!("{{\"  {header}.{payload}.{signature}\":1}}"),
        format!("{header}.{payload}.{signature} {flattened}"),
        format!("{header}.{payload} .{signature}"),
        format!("{header}.{payload}\n.{signature}"),
        format!("{header}=.{payload}.{signature}"),
        format!("{header}.{payload}=.{signature}"),
        format!("{header}.{payload}%2E{signature}"),
        format!("\u{feff}{token}"),
    ] {
        assert_ne!(judge(&bench, &text), "accepted", "{text}");
    }
    assert_eq!(judge(&bench, &flattened), "malformed_token");
}

/// An encrypted token where a signed one is due: anybody can encrypt to a public key (CVE-2023-51774 of json-jwt).
#[test]
fn attack_21_encrypted_token_in_place_of_a_signed_one() {
    let bench = Bench::new();
    let token = bench.sign(json!({}));
    let [header, payload, signature] = cut(&token);
    let jwe = encode(r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#);
    for text in [
        format!("{jwe}.{payload}.{signature}.{payload}.{signature}"),
        format!("{header}.{payload}.{signature}.{payload}.{signature}"),
        format!("{header}.{payload}.{signature}.x"),
        format!("{header}.{payload}.{signature}."),
        format!(".{header}.{payload}.{signature}"),
    ] {
        assert_eq!(judge(&bench, &text), "malformed_token", "{text}");
    }
    for member in [json!({ "enc": "A256GCM" }), json!({ "epk": {} }), json!({ "enc": null, "zip": "DEF" })] {
        assert_eq!(judge(&bench, &bench.issuer.sign_with(&member, json!({}))), "malformed_token", "{member}");
    }
    for alg in ["dir", "RSA1_5", "RSA-OAEP", "ECDH-ES", "A256KW"] {
        let token = bench.issuer.sign_with(json!({ "alg": alg }), json!({}));
        assert_eq!(judge(&bench, &token), "algorithm_not_allowed", "{alg}");
    }
}

/// A compressed payload that unfolds without bound (CVE-2024-33664, CVE-2024-28180): nothing is unfolded.
#[test]
fn attack_22_compressed_payload() {
    let bench = Bench::new();
    for zip in ["DEF", "GZIP", ""] {
        assert_eq!(
            judge(&bench, &bench.issuer.sign_with(json!({ "zip": zip }), json!({}))),
            "malformed_token"
        );
    }
}

/// A header that orders millions of hash rounds (CVE-2023-51775, CVE-2023-50658): passwords are not implemented.
#[test]
fn attack_23_pbes2_iteration_count() {
    let bench = Bench::new();
    for header in [json!({ "p2c": 2_000_000_000 }), json!({ "p2s": "x" })] {
        assert_eq!(judge(&bench, &bench.issuer.sign_with(header, json!({}))), "malformed_token");
    }
    let token = bench.issuer.sign_with(json!({ "alg": "PBES2-HS256+A128KW" }), json!({}));
    assert_eq!(judge(&bench, &token), "algorithm_not_allowed");
}

/// Splitting at every dot allocates without bound (CVE-2025-30204 of golang-jwt, CVE-2025-27144, CVE-2025-22868).
#[test]
fn attack_25_many_dots() {
    let bench = Bench::new();
    for dots in [0, 1, 3, 4, 1000, 16 * 1024] {
        assert_eq!(judge(&bench, &".".repeat(dots)), "malformed_token", "{dots}");
    }
    assert_eq!(judge(&bench, &".".repeat(16 * 1024 + 1)), "token_too_long");
    assert_eq!(judge(&bench, &".".repeat(10_000_000)), "token_too_long");
    let token = bench.sign(json!({}));
    assert_eq!(judge(&bench, &format!("{token}{}", ".".repeat(100))), "malformed_token");
}

/// JSON that is nested without bound exhausts the stack (CVE-2025-53864 of Nimbus).
#[test]
fn attack_26_deep_nesting() {
    let bench = Bench::new();
    let lax = || Limits::default().token_bytes(1024 * 1024).header_bytes(64 * 1024).json_depth(64);
    let judge = |token: &str| {
        let builder = Verifier::<serde_json::Value>::builder().authority(bench.issuer.authority());
        verdict(&builder.clock(bench.clock.clone()).limits(lax()).build().unwrap(), token)
    };
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        for levels in [64, 127, 128, 1000, 60_000] {
            let inner = format!("{}1{}", open.repeat(levels), close.repeat(levels));
            assert_eq!(judge(&bench.token_of("x", Some(&inner))), "malformed_token", "{levels}");
            // Cut in the middle, so that no parser may count on the end.
            let payload = format!("{{\"exp\":1800000600,\"x\":{}", open.repeat(levels));
            assert_eq!(judge(&bench.issuer.sign_raw(bench.header(), payload)), "malformed_token", "{levels}");
        }
    }
    // What is ignored in a header is passed over without recursion.
    let header =
        bench.header().replacen('{', &format!("{{\"x\":{}{},", "[".repeat(20_000), "]".repeat(20_000)), 1);
    let payload = decode(cut(&bench.sign(json!({})))[1]);
    assert_eq!(judge(&bench.issuer.sign_raw(header, payload)), "accepted");
}

/// Tokens beyond what a header line holds are refused as tokens, not with a fault of the server.
#[test]
fn attack_71_large_tokens() {
    let bench = Bench::with_algorithm(Algorithm::ES256);
    let of = |bytes: usize| bench.sign(json!({ "x": "x".repeat(bytes) }));
    assert_eq!(judge(&bench, &of(7_000)), "accepted");
    assert_eq!(judge(&bench, &of(20_000)), "token_too_long");
    assert_eq!(tower_jwt_auth::Reason::TokenTooLong.status().as_u16(), 401);
}
