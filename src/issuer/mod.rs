//! The signing side: sign, rotate, publish.

mod store;

pub use store::{KeyDocument, KeyStore, MemoryKeyStore};
