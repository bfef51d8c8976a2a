//! Tokens that are refused before they expire: what was revoked, in the memory of each process, kept up to date by a store.

mod builder;
mod follower;
mod revocations;
mod revoked_tokens;
mod view;

pub use builder::{RevocationsBuilder, WhenStale};
pub use revocations::{RevocationHealth, Revocations};
pub use revoked_tokens::Revocation;
pub(crate) use view::{NameKeys, TokenFacts};
