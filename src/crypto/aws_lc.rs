//! aws-lc-rs: each key is parsed once.

use aws_lc_rs::hmac;
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{self as sig, ParsedPublicKey, RsaParameters, VerificationAlgorithm};

use super::{KeyError, KeyMaterial};
use crate::jose::Algorithm;

/// A prepared key.
pub(super) enum Key {
    Hmac(Box<hmac::Key>),
    Public(ParsedPublicKey),
}

impl Key {
    pub(super) fn new(key: &KeyMaterial, algorithm: Algorithm) -> Result<Self, KeyError> {
        let rejected = |_| KeyError::new(format!("aws-lc-rs does not take it for {algorithm}"));
        match key {
            KeyMaterial::Hmac(secret) => {
                let hash = match algorithm {
                    Algorithm::HS384 => hmac::HMAC_SHA384,
                    Algorithm::HS512 => hmac::HMAC_SHA512,
                    _ => hmac::HMAC_SHA256,
                };
                Ok(Self::Hmac(Box::new(hmac::Key::new(hash, secret))))
            }
            KeyMaterial::Rsa { n, e } => {
                let components = PublicKeyComponents { n, e };
                components.to_parsed_public_key(rsa(algorithm)).map(Self::Public).map_err(rejected)
            }
            KeyMaterial::Ec { point, .. } => {
                let curve: &'static dyn VerificationAlgorithm = match algorithm {
                    Algorithm::ES384 => &sig::ECDSA_P384_SHA384_FIXED,
                    Algorithm::ES512 => &sig::ECDSA_P521_SHA512_FIXED,
                    _ => &sig::ECDSA_P256_SHA256_FIXED,
                };
                ParsedPublicKey::new(curve, point).map(Self::Public).map_err(rejected)
            }
            KeyMaterial::Ed25519(x) => {
                ParsedPublicKey::new(&sig::ED25519, x).map(Self::Public).map_err(rejected)
            }
        }
    }

    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Hmac(key) => hmac::verify(key, message, signature).is_ok(),
            Self::Public(key) => key.verify_sig(message, signature).is_ok(),
        }
    }
}

const fn rsa(algorithm: Algorithm) -> &'static RsaParameters {
    match algorithm {
        Algorithm::RS384 => &sig::RSA_PKCS1_2048_8192_SHA384,
        Algorithm::RS512 => &sig::RSA_PKCS1_2048_8192_SHA512,
        Algorithm::PS256 => &sig::RSA_PSS_2048_8192_SHA256,
        Algorithm::PS384 => &sig::RSA_PSS_2048_8192_SHA384,
        Algorithm::PS512 => &sig::RSA_PSS_2048_8192_SHA512,
        _ => &sig::RSA_PKCS1_2048_8192_SHA256,
    }
}
