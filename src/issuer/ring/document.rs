//! A ring as the document that a store keeps: JSON with the keys as private JWKs.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::state::{Private, Ring, RingKey};
use crate::issuer::signing_key::SigningKey;
use crate::jose::{Algorithm, has_private_name};
use crate::keys::{Key, KeySet};
use crate::runtime::UnixTime;
use crate::store::{KeyDocument, StoreError};

const FORMAT: &str = "tower-jwt-auth key ring 1";

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Document<'d> {
    format: &'d str,
    revision: u64,
    #[serde(borrow)]
    keys: Vec<Entry<'d>>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Entry<'d> {
    kid: String,
    alg: String,
    published_at: u64,
    signs_from: u64,
    /// A JWK set with the one public key.
    #[serde(borrow)]
    public: &'d RawValue,
    /// A private JWK, until the key is retired.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    private: Option<&'d RawValue>,
}

/// # Errors
/// If anything of it is not as [`write`] writes it: a damaged document is never repaired by guessing.
pub(super) fn read(document: &KeyDocument) -> Result<Ring, StoreError> {
    let damaged = |what: String| {
        StoreError::new(format!(
            "the key document is damaged: {what}; restore it from a backup, or remove it to begin with new keys, \
             which ends every token that is in use"
        ))
    };
    if has_private_name(document.as_bytes()) {
        return Err(damaged("it has a member name that serde_json keeps for itself".into()));
    }
    let document: Document<'_> = serde_json::from_slice(document.as_bytes()).map_err(|error| {
        // The position says enough; serde's own text could repeat a part of a key.
        damaged(format!("it cannot be read (line {}, column {})", error.line(), error.column()))
    })?;
    if document.format != FORMAT {
        return Err(damaged("its format is another one".into()));
    }
    let mut keys: Vec<RingKey> = Vec::with_capacity(document.keys.len());
    for entry in document.keys {
        let key = entry.read().map_err(|why| damaged(format!("key {:?}: {why}", entry.kid)))?;
        if keys.last().is_some_and(|last| last.signs_from > key.signs_from) {
            return Err(damaged("its keys are out of order".into()));
        }
        if keys.iter().any(|known| known.kid == key.kid) {
            return Err(damaged(format!("key {:?} is there twice", key.kid)));
        }
        keys.push(key);
    }
    if keys.last().is_none_or(|newest| newest.private.is_none()) {
        return Err(damaged("it has no key to sign with".into()));
    }
    Ok(Ring { revision: document.revision, keys })
}

impl Entry<'_> {
    fn read(&self) -> Result<RingKey, String> {
        let algorithm: Algorithm = self.alg.parse().map_err(|_| "its algorithm is unknown".to_owned())?;
        let public = KeySet::from_jwks(self.public.get()).map_err(|error| error.to_string())?;
        if !public.iter().map(|key| key.kid()).eq([Some(self.kid.as_str())]) {
            return Err("its public half is that of another key".into());
        }
        let sound = |key: &Key| {
            key.algorithm() == Some(algorithm)
                && key.thumbprint().is_none_or(|thumbprint| thumbprint == self.kid)
        };
        if !public.iter().all(sound) {
            return Err("its public half is not the one that was written".into());
        }
        let private = match self.private {
            None => None,
            Some(jwk) => {
                let key = SigningKey::read_jwk(algorithm, jwk.get()).map_err(|error| error.0)?;
                if key.key_set().to_public_jwks() != public.to_public_jwks() {
                    return Err("its two halves are those of two keys".into());
                }
                Some(Private { key, jwk: Zeroizing::new(jwk.get().to_owned()) })
            }
        };
        Ok(RingKey {
            kid: self.kid.clone(),
            algorithm,
            published_at: UnixTime::from_secs(self.published_at),
            signs_from: UnixTime::from_secs(self.signs_from),
            public,
            private,
        })
    }
}

/// # Errors
/// If a key cannot be written.
pub(super) fn write(ring: &Ring) -> Result<KeyDocument, StoreError> {
    let publics: Vec<String> = ring.keys.iter().map(|key| key.public.to_public_jwks()).collect();
    let mut keys = Vec::with_capacity(ring.keys.len());
    for (key, public) in ring.keys.iter().zip(&publics) {
        let private = key.private.as_ref().map(|private| serde_json::from_str(&private.jwk));
        keys.push(Entry {
            kid: key.kid.clone(),
            alg: key.algorithm.as_str().to_owned(),
            published_at: key.published_at.as_secs(),
            signs_from: key.signs_from.as_secs(),
            public: serde_json::from_str(public).map_err(StoreError::new)?,
            private: private.transpose().map_err(StoreError::new)?,
        });
    }
    let document = Document { format: FORMAT, revision: ring.revision, keys };
    // Enough at once: a buffer that grows leaves copies of the keys behind.
    let keys = ring.keys.iter().zip(&publics).map(|(key, public)| {
        public.len() + key.private.as_ref().map_or(0, |private| private.jwk.len()) + key.kid.len() + 256
    });
    let mut bytes = Vec::with_capacity(256 + keys.sum::<usize>());
    serde_json::to_writer(&mut bytes, &document).map_err(StoreError::new)?;
    Ok(KeyDocument::from_bytes(bytes))
}
