//! Published advisories that the attacks do not name already, each by its own number.
//!
//! In the attacks: CVE-2023-48223, CVE-2026-34950 (4), CVE-2026-22817, CVE-2026-22818 (3), CVE-2026-27962 (12),
//! CVE-2024-21643 (13), CVE-2026-32597 (17), CVE-2025-27144 (25), CVE-2026-35041, CVE-2026-35040 (48),
//! CVE-2026-26308 (51), and those on compression and iteration counts (22, 23). Left out: caches, `DPoP`, fetched keys
//! (CVE-2026-31837, CVE-2026-41413) and rules by path (CVE-2023-27487, CVE-2021-43824, CVE-2026-73511), which are not
//! here.

use http::StatusCode;
use serde_json::json;
use tower_jwt_auth::{
    Algorithm, Authority, Claims, JwtAuthLayer, KeySet, Limits, Secret, TestIssuer, Verifier,
};

use super::{answer, cut, encode, forged_hs256, judge, jwk, request, trusting, with_signature};
use crate::policy::{Bench, ISS, NOW, verdict};

/// Java's ECDSA accepted a signature whose two numbers are zero.
#[test]
fn cve_2022_21449_psychic_signatures() {
    let bench = Bench::with_algorithm(Algorithm::ES256);
    let token = bench.sign(json!({ "sub": "admin" }));
    assert_eq!(judge(&bench, &with_signature(&token, [0; 64])), "bad_signature");
    assert_eq!(judge(&bench, &token), "accepted");
}

/// auth0/jsonwebtoken: without a list of algorithms, the token chose.
#[test]
fn cve_2022_23540_no_default_list_of_algorithms() {
    for trusted in [Algorithm::ES256, Algorithm::RS256, Algorithm::HS256] {
        let bench = Bench::with_algorithm(trusted);
        for alg in ["none", "HS256", "RS256", "ES256", "HS512", "PS256"] {
            if alg != trusted.as_str() {
                let token = bench.issuer.sign_with(json!({ "alg": alg }), json!({}));
                assert_eq!(judge(&bench, &token), "algorithm_not_allowed", "{trusted} {alg}");
            }
        }
    }
}

/// auth0/jsonwebtoken: one key function for secrets and public keys confused the two.
#[test]
fn cve_2022_23541_secrets_and_public_keys_in_one_place() {
    let public = TestIssuer::new(ISS).key_set();
    let secret = KeySet::from_secret(Algorithm::HS256, Secret::generate().unwrap()).unwrap();
    for mixed in [public.clone().merge(&secret), secret.merge(&public)] {
        assert_eq!(Verifier::<Claims>::new(trusting(mixed)).map(|_| ()).unwrap_err().setting(), "keys");
    }
}

/// node-jws and others: the header decides which code runs.
#[test]
fn ghsa_869p_cjfg_cm3x_the_header_decides_the_code() {
    let bench = Bench::with_algorithm(Algorithm::RS256);
    let header =
        json!({ "alg": "HS256", "kid": bench.issuer.kid(), "jwk": { "kty": "oct", "k": encode([7; 32]) } });
    let claims = json!({ "iss": ISS, "aud": "api", "exp": NOW + 600 });
    assert_eq!(judge(&bench, &forged_hs256(&header, &claims, &[7; 32])), "algorithm_not_allowed");
}

/// gose: for an unknown `kid` the last key was returned.
#[test]
fn cve_2026_89313_the_last_key_for_an_unknown_kid() {
    let bench = Bench::with_algorithm(Algorithm::ES256);
    let first = TestIssuer::new(ISS);
    let keys = first.key_set().merge(&bench.issuer.key_set());
    // Even where several keys may be tried.
    let builder = Verifier::<Claims>::builder().authority(trusting(keys)).clock(bench.clock.clone());
    let verifier = builder.limits(Limits::default().keys_tried(4)).build().unwrap();
    assert_eq!(verdict(&verifier, &bench.sign(json!({}))), "accepted");
    let unknown = bench.issuer.sign_with(json!({ "kid": "unknown" }), json!({}));
    assert_eq!(verdict(&verifier, &unknown), "unknown_key");
}

