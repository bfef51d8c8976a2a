//! Tokens of yesterday: numbers for `sub` and `jti`, and the secret before.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Value, json};
use tower_jwt_auth::{
    Algorithm, AuthError, Authority, Claims, Jwt, KeySet, Leniency, Principal, Reason, Secret, SigningKey,
    TestIssuer, TokenCache, Verifier,
};

use crate::support::verify;

const ISSUER: &str = "https://id.example.com";

fn issuer(algorithm: Algorithm) -> TestIssuer {
    TestIssuer::with_algorithm(ISSUER, algorithm)
}

fn lenient<C: serde::de::DeserializeOwned + Send + Sync + 'static>(issuer: &TestIssuer) -> Verifier<C> {
    Verifier::new(issuer.authority().numeric_ids_as_text()).unwrap()
}

fn reason(verified: Result<Jwt<Claims>, AuthError>) -> (Reason, String) {
    let error = verified.unwrap_err();
    (error.reason(), error.claim().unwrap_or_default().to_owned())
}

#[derive(Debug, Deserialize)]
struct Flat {
    sub: String,
    #[serde(flatten)]
    rest: HashMap<String, Value>,
}

/// Whatever reads the claims reads the same text.
#[test]
fn a_numeric_subject_is_its_text_for_everybody() {
    for algorithm in [Algorithm::HS256, Algorithm::ES256] {
        let issuer = issuer(algorithm);
        let token = issuer.sign(json!({ "sub": 42, "jti": 7, "n": 9, "deep": { "sub": 1 } }));
        let user = verify(&lenient::<Claims>(&issuer), &token).unwrap();
        assert_eq!(user.sub.as_deref(), Some("42"));
        let principal = Jwt::principal(&user);
        assert_eq!((principal.subject(), principal.token_id()), (Some("42"), Some("7")));
        assert_eq!(principal.claim::<String>("sub").as_deref(), Some("42"));
        assert_eq!(principal.claim::<u64>("sub"), None);
        assert_eq!(principal.claim::<u64>("n"), Some(9));
        assert_eq!(principal.leniencies().collect::<Vec<_>>(), [Leniency::NumericId]);
        let value = verify(&lenient::<Value>(&issuer), &token).unwrap();
        assert_eq!(
            (&value["sub"], &value["jti"], &value["deep"]["sub"]),
            (&json!("42"), &json!("7"), &json!(1))
        );
        let flat = verify(&lenient::<Flat>(&issuer), &token).unwrap();
        assert_eq!((flat.sub.as_str(), &flat.rest["jti"]), ("42", &json!("7")));
        // A rule for the subject speaks of the text, before and after the signature.
        let only = |subject: &str| {
            Verifier::<Claims>::new(issuer.authority().numeric_ids_as_text().subject(subject))
        };
        assert!(verify(&only("42").unwrap(), &token).is_ok());
        assert_eq!(reason(verify(&only("43").unwrap(), &token)), (Reason::InvalidClaim, "sub".into()));
        let late = issuer.sign(json!({ "sub": 42, "exp": 1_700_000_000, "iat": null, "nbf": null }));
        assert_eq!(reason(verify(&lenient(&issuer), &late)).0, Reason::Expired);
        // Nothing is let off where nothing has to be.
        let user = verify(&lenient::<Claims>(&issuer), &issuer.sign(json!({ "sub": "42" }))).unwrap();
        assert_eq!(Jwt::principal(&user).leniencies().count(), 0);
    }
}

#[test]
fn what_is_no_whole_number_is_refused_as_ever() {
    for algorithm in [Algorithm::HS256, Algorithm::ES256] {
        let issuer = issuer(algorithm);
        let strict = Verifier::<Claims>::new(issuer.authority()).unwrap();
        for (claim, value) in [
            ("sub", json!(-1)),
            ("sub", json!(1.5)),
            ("sub", json!(1e30)),
            ("sub", json!([42])),
            ("sub", json!({})),
            ("sub", json!(true)),
            ("jti", json!(-7)),
            ("iss", json!(42)),
        ] {
            let token = issuer.sign(json!({ claim: value }));
            for verifier in [&strict, &lenient(&issuer)] {
                let (why, of) = reason(verify(verifier, &token));
                assert_eq!((why, of.as_str()), (Reason::InvalidClaim, claim), "{claim} {value}");
            }
        }
        let token = issuer.sign(json!({ "sub": 42 }));
        assert_eq!(reason(verify(&strict, &token)), (Reason::InvalidClaim, "sub".into()), "unless told");
        let explained = strict.explain(&token).to_string();
        assert!(
            explained.contains("`sub` is 42") && explained.contains("numeric_ids_as_text"),
            "{explained}"
        );
        // A typed number is not what the caller asked for.
        #[derive(Debug, Deserialize)]
        struct Numeric {
            #[allow(dead_code)]
            sub: u64,
        }
        let error = verify(&lenient::<Numeric>(&issuer), &token).map(drop).unwrap_err();
        assert_eq!(error.reason(), Reason::InvalidClaim);
    }
}

