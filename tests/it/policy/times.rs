//! `exp`, `nbf`, `iat` and the greatest age.

use std::time::Duration;

use tower_jwt_auth::UnixTime;

use super::{Bench, NOW, verdict};

const NANO: Duration = Duration::from_nanos(1);

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_token_expires_on_the_dot_of_exp_and_leeway() {
    let bench = Bench::new();
    let token = bench.token_of("exp", Some(&NOW.to_string()));
    for leeway in [0, 1, 30, 300] {
        let verifier = bench.verifier(|authority| authority.leeway(secs(leeway)));
        let end = UnixTime::from_secs(NOW + leeway);
        for (time, expected) in [
            (UnixTime::from_secs(NOW - 500), "accepted"),
            (end.saturating_sub(NANO), "accepted"),
            (end, "expired (exp)"),
            (end.saturating_add(NANO), "expired (exp)"),
            (UnixTime::from_secs(253_402_300_799), "expired (exp)"),
        ] {
            bench.clock.set(time);
            assert_eq!(verdict(&verifier, &token), expected, "leeway {leeway}, {time:?}");
        }
    }
}

#[test]
fn the_leeway_is_30_seconds_unless_told() {
    let bench = Bench::new();
    let verifier = bench.verifier(|authority| authority);
    let token = bench.token_of("exp", Some(&NOW.to_string()));
    bench.clock.set(UnixTime::from_secs(NOW + 30).saturating_sub(NANO));
    assert_eq!(verdict(&verifier, &token), "accepted");
    bench.clock.advance(NANO);
    assert_eq!(verdict(&verifier, &token), "expired (exp)");
}

#[test]
fn nbf_and_iat_begin_on_the_dot_less_leeway() {
    for claim in ["nbf", "iat"] {
        let bench = Bench::new();
        let token = bench.token_of(claim, Some(&NOW.to_string()));
        for leeway in [0, 1, 30, 300] {
            let verifier = bench.verifier(|authority| authority.leeway(secs(leeway)));
            let start = UnixTime::from_secs(NOW - leeway);
            let early = format!("not_yet_valid ({claim})");
            for (time, expected) in [
                (UnixTime::default(), early.as_str()),
                (start.saturating_sub(NANO), &early),
                (start, "accepted"),
                (start.saturating_add(NANO), "accepted"),
            ] {
                bench.clock.set(time);
                assert_eq!(verdict(&verifier, &token), expected, "{claim}, leeway {leeway}, {time:?}");
            }
        }
    }
}

#[test]
fn fractional_and_exponential_dates_are_exact() {
    let bench = Bench::new();
    let verifier = bench.verifier(|authority| authority.leeway(Duration::ZERO));
    let half = UnixTime::from_secs(NOW).saturating_add(Duration::from_millis(500));
    for (text, end) in [
        ("1800000000.5", half),
        ("1800000000.50", half),
        ("18000000005e-1", half),
        ("1.8e9", UnixTime::from_secs(NOW)),
        ("18E8", UnixTime::from_secs(NOW)),
        ("1800000000.0", UnixTime::from_secs(NOW)),
    ] {
        let token = bench.token_of("exp", Some(text));
        bench.clock.set(end.saturating_sub(NANO));
        assert_eq!(verdict(&verifier, &token), "accepted", "{text}");
        bench.clock.set(end);
        assert_eq!(verdict(&verifier, &token), "expired (exp)", "{text}");
        let token = bench.token_of("nbf", Some(text));
        assert_eq!(verdict(&verifier, &token), "accepted", "{text}");
        bench.clock.set(end.saturating_sub(NANO));
        assert_eq!(verdict(&verifier, &token), "not_yet_valid (nbf)", "{text}");
    }
}

#[test]
fn the_last_second_of_the_year_9999_is_the_last_date_there_is() {
    let bench = Bench::new();
    let judge = |text| bench.judge(|| bench.issuer.authority(), &bench.token_with("exp", text));
    assert_eq!(judge("253402300799"), "accepted");
    assert_eq!(judge("253402300800"), "invalid_claim (exp)");
    assert_eq!(judge("0"), "expired (exp)");
}

#[test]
fn what_is_no_date_is_refused_and_never_taken_for_absent() {
    let bench = Bench::new();
    for claim in ["exp", "nbf", "iat"] {
        for text in [
            "\"1800000600\"",
            "\"\"",
            "\"NaN\"",
            "\"Infinity\"",
            "null",
            "true",
            "false",
            "[]",
            "[1800000600]",
            "{}",
            "-1",
            "-0.5",
            "-1800000600",
            "-1e300",
            "253402300799.5",
            "1e300",
            "1e400",
            "-1e400",
            "18446744073709551615",
            "18446744073709551616",
            "-9223372036854775809",
            "99999999999999999999999999999999999999999999",
        ] {
            let verdict = bench.judge(|| bench.issuer.authority(), &bench.token_with(claim, text));
            assert_eq!(verdict, format!("invalid_claim ({claim})"), "{text}");
        }
        for text in
            ["NaN", "Infinity", "-Infinity", "01800000600", "+1800000600", "1800000600.", ".5", "0x6b"]
        {
            let verdict = bench.judge(|| bench.issuer.authority(), &bench.token_with(claim, text));
            assert_eq!(verdict, "malformed_token", "{claim} {text}");
        }
    }
}

#[test]
fn exp_is_demanded_and_the_other_dates_are_not() {
    let bench = Bench::new();
    let judge = |claim| bench.judge(|| bench.issuer.authority(), &bench.token_with(claim, None));
    assert_eq!(judge("exp"), "missing_claim (exp)");
    assert_eq!(judge("nbf"), "accepted");
    assert_eq!(judge("iat"), "accepted");
}

#[test]
fn the_greatest_age_ends_on_the_dot_and_demands_iat() {
    let bench = Bench::new();
    let verifier = bench.verifier(|authority| authority.max_age(secs(60)).leeway(secs(5)));
    let token = bench.token_of("iat", Some(&NOW.to_string()));
    for (time, expected) in [
        (UnixTime::from_secs(NOW), "accepted"),
        (UnixTime::from_secs(NOW + 65).saturating_sub(NANO), "accepted"),
        (UnixTime::from_secs(NOW + 65), "expired (iat)"),
    ] {
        bench.clock.set(time);
        assert_eq!(verdict(&verifier, &token), expected, "{time:?}");
    }
    bench.clock.set(UnixTime::from_secs(NOW));
    assert_eq!(verdict(&verifier, &bench.token_with("iat", None)), "missing_claim (iat)");
    let token = bench.token_with("iat", "\"1800000000\"");
    assert_eq!(verdict(&verifier, &token), "invalid_claim (iat)");
}

#[test]
fn a_greatest_age_beyond_all_time_does_not_wrap() {
    let bench = Bench::new();
    let verifier = bench.verifier(|authority| authority.max_age(Duration::MAX).leeway(secs(300)));
    let token = bench.token_with("iat", "0");
    assert_eq!(verdict(&verifier, &token), "accepted");
}
