//! An immutable set of verification keys.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::Secret;
use crate::crypto::{self, Backend, KeyError, KeyMaterial};
use crate::error::ConfigError;
use crate::jose::{self, Algorithm, Family, Jwk, JwkError, Params};

/// Verification keys: public ones from PEM, DER or JWK, or secrets. It never changes.
///
/// ```
/// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
/// use tower_jwt_auth::{Algorithm, KeySet};
///
/// let keys = KeySet::from_jwks(
///     r#"{ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "2026-11", "use": "sig",
///          "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }] }"#,
/// )?;
/// assert_eq!(keys.iter().next().and_then(|key| key.kid()), Some("2026-11"));
/// # Ok(()) }
/// ```
#[derive(Clone, Default)]
pub struct KeySet {
    keys: Arc<[Key]>,
    skipped: Arc<[SkippedKey]>,
}

/// One verification key of a [`KeySet`].
#[derive(Clone, Debug)]
pub struct Key {
    kid: Option<Box<str>>,
    /// The one algorithm that the key is for, if it was said.
    algorithm: Option<Algorithm>,
    /// The one issuer, or template of issuers, that the key is for, if it was said.
    issuer: Option<Box<str>>,
    material: KeyMaterial,
    /// Whether somebody named this very key, so that it has to work.
    named: bool,
}

/// A key of a JWK set that is not used, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedKey {
    index: usize,
    kid: Option<String>,
    why: String,
}

// === impl KeySet ===

impl KeySet {
    /// A public key for `algorithm` from PEM: `PUBLIC KEY`, `RSA PUBLIC KEY` or `CERTIFICATE`.
    ///
    /// Of a certificate only the key is used: its validity and its issuer are not checked.
    ///
    /// # Errors
    /// If it cannot be read, is private, is not for `algorithm`, or is too weak.
    pub fn from_pem(algorithm: Algorithm, pem: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        named(algorithm, crypto::read_pem(pem.as_ref(), algorithm))
    }

    /// A public key for `algorithm` from DER: a `SubjectPublicKeyInfo`, a PKCS#1 key or a certificate.
    ///
    /// # Errors
    /// If it cannot be read, is not for `algorithm`, or is too weak.
    pub fn from_der(algorithm: Algorithm, der: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        named(algorithm, crypto::read_der(der.as_ref(), algorithm))
    }

    /// A shared secret for `algorithm`, one of HS256, HS384 and HS512.
    ///
    /// # Errors
    /// If `algorithm` is another one, or the secret is shorter than its hash.
    pub fn from_secret(algorithm: Algorithm, secret: Secret) -> Result<Self, ConfigError> {
        let material = secret.into_material();
        named(algorithm, material.check_for(algorithm).map(|()| material))
    }

    /// A public key from the JSON of one JWK (RFC 7517 section 4).
    ///
    /// # Errors
    /// If it cannot be read, has private members, is not for signatures, is not supported, or is too weak.
    pub fn from_jwk(json: impl AsRef<str>) -> Result<Self, ConfigError> {
        let key =
            jose::read_jwk(json.as_ref()).and_then(|jwk| Key::from_jwk(jwk, false)).map_err(|error| {
                ConfigError::new("keys", format!("the JWK cannot be used: {}", error.why), MEND_JWK)
            })?;
        Ok(Self::of(vec![Key { named: true, ..key }], Vec::new()))
    }

    /// Public keys from the JSON of a JWK set (RFC 7517 section 5).
    ///
    /// Keys that cannot be used do not spoil the others: encryption keys, unknown types, weak keys and secrets
    /// are left out and listed by [`KeySet::skipped`].
    ///
    /// # Errors
    /// If it is not a JWK set, or no key of it can be used.
    pub fn from_jwks(json: impl AsRef<str>) -> Result<Self, ConfigError> {
        Self::read_set(json.as_ref(), false)
    }

    /// Public keys and secrets (`"kty": "oct"`) from the JSON of a JWK set that only you can have written.
    ///
    /// Never use it for a set that came over the network: an attacker who can change the set could choose your secret.
    ///
    /// # Errors
    /// If it is not a JWK set, or no key of it can be used.
    pub fn from_jwks_with_secrets(json: impl AsRef<str>) -> Result<Self, ConfigError> {
        Self::read_set(json.as_ref(), true)
    }

