//! Who may send: the value of the `Authorization` header.

use std::fmt;

use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::crypto::sha256;
use crate::error::ConfigError;

/// The values that a transmitter may send. None: everybody may, and the signature alone counts.
pub(super) struct Credentials {
    /// Nobody outside can know the hash of what it sends, so comparing hashes tells nothing by its time.
    salt: [u8; 32],
    hashes: Vec<[u8; 32]>,
}

/// Characters that a credential has at least, the scheme included.
const SHORTEST: usize = 24;

impl Credentials {
    /// # Errors
    /// If a value is too short to be a secret, or cannot stand in a header.
    pub(super) fn new(values: &[String]) -> Result<Self, ConfigError> {
        let refused = |problem: String| {
            let remedy =
                "use the whole value of the header, such as Bearer and what `openssl rand -hex 32` prints";
            Err(ConfigError::new("authorization", problem, remedy))
        };
        let mut salt = [0; 32];
        if getrandom::fill(&mut salt).is_err() {
            return refused("the operating system gives no randomness".to_owned());
        }
        let mut credentials = Self { salt, hashes: Vec::new() };
        for value in values {
            if value.len() < SHORTEST {
                return refused(format!(
                    "it has {} characters, and {SHORTEST} at least are needed",
                    value.len()
                ));
            }
            if value.trim() != value || !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
                return refused("it cannot stand in a header as it is".to_owned());
            }
            let hash = credentials.hash(value.as_bytes()).ok_or_else(ConfigError::no_backend)?;
            credentials.hashes.push(hash);
        }
        Ok(credentials)
    }

    /// Whether the request has one of them, in one line.
    pub(super) fn admit(&self, headers: &HeaderMap) -> bool {
        if self.hashes.is_empty() {
            return true;
        }
        let mut lines = headers.get_all(AUTHORIZATION).iter();
        let (Some(line), None) = (lines.next(), lines.next()) else { return false };
        let Some(hash) = self.hash(line.as_bytes()) else { return false };
        self.hashes.contains(&hash)
    }

    fn hash(&self, value: &[u8]) -> Option<[u8; 32]> {
        sha256(&[&self.salt[..], value].concat())
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.hashes.len())
    }
}
