//! Signatures of our own, for tests: keys are made on the spot and never leave the process.

use std::fmt;

use super::KeyMaterial;
use crate::error::ConfigError;
use crate::jose::Algorithm;

/// A private key that is bound to one algorithm.
pub(crate) struct SigningKey {
    algorithm: Algorithm,
    public: KeyMaterial,
    #[cfg(feature = "aws-lc-rs")]
    inner: aws_lc::Key,
    #[cfg(all(feature = "rust-crypto", not(feature = "aws-lc-rs")))]
    inner: rust_crypto::Key,
}

impl SigningKey {
    /// Makes a key.
    ///
    /// # Errors
    /// If no backend is on, or it has no such algorithm.
    #[cfg(any(feature = "rust-crypto", feature = "aws-lc-rs"))]
    pub(crate) fn generate(algorithm: Algorithm) -> Result<Self, ConfigError> {
        #[cfg(feature = "aws-lc-rs")]
        use aws_lc as backend;
        #[cfg(not(feature = "aws-lc-rs"))]
        use rust_crypto as backend;
        let lacking = || {
            ConfigError::new(
                "algorithm",
                format!("the backend cannot make a key for {algorithm}"),
                "turn on the feature aws-lc-rs, which can",
            )
        };
        let (inner, public) = backend::generate(algorithm).ok_or_else(lacking)?;
        Ok(Self { algorithm, public, inner })
    }

    #[cfg(not(any(feature = "rust-crypto", feature = "aws-lc-rs")))]
    pub(crate) fn generate(_: Algorithm) -> Result<Self, ConfigError> {
        Err(ConfigError::no_backend())
    }

    pub(crate) const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The half that verifies; for HMAC the secret itself.
    pub(crate) const fn public(&self) -> &KeyMaterial {
        &self.public
    }

    /// The signature over `message`; `None` if the backend fails.
    #[cfg(any(feature = "rust-crypto", feature = "aws-lc-rs"))]
    pub(crate) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        self.inner.sign(message, self.algorithm)
    }

    #[cfg(not(any(feature = "rust-crypto", feature = "aws-lc-rs")))]
    pub(crate) fn sign(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.algorithm)
    }
}

#[cfg(any(feature = "rust-crypto", feature = "aws-lc-rs"))]
fn random_secret() -> Option<zeroize::Zeroizing<Vec<u8>>> {
    let mut secret = zeroize::Zeroizing::new(vec![0; 64]);
    getrandom::fill(&mut secret).ok()?;
    Some(secret)
}

#[cfg(feature = "aws-lc-rs")]
mod aws_lc {
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{self as sig, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaEncoding, RsaKeyPair};
    use aws_lc_rs::{hmac, rand::SystemRandom};

    use super::KeyMaterial;
    use crate::crypto::encoded::rsa_public_key;
    use crate::jose::{Algorithm, Family};

    pub(super) enum Key {
        Hmac(Box<hmac::Key>),
        Rsa(RsaKeyPair),
        Ec(EcdsaKeyPair),
        Ed25519(Ed25519KeyPair),
    }

    pub(super) fn generate(algorithm: Algorithm) -> Option<(Key, KeyMaterial)> {
        let family = algorithm.family();
        let ec = match family {
            Family::Hmac => {
                let secret = super::random_secret()?;
                let hash = match algorithm {
                    Algorithm::HS384 => hmac::HMAC_SHA384,
                    Algorithm::HS512 => hmac::HMAC_SHA512,
                    _ => hmac::HMAC_SHA256,
                };
                return Some((
                    Key::Hmac(Box::new(hmac::Key::new(hash, &secret))),
                    KeyMaterial::hmac(secret).ok()?,
                ));
            }
            Family::Rsa => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).ok()?;
                let public = rsa_public_key(pair.public_key().as_ref()).ok()?;
                return Some((Key::Rsa(pair), public));
            }
            Family::Ed25519 => {
                let pair = Ed25519KeyPair::generate().ok()?;
                let public = KeyMaterial::ed25519(pair.public_key().as_ref()).ok()?;
                return Some((Key::Ed25519(pair), public));
            }
            Family::P256 => &sig::ECDSA_P256_SHA256_FIXED_SIGNING,
            Family::P384 => &sig::ECDSA_P384_SHA384_FIXED_SIGNING,
            Family::P521 => &sig::ECDSA_P521_SHA512_FIXED_SIGNING,
        };
        let pair = EcdsaKeyPair::generate(ec).ok()?;
        let public = KeyMaterial::ec(family, pair.public_key().as_ref().to_vec()).ok()?;
        Some((Key::Ec(pair), public))
    }

    impl Key {
        pub(super) fn sign(&self, message: &[u8], algorithm: Algorithm) -> Option<Vec<u8>> {
            match self {
                Self::Hmac(key) => Some(hmac::sign(key, message).as_ref().to_vec()),
                Self::Rsa(pair) => {
                    let encoding: &'static dyn RsaEncoding = match algorithm {
                        Algorithm::RS384 => &sig::RSA_PKCS1_SHA384,
                        Algorithm::RS512 => &sig::RSA_PKCS1_SHA512,
                        Algorithm::PS256 => &sig::RSA_PSS_SHA256,
                        Algorithm::PS384 => &sig::RSA_PSS_SHA384,
                        Algorithm::PS512 => &sig::RSA_PSS_SHA512,
                        _ => &sig::RSA_PKCS1_SHA256,
                    };
                    let mut signature = vec![0; pair.public_modulus_len()];
                    pair.sign(encoding, &SystemRandom::new(), message, &mut signature).ok()?;
                    Some(signature)
                }
                Self::Ec(pair) => Some(pair.sign(&SystemRandom::new(), message).ok()?.as_ref().to_vec()),
                Self::Ed25519(pair) => Some(pair.sign(message).as_ref().to_vec()),
            }
        }
    }
}

