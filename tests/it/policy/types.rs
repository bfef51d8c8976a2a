//! Registered claims of a wrong type, and what must match exactly: `iss` and `sub`.

use super::{Bench, ISS};

#[test]
fn iss_sub_and_jti_are_strings_wherever_they_stand() {
    let bench = Bench::new();
    for claim in ["iss", "sub", "jti"] {
        for text in ["null", "true", "7", "-1", "1e400", "1.5", "[]", "[\"x\"]", "{}", "[null]"] {
            let token = bench.token_with(claim, text);
            let refused = format!("invalid_claim ({claim})");
            assert_eq!(bench.judge(|| bench.issuer.authority(), &token), refused, "{text}");
            let lax = || bench.bare().any_issuer().any_audience();
            assert_eq!(bench.judge(lax, &token), refused, "{text}, nothing demanded");
        }
    }
}

#[test]
fn iss_is_compared_exactly() {
    let bench = Bench::new();
    for (text, expected) in [
        ("\"https://id.example.com\"", "accepted"),
        ("\"https:\\/\\/id.example.com\"", "accepted"),
        ("\"https://id.example.com/\"", "unknown_issuer (iss)"),
        ("\"https://id.example.co\"", "unknown_issuer (iss)"),
        ("\"https://id.example.com.evil.test\"", "unknown_issuer (iss)"),
        ("\"https://ID.example.com\"", "unknown_issuer (iss)"),
        ("\"HTTPS://id.example.com\"", "unknown_issuer (iss)"),
        ("\" https://id.example.com\"", "unknown_issuer (iss)"),
        ("\"https://id.example.com\\u0000\"", "unknown_issuer (iss)"),
        ("\"https://id.example.com:443\"", "unknown_issuer (iss)"),
        ("\"\"", "unknown_issuer (iss)"),
        ("[\"https://id.example.com\"]", "invalid_claim (iss)"),
        ("[\"https://evil.test\",\"https://id.example.com\"]", "invalid_claim (iss)"),
        ("{\"https://id.example.com\":true}", "invalid_claim (iss)"),
    ] {
        let token = bench.token_with("iss", text);
        assert_eq!(bench.judge(|| bench.issuer.authority(), &token), expected, "{text}");
    }
    let absent = bench.token_with("iss", None);
    assert_eq!(bench.judge(|| bench.issuer.authority(), &absent), "missing_claim (iss)");
}

#[test]
fn an_issuer_with_a_slash_is_not_the_one_without() {
    let bench = Bench::new();
    let with_slash = || bench.bare().issuer(format!("{ISS}/")).audience("api");
    assert_eq!(bench.judge(with_slash, &bench.token_with("iss", "\"https://id.example.com/\"")), "accepted");
    let token = bench.token_with("iss", "\"https://id.example.com\"");
    assert_eq!(bench.judge(with_slash, &token), "unknown_issuer (iss)");
}

#[test]
fn any_issuer_takes_any_string_or_none() {
    let bench = Bench::new();
    let any = || bench.bare().any_issuer().audience("api");
    for text in [Some("\"https://other.test\""), Some("\"\""), None] {
        assert_eq!(bench.judge(any, &bench.token_of("iss", text)), "accepted", "{text:?}");
    }
}

#[test]
fn a_subject_that_is_configured_is_demanded_exactly() {
    let bench = Bench::new();
    let authority = || bench.issuer.authority().subject("repo:org/app");
    for (text, expected) in [
        (Some("\"repo:org/app\""), "accepted"),
        (Some("\"repo:org/app:ref:main\""), "invalid_claim (sub)"),
        (Some("\"repo:org/ap\""), "invalid_claim (sub)"),
        (Some("\"REPO:org/app\""), "invalid_claim (sub)"),
        (Some("\"\""), "invalid_claim (sub)"),
        (Some("[\"repo:org/app\"]"), "invalid_claim (sub)"),
        (Some("null"), "invalid_claim (sub)"),
        (None, "missing_claim (sub)"),
    ] {
        assert_eq!(bench.judge(authority, &bench.token_of("sub", text)), expected, "{text:?}");
    }
    // A subject that is not configured may be absent.
    assert_eq!(bench.judge(|| bench.issuer.authority(), &bench.token_with("sub", None)), "accepted");
}

#[test]
fn names_of_claims_are_case_sensitive() {
    let bench = Bench::new();
    for (upper, claim) in [("EXP", "exp"), ("Iss", "iss"), ("AUD", "aud")] {
        let good = match claim {
            "exp" => "1800000600",
            "iss" => "\"https://id.example.com\"",
            _ => "\"api\"",
        };
        let payload = format!("\"{upper}\":{good}");
        // The claim is absent and its twin is there.
        let token = bench.token_of(claim, None);
        let [_, body, _] = token.split('.').collect::<Vec<_>>()[..] else { unreachable!() };
        let body = crate::advisories::decode(body);
        let twin = format!("{{{payload},{}", &String::from_utf8(body).unwrap()[1..]);
        let token = bench.issuer.sign_raw(bench.header(), twin);
        let expected = format!("missing_claim ({claim})");
        assert_eq!(bench.judge(|| bench.issuer.authority(), &token), expected, "{upper}");
    }
}
