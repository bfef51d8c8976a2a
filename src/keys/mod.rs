//! Keys: the secret, the immutable key set, what a verifier makes of it, and where sets come from.

mod prepared;
#[cfg(feature = "jwks")]
mod remote;
mod secret;
mod set;
mod source;
#[cfg(test)]
mod vectors;

pub(crate) use prepared::{Candidates, KeyOwner, NoKey, PreparedSet};
#[cfg(feature = "jwks")]
pub(crate) use remote::KeyEndpoint;
#[cfg(any(feature = "introspection", feature = "status-list"))]
pub(crate) use remote::UrlRules;
#[cfg(feature = "status-list")]
pub(crate) use remote::{Failure, body_of, short, spread, without_query};
#[cfg(feature = "jwks")]
pub use remote::{Fetch, FetchError, HttpFetch, HttpFetchBuilder, KeyHealth, RemoteKeys};
pub use secret::Secret;
pub use set::{Key, KeySet, SkippedKey};
#[cfg(feature = "issuer")]
pub(crate) use source::Published;
#[cfg(feature = "jwks")]
pub(crate) use source::Unavailable;
pub(crate) use source::{Generation, KeySource, Static};
