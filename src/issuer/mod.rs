//! The signing side: sign, rotate, publish.

mod access_token;
mod builder;
mod error;
#[allow(clippy::module_inception)] // the noun of this module
mod issuer;
mod payload;
mod ring;
mod signer;
mod signing_key;

pub use access_token::AccessTokenClaims;
pub use builder::{IssuerBuilder, IssuerKeys};
pub use error::SignError;
pub use issuer::Issuer;
pub(crate) use ring::PUBLISHED_MAX_AGE;
pub use ring::{KeyRing, KeyRingBuilder, KeyState, KeyStatus};
pub use signer::Signer;
pub use signing_key::SigningKey;
