//! Where keys are kept: the private ones of a ring, or the public ones that were fetched last.

use std::fmt;

use zeroize::Zeroizing;

use super::StoreError;
use crate::runtime::NowOrLater;

/// Keeps one document of keys: the private keys of a key ring, or the public keys that an identity provider sent last
/// (`RemoteKeys::keep_in`). Each document has a store of its own.
///
/// Replicas that share a store agree by compare-and-swap: of two that change the same document, one succeeds, the
/// other reads again. The document is opaque to the store. That of a ring is as secret as the keys in it; that of
/// fetched keys is no secret, but a process that can write it can sign tokens.
pub trait KeyStore: fmt::Debug + Send + Sync + 'static {
    /// The document, or `None` if there has never been one.
    ///
    /// # Errors
    /// If it cannot be read. What is there and unreadable is an error, never `None`: a ring that takes a damaged
    /// store for a new one would make new keys and break every token that is in use.
    fn load(&self) -> NowOrLater<Result<Option<KeyDocument>, StoreError>>;

    /// Replaces the document that is exactly `expected` (`None`: there is none yet) by `new`, durably and as a unit.
    /// Answers whether it did; if not, the stored document was another one and is unchanged.
    ///
    /// # Errors
    /// If it cannot be written. The caller does not know then whether it was written, and loads again.
    fn compare_and_swap(
        &self,
        expected: Option<KeyDocument>,
        new: KeyDocument,
    ) -> NowOrLater<Result<bool, StoreError>>;
}

/// The content of a key store: the private keys of a ring, or fetched public keys. It is wiped from memory when dropped,
/// and never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyDocument(Zeroizing<Vec<u8>>);

impl KeyDocument {
    /// The document that consists of these bytes.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, to be stored where only this service can read and write them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for KeyDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyDocument({} bytes)", self.0.len())
    }
}

impl<T: KeyStore + ?Sized> KeyStore for std::sync::Arc<T> {
    fn load(&self) -> NowOrLater<Result<Option<KeyDocument>, StoreError>> {
        (**self).load()
    }

    fn compare_and_swap(
        &self,
        expected: Option<KeyDocument>,
        new: KeyDocument,
    ) -> NowOrLater<Result<bool, StoreError>> {
        (**self).compare_and_swap(expected, new)
    }
}