/// Two secrets, and tokens of each by an issuer without `kid`.
struct Change {
    new: Secret,
    old: Secret,
}

impl Change {
    fn new() -> Self {
        Self { new: Secret::generate().unwrap(), old: Secret::generate().unwrap() }
    }

    fn authority(&self) -> Authority {
        Authority::hs256(self.new.clone()).previous_secret(self.old.clone()).issuer(ISSUER).audience("test")
    }
}

fn signed_with(secret: &Secret, header: &Value) -> String {
    let key = SigningKey::from_secret(Algorithm::HS256, secret.clone()).unwrap();
    let issuer = tower_jwt_auth::Issuer::builder(ISSUER, key).audience("test").build().unwrap();
    let token = issuer.sign(&json!({ "sub": "bob" })).unwrap();
    // The issuer of yesterday names no key.
    let payload = token.split('.').nth(1).unwrap();
    let message = format!("{}.{payload}", base64url(header.to_string()));
    let key = SigningKey::from_secret(Algorithm::HS256, secret.clone()).unwrap();
    let signature = tower_jwt_auth::Signer::sign(&key, message.as_bytes()).now().unwrap().unwrap();
    format!("{message}.{}", base64url(signature))
}

fn base64url(bytes: impl AsRef<[u8]>) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

#[test]
fn both_secrets_count_while_one_is_rotated_out() {
    let change = Change::new();
    for cached in [false, true] {
        let builder = Verifier::<Claims>::builder().authority(change.authority());
        let builder = if cached { builder.cache(TokenCache::new()) } else { builder };
        let verifier = builder.build().unwrap();
        for header in [json!({ "alg": "HS256" }), json!({ "alg": "HS256", "typ": "JWT", "kid": "yesterday" })]
        {
            // Twice: the header is known then, and the token too if there is a cache.
            for _ in 0..2 {
                let let_off = |secret| {
                    let user = verify(&verifier, &signed_with(secret, &header)).unwrap();
                    Jwt::principal(&user).leniencies().collect::<Vec<_>>()
                };
                assert_eq!(let_off(&change.new), []);
                assert_eq!(let_off(&change.old), [Leniency::PreviousSecret]);
                let forged = signed_with(&Secret::generate().unwrap(), &header);
                assert_eq!(reason(verify(&verifier, &forged)).0, Reason::BadSignature);
            }
        }
    }
    let only = Verifier::<Claims>::new(Authority::hs256(change.new.clone()).issuer(ISSUER).audience("test"))
        .unwrap();
    let old = signed_with(&change.old, &json!({ "alg": "HS256" }));
    assert_eq!(reason(verify(&only, &old)).0, Reason::BadSignature);
}

/// A check sees what a token was let off, and may refuse it from a day on.
#[test]
fn a_check_may_end_it() {
    let change = Change::new();
    let authority = change.authority().check(|user: &Principal| match user.leniencies().next() {
        None => Ok(()),
        Some(_) => Err(AuthError::new(Reason::InvalidClaim)),
    });
    let verifier = Verifier::<Claims>::new(authority).unwrap();
    assert!(verify(&verifier, &signed_with(&change.new, &json!({ "alg": "HS256" }))).is_ok());
    assert!(verify(&verifier, &signed_with(&change.old, &json!({ "alg": "HS256" }))).is_err());
}

#[test]
fn a_secret_before_is_that_of_a_secret() {
    let change = Change::new();
    let problem = |authority: Authority| {
        let authority = authority.issuer(ISSUER).audience("test");
        Verifier::<Claims>::new(authority).unwrap_err().to_string()
    };
    let public = issuer(Algorithm::ES256).key_set();
    assert!(problem(Authority::keys(public).previous_secret(change.old.clone())).contains("are no secret"));
    let secrets = KeySet::from_secret(Algorithm::HS256, change.new.clone()).unwrap();
    assert!(problem(Authority::keys(secrets).previous_secret(change.old.clone())).contains("are no secret"));
    let twice = Authority::hs256(change.new.clone()).previous_secret(change.old.clone());
    assert!(problem(twice.previous_secret(change.old.clone())).contains("set twice"));
    let short = Secret::from_base64("Zt8q1xJ0m3b7Ck5Rv2Ye9Lw6Hp4Nd8Su1Ta3Qf7GiXw=").unwrap();
    let long = Authority::hmac(Algorithm::HS512, change.new.clone());
    assert!(problem(long.previous_secret(short)).contains("HS512"));
    let remote = Authority::jwks("https://id.example.com/keys").previous_secret(change.old.clone());
    assert!(problem(remote).contains("are no secret"));
}
