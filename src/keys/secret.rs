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
/// not a secret. What is plainly not random is refused (RFC 8725 section 3.5). The bytes are wiped from memory when the
/// last copy goes, and never shown by `Debug`.
///
/// ```
/// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
/// use tower_jwt_auth::Secret;
///
/// // openssl rand -base64 32
/// let secret = Secret::from_base64("hiOYSjPFTKR9bbBpyQqw2Pn1fjZ0Vb3vXzmIY5K0p1s=")?;
/// assert_eq!(format!("{secret:?}"), "Secret(32 bytes)");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Secret(KeyMaterial);

impl Secret {
    /// The secret that is these bytes, all of them. Cut the line end off what you read from a file, or it is another secret.
    ///
    /// # Errors
    /// If they are the text of a PEM or JSON key, which anybody can read, fewer than 32, or plainly not random: one byte or a
    /// pattern repeated, bytes that count, a sample of a tutorial.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Result<Self, ConfigError> {
        let bytes = Zeroizing::new(bytes.into());
        if bytes.len() < 32 {
            return Err(refused(format!("it has {} bytes, and the shortest secret has 32", bytes.len())));
        }
        KeyMaterial::hmac(bytes).map(Self).map_err(|error| refused(error.0))
    }

    /// The secret that is written as base64, in the standard or the URL-safe alphabet, padded or not. White space around it is cut.
    ///
    /// # Errors
    /// If it is not base64, is rather hexadecimal (only hex digits, of a usual length), or for the reasons of
    /// [`Secret::from_bytes`].
    pub fn from_base64(text: impl AsRef<str>) -> Result<Self, ConfigError> {
        let text = text.as_ref().trim();
        if matches!(text.len(), 64 | 96 | 128) && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let problem =
                "it looks like hexadecimal, and as base64 it would be other bytes than the other side has";
            let remedy =
                "call Secret::from_hex, or Secret::from_bytes if the other side takes the text itself";
            return Err(ConfigError::new("secret", problem, remedy));
        }
        let url_safe = text.contains(['-', '_']);
        let alphabet = if url_safe { alphabet::URL_SAFE } else { alphabet::STANDARD };
        let bytes = GeneralPurpose::new(&alphabet, LENIENT)
            .decode(text)
            .map_err(|_| refused("it is not base64".to_owned()))?;
        Self::from_bytes(bytes)
    }

    /// The secret that is written as hexadecimal digits, of either case: what `openssl rand -hex 32` writes.
    ///
    /// White space around it is cut. Some libraries take the digits themselves for the secret: for those call
    /// [`Secret::from_bytes`] with the text, or every token is refused.
    ///
    /// # Errors
    /// If something else than digits is between them, one digit is without its second, or for the reasons of [`Secret::from_bytes`].
    pub fn from_hex(text: impl AsRef<str>) -> Result<Self, ConfigError> {
        let bytes = hex::decode(text.as_ref().trim());
        Self::from_bytes(
            bytes.map_err(|_| refused("it is not hexadecimal digits, two for each byte".to_owned()))?,
        )
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
        let expected =
            hex::decode("fbf7efd2fbfa81c3fb0012fb7a55fb9be3a0fbd4fb61fb08fbfe3bfb90fb27fb").unwrap();
        let standard = "+/fv0vv6gcP7ABL7elX7m+Og+9T7YfsI+/47+5D7J/s=";
        let url_safe = standard.replace('+', "-").replace('/', "_");
        for text in [
            standard.to_owned(),
            standard.trim_end_matches('=').to_owned(),
            url_safe.clone(),
            format!(" {}\n", url_safe.trim_end_matches('=')),
        ] {
            assert_eq!(bytes(&Secret::from_base64(&text).unwrap()), expected, "{text}");
        }
        assert!(Secret::from_base64(standard.replacen('+', "-", 1)).is_err());
        assert!(Secret::from_base64("not base64!").is_err());
    }

    #[test]
    fn short_and_public_texts_are_refused_without_showing_them() {
        let error = Secret::from_bytes("hunter2").unwrap_err().to_string();
        assert!(error.contains("7 bytes") && error.contains("openssl rand") && !error.contains("hunter2"));
        let random = hex::decode("fbf7efd2fbfa81c3fb0012fb7a55fb9be3a0fbd4fb61fb08fbfe3bfb90fb27fb").unwrap();
        assert!(Secret::from_bytes(&random[..31]).is_err());
        assert!(Secret::from_bytes(random).is_ok());
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
