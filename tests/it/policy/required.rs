//! Claims that the authority demands beyond the registered ones.

use super::Bench;

#[test]
fn a_required_claim_is_there_and_not_null() {
    let bench = Bench::new();
    for claim in ["tenant", "sub", "scope", "x.y/z"] {
        let authority = || bench.issuer.authority().required_claim(claim);
        let missing = format!("missing_claim ({claim})");
        assert_eq!(bench.judge(authority, &bench.token_with(claim, None)), missing);
        assert_eq!(bench.judge(authority, &bench.token_with(claim, "\"here\"")), "accepted");
    }
    for (text, expected) in [
        ("null", "missing_claim (tenant)"),
        ("false", "accepted"),
        ("0", "accepted"),
        ("\"\"", "accepted"),
        ("[]", "accepted"),
        ("[null]", "accepted"),
        ("{}", "accepted"),
    ] {
        let authority = || bench.issuer.authority().required_claim("tenant");
        assert_eq!(bench.judge(authority, &bench.token_with("tenant", text)), expected, "{text}");
    }
}

#[test]
fn each_of_several_required_claims_is_demanded() {
    let bench = Bench::new();
    let authority = || bench.issuer.authority().required_claim("a").required_claim("b").required_claim("a");
    let both = bench.sign(serde_json::json!({ "a": 1, "b": 2 }));
    assert_eq!(bench.judge(authority, &both), "accepted");
    let nested = bench.sign(serde_json::json!({ "a": 1, "deep": { "b": 2 } }));
    assert_eq!(bench.judge(authority, &nested), "missing_claim (b)");
    assert_eq!(bench.judge(authority, &bench.sign(serde_json::json!({ "b": 2 }))), "missing_claim (a)");
    assert_eq!(bench.judge(authority, &bench.sign(serde_json::json!({}))), "missing_claim (a)");
}

#[test]
fn a_required_claim_that_is_written_with_escapes_is_there() {
    let bench = Bench::new();
    let authority = || bench.issuer.authority().required_claim("tenant");
    assert_eq!(bench.judge(authority, &bench.token_with("t\\u0065nant", "\"t1\"")), "accepted");
    assert_eq!(bench.judge(authority, &bench.token_with("Tenant", "\"t1\"")), "missing_claim (tenant)");
}
