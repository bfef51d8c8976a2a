//! The portable backend: a `CryptoProvider` of `jsonwebtoken`, held as a value.
//!
//! Its verifiers are neither `Send` nor `Sync`, so one is made for each token.

use std::sync::Arc;

use ::jsonwebtoken::DecodingKey;
use ::jsonwebtoken::crypto::CryptoProvider;

use super::{KeyError, KeyMaterial};
use crate::jose::Algorithm;

/// A key that is known to be accepted by the provider.
pub(super) struct Key {
    provider: Arc<CryptoProvider>,
    algorithm: ::jsonwebtoken::Algorithm,
    key: DecodingKey,
}

impl Key {
    pub(super) fn new(
        name: &str,
        provider: &Arc<CryptoProvider>,
        key: &KeyMaterial,
        algorithm: Algorithm,
    ) -> Result<Self, KeyError> {
        let lacking = || KeyError::new(format!("the {name} backend has no {algorithm}"));
        let key = Self {
            provider: Arc::clone(provider),
            algorithm: foreign(algorithm).ok_or_else(lacking)?,
            key: match key {
                KeyMaterial::Hmac(secret) => DecodingKey::from_secret(secret),
                KeyMaterial::Rsa { n, e } => {
                    check_rsa_size(name, n)?;
                    DecodingKey::from_rsa_raw_components(n, e)
                }
                KeyMaterial::Ec { point, .. } => DecodingKey::from_ec_der(point),
                KeyMaterial::Ed25519(x) => DecodingKey::from_ed_der(x),
            },
        };
        // The verifier itself cannot be kept; making one finds a point that is not on the curve.
        (provider.verifier_factory)(&key.algorithm, &key.key)
            .map_err(|_| KeyError::new(format!("the {name} backend does not take it for {algorithm}")))?;
        Ok(key)
    }

    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        (self.provider.verifier_factory)(&self.algorithm, &self.key)
            .is_ok_and(|verifier| verifier.verify(message, &signature.to_vec()).is_ok())
    }
}

/// The RustCrypto provider would find this out at each token.
fn check_rsa_size(backend: &str, n: &[u8]) -> Result<(), KeyError> {
    const RUST_CRYPTO_MAX_BITS: usize = 4096;
    if backend == "rust-crypto" && n.len() * 8 > RUST_CRYPTO_MAX_BITS {
        let bits = n.len() * 8;
        return Err(KeyError::new(format!(
            "the rust-crypto backend takes RSA keys of at most {RUST_CRYPTO_MAX_BITS} bits, not {bits}"
        )));
    }
    Ok(())
}

pub(super) const fn foreign(algorithm: Algorithm) -> Option<::jsonwebtoken::Algorithm> {
    Some(match algorithm {
        Algorithm::HS256 => ::jsonwebtoken::Algorithm::HS256,
        Algorithm::HS384 => ::jsonwebtoken::Algorithm::HS384,
        Algorithm::HS512 => ::jsonwebtoken::Algorithm::HS512,
        Algorithm::RS256 => ::jsonwebtoken::Algorithm::RS256,
        Algorithm::RS384 => ::jsonwebtoken::Algorithm::RS384,
        Algorithm::RS512 => ::jsonwebtoken::Algorithm::RS512,
        Algorithm::PS256 => ::jsonwebtoken::Algorithm::PS256,
        Algorithm::PS384 => ::jsonwebtoken::Algorithm::PS384,
        Algorithm::PS512 => ::jsonwebtoken::Algorithm::PS512,
        Algorithm::ES256 => ::jsonwebtoken::Algorithm::ES256,
        Algorithm::ES384 => ::jsonwebtoken::Algorithm::ES384,
        Algorithm::ES512 => return None,
        Algorithm::EdDSA | Algorithm::Ed25519 => ::jsonwebtoken::Algorithm::EdDSA,
    })
}
