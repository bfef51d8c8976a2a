//! Documents of keys in SQLite.

use tower_jwt_auth::{KeyDocument, KeyStore, NowOrLater, StoreError};

use super::{Db, schema};

const LOAD: &str = "SELECT document FROM tower_jwt_auth_keys WHERE name = ?1";
const INSERT: &str =
    "INSERT INTO tower_jwt_auth_keys (name, document) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
const SWAP: &str = "UPDATE tower_jwt_auth_keys SET document = ?2 WHERE name = ?1 AND document = ?3";

/// A document of keys in SQLite: [`SqliteStores::keys`](super::SqliteStores::keys).
///
/// Whoever can read the database has the private keys of a ring. A document that was replaced is overwritten, and taken out of
/// the write-ahead log unless others read the database at that moment.
#[derive(Clone, Debug)]
pub struct SqliteKeyStore {
    pub(super) db: Db,
    pub(super) name: String,
}

impl KeyStore for SqliteKeyStore {
    fn load(&self) -> NowOrLater<Result<Option<KeyDocument>, StoreError>> {
        let name = self.name.clone();
        self.db.read(move |connection| {
            Box::pin(async move {
                let found: Option<Vec<u8>> =
                    sqlx::query_scalar(LOAD).bind(name).fetch_optional(connection).await?;
                Ok(found.map(KeyDocument::from_bytes))
            })
        })
    }

    fn compare_and_swap(
        &self,
        expected: Option<KeyDocument>,
        new: KeyDocument,
    ) -> NowOrLater<Result<bool, StoreError>> {
        let name = self.name.clone();
        self.db.write(move |connection| {
            Box::pin(async move {
                let done = match &expected {
                    None => sqlx::query(INSERT).bind(name).bind(new.as_bytes()),
                    Some(old) => sqlx::query(SWAP).bind(name).bind(new.as_bytes()).bind(old.as_bytes()),
                };
                let is_done = done.execute(&mut *connection).await?.rows_affected() == 1;
                if is_done && expected.is_some() {
                    // The document is there, whether the log could be emptied or not.
                    let _ = schema::empty_log(connection).await;
                }
                Ok(is_done)
            })
        })
    }
}
