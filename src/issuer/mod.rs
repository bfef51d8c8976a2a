//! The signing side: sign, rotate, publish.

mod store;

pub use store::{FileKeyStore, KeyDocument, KeyStore, MemoryKeyStore};
