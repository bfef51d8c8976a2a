//! Names that may be used once, in PostgreSQL.

use tower_jwt_auth::{NowOrLater, ReplayStore, StoreError, UnixTime};

use super::db::Db;
use crate::shared::{BATCH, Sweep, millis};

const INSERT: &str =
    "INSERT INTO tower_jwt_auth_replays (name, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING";
// Ten minutes late: the clocks of the callers differ from the server's.
const REMOVE_EXPIRED: &str = "
    DELETE FROM tower_jwt_auth_replays
    WHERE name IN (SELECT name FROM tower_jwt_auth_replays
                   WHERE expires_at <= (extract(epoch FROM clock_timestamp()) * 1000)::bigint - 600000
                   ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)";

/// Names that may be used once, in PostgreSQL: [`PostgresStores::replays`](super::PostgresStores::replays).
///
/// A name is forgotten ten minutes after it has expired, or later: each fiftieth new name removes up to 500 of them.
#[derive(Clone, Debug)]
pub struct PostgresReplayStore {
    pub(super) db: Db,
    pub(super) sweep: Sweep,
}

impl ReplayStore for PostgresReplayStore {
    fn insert_if_absent(&self, name: [u8; 32], expires_at: UnixTime) -> NowOrLater<Result<bool, StoreError>> {
        let (db, sweeps) = (self.db.clone(), self.sweep.is_due());
        NowOrLater::later(async move {
            let is_new = db.write(move |connection| {
                Box::pin(async move {
                    let insert = sqlx::query(INSERT).bind(name.as_slice()).bind(millis(expires_at));
                    Ok(insert.execute(connection).await?.rows_affected() == 1)
                })
            });
            let is_new = is_new.await?;
            if sweeps {
                let swept = db.write(|connection| {
                    Box::pin(async move {
                        sqlx::query(REMOVE_EXPIRED).bind(BATCH).execute(connection).await?;
                        Ok(())
                    })
                });
                // The name is noted; what is left lying is swept the next time.
                let _ = swept.await;
            }
            Ok(is_new)
        })
    }
}
