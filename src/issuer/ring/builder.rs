//! The settings of a key ring, checked.

use std::sync::Arc;
use std::time::Duration;

use super::key_ring::{KeyRing, READ_EVERY};
use super::state::{KNOWN_BEFORE, Schedule};
use crate::error::{ConfigError, Problems};
use crate::jose::{Algorithm, Family};
use crate::runtime::{Clock, SystemClock};
use crate::store::KeyStore;

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

    /// The algorithm of keys that are made from now on: ES256 by default. Those that are there stay as they are.
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.schedule.algorithm = algorithm;
        self
    }

    /// How long a key signs: 30 days by default, at least twice the publish lead.
    pub fn rotate_every(mut self, period: Duration) -> Self {
        self.schedule.every = Some(period);
        self
    }

    /// Makes no new keys by itself; call [`KeyRing::rotate`].
    pub fn rotate_by_hand(mut self) -> Self {
        self.schedule.every = None;
        self
    }

    /// How long a key is published before it signs: 24 hours by default, at least 15 minutes. All replicas
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
        let mut problems = Problems::default();
        if algorithm.family() == Family::Hmac {
            problems.add(ConfigError::new(
                "KeyRing::algorithm",
                format!("a secret for {algorithm} cannot be published"),
                "use ES256, Ed25519 or RS256",
            ));
        }
        if lead < SHORTEST_LEAD {
            problems.add(ConfigError::new(
                "publish_lead",
                format!("{lead:?} is too short"),
                "use at least 15 minutes: others may keep the published set for 5, and clocks may differ by 5",
            ));
        }
        if every.is_some_and(|every| every < lead.saturating_mul(2)) {
            problems.add(ConfigError::new(
                "rotate_every",
                format!("{:?} is too short for a publish lead of {lead:?}", every.unwrap_or_default()),
                "use at least twice the publish lead",
            ));
        }
        problems.into_result()?;
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| {
            ConfigError::new("KeyRing", "there is no tokio runtime", "open the ring in `#[tokio::main]`")
        })?;
        KeyRing::start(self.store, self.schedule, self.clock, &runtime).await
    }
}
