//! Which key a token is held against: by `kid` and algorithm, or none.

use serde_json::{Value, json};
use tower_jwt_auth::{Algorithm, Authority, Claims, KeySet, Limits, Secret, TestIssuer, Verifier};

use super::{assert_says, authority, build, jwk, jwks, text, token, trusting};
use crate::support::{refusal, verify};

fn issuer(algorithm: Algorithm) -> TestIssuer {
    TestIssuer::with_algorithm("https://id.example.com", algorithm).audience("api")
}

/// The key of `issuer` as its JWK set has it, with another `kid` or none.
fn key_of(issuer: &TestIssuer, kid: Option<&str>) -> Value {
    let mut set: Value = serde_json::from_str(&issuer.jwks()).unwrap();
    let jwk = set["keys"][0].as_object_mut().unwrap();
    jwk.remove("kid");
    if let Some(kid) = kid {
        jwk.insert("kid".to_owned(), kid.into());
    }
    set["keys"][0].take()
}

fn set_of(keys: &[Value]) -> KeySet {
    KeySet::from_jwks(jwks(keys)).unwrap()
}

/// A verifier on today's clock, for the tokens of a `TestIssuer`.
fn today(keys: KeySet, limits: Limits) -> Verifier<Claims> {
    Verifier::builder().authority(authority(keys)).limits(limits).build().unwrap()
}

fn with_kid(issuer: &TestIssuer, kid: &str) -> String {
    issuer.sign_with(json!({ "kid": kid }), json!({}))
}

fn without_kid(issuer: &TestIssuer) -> String {
    issuer.sign_with(json!({ "kid": null }), json!({}))
}

#[test]
fn if_no_key_has_a_name_the_name_in_the_token_says_nothing() {
    let alice = issuer(Algorithm::ES256);
    let verifier = today(set_of(&[key_of(&alice, None)]), Limits::default());
    for token in [with_kid(&alice, "anything"), with_kid(&alice, ""), without_kid(&alice)] {
        assert!(verify(&verifier, &token).is_ok());
    }
}

#[test]
fn a_name_has_to_match_exactly_even_if_there_is_only_one_key() {
    let alice = issuer(Algorithm::ES256);
    let verifier = today(set_of(&[key_of(&alice, Some("key-1"))]), Limits::default());
    assert!(verify(&verifier, &with_kid(&alice, "key-1")).is_ok());
    for kid in
        ["", "key", "key-", "key-11", "KEY-1", " key-1", "key-1 ", "key-1\0", "key\u{2010}1", "../key-1"]
    {
        assert_eq!(refusal(&verifier, &with_kid(&alice, kid)).0, "unknown_key", "{kid:?}");
    }
}

#[test]
fn a_key_without_a_name_is_not_taken_for_one_with_a_name() {
    let (alice, bob) = (issuer(Algorithm::ES256), issuer(Algorithm::EdDSA));
    let verifier = today(set_of(&[key_of(&alice, None), key_of(&bob, Some("bob"))]), Limits::default());
    assert_eq!(refusal(&verifier, &with_kid(&alice, "alice")).0, "unknown_key");
    assert_eq!(refusal(&verifier, &with_kid(&alice, "bob")).0, "unknown_key");
    assert!(verify(&verifier, &without_kid(&alice)).is_ok());
    assert!(verify(&verifier, &with_kid(&bob, "bob")).is_ok());
}

#[test]
fn a_named_key_that_no_algorithm_allows_still_makes_names_count() {
    let (alice, bob) = (issuer(Algorithm::ES256), issuer(Algorithm::EdDSA));
    let keys = set_of(&[key_of(&alice, None), key_of(&bob, Some("bob"))]);
    let verifier = Verifier::<Claims>::new(authority(keys).algorithms([Algorithm::ES256])).unwrap();
    assert_eq!(refusal(&verifier, &with_kid(&alice, "bob")).0, "unknown_key");
    assert_eq!(refusal(&verifier, &with_kid(&alice, "alice")).0, "unknown_key");
    assert!(verify(&verifier, &without_kid(&alice)).is_ok());
}

