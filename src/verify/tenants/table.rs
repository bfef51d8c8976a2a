//! The tenants that are known, and who goes when there is no room.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::verify::ready_authority::ReadyAuthority;

/// The time since the verifier was made.
pub(super) type Instant = Duration;

/// A tenant whose answer counts no longer, and who had no token for this long, is forgotten.
const IDLE: Duration = Duration::from_secs(3600);
/// As long as the usual cooldown of a source of keys.
const COMES_AGAIN_AFTER: Duration = Duration::from_secs(10);
/// How many that came are remembered, for each tenant for whom there is room. If that does not do, nobody new comes.
const CAME_FOR_EACH: usize = 10;

/// A tenant that was found to be trusted.
#[derive(Debug)]
pub(in crate::verify) struct Tenant {
    pub(in crate::verify) authority: ReadyAuthority,
    trusted_until: Instant,
    /// Milliseconds.
    last_used: AtomicU64,
    /// Whether a signature of this tenant was ever good. Until then anybody can have made the token that brought it.
    proven: AtomicBool,
}

impl Tenant {
    pub(super) fn new(authority: ReadyAuthority, now: Instant, trusted_until: Instant) -> Self {
        Self {
            authority,
            trusted_until,
            last_used: AtomicU64::new(millis(now)),
            proven: AtomicBool::new(false),
        }
    }

    /// The same tenant, found to be trusted once more.
    pub(super) fn confirming(self, earlier: &Self) -> Self {
        Self { proven: AtomicBool::new(earlier.proven.load(Ordering::Relaxed)), ..self }
    }

    pub(in crate::verify) fn prove(&self) {
        if !self.proven.load(Ordering::Relaxed) {
            self.proven.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn is_trusted(&self, now: Instant) -> bool {
        now < self.trusted_until
    }

    pub(super) fn used(&self, now: Instant) {
        self.last_used.store(millis(now), Ordering::Relaxed);
    }
}

/// At most so many tenants, by their issuers.
#[derive(Debug)]
pub(super) struct Table {
    limit: usize,
    by_issuer: HashMap<Arc<str>, Arc<Tenant>>,
    /// When others came, for as long as that keeps them from coming again.
    came: HashMap<Arc<str>, Instant>,
}

impl Table {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, by_issuer: HashMap::new(), came: HashMap::new() }
    }

    pub(super) fn get(&self, issuer: &str) -> Option<&Arc<Tenant>> {
        self.by_issuer.get(issuer)
    }

    /// Whether this tenant may come now. Its cooldown and back-off go with it when it is displaced: those who take turns
    /// in displacing each other would have their keys fetched for each token.
    pub(super) fn may_come(&self, issuer: &str, now: Instant) -> bool {
        let still = |came: &Instant| now < *came + COMES_AGAIN_AFTER;
        self.by_issuer.contains_key(issuer)
            || !self.came.get(issuer).is_some_and(still)
                && (self.came.len() < self.limit * CAME_FOR_EACH || !self.came.values().all(still))
    }

    /// A tenant that was removed by a call may come again at once. What is removed is given back, to be dropped without a lock.
    #[must_use]
    pub(super) fn remove(&mut self, issuer: &str) -> Option<Arc<Tenant>> {
        self.came.remove(issuer);
        self.by_issuer.remove(issuer)
    }

    /// Drops idle tenants, and with them the fetching of their keys. If there is still no room, a new tenant displaces one that
    /// never had a good token; only if there is none, the proven tenant that was unused for longest.
    ///
    /// The dropped tenants are given back, to be dropped without a lock: they may hold code of the user's.
    #[must_use]
    pub(super) fn insert(&mut self, issuer: Arc<str>, tenant: Arc<Tenant>, now: Instant) -> Vec<Arc<Tenant>> {
        let is_idle = |tenant: &Tenant| {
            let last_used = Duration::from_millis(tenant.last_used.load(Ordering::Relaxed));
            !tenant.is_trusted(now) && last_used + IDLE <= now
        };
        let mut gone: Vec<_> =
            self.by_issuer.extract_if(|_, tenant| is_idle(tenant)).map(|(_, tenant)| tenant).collect();
        self.came.retain(|_, came| now < *came + COMES_AGAIN_AFTER);
        if !self.by_issuer.contains_key(&issuer) {
            if self.by_issuer.len() >= self.limit {
                let worth = |tenant: &Tenant| {
                    (tenant.proven.load(Ordering::Relaxed), tenant.last_used.load(Ordering::Relaxed))
                };
                let least = self.by_issuer.iter().min_by_key(|(_, tenant)| worth(tenant));
                let least = least.map(|(issuer, _)| Arc::clone(issuer));
                gone.extend(least.and_then(|least| self.by_issuer.remove(&least)));
            }
            self.came.insert(Arc::clone(&issuer), now);
        }
        gone.extend(self.by_issuer.insert(issuer, tenant));
        gone
    }

    #[cfg(feature = "jwks")]
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Tenant>> {
        self.by_issuer.values()
    }
}

pub(super) fn millis(time: Instant) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
