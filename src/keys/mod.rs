//! Keys: the secret, the immutable key set, what a verifier makes of it, and where sets come from.

mod prepared;
mod secret;
mod set;
mod source;

pub(crate) use prepared::{NoKey, PreparedSet};
pub use secret::Secret;
pub use set::{Key, KeySet, SkippedKey};
#[cfg(feature = "issuer")]
pub(crate) use source::Published;
pub(crate) use source::{Generation, KeySource, Static};
