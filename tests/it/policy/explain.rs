//! What `explain` says of each reason is true and of use.

use std::time::Duration;

use serde_json::json;
use tower_jwt_auth::{Algorithm, AuthError, Authority, Claims, Limits, Reason, TestIssuer, Verifier};

use super::{Bench, NOW};

#[track_caller]
fn assert_says<C>(verifier: &Verifier<C>, token: &str, reason: Reason, parts: &[&str])
where
    C: serde::de::DeserializeOwned + Send + Sync + 'static,
{
    let explanation = verifier.explain(token);
    assert_eq!(explanation.refused(), Some(reason));
    let text = explanation.to_string();
    assert!(text.starts_with(&format!("refused: {reason}")), "{text}");
    let rule = text.lines().find_map(|line| line.trim().strip_prefix("rule: ")).expect("a rule");
    for part in parts {
        assert!(rule.contains(part), "{part:?} is not in: {rule}");
    }
    assert!(!rule.contains("Some(") && !rule.contains("None"), "not for eyes: {rule}");
}

#[test]
fn an_accepted_token_is_shown() {
    let bench = Bench::new();
    let explanation = bench.verifier(|authority| authority).explain(&bench.sign(json!({ "sub": "bob" })));
    assert_eq!(explanation.refused(), None);
    assert!(explanation.to_string().starts_with("accepted"));
    let text = explanation.to_string();
    assert!(
        text.starts_with("accepted\n")
            && text.contains("\"sub\":\"bob\"")
            && text.contains("\"alg\":\"HS256\"")
    );
}

#[test]
fn each_refusal_of_one_authority_is_explained() {
    let bench = Bench::new();
    let verifier = bench.verifier(|authority| {
        authority
            .subject("bob")
            .required_claim("tenant")
            .max_age(Duration::from_secs(60))
            .leeway(Duration::from_secs(7))
    });
    let sign = |mut claims: serde_json::Value| {
        for (name, value) in [("sub", json!("bob")), ("tenant", json!("t1"))] {
            claims.as_object_mut().unwrap().entry(name).or_insert(value);
        }
        bench.sign(claims)
    };
    let header = |header| bench.issuer.sign_with(header, json!({}));
    let good = sign(json!({}));
    assert_eq!(verifier.explain(&good).refused(), None);
    let changed = format!("{}.{}", good.rsplit_once('.').unwrap().0, "A".repeat(43));
    let many = vec!["x"; 33];
    let cases: Vec<(String, Reason, Vec<&str>)> = vec![
        ("x".repeat(20_000), Reason::TokenTooLong, vec!["16384", "Limits::token_bytes"]),
        ("not a token".into(), Reason::MalformedToken, vec!["three base64url segments", "crit"]),
        (header(json!({ "crit": ["exp"] })), Reason::MalformedToken, vec!["crit"]),
        (
            header(json!({ "alg": "RS256" })),
            Reason::AlgorithmNotAllowed,
            vec!["\"RS256\"", "{HS256}", "algorithms"],
        ),
        (header(json!({ "alg": "none" })), Reason::AlgorithmNotAllowed, vec!["\"none\"", "{HS256}"]),
        (header(json!({ "kid": "other" })), Reason::UnknownKey, vec!["`kid`", "\"other\""]),
        (changed, Reason::BadSignature, vec!["another key", "changed"]),
        (
            header(json!({ "typ": "logout+jwt" })),
            Reason::WrongType,
            vec!["`typ`", "logout+jwt", "Authority::typ"],
        ),
        (sign(json!({ "typ": "Refresh" })), Reason::WrongType, vec!["claim `typ`", "\"Refresh\""]),
        (sign(json!({ "at_hash": "x" })), Reason::WrongType, vec!["`at_hash`", "another kind"]),
        (sign(json!({ "iss": "other" })), Reason::UnknownIssuer, vec!["\"other\"", super::ISS, "slash"]),
        (
            sign(json!({ "aud": "other" })),
            Reason::WrongAudience,
            vec!["\"other\"", "[\"api\"]", "Authority::audience"],
        ),
        (sign(json!({ "exp": NOW - 7 })), Reason::Expired, vec!["`exp`", "1799999993", "1800000000", "7s"]),
        (
            sign(json!({ "iat": NOW - 67 })),
            Reason::Expired,
            vec!["`iat`", "1799999933", "60s", "7s", "max_age"],
        ),
        (
            sign(json!({ "nbf": NOW + 8 })),
            Reason::NotYetValid,
            vec!["`nbf`", "1800000008", "1800000000", "7s"],
        ),
        (sign(json!({ "iat": NOW + 8 })), Reason::NotYetValid, vec!["`iat`", "1800000008"]),
        (sign(json!({ "exp": null })), Reason::MissingClaim, vec!["`exp`", "absent"]),
        (sign(json!({ "tenant": null })), Reason::MissingClaim, vec!["`tenant`", "demanded"]),
        (sign(json!({ "sub": "eve" })), Reason::InvalidClaim, vec!["\"eve\"", "\"bob\""]),
        (sign(json!({ "sub": 7 })), Reason::InvalidClaim, vec!["`sub` is 7", "wrong type"]),
        (
            sign(json!({ "aud": many })),
            Reason::InvalidClaim,
            vec!["`aud`", "32", "Limits::audience_elements"],
        ),
        (
            sign(json!({ "exp": "1800000600" })),
            Reason::InvalidClaim,
            vec!["`exp`", "\"1800000600\"", "wrong type"],
        ),
        (sign(json!({ "cnf": {} })), Reason::InvalidClaim, vec!["bound to a key", "`cnf`"]),
    ];
    for (token, reason, parts) in cases {
        assert_says(&verifier, &token, reason, &parts);
    }
}

