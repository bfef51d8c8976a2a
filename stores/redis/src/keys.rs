//! Documents of keys.

use std::fmt;

use tower_jwt_auth::{KeyDocument, KeyStore, NowOrLater, StoreError};

use crate::RedisStores;
use crate::answer::{is_one, optional_bytes};
use crate::link::{Link, call_name};
use crate::script::{LOAD_DOCUMENT, SWAP_DOCUMENT};

/// Keeps one document of keys in Redis, which many processes share; [`RedisStores::keys`] makes it.
///
/// It never expires. If the server loses it, `load` answers that there is none, and a key ring makes new keys: every token of the old
/// ones ends. So it wants a server with `appendonly yes`.
#[derive(Clone)]
pub struct RedisKeyStore {
    link: Link,
    key: String,
}

impl RedisKeyStore {
    pub(crate) fn new(stores: &RedisStores, name: &str) -> Self {
        Self { link: stores.link.clone(), key: stores.prefix.document(name) }
    }
}

impl KeyStore for RedisKeyStore {
    fn load(&self) -> NowOrLater<Result<Option<KeyDocument>, StoreError>> {
        let this = self.clone();
        NowOrLater::later(async move {
            let answer = this.link.run("load keys", &LOAD_DOCUMENT, &[this.key], &[]).await?;
            Ok(optional_bytes(answer)?.map(KeyDocument::from_bytes))
        })
    }

    fn compare_and_swap(
        &self,
        expected: Option<KeyDocument>,
        new: KeyDocument,
    ) -> NowOrLater<Result<bool, StoreError>> {
        let this = self.clone();
        NowOrLater::later(async move {
            let mut arguments = vec![call_name()?.into_bytes(), new.as_bytes().to_vec()];
            arguments.extend(expected.map(|expected| expected.as_bytes().to_vec()));
            is_one(&this.link.run("replace keys", &SWAP_DOCUMENT, &[this.key], &arguments).await?)
        })
    }
}

impl fmt::Debug for RedisKeyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisKeyStore({:?})", self.key)
    }
}
