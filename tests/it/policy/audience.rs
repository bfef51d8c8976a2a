//! `aud`.

use super::Bench;

#[test]
fn aud_names_this_service_as_a_whole_element() {
    let bench = Bench::new();
    let authority = || bench.issuer.authority().audience("web");
    for (text, expected) in [
        ("\"api\"", "accepted"),
        ("\"web\"", "accepted"),
        ("\"w\\u0065b\"", "accepted"),
        ("[\"api\"]", "accepted"),
        ("[\"other\",\"web\"]", "accepted"),
        ("[\"api\",\"api\"]", "accepted"),
        ("[]", "wrong_audience (aud)"),
        ("\"\"", "wrong_audience (aud)"),
        ("\"ap\"", "wrong_audience (aud)"),
        ("\"apis\"", "wrong_audience (aud)"),
        ("\"api/\"", "wrong_audience (aud)"),
        ("\"API\"", "wrong_audience (aud)"),
        ("\" api\"", "wrong_audience (aud)"),
        ("\"api web\"", "wrong_audience (aud)"),
        ("\"api,web\"", "wrong_audience (aud)"),
        ("\"[\\\"api\\\"]\"", "wrong_audience (aud)"),
        ("[\"ap\",\"i\"]", "wrong_audience (aud)"),
        ("[\"api\",1]", "invalid_claim (aud)"),
        ("[1,\"api\"]", "invalid_claim (aud)"),
        ("[\"api\",null]", "invalid_claim (aud)"),
        ("[\"api\",[\"web\"]]", "invalid_claim (aud)"),
        ("[[\"api\"]]", "invalid_claim (aud)"),
        ("[\"api\",{}]", "invalid_claim (aud)"),
        ("[\"api\",1e400]", "invalid_claim (aud)"),
        ("{\"api\":true}", "invalid_claim (aud)"),
        ("{}", "invalid_claim (aud)"),
        ("null", "invalid_claim (aud)"),
        ("true", "invalid_claim (aud)"),
        ("0", "invalid_claim (aud)"),
    ] {
        assert_eq!(bench.judge(authority, &bench.token_with("aud", text)), expected, "{text}");
    }
    assert_eq!(bench.judge(authority, &bench.token_with("aud", None)), "missing_claim (aud)");
}

/// `count` elements, ours the last.
fn elements(count: usize) -> String {
    let mut elements = vec!["\"x\"".to_owned(); count - 1];
    elements.push("\"api\"".to_owned());
    format!("[{}]", elements.join(","))
}

#[test]
fn an_audience_has_32_elements_at_most() {
    let bench = Bench::new();
    for authority in [true, false] {
        let authority = || match authority {
            true => bench.issuer.authority(),
            false => bench.bare().any_issuer().any_audience(),
        };
        let judge = |count| bench.judge(authority, &bench.token_of("aud", Some(&elements(count))));
        assert_eq!(judge(32), "accepted");
        assert_eq!(judge(33), "invalid_claim (aud)");
    }
}

#[test]
fn any_audience_takes_any_or_none_but_no_wrong_type() {
    let bench = Bench::new();
    let any = || bench.bare().any_issuer().any_audience();
    for (text, expected) in [
        (None, "accepted"),
        (Some("\"somebody-else\""), "accepted"),
        (Some("[]"), "accepted"),
        (Some("[\"a\",\"b\"]"), "accepted"),
        (Some("7"), "invalid_claim (aud)"),
        (Some("null"), "invalid_claim (aud)"),
        (Some("[7]"), "invalid_claim (aud)"),
    ] {
        assert_eq!(bench.judge(any, &bench.token_of("aud", text)), expected, "{text:?}");
    }
}
