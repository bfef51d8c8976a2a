//! Compact JWS, JSON and JWK as data: no keys are used here, no clock is read, nothing is fetched.

mod algorithm;
mod base64url;
mod compact;
mod header;
mod jwk;
mod names;
mod notes;
mod payload;
mod tee;

pub use algorithm::Algorithm;
pub(crate) use algorithm::{AlgorithmSet, Family};
#[cfg(feature = "issuer")]
pub(crate) use base64url::encode_into;
pub(crate) use base64url::{Scratch, decode, decode_vec, encode};
pub(crate) use compact::Compact;
pub(crate) use header::{Header, same_media_type};
pub(crate) use jwk::{Jwk, JwkError, Params, read_jwk, read_jwk_set};
pub(crate) use names::Name;
#[cfg(feature = "issuer")]
pub(crate) use names::Names;
pub(crate) use notes::{Note, Notes, Slot};
pub(crate) use payload::{Unreadable, depth_is_within, read_claims, skim};
