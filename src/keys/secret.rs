//! A shared secret for HMAC.

use std::fmt;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use crate::crypto::KeyMaterial;
use crate::error::ConfigError;

/// Padding or not, but canonical trailing bits: what `openssl rand -base64` and JWK tools write.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// A secret shared by those who sign and those who verify, for HS256, HS384 and HS512.
///
/// It must be random bytes, at least as many as the hash has: 32, 48 or 64 (RFC 7518 section 3.2). A password is
/// not a secret. The bytes are wiped from memory when the last copy goes, and never shown by `Debug`.
///
/// ```
/// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
/// use tower_jwt_auth::Secret;
///
/// // openssl rand -base64 32
/// let secret = Secret::from_base64("q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=")?;
/// assert_eq!(format!("{secret:?}"), "Secret(32 bytes)");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Secret(KeyMaterial);

impl Secret {
    /// The secret that is these bytes.
    ///
    /// # Errors
    /// If they are the text of a PEM or JSON key, which anybody can read, or fewer than 32.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Result<Self, ConfigError> {
        let bytes = Zeroizing::new(bytes.into());
        if bytes.len() < 32 {
            return Err(refused(format!("it has {} bytes, and the shortest secret has 32", bytes.len())));
        }
        KeyMaterial::hmac(bytes).map(Self).map_err(|error| refused(error.0))
    }

    /// The secret that is written as base64, in the standard or the URL-safe alphabet, padded or not.
    ///
    /// # Errors
    /// If it is not base64, or for the reasons of [`Secret::from_bytes`].
    pub fn from_base64(text: impl AsRef<str>) -> Result<Self, ConfigError> {
        let text = text.as_ref().trim();
        let url_safe = text.contains(['-', '_']);
        let alphabet = if url_safe { alphabet::URL_SAFE } else { alphabet::STANDARD };
        let bytes = GeneralPurpose::new(&alphabet, LENIENT)
            .decode(text)
            .map_err(|_| refused("it is not base64".to_owned()))?;
        Self::from_bytes(bytes)
    }

    /// A new random secret of 64 bytes, enough for each HMAC algorithm.
    ///
    /// # Errors
    /// If the operating system has no randomness to give.
    pub fn generate() -> Result<Self, ConfigError> {
        let mut bytes = Zeroizing::new(vec![0; 64]);
        getrandom::fill(&mut bytes)
            .map_err(|_| refused("the operating system gives no randomness".into()))?;
        KeyMaterial::hmac(bytes).map(Self).map_err(|error| refused(error.0))
    }

    pub(crate) fn into_material(self) -> KeyMaterial {
        self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let KeyMaterial::Hmac(bytes) = &self.0 else { return f.write_str("Secret") };
        write!(f, "Secret({} bytes)", bytes.len())
    }
}

fn refused(problem: String) -> ConfigError {
    ConfigError::new(
        "secret",
        problem,
        "make one with `openssl rand -base64 32` (48 for HS384, 64 for HS512)",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(secret: &Secret) -> &[u8] {
        match &secret.0 {
            KeyMaterial::Hmac(bytes) => bytes,
            _ => unreachable!(),
        }
    }

    #[test]
    fn base64_in_either_alphabet_with_or_without_padding() {
        let mut expected = [0xfb; 32];
        expected[31] = 0xfa;
        for text in [
            "+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/o=",
            "+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/o",
            "-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_o=",
            " -_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_o\n",
        ] {
            assert_eq!(bytes(&Secret::from_base64(text).unwrap()), expected, "{text}");
        }
        assert!(Secret::from_base64("+/v7-_v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s=").is_err());
        assert!(Secret::from_base64("not base64!").is_err());
    }

    #[test]
    fn short_and_public_texts_are_refused_without_showing_them() {
        let error = Secret::from_bytes("hunter2").unwrap_err().to_string();
        assert!(error.contains("7 bytes") && error.contains("openssl rand") && !error.contains("hunter2"));
        let bytes: Vec<u8> = (0..32).collect();
        assert!(Secret::from_bytes(&bytes[..31]).is_err());
        assert!(Secret::from_bytes(bytes).is_ok());
        assert!(Secret::from_bytes("-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYI").is_err());
        assert!(Secret::from_bytes("{\"kty\":\"RSA\",\"n\":\"0123456789012345678901234567\"}").is_err());
    }

    #[test]
    fn generated_secrets_differ() {
        let (one, other) = (Secret::generate().unwrap(), Secret::generate().unwrap());
        assert_eq!(bytes(&one).len(), 64);
        assert_ne!(bytes(&one), bytes(&other));
        assert_eq!(format!("{one:?}"), "Secret(64 bytes)");
    }
}
