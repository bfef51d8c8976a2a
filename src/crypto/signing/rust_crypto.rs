//! Signing with the RustCrypto crates, each key prepared once.

use ed25519_dalek::Signer;
use hmac::{Hmac, Mac};
use p256::pkcs8::EncodePrivateKey;
use rsa::pkcs1::{DecodeRsaPrivateKey, EncodeRsaPrivateKey};
use rsa::pkcs1v15::Pkcs1v15Sign;
use rsa::pss::Pss;
use rsa::rand_core::OsRng;
use rsa::traits::PublicKeyParts;
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::crypto::private::PrivateMaterial;
use crate::crypto::{KeyError, KeyMaterial};
use crate::jose::{Algorithm, Family};

/// A prepared key.
pub(super) enum Key {
    HS256(Hmac<Sha256>),
    HS384(Hmac<Sha384>),
    HS512(Hmac<Sha512>),
    Rsa(Box<rsa::RsaPrivateKey>, Algorithm),
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
    Ed25519(Box<ed25519_dalek::SigningKey>),
}

/// Makes the private half of a new key; `None` if there is no such algorithm or no randomness.
pub(super) fn generate(algorithm: Algorithm) -> Option<PrivateMaterial> {
    match algorithm.family() {
        Family::Hmac => super::random_secret(),
        Family::Ed25519 => super::random_seed(),
        Family::Rsa => {
            let key = rsa::RsaPrivateKey::new(&mut OsRng, 2048).ok()?;
            PrivateMaterial::from_der(key.to_pkcs1_der().ok()?.as_bytes(), algorithm).ok()
        }
        Family::P256 => {
            let key = p256::SecretKey::random(&mut OsRng).to_pkcs8_der().ok()?;
            PrivateMaterial::from_pkcs8(key.as_bytes()).ok()
        }
        Family::P384 => {
            let key = p384::SecretKey::random(&mut OsRng).to_pkcs8_der().ok()?;
            PrivateMaterial::from_pkcs8(key.as_bytes()).ok()
        }
        Family::P521 => None,
    }
}

impl Key {
    /// Prepares a key, and answers with its public half.
    pub(super) fn new(
        private: &PrivateMaterial,
        algorithm: Algorithm,
    ) -> Result<(Self, KeyMaterial), KeyError> {
        let rejected = || KeyError::new(format!("the rust-crypto backend does not take it for {algorithm}"));
        match private {
            PrivateMaterial::Hmac(material) => {
                let KeyMaterial::Hmac(secret) = material else { return Err(rejected()) };
                let key = match algorithm {
                    Algorithm::HS384 => Self::HS384(Hmac::new_from_slice(secret).map_err(|_| rejected())?),
                    Algorithm::HS512 => Self::HS512(Hmac::new_from_slice(secret).map_err(|_| rejected())?),
                    _ => Self::HS256(Hmac::new_from_slice(secret).map_err(|_| rejected())?),
                };
                Ok((key, material.clone()))
            }
            PrivateMaterial::Rsa(der) => {
                let mut key = rsa::RsaPrivateKey::from_pkcs1_der(der).map_err(|_| rejected())?;
                key.validate().and_then(|()| key.precompute()).map_err(|_| rejected())?;
                let public = KeyMaterial::rsa(&key.n().to_bytes_be(), &key.e().to_bytes_be())?;
                Ok((Self::Rsa(Box::new(key), algorithm), public))
            }
            PrivateMaterial::Ec { family: Family::P256, scalar, .. } => {
                let key = p256::SecretKey::from_slice(scalar).map_err(|_| rejected())?;
                let point = p256::EncodedPoint::from(key.public_key());
                let public = KeyMaterial::ec(Family::P256, point.as_bytes().to_vec())?;
                Ok((Self::P256(key.into()), public))
            }
            PrivateMaterial::Ec { family: Family::P384, scalar, .. } => {
                let key = p384::SecretKey::from_slice(scalar).map_err(|_| rejected())?;
                let point = p384::EncodedPoint::from(key.public_key());
                let public = KeyMaterial::ec(Family::P384, point.as_bytes().to_vec())?;
                Ok((Self::P384(key.into()), public))
            }
            PrivateMaterial::Ec { .. } => {
                Err(KeyError::new(format!("the rust-crypto backend has no {algorithm}")))
            }
            PrivateMaterial::Ed25519 { seed, .. } => {
                let seed = seed.as_slice().try_into().map_err(|_| rejected())?;
                let key = ed25519_dalek::SigningKey::from_bytes(seed);
                let public = KeyMaterial::ed25519(key.verifying_key().as_bytes())?;
                Ok((Self::Ed25519(Box::new(key)), public))
            }
        }
    }

    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::HS256(key) => Some(key.clone().chain_update(message).finalize().into_bytes().to_vec()),
            Self::HS384(key) => Some(key.clone().chain_update(message).finalize().into_bytes().to_vec()),
            Self::HS512(key) => Some(key.clone().chain_update(message).finalize().into_bytes().to_vec()),
            Self::Rsa(key, algorithm) => sign_rsa(key, *algorithm, message),
            Self::P256(key) => {
                let signature: p256::ecdsa::Signature = key.try_sign(message).ok()?;
                Some(signature.to_bytes().to_vec())
            }
            Self::P384(key) => {
                let signature: p384::ecdsa::Signature = key.try_sign(message).ok()?;
                Some(signature.to_bytes().to_vec())
            }
            Self::Ed25519(key) => Some(key.try_sign(message).ok()?.to_bytes().to_vec()),
        }
    }
}

/// With blinding: how long the bare operation takes depends on the private key (RUSTSEC-2023-0071).
fn sign_rsa(key: &rsa::RsaPrivateKey, algorithm: Algorithm, message: &[u8]) -> Option<Vec<u8>> {
    let rng = &mut OsRng;
    match algorithm {
        Algorithm::RS384 => key.sign_with_rng(rng, Pkcs1v15Sign::new::<Sha384>(), &Sha384::digest(message)),
        Algorithm::RS512 => key.sign_with_rng(rng, Pkcs1v15Sign::new::<Sha512>(), &Sha512::digest(message)),
        Algorithm::PS256 => key.sign_with_rng(rng, Pss::new_blinded::<Sha256>(), &Sha256::digest(message)),
        Algorithm::PS384 => key.sign_with_rng(rng, Pss::new_blinded::<Sha384>(), &Sha384::digest(message)),
        Algorithm::PS512 => key.sign_with_rng(rng, Pss::new_blinded::<Sha512>(), &Sha512::digest(message)),
        _ => key.sign_with_rng(rng, Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(message)),
    }
    .ok()
}
