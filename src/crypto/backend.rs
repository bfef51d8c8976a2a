//! The two backends behind one type, and a key that one of them has prepared.

use std::fmt;
use std::sync::Arc;

#[cfg(feature = "aws-lc-rs")]
use super::aws_lc;
use super::jsonwebtoken;
use super::key_error::KeyError;
use super::material::KeyMaterial;
use crate::jose::{Algorithm, Family};

/// The library that computes signatures.
///
/// You need this only to overrule the default, which is aws-lc-rs if its feature is on, RustCrypto otherwise.
/// Having both features on is fine; the process-wide default of `jsonwebtoken` is never used.
///
/// ```
/// # #[cfg(feature = "rust-crypto")] fn main() -> Result<(), tower_jwt_auth::ConfigError> {
/// use tower_jwt_auth::{Authority, Backend, Claims, Secret, Verifier};
///
/// let verifier = Verifier::<Claims>::builder()
///     .authority(Authority::hs256(Secret::generate()?).issuer("shop").audience("api"))
///     .backend(Backend::rust_crypto())
///     .build()?;
/// # Ok(()) }
/// # #[cfg(not(feature = "rust-crypto"))] fn main() {}
/// ```
#[derive(Clone)]
pub struct Backend(Kind);

#[derive(Clone)]
enum Kind {
    #[cfg(feature = "aws-lc-rs")]
    AwsLcRs,
    #[cfg_attr(not(any(feature = "rust-crypto", feature = "jsonwebtoken")), allow(dead_code))]
    Jsonwebtoken { name: &'static str, provider: Arc<::jsonwebtoken::crypto::CryptoProvider> },
}

impl Backend {
    /// The `aws-lc-rs` crate, with keys prepared once.
    #[cfg(feature = "aws-lc-rs")]
    #[must_use]
    pub const fn aws_lc_rs() -> Self {
        Self(Kind::AwsLcRs)
    }

    /// The portable RustCrypto provider of `jsonwebtoken`.
    ///
    /// It has no ES512, takes RSA keys of at most 4,096 bits, and prepares a key anew for each token.
    #[cfg(feature = "rust-crypto")]
    #[must_use]
    pub fn rust_crypto() -> Self {
        let provider = ::jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER.clone();
        Self(Kind::Jsonwebtoken { name: "rust-crypto", provider: Arc::new(provider) })
    }

    /// A provider of your own, as version 11 of `jsonwebtoken` defines it (feature `jsonwebtoken`).
    ///
    /// It must refuse what the standards refuse: points off the curve, signatures of zeros, wrong padding.
    #[cfg(feature = "jsonwebtoken")]
    #[must_use]
    pub fn jsonwebtoken(provider: ::jsonwebtoken::crypto::CryptoProvider) -> Self {
        Self(Kind::Jsonwebtoken { name: "custom", provider: Arc::new(provider) })
    }

    /// The backend that is used when the user names none.
    pub(crate) fn preferred() -> Option<Self> {
        #[cfg(feature = "aws-lc-rs")]
        let backend = Some(Self::aws_lc_rs());
        #[cfg(all(feature = "rust-crypto", not(feature = "aws-lc-rs")))]
        let backend = Some(Self::rust_crypto());
        #[cfg(not(any(feature = "rust-crypto", feature = "aws-lc-rs")))]
        let backend = None;
        backend
    }

    fn name(&self) -> &'static str {
        match &self.0 {
            #[cfg(feature = "aws-lc-rs")]
            Kind::AwsLcRs => "aws-lc-rs",
            Kind::Jsonwebtoken { name, .. } => name,
        }
    }

    /// Whether the backend knows this algorithm at all.
    pub(crate) const fn has(&self, algorithm: Algorithm) -> bool {
        match &self.0 {
            #[cfg(feature = "aws-lc-rs")]
            Kind::AwsLcRs => true,
            Kind::Jsonwebtoken { .. } => jsonwebtoken::foreign(algorithm).is_some(),
        }
    }

    /// Makes a key ready to verify with one algorithm.
    ///
    /// # Errors
    /// If the key is too weak for the algorithm, is not on its curve, or the backend lacks the algorithm.
    pub(crate) fn prepare(&self, key: &KeyMaterial, algorithm: Algorithm) -> Result<PreparedKey, KeyError> {
        key.check_for(algorithm)?;
        let inner = match &self.0 {
            #[cfg(feature = "aws-lc-rs")]
            Kind::AwsLcRs => Prepared::AwsLcRs(aws_lc::Key::new(key, algorithm)?),
            Kind::Jsonwebtoken { name, provider } => {
                Prepared::Jsonwebtoken(jsonwebtoken::Key::new(name, provider, key, algorithm)?)
            }
        };
        let symmetric = key.family() == Family::Hmac;
        Ok(PreparedKey { inner, signature_bytes: key.signature_bytes(algorithm), symmetric })
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Backend({})", self.name())
    }
}

/// A key that is bound to one algorithm and ready to verify.
pub(crate) struct PreparedKey {
    inner: Prepared,
    signature_bytes: usize,
    symmetric: bool,
}

enum Prepared {
    #[cfg(feature = "aws-lc-rs")]
    AwsLcRs(aws_lc::Key),
    Jsonwebtoken(jsonwebtoken::Key),
}

impl PreparedKey {
    /// Whether an encoded signature has the one length that a good one can have.
    pub(crate) const fn fits(&self, encoded_signature: &[u8]) -> bool {
        encoded_signature.len() == (self.signature_bytes * 4).div_ceil(3)
    }

    /// Whether a verification is one hash of the message.
    pub(crate) const fn is_symmetric(&self) -> bool {
        self.symmetric
    }

    /// Whether `signature` is this key's over `message`.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        signature.len() == self.signature_bytes
            && match &self.inner {
                #[cfg(feature = "aws-lc-rs")]
                Prepared::AwsLcRs(key) => key.verify(message, signature),
                Prepared::Jsonwebtoken(key) => key.verify(message, signature),
            }
    }
}

impl fmt::Debug for PreparedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PreparedKey(..)")
    }
}
