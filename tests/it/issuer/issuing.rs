//! Tokens as an issuer makes them.

use std::collections::HashSet;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value, json};
use tower_jwt_auth::{
    AccessTokenClaims, Algorithm, Claims, Issuer, IssuerBuilder, KeySet, NowOrLater, SignError, Signer,
    SigningKey, TestClock, UnixTime, Verifier,
};

use super::{ISS, START, part};
use crate::support::{algorithms, refusal, secret_bytes, verify};

fn builder(algorithm: Algorithm) -> (IssuerBuilder, SigningKey) {
    let key = SigningKey::generate(algorithm).unwrap();
    (Issuer::builder(ISS, key.clone()).audience("api").clock(TestClock::at(START)), key)
}

fn issuer() -> Issuer {
    builder(Algorithm::Ed25519).0.build().unwrap()
}

fn verifier(issuer: &Issuer) -> Verifier<Claims> {
    Verifier::builder().authority(issuer.authority()).clock(TestClock::at(START)).build().unwrap()
}

#[test]
fn header_and_claims_are_these_and_no_others() {
    for algorithm in algorithms() {
        let (builder, key) = builder(algorithm);
        let issuer = builder.lifetime(Duration::from_secs(300)).build().unwrap();
        let token = issuer.sign(&json!({ "sub": "bob" })).unwrap();
        let thumbprint = key.key_set().iter().next().unwrap().thumbprint().unwrap();
        let header = json!({ "alg": algorithm.as_str(), "typ": "at+jwt", "kid": thumbprint });
        assert_eq!(part(&token, 0), header);
        let jti = part(&token, 1)["jti"].clone();
        let now = START.as_secs();
        assert_eq!(
            part(&token, 1),
            json!({ "iss": ISS, "aud": "api", "iat": now, "exp": now + 300, "jti": jti, "sub": "bob" })
        );
        assert_eq!(jti.as_str().unwrap().len(), 22, "128 bits");
        let jwt = verify(&verifier(&issuer), &token).unwrap();
        assert_eq!(jwt.sub.as_deref(), Some("bob"), "{algorithm}");
        assert_eq!((issuer.issuer(), issuer.lifetime()), (ISS, Duration::from_secs(300)));
    }
}

#[test]
fn several_audiences_are_an_array_and_typ_is_what_was_set() {
    let (builder, _) = builder(Algorithm::Ed25519);
    let issuer = builder.audience("a \"quoted\" one").typ("JWT").build().unwrap();
    let token = issuer.sign(&json!({})).unwrap();
    assert_eq!(part(&token, 1)["aud"], json!(["api", "a \"quoted\" one"]));
    assert_eq!(part(&token, 0)["typ"], "JWT");
    assert!(verify(&verifier(&issuer), &token).is_ok());
    let (other, _) = self::builder(Algorithm::Ed25519);
    let invitation = other.typ("invitation+jwt").build().unwrap();
    let token = invitation.sign(&json!({})).unwrap();
    assert!(verify(&verifier(&invitation), &token).is_ok());
    let usual = Verifier::<Claims>::builder().authority(invitation.authority().typ("at+jwt"));
    assert_eq!(refusal(&usual.clock(TestClock::at(START)).build().unwrap(), &token).0, "wrong_type");
}

#[test]
fn no_two_tokens_have_the_same_jti() {
    let issuer = issuer();
    let ids: HashSet<String> =
        (0..2000).map(|_| part(&issuer.sign(&json!({})).unwrap(), 1)["jti"].to_string()).collect();
    assert_eq!(ids.len(), 2000);
}

#[test]
fn what_the_issuer_sets_is_not_overridden() {
    let issuer = issuer();
    for name in ["iss", "aud", "iat", "exp", "jti"] {
        for value in [json!(ISS), json!(1), json!(null), json!(["api"])] {
            let claims = Value::Object(Map::from_iter([(name.to_owned(), value)]));
            let error = issuer.sign(&claims).unwrap_err().to_string();
            assert!(
                error.contains(&format!("{name:?}")) && error.contains("IssuerBuilder::overridable"),
                "{error}"
            );
        }
    }
    // Below the top they are somebody else's.
    assert!(issuer.sign(&json!({ "act": { "iss": "x", "exp": 1 } })).is_ok());
}

