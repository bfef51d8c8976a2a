//! Signatures: two backends behind one type, and the strength rules that are the same on both.

#[cfg(feature = "aws-lc-rs")]
mod aws_lc;
mod backend;
#[cfg(feature = "jsonwebtoken")]
mod decoding_key;
mod encoded;
mod hash;
mod jsonwebtoken;
mod key_error;
mod material;
#[cfg(feature = "issuer")]
mod private;
mod roca;
#[cfg(feature = "issuer")]
mod signing;
mod strength;
mod weak_secrets;

pub use self::backend::Backend;
pub(crate) use self::backend::PreparedKey;
#[cfg(feature = "jsonwebtoken")]
pub(crate) use self::decoding_key::material_of;
pub(crate) use self::encoded::{read_der, read_pem};
#[cfg(feature = "issuer")]
pub(crate) use self::hash::hmac_sha256;
pub(crate) use self::hash::{sha256, short_hash};
pub(crate) use self::key_error::KeyError;
pub(crate) use self::material::KeyMaterial;
#[cfg(feature = "issuer")]
pub(crate) use self::private::{JwkText, PrivateMaterial};
#[cfg(feature = "issuer")]
pub(crate) use self::signing::{PrivateKey, generate};