#[test]
fn a_named_key_is_never_replaced_by_another() {
    let (alice, bob) = (issuer(Algorithm::ES256), issuer(Algorithm::ES256));
    let keys = set_of(&[key_of(&alice, Some("alice")), key_of(&bob, Some("bob"))]);
    let verifier = today(keys, Limits::default().keys_tried(4));
    assert!(verify(&verifier, &with_kid(&alice, "alice")).is_ok());
    assert_eq!(refusal(&verifier, &with_kid(&alice, "bob")).0, "bad_signature");
    assert_eq!(refusal(&verifier, &with_kid(&alice, "carol")).0, "unknown_key");
}

#[test]
fn a_token_without_a_name_needs_exactly_one_key_that_fits() {
    let (alice, bob, carol) = (issuer(Algorithm::ES256), issuer(Algorithm::ES256), issuer(Algorithm::EdDSA));
    for named in [true, false] {
        let name = |kid: &'static str| named.then_some(kid);
        let (alices, bobs, carols) =
            (key_of(&alice, name("a")), key_of(&bob, name("b")), key_of(&carol, name("c")));
        let verifier = today(set_of(&[alices.clone(), carols.clone()]), Limits::default());
        assert!(verify(&verifier, &without_kid(&alice)).is_ok(), "the other key is of another algorithm");
        assert_eq!(refusal(&verifier, &without_kid(&bob)).0, "bad_signature");
        let verifier = today(set_of(&[alices, bobs, carols]), Limits::default());
        assert_eq!(refusal(&verifier, &without_kid(&alice)).0, "unknown_key");
        assert!(verify(&verifier, &without_kid(&carol)).is_ok());
    }
}

#[test]
fn as_many_keys_are_tried_as_the_limit_says() {
    let issuers: Vec<_> = (0..5).map(|_| issuer(Algorithm::ES256)).collect();
    let stranger = issuer(Algorithm::ES256);
    let keys: Vec<_> = issuers.iter().map(|issuer| key_of(issuer, None)).collect();
    for tried in 1..=4 {
        let verifier = today(set_of(&keys[..tried]), Limits::default().keys_tried(tried));
        for issuer in &issuers[..tried] {
            assert!(verify(&verifier, &without_kid(issuer)).is_ok(), "{tried} keys, the last one too");
        }
        assert_eq!(refusal(&verifier, &without_kid(&stranger)).0, "bad_signature");
        let one_too_many = today(set_of(&keys[..=tried]), Limits::default().keys_tried(tried));
        assert_eq!(refusal(&one_too_many, &without_kid(&issuers[0])).0, "unknown_key", "{tried}");
    }
}

#[test]
fn keys_of_one_name_are_all_tried_up_to_four() {
    let issuers: Vec<_> = (0..5).map(|_| issuer(Algorithm::ES256)).collect();
    let stranger = issuer(Algorithm::ES256);
    let keys: Vec<_> = issuers.iter().map(|issuer| key_of(issuer, Some("same"))).collect();
    let verifier = today(set_of(&keys[..4]), Limits::default());
    for issuer in &issuers[..4] {
        assert!(verify(&verifier, &with_kid(issuer, "same")).is_ok());
    }
    assert_eq!(refusal(&verifier, &with_kid(&stranger, "same")).0, "bad_signature");
    assert_eq!(refusal(&verifier, &with_kid(&issuers[0], "other")).0, "unknown_key");
    let one_too_many = today(set_of(&keys), Limits::default());
    assert_eq!(refusal(&one_too_many, &with_kid(&issuers[0], "same")).0, "unknown_key");
}

#[test]
fn one_name_may_stand_for_keys_of_different_types() {
    let (alice, bob) = (issuer(Algorithm::ES256), issuer(Algorithm::EdDSA));
    let keys = set_of(&[key_of(&alice, Some("1")), key_of(&bob, Some("1"))]);
    let verifier = today(keys, Limits::default());
    assert!(verify(&verifier, &with_kid(&alice, "1")).is_ok());
    assert!(verify(&verifier, &with_kid(&bob, "1")).is_ok());
}

