//! Private keys, ready to sign.

#[cfg(feature = "aws-lc-rs")]
mod aws_lc;
#[cfg(not(any(feature = "rust-crypto", feature = "aws-lc-rs")))]
mod none;
#[cfg(all(feature = "rust-crypto", not(feature = "aws-lc-rs")))]
mod rust_crypto;

use std::fmt;

#[cfg(feature = "aws-lc-rs")]
use self::aws_lc as backend;
#[cfg(not(any(feature = "rust-crypto", feature = "aws-lc-rs")))]
use self::none as backend;
#[cfg(all(feature = "rust-crypto", not(feature = "aws-lc-rs")))]
use self::rust_crypto as backend;
use super::private::PrivateMaterial;
use super::{KeyError, KeyMaterial};
use crate::jose::Algorithm;

/// A private key that is bound to one algorithm and parsed once. The backends wipe its memory when it is dropped.
pub(crate) struct PrivateKey {
    inner: backend::Key,
}

impl PrivateKey {
    /// Prepares a key for one algorithm, and answers with its public half (for HMAC the secret itself).
    ///
    /// # Errors
    /// If it is not a key for `algorithm`, is too weak, says another public key than its own, or the backend lacks
    /// the algorithm.
    pub(crate) fn prepare(
        private: &PrivateMaterial,
        algorithm: Algorithm,
    ) -> Result<(Self, KeyMaterial), KeyError> {
        let (inner, public) = backend::Key::new(private, algorithm)?;
        public.check_for(algorithm)?;
        let same = match (private, &public) {
            (PrivateMaterial::Ec { public: Some(said), .. }, KeyMaterial::Ec { point, .. }) => said == point,
            (PrivateMaterial::Ed25519 { public: Some(said), .. }, KeyMaterial::Ed25519(x)) => said == x,
            _ => true,
        };
        if !same {
            return Err(KeyError::new("its public half is that of another key"));
        }
        Ok((Self { inner }, public))
    }

    /// The signature over `message`; `None` if the backend fails.
    pub(crate) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        self.inner.sign(message)
    }
}

/// Makes a new private key.
///
/// # Errors
/// If the backend cannot make keys for this algorithm.
pub(crate) fn generate(algorithm: Algorithm) -> Result<PrivateMaterial, KeyError> {
    backend::generate(algorithm)
        .ok_or_else(|| KeyError::new(format!("the backend cannot make a key for {algorithm}")))
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(..)")
    }
}

#[cfg(any(feature = "rust-crypto", feature = "aws-lc-rs"))]
fn random_secret() -> Option<PrivateMaterial> {
    let mut secret = zeroize::Zeroizing::new(vec![0; 64]);
    getrandom::fill(&mut secret).ok()?;
    KeyMaterial::hmac(secret).ok().map(PrivateMaterial::Hmac)
}

#[cfg(any(feature = "rust-crypto", feature = "aws-lc-rs"))]
fn random_seed() -> Option<PrivateMaterial> {
    let mut seed = zeroize::Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed).ok()?;
    PrivateMaterial::ed25519(&*seed, None).ok()
}
