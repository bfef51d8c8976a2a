//! What `IssuerBuilder::build` refuses.

use std::time::Duration;

use tower_jwt_auth::{
    Algorithm, Claims, Issuer, IssuerBuilder, KeySet, NowOrLater, SignError, Signer, SigningKey, Verifier,
};

use super::ISS;
use crate::support::verify;

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::Ed25519).unwrap()
}

fn builder() -> IssuerBuilder {
    Issuer::builder(ISS, key()).audience("api")
}

/// A signer with any set of keys.
#[derive(Debug)]
struct With(KeySet);

impl Signer for With {
    fn key_set(&self) -> KeySet {
        self.0.clone()
    }

    fn sign(&self, _: &[u8]) -> NowOrLater<Result<Vec<u8>, SignError>> {
        NowOrLater::ready(Ok(Vec::new()))
    }
}

#[test]
fn mistakes_are_found_before_the_first_token() {
    let second = Duration::from_secs(1);
    let bare = |key: &SigningKey| {
        // A set whose key says neither its `kid` nor its algorithm.
        let jwks = key.key_set().to_public_jwks();
        let mut json: serde_json::Value = serde_json::from_str(&jwks).unwrap();
        let jwk = json["keys"][0].as_object_mut().unwrap();
        jwk.remove("alg");
        KeySet::from_jwks(json.to_string()).unwrap()
    };
    type Case = (IssuerBuilder, &'static str, &'static str);
    let cases: Vec<Case> = vec![
        (Issuer::builder("", key()).audience("api"), "issuer", "name the issuer"),
        (Issuer::builder(" https://id", key()).audience("api"), "issuer", "white space"),
        (Issuer::builder("https://id\n", key()).audience("api"), "issuer", "white space"),
        (Issuer::builder(ISS, key()), "audience", "not set"),
        (builder().audience(""), "audience", "empty"),
        (builder().audience(" api"), "audience", "white space"),
        ((0..33).fold(Issuer::builder(ISS, key()), |b, n| b.audience(n.to_string())), "audience", "32"),
        (builder().audience("api"), "audience", "twice"),
        (builder().lifetime(Duration::ZERO), "lifetime", "1 second to 24 hours"),
        (builder().lifetime(second - Duration::from_nanos(1)), "lifetime", "refresh tokens"),
        (builder().lifetime(24 * 3600 * second + Duration::from_nanos(1)), "lifetime", "24 hours"),
        (builder().lifetime(Duration::MAX), "lifetime", "24 hours"),
        (builder().typ(""), "typ", "at+jwt"),
        (builder().typ("at+jwt "), "typ", "at+jwt"),
        (builder().typ("t".repeat(300)), "typ", "media type"),
        (builder().overridable("iss"), "overridable", "two issuers"),
        (builder().overridable("sub"), "overridable", "aud, exp, iat or jti"),
        (builder().overridable(""), "overridable", "aud, exp, iat or jti"),
        (builder().overridable("AUD"), "overridable", "aud, exp, iat or jti"),
        (Issuer::builder(ISS, With(KeySet::default())).audience("api"), "Signer::key_set", "exactly one key"),
        (
            Issuer::builder(ISS, With(key().key_set().merge(&key().key_set()))).audience("api"),
            "Signer::key_set",
            "exactly one key",
        ),
        (Issuer::builder(ISS, With(bare(&key()))).audience("api"), "Signer::key_set", "algorithm"),
    ];
    for (index, (builder, setting, words)) in cases.into_iter().enumerate() {
        let Err(error) = builder.build() else { panic!("{index} ({setting}, {words}) was built") };
        let error = error.to_string();
        assert!(error.contains(setting) && error.contains(words), "{setting}, {words}: {error}");
    }
}

#[test]
fn the_bounds_themselves_are_good() {
    for builder in [
        builder().lifetime(Duration::from_secs(1)),
        builder().lifetime(Duration::from_secs(24 * 3600)),
        builder().typ("invitation+jwt"),
        ["aud", "exp", "iat", "jti"].into_iter().fold(builder(), IssuerBuilder::overridable),
        (1..32).fold(builder(), |builder, n| builder.audience(n.to_string())),
        // No URL: good for tokens, though nobody can discover it.
        Issuer::builder("shop", key()).audience("api"),
    ] {
        let issuer = builder.build().unwrap();
        let verifier = Verifier::<Claims>::new(issuer.authority()).unwrap();
        assert!(verify(&verifier, &issuer.sign(&serde_json::json!({})).unwrap()).is_ok());
    }
}

#[test]
fn generating_says_what_the_backend_lacks() {
    let generated = SigningKey::generate(Algorithm::ES512);
    assert_eq!(generated.is_ok(), cfg!(feature = "aws-lc-rs"));
    if let Err(error) = generated {
        let error = error.to_string();
        assert!(error.contains("ES512") && error.contains("aws-lc-rs"), "{error}");
    }
}