    /// A key that you already hold for version 11 of `jsonwebtoken` (feature `jsonwebtoken`).
    ///
    /// # Errors
    /// If the key is not one for `algorithm`, or is too weak.
    #[cfg(feature = "jsonwebtoken")]
    pub fn from_jsonwebtoken(
        algorithm: Algorithm,
        key: &jsonwebtoken::DecodingKey,
    ) -> Result<Self, ConfigError> {
        named(algorithm, crypto::material_of(key, algorithm))
    }

    /// The same set with this `kid` (RFC 7515 section 4.1.4) for its only key.
    ///
    /// # Errors
    /// If there is not exactly one key.
    pub fn with_kid(self, kid: impl Into<String>) -> Result<Self, ConfigError> {
        match &*self.keys {
            [key] => Ok(Self {
                keys: Arc::new([Key { kid: Some(kid.into().into_boxed_str()), ..key.clone() }]),
                skipped: self.skipped,
            }),
            keys => Err(ConfigError::new(
                "kid",
                format!("there are {} keys in the set", keys.len()),
                "name the `kid` before you merge sets",
            )),
        }
    }

    /// The keys of both sets: how several PEM files become one set.
    ///
    /// Give each its [`KeySet::with_kid`] first if tokens name a `kid`: where one key has a `kid`, a token's must match.
    #[must_use]
    pub fn merge(self, other: &Self) -> Self {
        Self {
            keys: self.keys.iter().chain(&*other.keys).cloned().collect(),
            skipped: self.skipped.iter().chain(&*other.skipped).cloned().collect(),
        }
    }

    /// The keys of this set that are not in `other`.
    #[cfg(feature = "jwks")]
    pub(super) fn without(&self, other: &Self) -> Self {
        let others: Vec<Value> = other.iter().map(Key::to_jwk).collect();
        let keys = self.iter().filter(|key| !others.contains(&key.to_jwk())).cloned().collect();
        Self::of(keys, Vec::new())
    }

    /// The keys, in the order they were given.
    pub fn iter(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter()
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys of a JWK set that are not used, and why.
    #[must_use]
    pub fn skipped(&self) -> &[SkippedKey] {
        &self.skipped
    }

    /// The JSON of a JWK set with the public keys, to be published. Secrets are left out.
    #[must_use]
    pub fn to_public_jwks(&self) -> String {
        let public = self.iter().filter(|key| key.material.family() != Family::Hmac);
        let keys: Vec<Value> = public.map(Key::to_jwk).collect();
        Value::Object(Map::from_iter([("keys".to_owned(), Value::Array(keys))])).to_string()
    }

    #[cfg(feature = "issuer")]
    pub(crate) fn of_material(algorithm: Algorithm, kid: &str, material: KeyMaterial) -> Self {
        let key =
            Key { kid: Some(kid.into()), algorithm: Some(algorithm), issuer: None, material, named: true };
        Self::of(vec![key], Vec::new())
    }

    fn of(keys: Vec<Key>, skipped: Vec<SkippedKey>) -> Self {
        Self { keys: keys.into(), skipped: skipped.into() }
    }

    fn read_set(json: &str, secrets: bool) -> Result<Self, ConfigError> {
        let (mut keys, mut skipped) = (Vec::new(), Vec::new());
        let jwks = jose::read_jwk_set(json).map_err(|why| {
            ConfigError::new("keys", format!("the JWK set cannot be read: {why}"), MEND_JWK)
        })?;
        for (index, jwk) in jwks.into_iter().enumerate() {
            match jwk.and_then(|jwk| Key::from_jwk(jwk, secrets)) {
                Ok(key) => keys.push(key),
                Err(JwkError { kid, why }) => skipped.push(SkippedKey { index, kid, why }),
            }
        }
        if keys.is_empty() {
            let whys: Vec<_> = skipped.iter().map(ToString::to_string).collect();
            let whys = if whys.is_empty() { "it is empty".to_owned() } else { whys.join("; ") };
            return Err(ConfigError::new(
                "keys",
                format!("no key of the JWK set can be used: {whys}"),
                MEND_JWK,
            ));
        }
        Ok(Self::of(keys, skipped))
    }
}

const MEND_JWK: &str = "give the public signature keys as RFC 7517 says: kty RSA, EC or OKP";

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySet").field("keys", &self.keys).field("skipped", &self.skipped).finish()
    }
}

