//! Stores: the traits that an engine implements, and the engines that come with the crate.

mod blocking;
mod error;
mod file_key_store;
mod key_store;
mod memory_key_store;
#[cfg(feature = "issuer")]
mod memory_refresh_store;
mod private_file;
#[cfg(feature = "issuer")]
mod refresh_record;
#[cfg(feature = "issuer")]
mod refresh_store;
#[cfg(feature = "sqlite")]
mod sqlite_refresh_store;

#[cfg(feature = "jwks")]
pub(crate) use blocking::in_turn;
pub use error::StoreError;
pub use file_key_store::FileKeyStore;
pub use key_store::{KeyDocument, KeyStore};
pub use memory_key_store::MemoryKeyStore;
#[cfg(feature = "issuer")]
pub use memory_refresh_store::MemoryRefreshStore;
#[cfg(feature = "issuer")]
pub use refresh_record::{RefreshRecord, Session};
#[cfg(feature = "issuer")]
pub(crate) use refresh_record::{Retry, millis};
#[cfg(feature = "issuer")]
pub use refresh_store::RefreshStore;
#[cfg(feature = "sqlite")]
pub use sqlite_refresh_store::SqliteRefreshStore;
