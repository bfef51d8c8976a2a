//! Documents of keys in PostgreSQL.

use tower_jwt_auth::{KeyDocument, KeyStore, NowOrLater, StoreError};

use super::db::Db;

const LOAD: &str = "SELECT document FROM tower_jwt_auth_keys WHERE name = $1";
const INSERT: &str =
    "INSERT INTO tower_jwt_auth_keys (name, document) VALUES ($1, $2) ON CONFLICT DO NOTHING";
const SWAP: &str = "UPDATE tower_jwt_auth_keys SET document = $2 WHERE name = $1 AND document = $3";

/// A document of keys in PostgreSQL: [`PostgresStores::keys`](super::PostgresStores::keys).
///
/// Whoever can read the table, a backup of it or the server's log has the private keys of a ring.
#[derive(Clone, Debug)]
pub struct PostgresKeyStore {
    pub(super) db: Db,
    pub(super) name: String,
}

impl KeyStore for PostgresKeyStore {
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
                Ok(done.execute(connection).await?.rows_affected() == 1)
            })
        })
    }
}