#[cfg(all(feature = "rust-crypto", not(feature = "aws-lc-rs")))]
mod rust_crypto {
    use jsonwebtoken::EncodingKey;
    use jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER;
    use p256::pkcs8::EncodePrivateKey;
    use rsa::pkcs1::EncodeRsaPrivateKey;
    use rsa::rand_core::OsRng;
    use zeroize::Zeroizing;

    use super::KeyMaterial;
    use crate::crypto::portable::foreign;
    use crate::jose::{Algorithm, Family};

    pub(super) struct Key(EncodingKey);

    /// RFC 8410 section 7: what stands before the 32 bytes of an Ed25519 seed in PKCS#8.
    const ED25519_PKCS8: [u8; 16] =
        [0x30, 0x2e, 0x02, 0x01, 0, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

    pub(super) fn generate(algorithm: Algorithm) -> Option<(Key, KeyMaterial)> {
        let family = algorithm.family();
        let (private, public) = match family {
            Family::Hmac => {
                let secret = super::random_secret()?;
                (EncodingKey::from_secret(&secret), KeyMaterial::hmac(secret).ok()?)
            }
            Family::Rsa => {
                let key = rsa::RsaPrivateKey::new(&mut OsRng, 2048).ok()?;
                let der = key.to_pkcs1_der().ok()?;
                let utils = &DEFAULT_PROVIDER.key_utils;
                let (n, e) = (utils.rsa_pub_components_from_private_key)(der.as_bytes()).ok()?;
                (EncodingKey::from_rsa_der(der.as_bytes()), KeyMaterial::rsa(&n, &e).ok()?)
            }
            Family::P256 => {
                let key = p256::SecretKey::random(&mut OsRng);
                let point = p256::EncodedPoint::from(key.public_key());
                let der = key.to_pkcs8_der().ok()?;
                let public = KeyMaterial::ec(family, point.as_bytes().to_vec()).ok()?;
                (EncodingKey::from_ec_der(der.as_bytes()), public)
            }
            Family::P384 => {
                let key = p384::SecretKey::random(&mut OsRng);
                let point = p384::EncodedPoint::from(key.public_key());
                let der = key.to_pkcs8_der().ok()?;
                let public = KeyMaterial::ec(family, point.as_bytes().to_vec()).ok()?;
                (EncodingKey::from_ec_der(der.as_bytes()), public)
            }
            Family::Ed25519 => {
                let mut seed = Zeroizing::new([0; 32]);
                getrandom::fill(&mut *seed).ok()?;
                let der = Zeroizing::new([&ED25519_PKCS8[..], &seed[..]].concat());
                let utils = &DEFAULT_PROVIDER.key_utils;
                let curve = jsonwebtoken::jwk::EllipticCurve::Ed25519;
                let x = (utils.ed_pub_components_from_private_key)(&der, &curve).ok()?;
                (EncodingKey::from_ed_der(&der), KeyMaterial::ed25519(&x).ok()?)
            }
            Family::P521 => return None,
        };
        Some((Key(private), public))
    }

    impl Key {
        pub(super) fn sign(&self, message: &[u8], algorithm: Algorithm) -> Option<Vec<u8>> {
            let signer = (DEFAULT_PROVIDER.signer_factory)(&foreign(algorithm)?, &self.0).ok()?;
            signer.try_sign(message).ok()
        }
    }
}
