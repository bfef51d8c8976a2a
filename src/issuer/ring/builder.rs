//! The settings of a key ring, checked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::state::{KNOWN_BEFORE, Schedule};
use super::{Inner, KeyRing, Snapshot, keep_up};
use crate::error::ConfigError;
use crate::jose::{Algorithm, Family};
use crate::keys::{KeySet, Published};
use crate::runtime::{Clock, SystemClock};
use crate::store::KeyStore;

/// How often the store is read.
const READ_EVERY: Duration = Duration::from_secs(60);
/// The shortest publish lead: a few readings must fit in before the key has to be known.
const SHORTEST_LEAD: Duration = KNOWN_BEFORE.saturating_add(READ_EVERY.saturating_mul(4));
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The settings of a [`KeyRing`].
#[derive(Debug)]
#[must_use = "call open"]
pub struct KeyRingBuilder {
    store: Arc<dyn KeyStore>,
    schedule: Schedule,
    clock: Arc<dyn Clock>,
}

impl KeyRingBuilder {
    pub(super) fn new(store: Arc<dyn KeyStore>) -> Self {
        Self {
            store,
            schedule: Schedule { algorithm: Algorithm::ES256, every: Some(30 * DAY), lead: DAY },
            clock: Arc::new(SystemClock),
        }
    }

    /// The algorithm of keys that are made from now on: ES256 unless told. Those that are there stay as they are.
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.schedule.algorithm = algorithm;
        self
    }

    /// How long a key signs: 30 days unless told, at least twice the publish lead.
    pub fn rotate_every(mut self, period: Duration) -> Self {
        self.schedule.every = Some(period);
        self
    }

    /// Makes no new keys by itself; call [`KeyRing::rotate`].
    pub fn rotate_by_hand(mut self) -> Self {
        self.schedule.every = None;
        self
    }

    /// How long a key is published before it signs: 24 hours unless told, at least 15 minutes. All replicas
    /// must have the same; to change it, stop them all.
    ///
    /// Verifiers that keep a key set for longer than this refuse tokens after a rotation, unless they fetch for an
    /// unknown `kid`.
    pub fn publish_lead(mut self, lead: Duration) -> Self {
        self.schedule.lead = lead;
        self
    }

    /// Where the ring reads the time.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Reads the store, makes the first key if there has never been one, and keeps the ring up to date from now on.
    ///
    /// # Errors
    /// If a setting is out of bounds, the store cannot be read or written, its document is damaged, or there is no
    /// tokio runtime to keep the ring up to date.
    pub async fn open(self) -> Result<KeyRing, ConfigError> {
        let Schedule { algorithm, every, lead } = self.schedule;
        if algorithm.family() == Family::Hmac {
            return Err(ConfigError::new(
                "KeyRing::algorithm",
                format!("a secret for {algorithm} cannot be published"),
                "use ES256, Ed25519 or RS256",
            ));
        }
        if lead < SHORTEST_LEAD {
            return Err(ConfigError::new(
                "publish_lead",
                format!("{lead:?} is too short"),
                "use at least 15 minutes: others may keep the published set for 5, and clocks may differ by 5",
            ));
        }
        if every.is_some_and(|every| every < lead.saturating_mul(2)) {
            return Err(ConfigError::new(
                "rotate_every",
                format!("{:?} is too short for a publish lead of {lead:?}", every.unwrap_or_default()),
                "use at least twice the publish lead",
            ));
        }
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| {
            ConfigError::new("KeyRing", "there is no tokio runtime", "open the ring in `#[tokio::main]`")
        })?;
        let ring = KeyRing(Arc::new(Inner {
            store: self.store,
            schedule: self.schedule,
            clock: self.clock,
            current: ArcSwap::from_pointee(Snapshot::default()),
            published: Arc::new(Published::new(KeySet::default())),
            adopting: Mutex::new(()),
        }));
        ring.refresh().await.map_err(|error| {
            ConfigError::new("KeyRing", error.to_string(), "mend the key store, then start again")
        })?;
        runtime.spawn(keep_up(Arc::downgrade(&ring.0), READ_EVERY));
        Ok(ring)
    }
}
