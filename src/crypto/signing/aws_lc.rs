//! Signing with aws-lc-rs.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self as sig, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RsaEncoding, RsaKeyPair,
};
use aws_lc_rs::{hmac, rand::SystemRandom};
use sec1::{EcParameters, EcPrivateKey};
use x509_cert::der::Encode;
use zeroize::Zeroizing;

use crate::crypto::encoded::{P256, P384, P521, rsa_public_key};
use crate::crypto::private::PrivateMaterial;
use crate::crypto::{KeyError, KeyMaterial};
use crate::jose::{Algorithm, Family};

/// A prepared key.
pub(super) enum Key {
    Hmac(Box<hmac::Key>),
    Rsa { pair: RsaKeyPair, encoding: &'static dyn RsaEncoding },
    Ec(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// Makes the private half of a new key; `None` if the library fails.
pub(super) fn generate(algorithm: Algorithm) -> Option<PrivateMaterial> {
    let pkcs8 = match algorithm.family() {
        Family::Hmac => return super::random_secret(),
        Family::Rsa => RsaKeyPair::generate(KeySize::Rsa2048).ok()?.as_der().ok()?.as_ref().to_vec(),
        Family::Ed25519 => return super::random_seed(),
        family => {
            let document = EcdsaKeyPair::generate_pkcs8(ecdsa(family), &SystemRandom::new()).ok()?;
            document.as_ref().to_vec()
        }
    };
    PrivateMaterial::from_pkcs8(&Zeroizing::new(pkcs8)).ok()
}

impl Key {
    /// Prepares a key, and answers with its public half.
    pub(super) fn new(
        private: &PrivateMaterial,
        algorithm: Algorithm,
    ) -> Result<(Self, KeyMaterial), KeyError> {
        let rejected = || KeyError::new(format!("aws-lc-rs does not take it for {algorithm}"));
        match private {
            PrivateMaterial::Hmac(material) => {
                let KeyMaterial::Hmac(secret) = material else { return Err(rejected()) };
                let hash = match algorithm {
                    Algorithm::HS384 => hmac::HMAC_SHA384,
                    Algorithm::HS512 => hmac::HMAC_SHA512,
                    _ => hmac::HMAC_SHA256,
                };
                Ok((Self::Hmac(Box::new(hmac::Key::new(hash, secret))), material.clone()))
            }
            PrivateMaterial::Rsa(der) => {
                let pair = RsaKeyPair::from_der(der).map_err(|_| rejected())?;
                let public = rsa_public_key(pair.public_key().as_ref())?;
                Ok((Self::Rsa { pair, encoding: rsa(algorithm) }, public))
            }
            PrivateMaterial::Ec { family, scalar, .. } => {
                let curve = match family {
                    Family::P384 => P384,
                    Family::P521 => P521,
                    _ => P256,
                };
                let parameters = Some(EcParameters::NamedCurve(curve));
                // Without the public key, so that it is computed and cannot be another one.
                let key = EcPrivateKey { private_key: scalar, parameters, public_key: None };
                let der = Zeroizing::new(key.to_der().map_err(|_| rejected())?);
                let pair =
                    EcdsaKeyPair::from_private_key_der(ecdsa(*family), &der).map_err(|_| rejected())?;
                let public = KeyMaterial::ec(*family, pair.public_key().as_ref().to_vec())?;
                Ok((Self::Ec(pair), public))
            }
            PrivateMaterial::Ed25519 { seed, .. } => {
                let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| rejected())?;
                let public = KeyMaterial::ed25519(pair.public_key().as_ref())?;
                Ok((Self::Ed25519(pair), public))
            }
        }
    }

    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Hmac(key) => Some(hmac::sign(key, message).as_ref().to_vec()),
            Self::Rsa { pair, encoding } => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &SystemRandom::new(), message, &mut signature).ok()?;
                Some(signature)
            }
            Self::Ec(pair) => Some(pair.sign(&SystemRandom::new(), message).ok()?.as_ref().to_vec()),
            Self::Ed25519(pair) => Some(pair.sign(message).as_ref().to_vec()),
        }
    }
}

fn ecdsa(family: Family) -> &'static EcdsaSigningAlgorithm {
    match family {
        Family::P384 => &sig::ECDSA_P384_SHA384_FIXED_SIGNING,
        Family::P521 => &sig::ECDSA_P521_SHA512_FIXED_SIGNING,
        _ => &sig::ECDSA_P256_SHA256_FIXED_SIGNING,
    }
}

fn rsa(algorithm: Algorithm) -> &'static dyn RsaEncoding {
    match algorithm {
        Algorithm::RS384 => &sig::RSA_PKCS1_SHA384,
        Algorithm::RS512 => &sig::RSA_PKCS1_SHA512,
        Algorithm::PS256 => &sig::RSA_PSS_SHA256,
        Algorithm::PS384 => &sig::RSA_PSS_SHA384,
        Algorithm::PS512 => &sig::RSA_PSS_SHA512,
        _ => &sig::RSA_PKCS1_SHA256,
    }
}
