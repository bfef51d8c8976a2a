//! The decision: is this token good, and what does it say? Nothing in here knows of HTTP requests.

mod authority;
mod authority_keys;
mod authority_preset;
mod builder;
mod checks;
#[cfg_attr(not(feature = "oidc"), allow(dead_code))]
mod demands;
mod explain;
mod grants;
mod jwt;
mod policy;
mod principal;
mod verifier;

pub use authority::Authority;
pub use builder::VerifierBuilder;
pub use explain::Explanation;
pub use jwt::Jwt;
pub use principal::Principal;
pub use verifier::Verifier;

#[cfg(feature = "oidc")]
pub(crate) use demands::Demand;
pub(crate) use jwt::Slot;
