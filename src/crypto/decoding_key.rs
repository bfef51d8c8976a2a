//! A key that somebody already holds for `jsonwebtoken`.

use ::jsonwebtoken::{AlgorithmFamily, DecodingKey, DecodingKeyKind};
use zeroize::Zeroizing;

use super::{KeyError, KeyMaterial};
use crate::jose::{Algorithm, Family};

/// The material in a `DecodingKey` that somebody already holds.
///
/// # Errors
/// If the key is not one for `algorithm`, or too weak.
pub(crate) fn material_of(key: &DecodingKey, algorithm: Algorithm) -> Result<KeyMaterial, KeyError> {
    let family = algorithm.family();
    let same_kind = matches!(
        (key.family(), family),
        (AlgorithmFamily::Hmac, Family::Hmac)
            | (AlgorithmFamily::Rsa, Family::Rsa)
            | (AlgorithmFamily::Ec, Family::P256 | Family::P384 | Family::P521)
            | (AlgorithmFamily::Ed, Family::Ed25519)
    );
    if !same_kind {
        return Err(KeyError::new(format!("it is not a key for {algorithm}")));
    }
    let material = match (key.kind(), family) {
        (DecodingKeyKind::RsaModulusExponent { n, e }, _) => KeyMaterial::rsa(n, e),
        (DecodingKeyKind::SecretOrDer(secret), Family::Hmac) => {
            KeyMaterial::hmac(Zeroizing::new(secret.clone()))
        }
        (DecodingKeyKind::SecretOrDer(der), Family::Rsa) => super::encoded::rsa_public_key(der),
        (DecodingKeyKind::SecretOrDer(x), Family::Ed25519) => KeyMaterial::ed25519(x),
        (DecodingKeyKind::SecretOrDer(point), family) => KeyMaterial::ec(family, point.clone()),
    }?;
    material.check_for(algorithm)?;
    Ok(material)
}
