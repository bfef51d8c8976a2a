//! Keys: what is read, what is refused and in which words, and which key a token is held against.

mod choice;
mod encoded;
mod jwk;
mod secret;

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use serde_json::{Value, json};
use tower_jwt_auth::{Algorithm, Authority, Claims, ConfigError, KeySet, TestClock, UnixTime, Verifier};

/// Keys of `fixtures/`, each with the algorithms of its tokens.
const PUBLIC_KEYS: [(&str, &[Algorithm]); 5] = {
    use Algorithm::*;
    [
        ("rsa", &[RS256, RS384, RS512, PS256, PS384, PS512]),
        ("p256", &[ES256]),
        ("p384", &[ES384]),
        ("p521", &[ES512]),
        ("ed25519", &[EdDSA]),
    ]
};

fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn text(name: &str) -> String {
    String::from_utf8(fixture(name)).unwrap()
}

/// The token of `fixtures/` that OpenSSL signed with this algorithm.
fn token(algorithm: Algorithm) -> String {
    text(&format!("{algorithm}.jwt")).trim().to_owned()
}

/// The public key of `fixtures/` as a JWK without `alg`, `use` and `kid`.
fn jwk(name: &str, algorithm: Algorithm) -> Value {
    let keys = KeySet::from_pem(algorithm, text(&format!("{name}.spki.pem"))).unwrap();
    let mut set: Value = serde_json::from_str(&keys.to_public_jwks()).unwrap();
    let jwk = set["keys"][0].as_object_mut().unwrap();
    jwk.remove("alg");
    jwk.remove("use");
    set["keys"][0].take()
}

fn jwks(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

fn authority(keys: KeySet) -> Authority {
    Authority::keys(keys).issuer("https://id.example.com").audience("api")
}

/// A verifier for `authority` in the year 2027, when the tokens of `fixtures/` are good.
fn build(authority: Authority) -> Result<Verifier<Claims>, ConfigError> {
    Verifier::builder().authority(authority).clock(TestClock::at(UnixTime::from_secs(1_800_000_000))).build()
}

fn trusting(keys: KeySet) -> Verifier<Claims> {
    build(authority(keys)).unwrap()
}

/// A token signed with this secret, made without a part of this crate.
pub(crate) fn hmac_token(alg: jsonwebtoken::Algorithm, secret: &[u8], header: &str, payload: &str) -> String {
    let message = format!("{}.{}", BASE64URL.encode(header), BASE64URL.encode(payload));
    let key = jsonwebtoken::EncodingKey::from_secret(secret);
    let provider = &jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER;
    let signer = (provider.signer_factory)(&alg, &key).unwrap();
    let signature = signer.try_sign(message.as_bytes()).unwrap();
    format!("{message}.{}", BASE64URL.encode(signature))
}

/// Asserts that the error names the setting, what is wrong with it, and what to do.
#[track_caller]
fn assert_says(error: &ConfigError, setting: &str, words: &[&str]) {
    let all = error.to_string();
    assert_eq!(error.setting(), setting, "{all}");
    assert!(!error.remedy().is_empty() && all.contains(error.remedy()), "{all}");
    for word in words {
        assert!(all.contains(word), "{word:?} is not in {all:?}");
    }
}
