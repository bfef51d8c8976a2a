//! Claims and set-up: attacks 27 to 32, 34 to 36, 48, 66, 68, 69, 72 and 75.

use std::time::Duration;

use serde_json::json;
use tower_jwt_auth::{
    AuthError, Authority, Claims, Jwt, KeySet, Reason, Secret, TestIssuer, UnixTime, Verifier,
};

use super::judge;
use crate::policy::{Bench, NOW, verdict};
use crate::support::verify;

/// A date that is no number, or none that fits, is taken for absent (CVE-2026-25537, CVE-2026-44459).
#[test]
fn attack_27_dates_that_are_no_dates() {
    let bench = Bench::new();
    for text in ["\"1\"", "null", "true", "[1]", "{}", "-1", "1e400", "253402300800", "18446744073709551617"]
    {
        for claim in ["exp", "nbf", "iat"] {
            let token = bench.token_with(claim, text);
            assert_eq!(judge(&bench, &token), format!("invalid_claim ({claim})"), "{text}");
        }
    }
}

/// A setting of time that is not finite switches checks off (CVE-2026-107721, CVE-2026-107275).
#[test]
fn attack_28_settings_that_are_not_finite() {
    let bench = Bench::new();
    let build = |authority: Authority| Verifier::<Claims>::new(authority).map(|_| ());
    for leeway in [Duration::MAX, Duration::from_secs(301)] {
        assert_eq!(build(bench.issuer.authority().leeway(leeway)).unwrap_err().setting(), "leeway");
    }
    assert_eq!(build(bench.issuer.authority().max_age(Duration::ZERO)).unwrap_err().setting(), "max_age");
    // The longest age there is does not wrap into an age of nothing, nor put `exp` out of force.
    let verifier = bench.verifier(|authority| authority.max_age(Duration::MAX));
    assert_eq!(verdict(&verifier, &bench.sign(json!({}))), "accepted");
    assert_eq!(verdict(&verifier, &bench.sign(json!({ "exp": NOW - 30 }))), "expired (exp)");
}

/// A token without `exp` never ends (early service-account tokens of Kubernetes).
#[test]
fn attack_29_no_exp() {
    let bench = Bench::new();
    let token = bench.sign(json!({ "exp": null }));
    assert_eq!(judge(&bench, &token), "missing_claim (exp)");
    let lax = bench.bare().any_issuer().any_audience();
    assert_eq!(verdict(&bench.verifier_of::<()>(lax), &token), "missing_claim (exp)");
}

/// A clock or a leeway that is far off keeps dead tokens alive, or lets unborn ones in.
#[test]
fn attack_30_clock_skew() {
    let bench = Bench::new();
    let token = bench.sign(json!({}));
    for (time, expected) in [
        (NOW - 31, "not_yet_valid (iat)"),
        (NOW - 30, "accepted"),
        (NOW + 629, "accepted"),
        (NOW + 630, "expired (exp)"),
    ] {
        bench.clock.set(UnixTime::from_secs(time));
        assert_eq!(judge(&bench, &token), expected);
    }
}

/// `aud` matches in part (CVE-2020-26160, CVE-2024-5798, CVE-2025-62610).
#[test]
fn attack_31_aud_in_part_or_of_a_wrong_type() {
    let bench = Bench::new();
    for (aud, expected) in [
        (json!("my-api"), "wrong_audience (aud)"),
        (json!("api-v2"), "wrong_audience (aud)"),
        (json!("a"), "wrong_audience (aud)"),
        (json!(""), "wrong_audience (aud)"),
        (json!([]), "wrong_audience (aud)"),
        (json!([""]), "wrong_audience (aud)"),
        (json!(["a", "p", "i"]), "wrong_audience (aud)"),
        (json!({ "api": "api" }), "invalid_claim (aud)"),
        (json!([["api"]]), "invalid_claim (aud)"),
        (json!(["api", 7]), "invalid_claim (aud)"),
        (json!(null), "missing_claim (aud)"),
    ] {
        assert_eq!(judge(&bench, &bench.sign(json!({ "aud": aud }))), expected, "{aud}");
    }
}

