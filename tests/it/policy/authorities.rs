//! Several authorities, chosen by `iss`.

use std::time::Duration;

use serde_json::json;
use tower_jwt_auth::{Algorithm, Authority, Claims, TestClock, TestIssuer, UnixTime, Verifier};

use super::{NOW, verdict};
use crate::support::verify;

struct Two {
    shop: TestIssuer,
    bank: TestIssuer,
    clock: TestClock,
}

impl Two {
    fn with(shop: Algorithm, bank: Algorithm) -> Self {
        let clock = TestClock::at(UnixTime::from_secs(NOW));
        let issuer = |iss: &str, algorithm| {
            TestIssuer::with_algorithm(iss, algorithm).clock(clock.clone()).audience(iss)
        };
        Self { shop: issuer("shop", shop), bank: issuer("bank", bank), clock }
    }

    fn new() -> Self {
        Self::with(Algorithm::ES256, Algorithm::ES256)
    }

    fn verifier(&self) -> Verifier<Claims> {
        self.verifier_of(self.shop.authority(), self.bank.authority())
    }

    fn verifier_of(&self, shop: Authority, bank: Authority) -> Verifier<Claims> {
        Verifier::builder().authorities([shop, bank]).clock(self.clock.clone()).build().unwrap()
    }
}

#[test]
fn each_authority_takes_its_own_tokens() {
    let two = Two::with(Algorithm::ES256, Algorithm::HS256);
    let verifier = two.verifier();
    for (issuer, name) in [(&two.shop, "shop"), (&two.bank, "bank")] {
        let jwt = verify(&verifier, &issuer.sign(json!({ "sub": "bob" }))).unwrap();
        assert_eq!(jwt.iss.as_deref(), Some(name));
        // `Verifier::new` takes a list as well.
        let verifier = Verifier::<Claims>::new([two.shop.authority(), two.bank.authority()]).unwrap();
        let exp = 253_402_300_799_u64;
        assert_eq!(verdict(&verifier, &issuer.sign(json!({ "iat": 1, "exp": exp }))), "accepted");
    }
}