/// fast-jwt and ruby-jwt (CVE-2026-45363): an empty secret was accepted.
#[test]
fn cve_2026_44351_empty_hmac_secret() {
    assert!(Secret::from_bytes("").is_err());
    assert!(Secret::from_base64("").is_err());
    for k in ["", "AA"] {
        let set = json!({ "keys": [{ "kty": "oct", "alg": "HS256", "k": k }] }).to_string();
        assert!(KeySet::from_jwks_with_secrets(set).is_err());
    }
}

/// fast-jwt: with a list of algorithms and no key, unsigned tokens passed.
#[test]
fn ghsa_8wpc_h4q6_8fxv_no_key_and_a_list_of_algorithms() {
    let keyless = Authority::keys(KeySet::default()).issuer("x").audience("y").algorithms([Algorithm::ES256]);
    assert_eq!(Verifier::<Claims>::new(keyless).map(|_| ()).unwrap_err().setting(), "keys");
}

/// pac4j: an encrypted token around an unsigned one skipped the check of the signature.
#[test]
fn cve_2026_29000_unsigned_token_inside_another() {
    let bench = Bench::new();
    let inner = format!("{}.{}.", encode(r#"{"alg":"none"}"#), encode(r#"{"sub":"admin"}"#));
    for cty in ["JWT", "jwt", "application/jwt"] {
        let header = json!({ "alg": "HS256", "kid": bench.issuer.kid(), "cty": cty }).to_string();
        assert_eq!(judge(&bench, &bench.issuer.sign_raw(&header, &inner)), "malformed_token", "{cty}");
        assert_eq!(
            judge(&bench, &bench.issuer.sign_with(json!({ "cty": cty }), json!({}))),
            "malformed_token"
        );
    }
    assert_eq!(judge(&bench, &bench.issuer.sign_raw(bench.header(), &inner)), "malformed_token");
}

/// fast-jwt: a payload that is an array skipped the checks of claims.
#[test]
fn cve_2026_107723_array_as_payload() {
    let bench = Bench::new();
    for payload in [
        "[]",
        "[{}]",
        r#"[{"iss":"https://id.example.com","aud":"api","exp":1800000600}]"#,
        "7",
        "null",
        "\"x\"",
    ] {
        let token = bench.issuer.sign_raw(bench.header(), payload);
        assert_eq!(bench.judge(|| bench.issuer.authority(), &token), "malformed_token", "{payload}");
        // Types that would take an array.
        assert_eq!(
            verdict(&bench.verifier_of::<Vec<serde_json::Value>>(bench.issuer.authority()), &token),
            "malformed_token"
        );
        assert_eq!(
            verdict(&bench.verifier_of::<(Option<u8>,)>(bench.issuer.authority()), &token),
            "malformed_token"
        );
    }
}

/// fast-jwt: a clock option that is not finite switched the checks of time off.
#[test]
fn ghsa_687g_22h4_j4w4_a_clock_beyond_all_time() {
    let bench = Bench::new();
    let verifier = bench.verifier(|authority| authority.leeway(std::time::Duration::from_secs(300)));
    bench.clock.set(tower_jwt_auth::UnixTime::from_secs(u64::MAX));
    bench.clock.advance(std::time::Duration::MAX);
    let token = bench.token_with("exp", "253402300799");
    assert_eq!(verdict(&verifier, &token), "expired (exp)");
}

/// Spring Security: on one path the issuer was not compared.
#[test]
fn cve_2026_22748_the_issuer_is_compared_on_every_path() {
    let (bench, other) = (Bench::new(), TestIssuer::new("other"));
    let wrong = bench.sign(json!({ "iss": "third" }));
    assert_eq!(judge(&bench, &wrong), "unknown_issuer (iss)");
    let several = Verifier::<Claims>::new([bench.issuer.authority(), other.authority()]).unwrap();
    assert_eq!(verdict(&several, &wrong), "unknown_issuer (iss)");
    let profiles: [fn(Authority) -> Authority; 2] = [Authority::id_token, |authority| authority.typ("JWT")];
    for profile in profiles {
        let token = bench.issuer.sign_with(json!({ "typ": "JWT" }), json!({ "iss": "third" }));
        assert_eq!(verdict(&bench.verifier(profile), &token), "unknown_issuer (iss)");
    }
}

/// Authlib: a critical header that nobody understood was ignored.
#[test]
fn cve_2025_59420_unknown_critical_header() {
    let bench = Bench::new();
    let header = json!({ "crit": ["bork"], "bork": "x" });
    assert_eq!(judge(&bench, &bench.issuer.sign_with(header, json!({}))), "malformed_token");
}

/// Duende IdentityServer: a confirmation claim was not checked in full.
#[test]
fn cve_2024_49755_confirmation_that_nobody_checks() {
    let bench = Bench::new();
    for cnf in [json!({ "jkt": "x" }), json!({ "x5t#S256": "x" }), json!({ "new": 1 }), json!({})] {
        assert_eq!(judge(&bench, &bench.sign(json!({ "cnf": cnf }))), "invalid_claim (cnf)");
    }
}

/// jsonwebtoken before 10.3: `exp` and `nbf` of a wrong type passed for absent.
#[test]
fn cve_2026_25537_dates_of_a_wrong_type() {
    let bench = Bench::new();
    for claims in
        [json!({ "nbf": "99999999999" }), json!({ "exp": "1" }), json!({ "nbf": {} }), json!({ "exp": [] })]
    {
        let claim = if claims.get("nbf").is_some() { "nbf" } else { "exp" };
        assert_eq!(judge(&bench, &bench.sign(claims)), format!("invalid_claim ({claim})"));
    }
}

/// The Haskell package jwt: the exponent of a date was dropped, so a fraction became a date far away.
#[test]
fn hsec_2026_0010_dates_with_a_fraction() {
    let bench = Bench::new();
    for (text, expected) in [
        ("1799999000.0001", "expired (exp)"),
        ("17999990000001e-4", "expired (exp)"),
        ("1.7999990000001e9", "expired (exp)"),
        ("1800000600.0001", "accepted"),
        ("1.8000006e9", "accepted"),
    ] {
        assert_eq!(
            bench.judge(|| bench.issuer.authority(), &bench.token_with("exp", text)),
            expected,
            "{text}"
        );
    }
}

/// Authlib: a header of hundreds of megabytes was decoded and parsed.
#[test]
fn cve_2025_61920_huge_header() {
    let bench = Bench::new();
    let huge = |bytes: usize| bench.issuer.sign_with(json!({ "x": "x".repeat(bytes) }), json!({}));
    assert_eq!(judge(&bench, &huge(1000)), "accepted");
    assert_eq!(judge(&bench, &huge(2048)), "malformed_token");
    assert_eq!(judge(&bench, &huge(1_000_000)), "token_too_long");
    // Even where long tokens are allowed, and even if the header is no JSON at all.
    let builder = Verifier::<Claims>::builder().authority(bench.issuer.authority());
    let verifier = builder.limits(Limits::default().token_bytes(1024 * 1024)).build().unwrap();
    assert_eq!(verdict(&verifier, &huge(500_000)), "malformed_token");
    assert_eq!(verdict(&verifier, &format!("{}.e30.AA", "!".repeat(500_000))), "malformed_token");
}

/// golang-jwt: splitting at every dot allocated without bound.
#[test]
fn cve_2025_30204_split_at_every_dot() {
    let bench = Bench::new();
    assert_eq!(judge(&bench, &"a.".repeat(8 * 1024)), "malformed_token");
    assert_eq!(judge(&bench, &"a.".repeat(8 * 1024 + 1)), "token_too_long");
}

/// Nimbus: an exception that nobody caught let requests through.
#[tokio::test]
async fn cve_2019_17195_a_parser_that_fails_refuses() {
    let bench = Bench::new();
    let layer = JwtAuthLayer::new(bench.verifier(|authority| authority)).optional();
    for text in ["e30", "bnVsbA", "Nw", "W10", "IiI", "AA", "____"] {
        for token in [format!("{text}.{text}.{text}"), format!("{text}.e30.AA"), format!("e30.{text}.AA")] {
            let response = answer(&layer, request(&[&format!("Bearer {token}")])).await;
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{token}");
        }
    }
}

/// Nimbus: deeply nested JSON exhausted the stack.
#[test]
fn cve_2025_53864_nesting() {
    let bench = Bench::new();
    let nested = format!("{}{}", "[".repeat(2000), "]".repeat(2000));
    assert_eq!(judge(&bench, &bench.token_of("x", Some(&nested))), "malformed_token");
    assert_eq!(judge(&bench, &bench.token_of("x", Some("[[[[]]]]"))), "accepted");
}

/// Envoy: where a token may be missing, one of an unknown issuer was accepted.
#[tokio::test]
async fn cve_2021_21378_unknown_issuer_where_none_is_needed() {
    let (bench, other) = (Bench::new(), TestIssuer::new("other"));
    let verifier = Verifier::<Claims>::new([bench.issuer.authority(), other.authority()]).unwrap();
    for verifier in [bench.verifier(|authority| authority), verifier] {
        let layer = JwtAuthLayer::new(verifier).optional();
        let line = format!("Bearer {}", bench.sign(json!({ "iss": "https://evil.test", "sub": "admin" })));
        assert_eq!(answer(&layer, request(&[&line])).await.status(), StatusCode::UNAUTHORIZED);
    }
}

/// Envoy: a crash when two tokens came where one may be missing.
#[tokio::test]
async fn cve_2025_64527_two_tokens_where_none_is_needed() {
    let bench = Bench::new();
    let layer = JwtAuthLayer::new(bench.verifier(|authority| authority)).optional();
    let line = format!("Bearer {}", bench.issuer.sign_with(json!({ "kid": "unknown" }), json!({})));
    assert_eq!(answer(&layer, request(&[&line, &line])).await.status(), StatusCode::BAD_REQUEST);
}

/// Envoy's OAuth filter: any token passed, whatever it was.
#[tokio::test]
async fn cve_2022_29226_any_token_passes() {
    let bench = Bench::new();
    for layer in [
        JwtAuthLayer::new(bench.verifier(|authority| authority)),
        JwtAuthLayer::new(bench.verifier(|authority| authority)).optional(),
    ] {
        for token in ["x", "anything", "e30.e30.e30"] {
            let response = answer(&layer, request(&[&format!("Bearer {token}")])).await;
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        }
    }
}

/// PyJWT: the text of a public JWK served as an HMAC secret.
#[test]
fn cve_2026_48526_public_jwk_as_secret() {
    let bench = Bench::with_algorithm(Algorithm::RS256);
    let public = jwk(&bench.issuer, |_| {});
    assert!(Secret::from_bytes(public.as_bytes()).is_err());
    assert!(Secret::from_bytes(format!(" {public}").into_bytes()).is_err());
}

/// A JWT library that compares `alg` by its beginning takes a cut or longer name.
#[test]
fn attack_01_names_of_algorithms_are_exact() {
    let bench = Bench::new();
    let token = bench.sign(json!({}));
    assert_eq!(cut(&token).len(), 3);
    for alg in ["hs256", "HS256 ", " HS256", "HS2561", "HS", "HS-256", "HMAC", "HS256\u{0}"] {
        let token = bench.issuer.sign_with(json!({ "alg": alg }), json!({}));
        assert_eq!(judge(&bench, &token), "algorithm_not_allowed", "{alg}");
    }
}
