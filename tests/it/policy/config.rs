//! Mistakes in the set-up: the text names the setting, the value and the remedy.

use std::time::Duration;

use crate::support::secret_bytes;
use tower_jwt_auth::{
    Algorithm, Authority, Claims, ConfigError, KeySet, Limits, Secret, TestIssuer, Verifier,
};

fn good() -> Authority {
    bare().issuer("shop").audience("api")
}

fn bare() -> Authority {
    Authority::hs256(secret())
}

fn secret() -> Secret {
    Secret::from_bytes(secret_bytes(48)).unwrap()
}

fn public() -> Authority {
    Authority::keys(TestIssuer::new("shop").key_set()).issuer("shop").audience("api")
}

#[track_caller]
fn assert_refused(authorities: impl IntoIterator<Item = Authority>, setting: &str, mentioned: &[&str]) {
    assert_error(Verifier::<Claims>::new(authorities).map(|_| ()), setting, mentioned);
}

#[track_caller]
fn assert_error(built: Result<(), ConfigError>, setting: &str, mentioned: &[&str]) {
    let error = built.expect_err("it must not build");
    assert_eq!(error.setting(), setting, "{error}");
    let text = error.to_string();
    assert!(!error.remedy().is_empty() && text.contains(error.remedy()), "{text}");
    for part in mentioned {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

#[test]
fn the_good_settings_of_these_tests_are_good() {
    assert!(Verifier::<Claims>::new(good()).is_ok());
    assert!(Verifier::<Claims>::new(public()).is_ok());
    assert!(Verifier::<Claims>::new(bare().any_issuer().any_audience()).is_ok());
}

#[test]
fn issuer_and_audience_have_no_default() {
    assert_refused(bare().audience("api"), "issuer", &["not set", ".issuer(", ".any_issuer()"]);
    assert_refused(bare().issuer("shop"), "audience", &["not set", ".audience(", ".any_audience()", "shop"]);
}

#[test]
fn empty_names_are_refused() {
    assert_refused(bare().issuer("").audience("api"), "issuer", &["empty"]);
    assert_refused(bare().issuer("shop").audience(""), "audience", &["empty", "shop"]);
    assert_refused(good().audience(""), "audience", &["empty", "shop"]);
    assert_refused(good().required_claim(""), "required_claim", &["\"\"", "shop"]);
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    assert_refused(good().any_issuer(), "issuer", &["\"shop\"", "any_issuer()", "keep one"]);
    assert_refused(good().any_audience(), "audience", &["\"api\"", "any_audience()", "keep one"]);
    assert_refused(good().rfc9068().typ("x+jwt"), "typ", &["rfc9068()", "keep one", "shop"]);
}

#[test]
fn no_authority_is_no_verifier() {
    assert_refused(Vec::new(), "authority", &["there is none", "add an Authority"]);
}

#[test]
fn one_issuer_twice_is_refused() {
    let other = Authority::hs256(secret()).issuer("other").audience("api");
    assert_refused([good(), other, good()], "issuer", &["\"shop\"", "two authorities", "merge"]);
}

#[test]
fn any_issuer_stands_alone() {
    let any = || bare().any_issuer().audience("api");
    assert_refused([good(), any()], "any_issuer", &["several", "issuer"]);
    assert_refused([any(), good()], "any_issuer", &["several", "issuer"]);
    assert_refused([any(), any()], "any_issuer", &["several", "issuer"]);
}

#[test]
fn the_leeway_has_300_seconds_at_most() {
    assert!(Verifier::<Claims>::new(good().leeway(Duration::from_secs(300))).is_ok());
    assert_refused(good().leeway(Duration::from_secs(301)), "leeway", &["301s", "300 seconds", "shop"]);
    let above = Duration::from_secs(300) + Duration::from_nanos(1);
    assert_refused(good().leeway(above), "leeway", &["300.000000001s"]);
    assert_refused(good().leeway(Duration::MAX), "leeway", &["300 seconds"]);
}

#[test]
fn a_greatest_age_of_nothing_is_refused() {
    assert_refused(good().max_age(Duration::ZERO), "max_age", &["zero", "shop"]);
}

#[test]
fn algorithms_must_be_named_and_fit_the_keys() {
    assert_refused(good().algorithms([]), "algorithms", &["empty", "shop"]);
    assert_refused(good().algorithms([Algorithm::ES256]), "keys", &["ES256", "fit"]);
    assert_refused(good().algorithms([Algorithm::HS512]), "keys", &["HS512", "fit"]);
    assert_refused(public().algorithms([Algorithm::HS256, Algorithm::RS256]), "keys", &["HS256", "RS256"]);
}

#[cfg(not(feature = "aws-lc-rs"))]
#[test]
fn an_algorithm_that_the_backend_lacks_is_refused() {
    assert_refused(public().algorithms([Algorithm::ES512]), "algorithms", &["ES512", "aws-lc-rs"]);
}

#[test]
fn hmac_takes_hmac_algorithms_and_long_secrets_only() {
    let hmac = |algorithm| Authority::hmac(algorithm, secret()).issuer("shop").audience("api");
    assert!(Verifier::<Claims>::new(hmac(Algorithm::HS384)).is_ok());
    assert_refused(hmac(Algorithm::HS512), "keys", &["HS512", "48 bytes", "64"]);
    assert_refused(hmac(Algorithm::RS256), "keys", &["RS256"]);
    assert_refused(hmac(Algorithm::Ed25519), "keys", &["Ed25519"]);
}

#[test]
fn secrets_and_public_keys_do_not_mix() {
    let mixed =
        TestIssuer::new("shop").key_set().merge(&KeySet::from_secret(Algorithm::HS256, secret()).unwrap());
    let authority = Authority::keys(mixed).issuer("shop").audience("api");
    assert_refused(authority, "keys", &["secrets and public keys", "two authorities"]);
}

#[test]
fn no_keys_are_no_authority() {
    let authority = Authority::keys(KeySet::default()).issuer("shop").audience("api");
    assert_refused(authority, "keys", &["no key"]);
}

#[test]
fn limits_have_bounds() {
    let limits = Limits::default();
    for (setting, least, most, of) in [
        ("token_bytes", 256, 1024 * 1024, Limits::token_bytes as fn(Limits, usize) -> Limits),
        ("header_bytes", 64, 64 * 1024, Limits::header_bytes),
        ("kid_bytes", 1, 2048, Limits::kid_bytes),
        ("json_depth", 1, 64, Limits::json_depth),
        ("audience_elements", 1, 1024, Limits::audience_elements),
        ("keys_tried", 1, 4, Limits::keys_tried),
    ] {
        let build = |value| {
            Verifier::<Claims>::builder().authority(good()).limits(of(limits, value)).build().map(|_| ())
        };
        assert_eq!(build(least), Ok(()), "{setting}");
        assert_eq!(build(most), Ok(()), "{setting}");
        for value in [least - 1, most + 1, usize::MAX] {
            let bounds = format!("{least} to {most}");
            assert_error(build(value), setting, &[&format!("limit {value} "), &bounds]);
        }
    }
}

#[test]
fn the_deadline_of_checks_has_bounds() {
    let build = |deadline| {
        Verifier::<Claims>::builder().authority(good()).check_deadline(deadline).build().map(|_| ())
    };
    assert_eq!(build(Duration::from_nanos(1)), Ok(()));
    assert_eq!(build(Duration::from_secs(5)), Ok(()));
    assert_error(build(Duration::ZERO), "check_deadline", &["0ns", "5 seconds"]);
    let above = Duration::from_secs(5) + Duration::from_nanos(1);
    assert_error(build(above), "check_deadline", &["5.000000001s", "5 seconds"]);
}

#[test]
fn a_secret_is_never_shown() {
    let canary = "canary-Zt8q1xJ0m3b7Ck5Rv2Ye9Lw6Hp4Nd8Su1Ta3Qf7G";
    let keys = || KeySet::from_secret(Algorithm::HS256, Secret::from_bytes(canary).unwrap()).unwrap();
    let authority = || Authority::keys(keys()).issuer("shop").audience("api");
    let encoded = "Y2FuYXJ5"; // "canary"
    let mut texts = vec![
        format!("{:?}", Secret::from_bytes(canary).unwrap()),
        format!("{:#?}", keys()),
        format!("{:#?}", authority()),
        format!("{:#?}", Verifier::<Claims>::builder().authority(authority())),
        format!("{:#?}", Verifier::<Claims>::new(authority()).unwrap()),
        keys().to_public_jwks(),
    ];
    for refused in [
        Secret::from_bytes("canary").map(|_| ()),
        Secret::from_base64("canary!").map(|_| ()),
        Secret::from_bytes(format!("-----BEGIN PUBLIC KEY-----{canary}")).map(|_| ()),
        KeySet::from_secret(Algorithm::HS512, Secret::from_bytes(canary).unwrap()).map(|_| ()),
        KeySet::from_jwks(format!(r#"{{"keys":[{{"kty":"oct","k":"{encoded}"}}]}}"#)).map(|_| ()),
        KeySet::from_jwks_with_secrets(format!(r#"{{"keys":[{{"kty":"oct","k":"{encoded}"}}]}}"#))
            .map(|_| ()),
        KeySet::from_jwk(format!(r#"{{"kty":"RSA","d":"{encoded}","n":"{encoded}","e":"AQAB"}}"#))
            .map(|_| ()),
        KeySet::from_jwk(format!(r#"{{"kty":"RSA","n":{{"{canary}":1}}}}"#)).map(|_| ()),
        Verifier::<Claims>::new(authority().algorithms([Algorithm::HS512])).map(|_| ()),
    ] {
        let error = refused.unwrap_err();
        texts.extend([error.to_string(), format!("{error:?}")]);
    }
    for text in texts {
        assert!(!text.contains("canary") && !text.contains(encoded), "{text}");
    }
}

#[test]
fn names_that_were_read_with_white_space_around_them_are_refused() {
    let authority = |issuer: &str, audience: &str| {
        Authority::hs256(Secret::from_bytes(secret_bytes(32)).unwrap()).issuer(issuer).audience(audience)
    };
    for (issuer, audience, setting) in
        [("https://a.example\n", "api", "issuer"), (" a", "api", "issuer"), ("a", "api\n", "audience")]
    {
        let error = Verifier::<()>::new(authority(issuer, audience)).unwrap_err();
        assert_eq!(error.setting(), setting);
        assert!(error.to_string().contains("white space"), "{error}");
        assert_eq!(format!("{error:?}"), error.to_string());
    }
    assert!(Verifier::<()>::new(authority("a b", "my api")).is_ok());
}
