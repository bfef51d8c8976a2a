//! An opaque token, as those see it who are asked about it.

use std::fmt;

use zeroize::Zeroizing;

use crate::crypto::sha256;
use crate::error::ConfigError;
use crate::jose;

/// A token that means nothing but to whoever made it, such as an API key.
///
/// Wiped from memory when dropped, never shown by `Debug`.
#[derive(Clone)]
pub struct OpaqueToken {
    text: Zeroizing<String>,
    sha256: [u8; 32],
}

/// Twice what nobody can guess.
const RANDOM_BYTES: usize = 32;

impl OpaqueToken {
    /// A new token: this prefix, and 256 random bits in 43 characters. Hand out [`OpaqueToken::as_str`] once, and store
    /// [`OpaqueToken::sha256`].
    ///
    /// Nobody can guess so many bits, so a plain hash is enough: no salt, and no slow hash as for passwords. A prefix of your own,
    /// such as `sk_live_`, lets people and scanners of leaked secrets see what it is.
    ///
    /// ```
    /// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
    /// use tower_jwt_auth::OpaqueToken;
    ///
    /// let key = OpaqueToken::generate("sk_live_")?;
    /// assert!(key.as_str().starts_with("sk_live_"));
    /// assert_ne!(key.sha256(), OpaqueToken::generate("sk_live_")?.sha256());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If the system has no random numbers, no backend is compiled in, or the prefix has other characters than letters, digits and
    /// `-._~+/` (RFC 6750 section 2.1).
    pub fn generate(prefix: &str) -> Result<Self, ConfigError> {
        if !prefix.is_empty() && !is_b64token(prefix.as_bytes()) || prefix.contains('=') {
            let remedy = "use letters, digits and -._~+/, such as sk_live_";
            return Err(ConfigError::new("prefix", format!("{prefix:?} cannot begin a token"), remedy));
        }
        let mut random = Zeroizing::new([0; RANDOM_BYTES]);
        getrandom::fill(&mut *random).map_err(|error| {
            ConfigError::new("OpaqueToken", error.to_string(), "the system has to have random numbers")
        })?;
        let text = format!("{prefix}{}", *Zeroizing::new(jose::encode(*random)));
        Self::new(text).ok_or_else(ConfigError::no_backend)
    }

    /// A token that a client sent; `None` without a backend to hash it.
    pub(crate) fn new(text: impl Into<String>) -> Option<Self> {
        let text = Zeroizing::new(text.into());
        let sha256 = sha256(text.as_bytes())?;
        Some(Self { text, sha256 })
    }

    /// The text as the client sent it, or as it is to be handed to the client.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The SHA-256 of the text: what a table of keys holds, and is searched by. Whoever reads the table learns no key, and to
    /// search by a hash tells nobody, by the time that it takes, how much of a key was right.
    #[must_use]
    pub const fn sha256(&self) -> [u8; 32] {
        self.sha256
    }
}

impl fmt::Debug for OpaqueToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpaqueToken(..)")
    }
}

/// `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="` (RFC 6750 section 2.1).
pub(crate) fn is_b64token(text: &[u8]) -> bool {
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    let body = text.get(..text.len() - padding).unwrap_or_default();
    let legal =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
    !body.is_empty() && body.iter().all(legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_is_that_of_rfc_6750() {
        for good in ["a", "aZ09-._~+/", "a=", "a=="] {
            assert!(is_b64token(good.as_bytes()), "{good}");
        }
        for bad in ["", "=", "==", "a=b", "a b", "a,b", "a\"b", "ä", "a\n", "a%20"] {
            assert!(!is_b64token(bad.as_bytes()), "{bad:?}");
        }
    }

    #[cfg(any(feature = "rust-crypto", feature = "aws-lc-rs"))]
    #[test]
    fn a_new_key_is_random_and_its_hash_is_that_of_its_text() {
        let key = OpaqueToken::generate("sk_live_").unwrap();
        assert_eq!(key.as_str().len(), "sk_live_".len() + 43);
        assert_eq!(Some(key.sha256()), sha256(key.as_str().as_bytes()));
        assert_ne!(key.as_str(), OpaqueToken::generate("sk_live_").unwrap().as_str());
        assert_eq!(format!("{key:?}"), "OpaqueToken(..)");
        for bad in ["sk live", "sk=", "ä", "\n"] {
            assert!(OpaqueToken::generate(bad).is_err(), "{bad:?}");
        }
        assert!(OpaqueToken::generate("").is_ok());
    }
}