/// `iss` is an array, or matches in part (CVE-2025-30144 of fast-jwt, CVE-2024-53861 of PyJWT).
#[test]
fn attack_32_iss_in_part_or_as_an_array() {
    let bench = Bench::new();
    for (iss, expected) in [
        (json!(["https://evil.test", "https://id.example.com"]), "invalid_claim (iss)"),
        (json!(["https://id.example.com"]), "invalid_claim (iss)"),
        (json!("https://id.example"), "unknown_issuer (iss)"),
        (json!("id.example.com"), "unknown_issuer (iss)"),
        (json!("https://id.example.com.evil.test"), "unknown_issuer (iss)"),
        (json!(null), "missing_claim (iss)"),
    ] {
        assert_eq!(judge(&bench, &bench.sign(json!({ "iss": iss }))), expected, "{iss}");
    }
}

/// The `iss` of a token that nobody verified decides where keys come from.
#[test]
fn attack_34_unverified_iss_chooses_among_the_configured_only() {
    let (bench, other) = (Bench::new(), TestIssuer::new("other"));
    let authorities = [bench.issuer.authority(), other.authority()];
    let verifier = Verifier::<Claims>::new(authorities).unwrap();
    for iss in ["https://evil.test", "http://169.254.169.254/", "file:///etc/passwd", ""] {
        let error = verify(&verifier, &bench.sign(json!({ "iss": iss }))).unwrap_err();
        assert_eq!(error.reason(), Reason::UnknownIssuer);
        assert!(!error.signature_verified());
    }
}

/// Two people of the same `sub` at different issuers are taken for one (RFC 9700 section 4.15).
#[test]
fn attack_35_the_same_sub_at_two_issuers() {
    let (bench, other) = (Bench::new(), TestIssuer::new("other").audience("api"));
    let other = other.clock(bench.clock.clone());
    let verifier: Verifier<Claims> = Verifier::builder()
        .authorities([bench.issuer.authority(), other.authority()])
        .clock(bench.clock.clone())
        .build()
        .unwrap();
    let who = |token: String| {
        let principal = Jwt::principal(&verify(&verifier, &token).unwrap());
        (principal.issuer().map(str::to_owned), principal.subject().map(str::to_owned))
    };
    let (one, two) = (who(bench.sign(json!({ "sub": "1" }))), who(other.sign(json!({ "sub": "1" }))));
    assert_eq!(one.1, two.1);
    assert_eq!((one.0.as_deref(), two.0.as_deref()), (Some("https://id.example.com"), Some("other")));
}

/// A token of another kind, signed with the same key, passes for an access token.
#[test]
fn attack_36_tokens_of_another_kind() {
    let bench = Bench::new();
    for (header, claims) in [
        (json!({ "typ": "JWT" }), json!({ "at_hash": "x", "nonce": "n" })), // OpenID Connect, implicit flow
        (json!({ "typ": "JWT" }), json!({ "c_hash": "x" })),                // OpenID Connect, hybrid flow
        (json!({ "typ": "JWT" }), json!({ "token_use": "id" })),            // Cognito
        (json!({ "typ": "JWT" }), json!({ "typ": "ID" })),                  // Keycloak
        (json!({ "typ": "JWT" }), json!({ "typ": "Refresh" })),
        (json!({ "typ": "JWT" }), json!({ "typ": "Offline" })),
        (json!({ "typ": "JWT" }), json!({ "events": {} })), // a security event, or a logout
        (json!({ "typ": "logout+jwt" }), json!({})),
        (json!({ "typ": "secevent+jwt" }), json!({})),
        (json!({ "typ": "client-authentication+jwt" }), json!({})),
        (json!({ "typ": "dpop+jwt" }), json!({})),
        (json!({ "typ": "oauth-authz-req+jwt" }), json!({})),
    ] {
        let error = verify(&bench.verifier(|authority| authority), &bench.issuer.sign_with(&header, &claims))
            .unwrap_err();
        assert_eq!(error.reason(), Reason::WrongType, "{header} {claims}");
    }
}

/// Rules that are regular expressions: slow ones, and ones that keep state (CVE-2026-35041, CVE-2026-35040).
#[test]
fn attack_48_rules_are_no_patterns() {
    let bench = Bench::new();
    let authority = || bench.bare().any_issuer().audience("^(a+)+$").audience(".*");
    let verifier = bench.verifier_of::<()>(authority());
    let (literal, other) =
        (bench.sign(json!({ "aud": ".*" })), bench.sign(json!({ "aud": format!("{}!", "a".repeat(5000)) })));
    for _ in 0..4 {
        assert_eq!(verdict(&verifier, &literal), "accepted");
        assert_eq!(verdict(&verifier, &other), "wrong_audience (aud)");
    }
}