#[test]
fn an_overridable_claim_keeps_its_limits() {
    let now = START.as_secs();
    let (builder, _) = builder(Algorithm::Ed25519);
    let issuer = builder.overridable("exp").overridable("aud").build().unwrap();
    let token = issuer.sign(&json!({ "exp": now + 60, "aud": ["one", "two"] })).unwrap();
    assert_eq!(
        (&part(&token, 1)["exp"], &part(&token, 1)["aud"]),
        (&json!(now + 60), &json!(["one", "two"]))
    );
    assert_eq!(part(&token, 1).as_object().unwrap().len(), 5);
    assert_eq!(part(&token, 1)["iss"], ISS);
    assert!(issuer.sign(&json!({ "exp": now + 600 })).is_ok());
    for claims in [
        json!({ "exp": now + 601 }),
        json!({ "aud": "" }),
        json!({ "iat": 1 }),
        json!({ "jti": "x" }),
        json!({ "iss": ISS }),
    ] {
        assert!(issuer.sign(&claims).is_err(), "{claims}");
    }
    assert_eq!(part(&issuer.sign(&json!({})).unwrap(), 1)["aud"], "api", "it may, it need not");
}

#[derive(Serialize)]
struct Outer {
    sub: String,
    #[serde(flatten)]
    inner: Inner,
}

#[derive(Serialize)]
struct Inner {
    #[serde(rename = "sub")]
    again: String,
}

struct Failing;

impl Serialize for Failing {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("it does not want to"))
    }
}

#[test]
fn claims_that_no_token_can_have_are_an_error() {
    let issuer = issuer();
    for claims in [json!(null), json!([]), json!("bob"), json!(5)] {
        assert!(issuer.sign(&claims).unwrap_err().to_string().contains("not a JSON object"), "{claims}");
    }
    let twice = Outer { sub: "bob".into(), inner: Inner { again: "eve".into() } };
    let error = issuer.sign(&twice).unwrap_err().to_string();
    assert!(error.contains("\"sub\" twice") && !error.contains("eve"), "{error}");
    let error = issuer.sign(&Failing).unwrap_err();
    assert!(error.to_string().contains("cannot be written as JSON"), "{error}");
    assert!(std::error::Error::source(&error).is_some());
    let maps: std::collections::HashMap<Vec<u8>, u8> = [(vec![1], 1)].into();
    assert!(issuer.sign(&maps).is_err(), "names that are no strings");
}

#[test]
fn a_token_is_as_long_as_verifiers_take_it() {
    let issuer = issuer();
    let sign = |length: usize| issuer.sign(&json!({ "data": "x".repeat(length) }));
    let (mut room, mut beyond) = (0, 16 * 1024);
    while beyond - room > 1 {
        let middle = usize::midpoint(room, beyond);
        *(if sign(middle).is_ok() { &mut room } else { &mut beyond }) = middle;
    }
    let longest = sign(room).unwrap();
    assert!(longest.len() > 16 * 1024 - 4 && longest.len() <= 16 * 1024, "{}", longest.len());
    assert!(verify(&verifier(&issuer), &longest).is_ok());
    let error = sign(room + 1).unwrap_err().to_string();
    assert!(error.contains("16 KiB"), "{error}");
}

#[derive(Serialize, Deserialize)]
struct Access {
    #[serde(flatten)]
    standard: AccessTokenClaims,
    tenant: String,
}

#[test]
fn access_token_claims_are_those_of_rfc_9068() {
    let issuer = issuer();
    let time = UnixTime::from_secs(START.as_secs() - 5);
    let standard =
        AccessTokenClaims::new("bob", "web").scope("a b").sid("family").auth_time(time).roles(["clerk"]);
    let token = issuer.sign(&Access { standard, tenant: "north".into() }).unwrap();
    let authority = issuer.authority().rfc9068().roles_at("/roles");
    let verifier =
        Verifier::<Access>::builder().authority(authority).clock(TestClock::at(START)).build().unwrap();
    let access = verify(&verifier, &token).unwrap();
    assert_eq!((access.standard.sub.as_str(), access.standard.sid.as_deref()), ("bob", Some("family")));
    assert_eq!(access.standard.auth_time, Some(time));
    let minimal = issuer.sign(&AccessTokenClaims::new("bob", "web")).unwrap();
    let names: Vec<String> = part(&minimal, 1).as_object().unwrap().keys().cloned().collect();
    assert_eq!(names.len(), 7, "{names:?}");
    let strict = Verifier::<AccessTokenClaims>::builder().authority(issuer.authority().rfc9068());
    assert!(verify(&strict.clock(TestClock::at(START)).build().unwrap(), &minimal).is_ok());
}