#[test]
fn sets_are_named_and_merged() {
    let (alice, bob) = (issuer(Algorithm::ES256), issuer(Algorithm::ES256));
    let one = |issuer: &TestIssuer| set_of(&[key_of(issuer, Some("old"))]);
    let merged = one(&alice).with_kid("a").unwrap().merge(&one(&bob).with_kid("b").unwrap());
    assert!(merged.iter().map(|key| key.kid()).eq([Some("a"), Some("b")]));
    let verifier = today(merged.clone(), Limits::default());
    assert!(verify(&verifier, &with_kid(&alice, "a")).is_ok());
    assert!(verify(&verifier, &with_kid(&bob, "b")).is_ok());
    assert_eq!(refusal(&verifier, &with_kid(&bob, "old")).0, "unknown_key");
    // What was skipped on either side stays listed.
    let odd = |kid: &str| json!({ "kty": "new", "kid": kid });
    let left = set_of(&[odd("x"), key_of(&alice, None)]).with_kid("a").unwrap();
    let both = left.merge(&set_of(&[key_of(&bob, None), odd("y")]));
    assert!(both.skipped().iter().map(|key| key.kid()).eq([Some("x"), Some("y")]));
    // One name for two keys, or for none, is a mistake.
    assert_says(&merged.with_kid("c").unwrap_err(), "kid", &["2 keys", "before you merge"]);
    assert_says(&KeySet::default().with_kid("c").unwrap_err(), "kid", &["0 keys"]);
}

#[test]
fn an_rsa_key_that_names_no_algorithm_is_for_rs256_unless_told_otherwise() {
    use Algorithm::*;
    let keys = || set_of(&[jwk("rsa", RS256)]);
    let all = [RS256, RS384, RS512, PS256, PS384, PS512];
    for algorithm in all {
        let by_default = if algorithm == RS256 { "accepted" } else { "algorithm_not_allowed" };
        assert_eq!(refusal(&trusting(keys()), &token(algorithm)).0, by_default, "{algorithm}");
        let told = build(authority(keys()).algorithms([algorithm])).unwrap();
        for other in all {
            let expected = if other == algorithm { "accepted" } else { "algorithm_not_allowed" };
            assert_eq!(refusal(&told, &token(other)).0, expected, "{algorithm} {other}");
        }
    }
    let two = build(authority(keys()).algorithms([RS256, PS512])).unwrap();
    assert!(verify(&two, &token(RS256)).is_ok() && verify(&two, &token(PS512)).is_ok());
    assert_eq!(refusal(&two, &token(PS256)).0, "algorithm_not_allowed");
}

#[test]
fn a_key_that_names_its_algorithm_takes_no_other_whatever_the_authority_allows() {
    use Algorithm::*;
    let mut named = jwk("rsa", RS256);
    named["alg"] = "RS256".into();
    let verifier = build(authority(set_of(&[named])).algorithms([RS256, RS512, PS256])).unwrap();
    assert!(verify(&verifier, &token(RS256)).is_ok());
    for other in [RS512, PS256] {
        assert_eq!(refusal(&verifier, &token(other)).0, "algorithm_not_allowed", "{other}");
    }
    // Allowed for one key of the set is not allowed for another.
    let mut one = jwk("rsa", RS256);
    one["alg"] = "PS256".into();
    one["kid"] = "p".into();
    let mut other = jwk("p256", ES256);
    other["kid"] = "e".into();
    let verifier = build(authority(set_of(&[one, other]))).unwrap();
    assert!(verify(&verifier, &token(PS256)).is_ok() && verify(&verifier, &token(ES256)).is_ok());
    assert_eq!(refusal(&verifier, &token(RS256)).0, "algorithm_not_allowed");
}

#[test]
fn a_token_of_another_curve_is_not_held_against_the_key() {
    let p256 = trusting(KeySet::from_pem(Algorithm::ES256, text("p256.spki.pem")).unwrap());
    assert_eq!(refusal(&p256, &token(Algorithm::ES384)).0, "algorithm_not_allowed");
    // With both keys and the wrong name.
    let mut keys = [jwk("p256", Algorithm::ES256), jwk("p384", Algorithm::ES384)];
    keys[0]["kid"] = "256".into();
    keys[1]["kid"] = "384".into();
    let signer = issuer(Algorithm::ES256);
    let verifier = today(set_of(&keys), Limits::default());
    assert_eq!(refusal(&verifier, &with_kid(&signer, "384")).0, "unknown_key");
}

