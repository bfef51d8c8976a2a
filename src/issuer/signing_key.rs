//! A private key that signs tokens.

use std::fmt;
use std::sync::Arc;

use super::error::SignError;
use super::signer::Signer;
use crate::crypto::{KeyError, PrivateKey, PrivateMaterial, generate};
use crate::error::ConfigError;
use crate::jose::Algorithm;
use crate::keys::{KeySet, Secret};
use crate::runtime::NowOrLater;

/// A private key with its one algorithm and its `kid`, prepared once (feature `issuer`).
///
/// The `kid` is the key's thumbprint (RFC 7638) unless the JWK has one, or you set another. The key is wiped from
/// memory when the last clone goes (but for HMAC on the backend `rust-crypto`, whose crates do not wipe it), and never
/// shown by `Debug`.
///
/// ```
/// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
/// use tower_jwt_auth::{Algorithm, SigningKey};
///
/// let key = SigningKey::generate(Algorithm::ES256)?;
/// assert_eq!(key.kid().len(), 43);
/// assert!(key.key_set().to_public_jwks().contains(key.kid()));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct SigningKey(Arc<Inner>);

struct Inner {
    algorithm: Algorithm,
    kid: String,
    /// The one public key; for HMAC it holds the secret.
    public: KeySet,
    private: Arc<PrivateKey>,
}

impl SigningKey {
    /// A key for `algorithm` from PEM: PKCS#8 (`PRIVATE KEY`), PKCS#1 (`RSA PRIVATE KEY`) or SEC1 (`EC PRIVATE KEY`).
    ///
    /// `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256` makes one for ES256.
    ///
    /// # Errors
    /// If it cannot be read, is encrypted or public, is not for `algorithm`, is too weak, or the backend lacks the
    /// algorithm.
    pub fn from_pem(algorithm: Algorithm, pem: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        PrivateMaterial::from_pem(pem.as_ref(), algorithm)
            .and_then(|key| Self::of(&key, algorithm, None))
            .map_err(|error| refused(algorithm, &error))
    }

    /// A key for `algorithm` from DER: PKCS#8, PKCS#1 or SEC1.
    ///
    /// # Errors
    /// As [`SigningKey::from_pem`].
    pub fn from_der(algorithm: Algorithm, der: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        PrivateMaterial::from_der(der.as_ref(), algorithm)
            .and_then(|key| Self::of(&key, algorithm, None))
            .map_err(|error| refused(algorithm, &error))
    }

    /// A key for `algorithm` from the JSON of a private JWK (RFC 7517). Its `kid` is kept.
    ///
    /// # Errors
    /// If it cannot be read, is a public key, names another algorithm or use, is too weak, or the backend lacks the
    /// algorithm.
    pub fn from_jwk(algorithm: Algorithm, json: impl AsRef<str>) -> Result<Self, ConfigError> {
        Self::read_jwk(algorithm, json.as_ref()).map_err(|error| refused(algorithm, &error))
    }

    /// A secret for `algorithm`, one of HS256, HS384 and HS512. Every service that verifies with it can also sign.
    ///
    /// # Errors
    /// If `algorithm` is another one, or the secret is shorter than its hash.
    pub fn from_secret(algorithm: Algorithm, secret: Secret) -> Result<Self, ConfigError> {
        PrivateMaterial::Hmac(secret.into_material())
            .for_algorithm(algorithm)
            .and_then(|key| Self::of(&key, algorithm, None))
            .map_err(|error| refused(algorithm, &error))
    }

    /// A new key, which ends with the process. RSA keys have 2,048 bits.
    ///
    /// # Errors
    /// If the backend cannot make keys for `algorithm` (RustCrypto has no ES512), or none is compiled in.
    pub fn generate(algorithm: Algorithm) -> Result<Self, ConfigError> {
        generate(algorithm).and_then(|key| Self::of(&key, algorithm, None)).map_err(|KeyError(why)| {
            ConfigError::new("SigningKey", why, "turn on the feature aws-lc-rs, which has every algorithm")
        })
    }

