//! The settings that all stores share, and the way to each of them.

use std::fmt;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::ConnectionLike;
use tower_jwt_auth::{Clock, StoreError, SystemClock};

use crate::check::{self, RedisProblem};
use crate::link::Link;
use crate::names::Prefix;
use crate::refresh::RedisRefreshStore;
use crate::{RedisKeyStore, RedisReplayStore, RedisRevocationStore};

const DEADLINE: Duration = Duration::from_secs(2);
/// How long a page of revocations may take: when a whole fleet reads the log at once, the last one waits for all others.
const PAGE_DEADLINE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(250);

/// The stores of an application in Redis: settings, and from them each store.
///
/// The connection is yours: `ConnectionManager` for one server (it connects anew when the connection is lost, which
/// `MultiplexedConnection` does not), `ClusterConnection` for a cluster, with TLS and passwords as you need them.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use redis::aio::ConnectionManager;
/// use tower_jwt_auth::{KeyRing, RefreshTokens};
/// use tower_jwt_auth_redis::RedisStores;
///
/// let client = redis::Client::open("redis://127.0.0.1")?;
/// let stores = RedisStores::new(ConnectionManager::new(client).await?).prefix("shop");
/// for problem in stores.check().await? {
///     eprintln!("{problem}");
/// }
/// let refresh = RefreshTokens::builder(stores.refresh()).build()?;
/// let ring = KeyRing::open(stores.keys("signing")).await?;
/// # Ok(()) }
/// ```
///
/// Cheap to clone.
#[derive(Clone)]
#[must_use = "call refresh(), keys(), revocations() or replays()"]
pub struct RedisStores {
    pub(crate) link: Link,
    pub(crate) prefix: Prefix,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) parts: NonZeroU16,
    pub(crate) listener: Option<(Link, Duration)>,
    pub(crate) poll: Duration,
    deadline: Duration,
    /// That of a page of revocations.
    pub(crate) page_deadline: Duration,
}

impl RedisStores {
    /// Stores that use this connection. The methods of the stores need a tokio runtime.
    pub fn new<C: ConnectionLike + Clone + Send + Sync + 'static>(connection: C) -> Self {
        Self {
            link: Link::new(connection, DEADLINE),
            prefix: Prefix::new("tower_jwt_auth"),
            clock: Arc::new(SystemClock),
            parts: NonZeroU16::MIN,
            listener: None,
            poll: POLL,
            deadline: DEADLINE,
            page_deadline: PAGE_DEADLINE,
        }
    }

    /// What the names of all keys begin with: `tower_jwt_auth` unless told. Two applications on one server need two prefixes.
    pub fn prefix(mut self, prefix: impl AsRef<str>) -> Self {
        self.prefix = Prefix::new(prefix.as_ref());
        self
    }

    /// How long one command may take: 2 seconds unless told. Later it is an error, and unknown whether it was done.
    ///
    /// The connection has a response timeout of its own, 500 ms by default; the shorter one counts.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self.page_deadline = deadline;
        self.link = self.link.with_deadline(deadline);
        self.listener = self.listener.map(|(link, block)| (link.with_deadline(deadline), block));
        self
    }

    /// Reads the time from this clock; use that of `RefreshTokens` and of the verifier.
    ///
    /// Redis is told how long a key lives, counted from this clock's now. The clock of the server plays no part.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Spreads the sessions over so many slots of a cluster: 1 unless told, so that all sessions are on one node.
    ///
    /// To list the sessions of a user, at a login for instance, takes one script for each slot. All processes must say the same
    /// number, and to change it ends all sessions. A good one is four times the number of nodes.
    pub fn spread_sessions_over(mut self, slots: NonZeroU16) -> Self {
        self.parts = slots;
        self
    }

    /// How often a reader of revocations asks for new ones: every 250 ms unless told, one short script each.
    pub fn poll_every(mut self, interval: Duration) -> Self {
        self.poll = interval.max(Duration::from_millis(10));
        self
    }

    /// Waits for revocations on a second connection, which a command blocks for `block` at a time, in place of asking every 250 ms.
    ///
    /// For fleets of thousands of processes: a process then sends two commands in `block`, and hears of a revocation at once. The
    /// connection must be one of its own that nothing else uses (not a clone), and its response timeout, 500 ms by default, must be
    /// longer than `block`.
    ///
    /// ```no_run
    /// # async fn example(client: redis::Client) -> Result<(), redis::RedisError> {
    /// use std::time::Duration;
    ///
    /// use redis::aio::{ConnectionManager, ConnectionManagerConfig};
    /// use tower_jwt_auth_redis::RedisStores;
    ///
    /// let patient = ConnectionManagerConfig::new().set_response_timeout(Some(Duration::from_secs(7)));
    /// let listener = ConnectionManager::new_with_config(client.clone(), patient).await?;
    /// let stores = RedisStores::new(ConnectionManager::new(client).await?)
    ///     .listening_on(listener, Duration::from_secs(5));
    /// # Ok(()) }
    /// ```
    pub fn listening_on<C: ConnectionLike + Clone + Send + Sync + 'static>(
        mut self,
        connection: C,
        block: Duration,
    ) -> Self {
        // A block of 0 would be for ever.
        let block = block.max(Duration::from_millis(10));
        self.listener = Some((Link::new(connection, self.deadline), block));
        self
    }

    /// Refresh sessions.
    #[must_use]
    pub fn refresh(&self) -> RedisRefreshStore {
        RedisRefreshStore::new(self)
    }

    /// One document of keys, by a name of yours: that of a key ring, or the keys of an identity provider that were fetched last.
    ///
    /// The keys of a ring are as secret as they are in memory: who can read this Redis can sign tokens.
    #[must_use]
    pub fn keys(&self, name: impl AsRef<str>) -> RedisKeyStore {
        RedisKeyStore::new(self, name.as_ref())
    }

    /// Revocations.
    #[must_use]
    pub fn revocations(&self) -> RedisRevocationStore {
        RedisRevocationStore::new(self)
    }

    /// Names that may be used once.
    #[must_use]
    pub fn replays(&self) -> RedisReplayStore {
        RedisReplayStore::new(self)
    }

    /// What is wrong with the server for this use, as far as it can be asked: its version, eviction, persistence, replicas, its
    /// clock, and what the user may do. Call it at start, and log what it says. Empty if there is nothing.
    ///
    /// # Errors
    /// If the server does not answer.
    pub async fn check(&self) -> Result<Vec<RedisProblem>, StoreError> {
        check::check(self).await
    }
}

impl fmt::Debug for RedisStores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStores")
            .field("prefix", &self.prefix.as_str())
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