#[test]
fn secrets_and_public_keys_do_not_share_an_authority() {
    let public = set_of(&[jwk("p256", Algorithm::ES256)]);
    let secret = KeySet::from_secret(Algorithm::HS256, Secret::generate().unwrap()).unwrap();
    for keys in [public.clone().merge(&secret), secret.merge(&public)] {
        assert_says(
            &build(authority(keys)).unwrap_err(),
            "keys",
            &["secrets and public keys are in one authority", "two authorities"],
        );
    }
}

#[test]
fn an_authority_that_can_verify_nothing_is_not_built() {
    let p256 = || set_of(&[jwk("p256", Algorithm::ES256)]);
    for (authority, setting, words) in [
        (authority(KeySet::default()), "keys", "no key can verify"),
        (authority(p256()).algorithms([Algorithm::RS256]), "keys", "RS256"),
        (authority(p256()).algorithms([]), "algorithms", "the list is empty"),
        (Authority::keys(p256()).audience("api"), "issuer", "any_issuer()"),
        (Authority::keys(p256()).issuer("i"), "audience", "any_audience()"),
    ] {
        assert_says(&build(authority).unwrap_err(), setting, &[words]);
    }
}

#[cfg(feature = "rust-crypto")]
mod portable {
    use tower_jwt_auth::{Backend, ConfigError};

    use super::*;

    fn build(authority: Authority) -> Result<Verifier<Claims>, ConfigError> {
        let clock = tower_jwt_auth::TestClock::at(tower_jwt_auth::UnixTime::from_secs(1_800_000_000));
        Verifier::builder().authority(authority).clock(clock).backend(Backend::rust_crypto()).build()
    }

    #[test]
    fn what_rust_crypto_lacks_is_told_when_the_verifier_is_built() {
        let p521 = KeySet::from_pem(Algorithm::ES512, text("p521.spki.pem")).unwrap();
        assert_says(
            &build(authority(p521)).unwrap_err(),
            "keys",
            &["ES512", "rust-crypto", "another backend"],
        );
        let jwk = KeySet::from_jwk(jwk("p521", Algorithm::ES512).to_string()).unwrap();
        assert_says(
            &build(authority(jwk)).unwrap_err(),
            "keys",
            &["ES512", "rust-crypto", "another backend"],
        );
        let rsa = KeySet::from_pem(Algorithm::RS256, text("odd/rsa-8192.pem")).unwrap();
        assert_says(&build(authority(rsa)).unwrap_err(), "keys", &["RS256", "4096 bits, not 8192"]);
        let told = authority(set_of(&[super::jwk("p256", Algorithm::ES256)])).algorithms([Algorithm::ES512]);
        assert_says(&build(told).unwrap_err(), "algorithms", &["rust-crypto", "ES512", "aws-lc-rs"]);
    }

    #[test]
    fn a_key_of_a_set_that_rust_crypto_lacks_does_not_spoil_the_others() {
        let mut keys = [jwk("p521", Algorithm::ES512), jwk("p256", Algorithm::ES256)];
        keys[0]["kid"] = "5".into();
        let verifier = build(authority(set_of(&keys))).unwrap();
        assert!(verify(&verifier, &token(Algorithm::ES256)).is_ok());
        assert_eq!(refusal(&verifier, &token(Algorithm::ES512)).0, "algorithm_not_allowed");
    }
}

#[cfg(feature = "aws-lc-rs")]
#[test]
fn aws_lc_rs_takes_the_largest_rsa_key() {
    let keys = KeySet::from_pem(Algorithm::RS256, text("odd/rsa-8192.pem")).unwrap();
    assert!(verify(&trusting(keys), text("odd/rsa-8192.jwt").trim()).is_ok());
}