#[test]
fn a_subject_that_nobody_demands_is_not_said_to_be_demanded() {
    let bench = Bench::new();
    let token = bench.sign(json!({ "sub": 7 }));
    assert_says(
        &bench.verifier(|authority| authority),
        &token,
        Reason::InvalidClaim,
        &["`sub` is 7", "wrong type"],
    );
}

#[test]
fn a_misfit_of_the_claims_type_names_the_type_and_the_place() {
    let bench = Bench::new();
    let verifier: Verifier<crate::support::User> = bench.verifier_of(bench.issuer.authority());
    let parts = ["User", "line 1", "do not fit"];
    assert_says(&verifier, &bench.sign(json!({ "sub": "bob", "name": 7 })), Reason::InvalidClaim, &parts);
}

#[test]
fn with_several_authorities_the_chosen_one_is_explained() {
    let (bench, other) =
        (Bench::new(), TestIssuer::with_algorithm("other", Algorithm::ES256).audience("web"));
    let verifier: Verifier<Claims> = Verifier::builder()
        .authorities([bench.issuer.authority(), other.authority()])
        .clock(bench.clock.clone())
        .build()
        .unwrap();
    assert_says(&verifier, &bench.sign(json!({ "aud": "web" })), Reason::WrongAudience, &["[\"api\"]"]);
    let other = other.clock(bench.clock.clone());
    assert_says(&verifier, &other.sign(json!({ "aud": "api" })), Reason::WrongAudience, &["[\"web\"]"]);
    let parts = ["\"nobody\"", super::ISS, "\"other\""];
    assert_says(&verifier, &bench.sign(json!({ "iss": "nobody" })), Reason::UnknownIssuer, &parts);
    assert_says(&verifier, &bench.sign(json!({ "iss": null })), Reason::MissingClaim, &["`iss`"]);
    let none = bench.issuer.sign_with(json!({ "alg": "none" }), json!({ "iss": "nobody" }));
    assert_says(&verifier, &none, Reason::AlgorithmNotAllowed, &["\"none\"", "no authority"]);
}

#[test]
fn a_refusal_by_a_check_is_told_apart() {
    let bench = Bench::new();
    for reason in [Reason::Revoked, Reason::Forbidden, Reason::RevocationUnavailable, Reason::InvalidClaim] {
        let verifier = bench.verifier(|authority| authority.check(move |_| Err(AuthError::new(reason))));
        assert_says(&verifier, &bench.sign(json!({})), reason, &["check of your own"]);
    }
}

#[test]
fn a_token_whose_verdict_has_to_be_awaited_is_not_called_accepted() {
    let bench = Bench::new();
    let authority: Authority = bench.issuer.authority().check_async(|_| async { Ok(()) });
    let verifier: Verifier<Claims> = bench.verifier_of(authority);
    let explanation = verifier.explain(&bench.sign(json!({})));
    assert_eq!(explanation.refused(), None);
    let text = explanation.to_string();
    assert!(text.starts_with("undecided") && text.contains("await verify()"), "{text}");
    assert!(!text.contains("accepted"), "{text}");
}

#[test]
fn a_limit_that_was_set_is_the_one_that_is_told() {
    let bench = Bench::new();
    let builder = Verifier::<Claims>::builder().authority(bench.issuer.authority());
    let verifier = builder.limits(Limits::default().token_bytes(256)).build().unwrap();
    assert_says(&verifier, &bench.sign(json!({ "x": "x".repeat(300) })), Reason::TokenTooLong, &["256"]);
}

#[test]
fn garbage_is_explained_without_panicking() {
    let bench = Bench::new();
    let verifier = bench.verifier(|authority| authority);
    for token in ["", ".", "..", "...", "a.b.c", "\u{1f600}.\u{0}.é", "e30.e30.e30", "W10.W10.W10", "....."]
    {
        assert!(verifier.explain(token).refused().is_some(), "{token}");
    }
}

#[test]
fn a_field_that_the_token_lacks_is_named() {
    #[derive(Debug, serde::Deserialize)]
    struct Named {
        #[allow(dead_code)]
        name: String,
    }
    let bench = Bench::new();
    let verifier = bench.verifier_of::<Named>(bench.issuer.authority());
    let token = bench.sign(json!({}));
    let error = verifier.verify(&token).now().unwrap().unwrap_err();
    assert_eq!((error.reason(), error.claim()), (Reason::MissingClaim, Some("name")));
    assert_says(&verifier, &token, Reason::MissingClaim, &["`name`"]);
    // Serde's text repeats a value here, so it stands in the explanation alone.
    let misfit = bench.sign(json!({ "name": 4711 }));
    let error = verifier.verify(&misfit).now().unwrap().unwrap_err();
    assert_eq!(error.claim(), None);
    assert!(!std::error::Error::source(&error).unwrap().to_string().contains("4711"));
    assert_says(&verifier, &misfit, Reason::InvalidClaim, &["4711", "string"]);
}

#[test]
fn common_slips_are_recognized() {
    let bench = Bench::new();
    let verifier = bench.verifier_of::<Claims>(bench.issuer.authority());
    let token = bench.sign(json!({}));
    assert_says(&verifier, &format!("Bearer {token}"), Reason::MalformedToken, &["the token alone"]);
    let millis = bench.sign(json!({ "exp": 1_800_000_600_000_u64 }));
    assert_says(&verifier, &millis, Reason::InvalidClaim, &["milliseconds"]);
}
