//! A connection that listens for what others append.

use std::fmt;
use std::time::Duration;

use sqlx::postgres::PgListener;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::db::Db;

pub(super) const CHANNEL: &str = "tower_jwt_auth_revocations";

/// Listens, or does not: whoever waits with it also looks from time to time.
#[derive(Default)]
pub(super) struct Ear(Option<PgListener>);

impl Ear {
    /// Listens from now on, if that can be done within the time. What has been said before is forgotten.
    pub(super) async fn open(&mut self, db: &Db, limit: Duration) {
        match &mut self.0 {
            Some(listener) => while listener.next_buffered().is_some() {},
            None => {
                // The only connection is needed to look.
                if db.pool.options().get_max_connections() < 2 {
                    return;
                }
                let open = async {
                    let mut listener = PgListener::connect_with(&db.pool).await?;
                    listener.listen(CHANNEL).await?;
                    Ok::<_, sqlx::Error>(listener)
                };
                self.0 = timeout(limit, open).await.ok().and_then(Result::ok);
            }
        }
    }

    /// Waits until something is said, at most until then.
    pub(super) async fn hear(&mut self, until: Instant) {
        let Some(listener) = &mut self.0 else { return sleep_until(until).await };
        match timeout_at(until, listener.try_recv()).await {
            Ok(Ok(Some(_))) | Err(_) => {}
            // The connection is lost. What was said meanwhile is not heard, so a new one is opened before the next look.
            Ok(Ok(None) | Err(_)) => {
                self.0 = None;
            }
        }
    }
}

impl fmt::Debug for Ear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ear").field(&self.0.is_some()).finish()
    }
}