    /// The same key under this `kid` (RFC 7515 section 4.1.4).
    ///
    /// # Errors
    /// If it is empty or longer than 256 bytes, which verifiers refuse.
    pub fn with_kid(self, kid: impl Into<String>) -> Result<Self, ConfigError> {
        let kid = kid.into();
        if kid.is_empty() || kid.len() > 256 {
            let problem = format!("it has {} bytes", kid.len());
            return Err(ConfigError::new("kid", problem, "use 1 to 256 bytes, or keep the thumbprint"));
        }
        let Inner { algorithm, public, private, .. } = &*self.0;
        let public = public.clone().with_kid(&kid)?;
        Ok(Self(Arc::new(Inner { algorithm: *algorithm, kid, public, private: Arc::clone(private) })))
    }

    /// The algorithm that this key signs with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.0.algorithm
    }

    /// The identifier that tokens name in their header.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.0.kid
    }

    /// The public key, to verify with; for HMAC the set holds the secret, which [`KeySet::to_public_jwks`] leaves out.
    #[must_use]
    pub fn key_set(&self) -> KeySet {
        self.0.public.clone()
    }

    /// Makes a new key, and the JWK by which [`SigningKey::read_jwk`] finds it again.
    pub(super) fn generate_jwk(algorithm: Algorithm) -> Result<(Self, crate::crypto::JwkText), KeyError> {
        let material = generate(algorithm)?;
        let key = Self::of(&material, algorithm, None)?;
        let public = key.0.public.iter().next().map(crate::keys::Key::material);
        let jwk = public.and_then(|public| material.to_jwk(algorithm, key.kid(), public));
        Ok((key, jwk.ok_or_else(|| KeyError::new("the new key cannot be written as a JWK"))?))
    }

    pub(super) fn read_jwk(algorithm: Algorithm, json: &str) -> Result<Self, KeyError> {
        let (material, jwk) = PrivateMaterial::from_jwk(json)?;
        let named = jwk.alg.as_deref();
        if named.is_some_and(|name| {
            Algorithm::from_name(name).is_none_or(|alg| alg.canonical() != algorithm.canonical())
        }) {
            return Err(KeyError::new("its `alg` is another one"));
        }
        Self::of(&material.for_algorithm(algorithm)?, algorithm, jwk.kid.as_deref())
    }

    fn of(material: &PrivateMaterial, algorithm: Algorithm, kid: Option<&str>) -> Result<Self, KeyError> {
        let (private, public) = PrivateKey::prepare(material, algorithm)?;
        let unnamed = KeySet::of_material(algorithm, "", public.clone());
        let thumbprint = unnamed.iter().next().and_then(crate::keys::Key::thumbprint);
        let kid = kid.map(str::to_owned).or(thumbprint).unwrap_or_default();
        if kid.is_empty() || kid.len() > 256 {
            return Err(KeyError::new("its `kid` is not of 1 to 256 bytes"));
        }
        let public = KeySet::of_material(algorithm, &kid, public);
        Ok(Self(Arc::new(Inner { algorithm, kid, public, private: Arc::new(private) })))
    }
}

impl Signer for SigningKey {
    fn key_set(&self) -> KeySet {
        self.key_set()
    }

    fn sign(&self, message: &[u8]) -> NowOrLater<Result<Vec<u8>, SignError>> {
        let signature = self.0.private.sign(message);
        NowOrLater::ready(signature.ok_or_else(|| SignError::signer("the backend cannot sign")))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, kid {:?})", self.0.algorithm, self.0.kid)
    }
}

fn refused(algorithm: Algorithm, KeyError(why): &KeyError) -> ConfigError {
    ConfigError::new(
        "SigningKey",
        format!("the key for {algorithm} cannot be used: {why}"),
        "give the private key that was made for this algorithm, unencrypted",
    )
}
