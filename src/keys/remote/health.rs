//! How a source of keys is doing.

use std::time::Duration;

/// How the keys of one authority are doing: for health checks and metrics (feature `jwks`).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KeyHealth {
    /// Where the keys come from: the URL that was configured.
    pub url: String,
    /// The `kid`s at hand; keys without one are left out.
    pub kids: Vec<String>,
    /// How many keys there are.
    pub keys: usize,
    /// How long ago the keys were fetched, by this process or an earlier one; `None` if there are none.
    pub age: Option<Duration>,
    /// Whether the keys are those that an earlier process kept, and none have been fetched since.
    pub restored: bool,
    /// For how long they should have been refreshed already; `None` if that is not yet due, or there are none.
    pub overdue: Option<Duration>,
    /// Counts the sets that there have been.
    pub generation: u64,
    /// Why the last fetch failed, if it did.
    pub last_error: Option<String>,
    /// Why the store of the keys (`RemoteKeys::keep_in`) failed the last time, if it did: a restart may bring back the
    /// keys before, for as long as those may serve.
    pub store_error: Option<String>,
    /// In how long the next fetch begins; `None` while one runs, or before anybody asked.
    pub next_refresh: Option<Duration>,
    /// How many fetches failed in a row.
    pub failures: u32,
    /// How often a fetch for an unknown `kid` was put off, since another one was too near.
    pub suppressed_refetches: u64,
    /// How many fetches there have been.
    pub attempts: u64,
}

impl KeyHealth {
    /// Whether tokens can be verified: there are keys.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.keys > 0
    }

    /// Whether the keys are older than they should be since the provider fails: their refresh is due, and the last fetch
    /// failed.
    ///
    /// They serve on until `RemoteKeys::stale` is over; a key that was withdrawn meanwhile is still trusted. A failed fetch
    /// before the refresh is due (for an unknown `kid`) does not make keys stale, nor does a refresh that runs for the first time.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.failures > 0 && self.overdue.is_some()
    }
}
