//! Names that may be used once, in SQLite.

use tower_jwt_auth::{NowOrLater, ReplayStore, StoreError, UnixTime};

use super::Db;
use crate::shared::{BATCH, Sweep, millis};

const INSERT: &str =
    "INSERT INTO tower_jwt_auth_replays (name, expires_at) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
// Ten minutes late: clocks are set.
const REMOVE_EXPIRED: &str = "
    DELETE FROM tower_jwt_auth_replays
    WHERE name IN (SELECT name FROM tower_jwt_auth_replays
                   WHERE expires_at <= CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) - 600000
                   ORDER BY expires_at LIMIT ?1)";

/// Names that may be used once, in SQLite: [`SqliteStores::replays`](super::SqliteStores::replays).
///
/// A name is forgotten ten minutes after it has expired, or later: each fiftieth new name removes up to 500 of them.
#[derive(Clone, Debug)]
pub struct SqliteReplayStore {
    pub(super) db: Db,
    pub(super) sweep: Sweep,
}

impl ReplayStore for SqliteReplayStore {
    fn insert_if_absent(&self, name: [u8; 32], expires_at: UnixTime) -> NowOrLater<Result<bool, StoreError>> {
        let sweeps = self.sweep.is_due();
        self.db.write(move |connection| {
            Box::pin(async move {
                let insert = sqlx::query(INSERT).bind(name.as_slice()).bind(millis(expires_at));
                let is_new = insert.execute(&mut *connection).await?.rows_affected() == 1;
                if sweeps {
                    // The name is noted; what is left lying is swept the next time.
                    let _ = sqlx::query(REMOVE_EXPIRED).bind(BATCH).execute(connection).await;
                }
                Ok(is_new)
            })
        })
    }
}