/// A key that is somewhere else.
#[derive(Debug)]
struct Remote {
    key: SigningKey,
    works: bool,
}

impl Signer for Remote {
    fn key_set(&self) -> KeySet {
        self.key.key_set()
    }

    fn sign(&self, message: &[u8]) -> NowOrLater<Result<Vec<u8>, SignError>> {
        let (key, message, works) = (self.key.clone(), message.to_vec(), self.works);
        NowOrLater::later(async move {
            tokio::task::yield_now().await;
            if works { key.sign(&message).await } else { Err(SignError::signer("the HSM is locked")) }
        })
    }
}

#[tokio::test]
async fn a_key_that_lives_elsewhere_is_awaited() {
    let remote = |works| {
        let key = SigningKey::generate(Algorithm::ES256).unwrap();
        let builder = Issuer::builder(ISS, Remote { key, works }).audience("api").clock(TestClock::at(START));
        builder.build().unwrap()
    };
    let issuer = remote(true);
    let error = issuer.sign(&json!({})).unwrap_err().to_string();
    assert!(error.contains("sign_async"), "{error}");
    let token = issuer.sign_async(&json!({ "sub": "bob" })).await.unwrap();
    assert!(verify(&verifier(&issuer), &token).is_ok());
    let error = remote(false).sign_async(&json!({})).await.unwrap_err();
    assert!(error.to_string().contains("the HSM is locked"), "{error}");
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "the HSM is locked");
    // Claims are judged before anybody is asked.
    assert!(
        remote(false).sign_async(&json!([])).await.unwrap_err().to_string().contains("not a JSON object")
    );
    // What is here can be awaited too.
    assert!(self::issuer().sign_async(&json!({})).await.is_ok());
}

/// The other implementation: `jsonwebtoken` on RustCrypto has neither ES512 nor the name Ed25519.
#[test]
fn jsonwebtoken_accepts_our_tokens() {
    use jsonwebtoken::{DecodingKey, Validation};

    let provider = &jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER;
    let _ = provider.install_default();
    let mut accepted = 0;
    for algorithm in algorithms() {
        let Ok(theirs) = algorithm.as_str().parse::<jsonwebtoken::Algorithm>() else { continue };
        let secret = secret_bytes(64);
        let key = match algorithm.as_str().starts_with("HS") {
            true => SigningKey::from_secret(
                algorithm,
                tower_jwt_auth::Secret::from_bytes(secret.clone()).unwrap(),
            )
            .unwrap(),
            false => SigningKey::generate(algorithm).unwrap(),
        };
        let decoding = match algorithm.as_str().starts_with("HS") {
            true => DecodingKey::from_secret(&secret),
            false => {
                let jwks: jsonwebtoken::jwk::JwkSet =
                    serde_json::from_str(&key.key_set().to_public_jwks()).unwrap();
                DecodingKey::from_jwk(&jwks.keys[0]).unwrap()
            }
        };
        let issuer = Issuer::builder(ISS, key).audience("api").build().unwrap();
        let mut validation = Validation::new(theirs);
        validation.set_issuer(&[ISS]);
        validation.set_audience(&["api"]);
        let token = issuer.sign(&json!({ "sub": algorithm.as_str() })).unwrap();
        let data = jsonwebtoken::decode::<Value>(&token, &decoding, &validation).unwrap();
        assert_eq!(data.claims["sub"], algorithm.as_str());
        accepted += 1;
    }
    println!("{accepted} algorithms accepted by jsonwebtoken");
    assert!(accepted >= 12);
}