fn named(algorithm: Algorithm, material: Result<KeyMaterial, KeyError>) -> Result<KeySet, ConfigError> {
    let material = material.map_err(|error| {
        ConfigError::new(
            "keys",
            format!("the key for {algorithm} cannot be used: {}", error.0),
            "give the public key that was made for this algorithm, or the algorithm that the key was made for",
        )
    })?;
    Ok(KeySet::of(
        vec![Key { kid: None, algorithm: Some(algorithm), issuer: None, material, named: true }],
        Vec::new(),
    ))
}

// === impl Key ===

impl Key {
    /// The key's identifier, which a token names in its header.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The one algorithm that the key is for, if that was said.
    #[must_use]
    pub fn algorithm(&self) -> Option<Algorithm> {
        self.algorithm
    }

    /// The key's SHA-256 thumbprint in base64url (RFC 7638); `None` if no backend is on.
    #[must_use]
    pub fn thumbprint(&self) -> Option<String> {
        let members = self.material.required_members();
        let pairs: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":\"{value}\"")).collect();
        let json = Zeroizing::new(format!("{{{}}}", pairs.join(",")));
        crypto::sha256(json.as_bytes()).map(jose::encode)
    }

    pub(crate) fn material(&self) -> &KeyMaterial {
        &self.material
    }

    pub(super) fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    pub(super) fn is_named(&self) -> bool {
        self.named
    }

    fn from_jwk(jwk: Jwk, secrets: bool) -> Result<Self, JwkError> {
        let Jwk { kid, alg, issuer, params } = jwk;
        let material = match params {
            Params::Rsa { n, e } => KeyMaterial::rsa(&n, &e),
            Params::Ec { family, x, y } => KeyMaterial::ec(family, [&[4][..], &x, &y].concat()),
            Params::Ed25519 { x } => KeyMaterial::ed25519(&x),
            Params::Oct { k } if secrets => KeyMaterial::hmac(Zeroizing::new(k)),
            Params::Oct { .. } => {
                Err(KeyError::new("it is a secret, which is only taken by KeySet::from_jwks_with_secrets"))
            }
        };
        let usable = material.and_then(|material| {
            // What the backend at hand refuses, such as a point off its curve, is as odd as a missing member.
            if let (Some(algorithm), Some(backend)) = (alg.or(default_of(&material)), Backend::preferred())
                && backend.has(algorithm)
            {
                backend.prepare(&material, algorithm)?;
            }
            Ok(material)
        });
        match usable {
            Ok(material) => {
                let (kid, issuer) = (kid.map(String::into_boxed_str), issuer.map(String::into_boxed_str));
                Ok(Self { kid, algorithm: alg, issuer, material, named: false })
            }
            Err(KeyError(why)) => Err(JwkError { kid, why }),
        }
    }

    fn to_jwk(&self) -> Value {
        let mut jwk: Map<String, Value> = Map::new();
        for (name, value) in self.material.required_members() {
            jwk.insert(name.to_owned(), value.into());
        }
        jwk.insert("use".to_owned(), "sig".into());
        if let Some(algorithm) = self.algorithm {
            jwk.insert("alg".to_owned(), algorithm.as_str().into());
        }
        if let Some(kid) = self.kid() {
            jwk.insert("kid".to_owned(), kid.into());
        }
        if let Some(issuer) = self.issuer() {
            jwk.insert("issuer".to_owned(), issuer.into());
        }
        Value::Object(jwk)
    }
}

/// The algorithm that a key without `alg` is for, unless its authority names others.
pub(super) fn default_of(material: &KeyMaterial) -> Option<Algorithm> {
    Some(match material.family() {
        Family::Hmac => Algorithm::HS256,
        Family::Rsa => Algorithm::RS256,
        Family::P256 => Algorithm::ES256,
        Family::P384 => Algorithm::ES384,
        Family::P521 => Algorithm::ES512,
        Family::Ed25519 => Algorithm::Ed25519,
    })
}

// === impl SkippedKey ===

impl SkippedKey {
    /// The position in the array `keys`, from 0.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// The key's `kid`, if it could be read.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }
}

impl fmt::Display for SkippedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kid {
            Some(kid) => write!(f, "key {} ({kid:?}): {}", self.index, self.why),
            None => write!(f, "key {}: {}", self.index, self.why),
        }
    }
}
