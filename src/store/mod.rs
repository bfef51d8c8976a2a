//! Stores: the traits that an engine implements, and the engines that come with the crate.

mod blocking;
mod error;
mod key_store;
#[cfg_attr(not(unix), allow(dead_code))]
mod private_file;
#[cfg(feature = "issuer")]
mod refresh_store;

pub use error::StoreError;
pub use key_store::{FileKeyStore, KeyDocument, KeyStore, MemoryKeyStore};
#[cfg(feature = "sqlite")]
pub use refresh_store::SqliteRefreshStore;
#[cfg(feature = "issuer")]
pub use refresh_store::{MemoryRefreshStore, RefreshRecord, RefreshStore, Session};
#[cfg(feature = "issuer")]
pub(crate) use refresh_store::{Retry, millis};
