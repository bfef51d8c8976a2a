//! Stores: the traits that an engine implements, and the engines that come with the crate.

#[cfg(any(feature = "issuer", feature = "jwks"))]
mod blocking;
mod error;
#[cfg(any(feature = "issuer", feature = "jwks"))]
mod file_key_store;
#[cfg(any(feature = "issuer", feature = "jwks"))]
mod key_store;
#[cfg(any(feature = "issuer", feature = "jwks"))]
mod memory_key_store;
#[cfg(feature = "issuer")]
mod memory_refresh_store;
mod memory_replay_store;
mod memory_revocation_store;
pub(crate) mod millis;
#[cfg(any(feature = "issuer", feature = "jwks"))]
mod private_file;
#[cfg(feature = "issuer")]
mod refresh_record;
#[cfg(feature = "issuer")]
mod refresh_store;
mod replay_store;
mod revocation_record;
mod revocation_store;

#[cfg(feature = "jwks")]
pub(crate) use blocking::in_turn;
pub use error::StoreError;
#[cfg(any(feature = "issuer", feature = "jwks"))]
pub use file_key_store::FileKeyStore;
#[cfg(any(feature = "issuer", feature = "jwks"))]
pub use key_store::{KeyDocument, KeyStore};
#[cfg(any(feature = "issuer", feature = "jwks"))]
pub use memory_key_store::MemoryKeyStore;
#[cfg(feature = "issuer")]
pub use memory_refresh_store::MemoryRefreshStore;
pub use memory_replay_store::MemoryReplayStore;
pub use memory_revocation_store::MemoryRevocationStore;
#[cfg(feature = "issuer")]
pub(crate) use refresh_record::Retry;
#[cfg(feature = "issuer")]
pub use refresh_record::{RefreshRecord, Session};
#[cfg(feature = "issuer")]
pub use refresh_store::RefreshStore;
pub use replay_store::ReplayStore;
pub(crate) use revocation_record::RevocationKind;
pub use revocation_record::RevocationRecord;
pub use revocation_store::{LogPosition, RevocationPage, RevocationStore};
