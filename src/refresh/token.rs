//! The bytes of a refresh token: what is hashed, and how a successor is sealed.

use std::fmt;

use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use crate::crypto::{hmac_sha256, sha256};
use crate::jose;
use crate::store::StoreError;

const FAMILY_BYTES: usize = 16;
const SECRET_BYTES: usize = 32;
const TOKEN_CHARS: usize = (FAMILY_BYTES + SECRET_BYTES) * 4 / 3;
const SEAL_LABEL: &[u8] = b"tower-jwt-auth refresh successor 1";

/// A refresh token: 64 characters that mean nothing to the client.
///
/// Made of whatever the client sent; that it is none of ours shows when it is used. Wiped from memory when dropped,
/// never shown by `Debug`.
///
/// ```
/// use tower_jwt_auth::RefreshToken;
///
/// let token = RefreshToken::from("what the client sent");
/// assert_eq!(token.as_str(), "what the client sent");
/// assert_eq!(format!("{token:?}"), "RefreshToken(..)");
/// ```
#[derive(Clone)]
pub struct RefreshToken(Zeroizing<String>);

impl RefreshToken {
    /// The text, to be handed to the client and to nobody else.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for RefreshToken {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl From<&str> for RefreshToken {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

impl<'de> Deserialize<'de> for RefreshToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshToken(..)")
    }
}

/// What a well-formed token consists of.
pub(super) struct Parts {
    /// The same in all tokens of a family; it finds the record.
    family: Zeroizing<[u8; FAMILY_BYTES]>,
    /// Another one in each token.
    secret: Zeroizing<[u8; SECRET_BYTES]>,
}

impl Parts {
    /// The first token of a new family.
    pub(super) fn generate() -> Result<Self, StoreError> {
        Ok(Self { family: random()?, secret: random()? })
    }

    /// A new token of the same family.
    pub(super) fn successor(&self) -> Result<Self, StoreError> {
        Ok(Self { family: self.family.clone(), secret: random()? })
    }

    /// Takes a token apart, if it has the form of one.
    pub(super) fn of(token: &RefreshToken) -> Option<Self> {
        if token.as_str().len() != TOKEN_CHARS {
            return None;
        }
        let bytes = Zeroizing::new(jose::decode_vec(token.as_str())?);
        let (family, secret) = bytes.split_first_chunk()?;
        Some(Self { family: Zeroizing::new(*family), secret: Zeroizing::new(secret.try_into().ok()?) })
    }

    pub(super) fn token(&self) -> RefreshToken {
        RefreshToken::from(jose::encode(self.bytes()))
    }

    /// The name of the family's record: a hash, so that the store does not hold what finds it.
    pub(super) fn record_id(&self) -> Result<String, StoreError> {
        hash(self.family.as_slice())
    }

    /// What the store keeps of this token. A hash of 256 random bits needs neither salt nor slowness.
    pub(super) fn fingerprint(&self) -> Result<String, StoreError> {
        hash(&self.bytes())
    }

    /// Encrypts the secret of `successor` so that only the holder of this token can read it.
    ///
    /// A one-time pad: a token has at most one successor that is ever stored. That it was not altered shows when the
    /// result is held against the successor's fingerprint.
    pub(super) fn seal(&self, successor: &Self) -> Result<String, StoreError> {
        Ok(jose::encode(self.pad(&successor.secret)?.as_slice()))
    }

    /// Undoes [`Parts::seal`].
    pub(super) fn unseal(&self, sealed: &str) -> Result<Self, StoreError> {
        let sealed: Option<[u8; SECRET_BYTES]> =
            jose::decode_vec(sealed).and_then(|bytes| bytes.try_into().ok());
        let sealed = sealed.ok_or_else(|| StoreError::new("a record is damaged: its sealed successor"))?;
        Ok(Self { family: self.family.clone(), secret: self.pad(&sealed)? })
    }

    fn pad(&self, text: &[u8; SECRET_BYTES]) -> Result<Zeroizing<[u8; SECRET_BYTES]>, StoreError> {
        let message = Zeroizing::new([SEAL_LABEL, self.family.as_slice()].concat());
        let mut pad =
            Zeroizing::new(hmac_sha256(self.secret.as_slice(), &message).ok_or_else(no_cryptography)?);
        pad.iter_mut().zip(text).for_each(|(pad, text)| *pad ^= text);
        Ok(pad)
    }

    fn bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new([self.family.as_slice(), self.secret.as_slice()].concat())
    }
}

/// 128 random bits as text, for what is public.
pub(super) fn public_id() -> Result<String, StoreError> {
    Ok(jose::encode(random::<16>()?.as_slice()))
}

fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, StoreError> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|error| StoreError::new(error.to_string()))?;
    Ok(bytes)
}

fn hash(bytes: &[u8]) -> Result<String, StoreError> {
    sha256(bytes).map(jose::encode).ok_or_else(no_cryptography)
}

// `build` has refused already; this is for the types.
fn no_cryptography() -> StoreError {
    StoreError::new("no cryptography is compiled in")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_its_text() {
        let parts = Parts::generate().unwrap();
        let token = parts.token();
        assert_eq!(token.as_str().len(), TOKEN_CHARS);
        let read = Parts::of(&token).unwrap();
        assert_eq!(read.bytes(), parts.bytes());
        assert_eq!(read.fingerprint().unwrap(), parts.fingerprint().unwrap());
    }

    #[test]
    fn what_is_no_token_is_nothing() {
        let token = Parts::generate().unwrap().token();
        let text = token.as_str();
        let others = [&text[1..], "", &format!("{text}A"), &format!("{}=", &text[1..]), &"é".repeat(32)];
        for other in others.map(RefreshToken::from) {
            assert!(Parts::of(&other).is_none(), "{}", other.as_str());
        }
    }

    #[test]
    fn only_the_old_token_opens_the_seal() {
        let old = Parts::generate().unwrap();
        let new = old.successor().unwrap();
        let sealed = old.seal(&new).unwrap();
        assert_eq!(old.unseal(&sealed).unwrap().bytes(), new.bytes());

        let sibling = old.successor().unwrap();
        assert_ne!(sibling.unseal(&sealed).unwrap().bytes(), new.bytes());
        // The same secret in another family has another pad.
        let stranger = Parts { secret: old.secret.clone(), ..Parts::generate().unwrap() };
        assert_ne!(stranger.unseal(&sealed).unwrap().secret, new.secret);
        assert!(old.unseal("AAAA").is_err());
    }
}