/// A scope matches in part, in another case, or behind a tab.
#[test]
fn attack_66_scopes_are_whole_words() {
    let bench = Bench::new();
    let verifier = bench.verifier(|authority| authority);
    for (claims, expected) in [
        (json!({ "scope": "readonly Read write\tadmin  x" }), vec!["readonly", "Read", "write\tadmin", "x"]),
        (json!({ "scope": ["read", "write admin"] }), vec!["read", "write admin"]),
        (json!({ "scp": "read" }), vec!["read"]),
        (json!({ "scope": "read", "scp": "admin" }), vec!["read"]),
        (json!({ "scope": "", "scp": "admin" }), vec![]),
        (json!({ "scope": ["read", 7] }), vec![]),
        (json!({ "scope": { "admin": true } }), vec![]),
    ] {
        let principal = Jwt::principal(&verify(&verifier, &bench.sign(claims.clone())).unwrap());
        assert_eq!(principal.scopes().collect::<Vec<_>>(), expected, "{claims}");
    }
}

/// A check of `azp` is skipped because the claim is absent (Clerk).
#[test]
fn attack_68_a_demand_is_not_met_by_absence() {
    let bench = Bench::new();
    let verifier = bench.verifier(|authority| {
        authority.required_claim("azp").check(|principal| match principal.claim::<String>("azp").as_deref() {
            Some("app") => Ok(()),
            _ => Err(AuthError::new(Reason::InvalidClaim).with_claim("azp")),
        })
    });
    for (azp, expected) in [
        (json!("app"), "accepted"),
        (json!("other"), "invalid_claim (azp)"),
        (json!(["app"]), "invalid_claim (azp)"),
        (json!(null), "missing_claim (azp)"),
    ] {
        assert_eq!(verdict(&verifier, &bench.sign(json!({ "azp": azp }))), expected);
    }
}

/// The beginning of `sub` is compared, and names are given to others later.
#[test]
fn attack_69_sub_by_its_beginning() {
    let bench = Bench::new();
    let verifier = bench.verifier(|authority| authority.subject("repo:org/app"));
    for (sub, expected) in [
        ("repo:org/app", "accepted"),
        ("repo:org/app-of-somebody-else", "invalid_claim (sub)"),
        ("repo:org/app:pull_request", "invalid_claim (sub)"),
        ("repo:org/", "invalid_claim (sub)"),
    ] {
        assert_eq!(verdict(&verifier, &bench.sign(json!({ "sub": sub }))), expected);
    }
}

/// The store of withdrawn tokens is down, and every token passes.
#[tokio::test(start_paused = true)]
async fn attack_72_revocation_fails_closed() {
    let bench = Bench::new();
    let failing: [Authority; 3] = [
        bench.issuer.authority().check(|_| Err(AuthError::new(Reason::RevocationUnavailable))),
        bench
            .issuer
            .authority()
            .check_async(|_| async { Err(AuthError::new(Reason::RevocationUnavailable)) }),
        bench.issuer.authority().check_async(|_| std::future::pending()),
    ];
    for authority in failing {
        let verifier: Verifier<Claims> = bench.verifier_of(authority);
        let error = verifier.verify(&bench.sign(json!({}))).await.unwrap_err();
        assert_eq!(
            (error.reason().as_str(), error.reason().status().as_u16()),
            ("revocation_unavailable", 503)
        );
    }
}

/// An empty list of what is allowed allows everything.
#[test]
fn attack_75_an_empty_list_allows_nothing() {
    let hs256 = || Authority::hs256(Secret::generate().unwrap());
    let refused = |built: Result<Verifier<Claims>, _>| -> tower_jwt_auth::ConfigError { built.unwrap_err() };
    assert_eq!(refused(Verifier::new([])).setting(), "authority");
    assert_eq!(refused(Verifier::new(hs256().issuer("x"))).setting(), "audience");
    assert_eq!(refused(Verifier::new(hs256().audience("x"))).setting(), "issuer");
    assert_eq!(refused(Verifier::new(hs256().issuer("x").audience(""))).setting(), "audience");
    assert_eq!(refused(Verifier::new(hs256().issuer("").audience("x"))).setting(), "issuer");
    assert_eq!(
        refused(Verifier::new(hs256().issuer("x").audience("y").algorithms([]))).setting(),
        "algorithms"
    );
    let keyless = Authority::keys(KeySet::default()).issuer("x").audience("y");
    assert_eq!(refused(Verifier::new(keyless)).setting(), "keys");
    assert_eq!(KeySet::from_jwks(r#"{"keys":[]}"#).unwrap_err().setting(), "keys");
}