#[test]
fn an_iss_that_chooses_nobody_is_refused_before_the_signature() {
    let two = Two::new();
    let verifier = two.verifier();
    for (iss, expected) in [
        (json!("evil"), "unknown_issuer (iss)"),
        (json!("shop/"), "unknown_issuer (iss)"),
        (json!("Shop"), "unknown_issuer (iss)"),
        (json!(""), "unknown_issuer (iss)"),
        (json!(["shop"]), "invalid_claim (iss)"),
        (json!({ "shop": 1 }), "invalid_claim (iss)"),
        (json!(7), "invalid_claim (iss)"),
        (json!(null), "missing_claim (iss)"), // left out by the issuer
    ] {
        let error = verify(&verifier, &two.shop.sign(json!({ "iss": iss }))).unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert!(!error.signature_verified());
    }
    let header = json!({ "alg": "ES256", "kid": two.shop.kid() }).to_string();
    let token = two.shop.sign_raw(header, r#"{"iss":null}"#);
    assert_eq!(verdict(&verifier, &token), "invalid_claim (iss)");
}

#[test]
fn one_authority_cannot_use_the_keys_of_another() {
    let two = Two::new();
    let verifier = two.verifier();
    let good = json!({ "iss": "bank", "aud": "bank" });
    assert_eq!(verdict(&verifier, &two.bank.sign(&good)), "accepted");
    assert_eq!(verdict(&verifier, &two.shop.sign(&good)), "unknown_key");
    let borrowed = two.shop.sign_with(json!({ "kid": two.bank.kid() }), &good);
    assert_eq!(verdict(&verifier, &borrowed), "bad_signature");
    let nameless = two.shop.sign_with(json!({ "kid": null }), &good);
    assert_eq!(verdict(&verifier, &nameless), "bad_signature");
}

#[test]
fn keys_of_the_same_name_are_kept_apart() {
    let two = Two::new();
    let authority = |issuer: &TestIssuer, name: &str| {
        Authority::keys(issuer.key_set().with_kid("1").unwrap()).issuer(name).audience(name)
    };
    let verifier = two.verifier_of(authority(&two.shop, "shop"), authority(&two.bank, "bank"));
    let header = json!({ "kid": "1" });
    assert_eq!(verdict(&verifier, &two.shop.sign_with(&header, json!({}))), "accepted");
    assert_eq!(verdict(&verifier, &two.bank.sign_with(&header, json!({}))), "accepted");
    let crossed = json!({ "iss": "bank", "aud": "bank" });
    assert_eq!(verdict(&verifier, &two.shop.sign_with(&header, crossed)), "bad_signature");
}

#[test]
fn audiences_algorithms_and_leeways_are_not_shared() {
    let two = Two::with(Algorithm::ES256, Algorithm::HS256);
    let verifier = two.verifier_of(
        two.shop.authority().leeway(Duration::ZERO).typ("shop+jwt"),
        two.bank.authority().leeway(Duration::from_secs(300)),
    );
    let typ = json!({ "typ": "shop+jwt" });
    let shop = |claims| verdict(&verifier, &two.shop.sign_with(&typ, claims));
    assert_eq!(shop(json!({})), "accepted");
    assert_eq!(shop(json!({ "aud": "bank" })), "wrong_audience (aud)");
    assert_eq!(shop(json!({ "exp": NOW })), "expired (exp)");
    assert_eq!(verdict(&verifier, &two.bank.sign(json!({ "aud": "shop" }))), "wrong_audience (aud)");
    assert_eq!(verdict(&verifier, &two.bank.sign(json!({ "exp": NOW }))), "accepted");
    assert_eq!(verdict(&verifier, &two.bank.sign_with(&typ, json!({}))), "wrong_type (typ)");
    // The other's algorithm, with the other's key.
    let token = two.bank.sign_with(&typ, json!({ "iss": "shop", "aud": "shop" }));
    assert_eq!(verdict(&verifier, &token), "algorithm_not_allowed");
}

#[test]
fn a_token_that_names_two_issuers_has_none() {
    let two = Two::new();
    let verifier = two.verifier();
    let rest = r#""aud":["shop","bank"],"exp":1800000600"#;
    for (issuer, name, other) in [(&two.shop, "shop", &two.bank), (&two.bank, "bank", &two.shop)] {
        let header = json!({ "alg": "ES256", "kid": issuer.kid() }).to_string();
        for members in [
            r#""iss":"shop","iss":"bank""#,
            r#""iss":"bank","iss":"shop""#,
            r#""iss":"shop","\u0069ss":"bank""#,
            r#""iss":"shop","iss":"shop""#,
        ] {
            let token = issuer.sign_raw(&header, format!("{{{members},{rest}}}"));
            let error = verify(&verifier, &token).unwrap_err();
            // The first one chooses among the keys, and then the payload is refused whoever signed it.
            let chosen = if members.starts_with(&format!("\"iss\":\"{name}\"")) {
                "malformed_token"
            } else {
                "unknown_key"
            };
            assert_eq!(error.to_string(), chosen, "{members}");
        }
        // One that is nested does not count, and chooses nobody.
        let token = issuer.sign_raw(&header, format!(r#"{{"deep":{{"iss":"shop"}},{rest}}}"#));
        assert_eq!(verdict(&verifier, &token), "missing_claim (iss)");
        let token = other.sign_raw(&header, format!(r#"{{"deep":{{"iss":"shop"}},"iss":"bank",{rest}}}"#));
        assert_ne!(verdict(&verifier, &token), "accepted");
    }
}

#[test]
fn the_payload_is_bounded_before_an_authority_is_chosen() {
    let two = Two::new();
    let verifier = two.verifier();
    let header = json!({ "alg": "ES256", "kid": two.shop.kid() }).to_string();
    // What follows `iss` is read strictly, but only when its signature is good.
    for (payload, signature_verified) in [
        ("[]", false),
        ("", false),
        ("x", false),
        ("{\"iss\":\"shop\"} x", true),
        ("\u{feff}{\"iss\":\"shop\"}", false),
    ] {
        let error = verify(&verifier, &two.shop.sign_raw(&header, payload)).unwrap_err();
        assert_eq!(
            (error.to_string().as_str(), error.signature_verified()),
            ("malformed_token", signature_verified)
        );
    }
    let deep = format!(r#"{{"iss":"shop","x":{}{}}}"#, "[".repeat(32), "]".repeat(32));
    assert_eq!(verdict(&verifier, &two.shop.sign_raw(&header, deep)), "malformed_token");
}
