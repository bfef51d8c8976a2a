//! Reads the store, does what is due, and writes by compare-and-swap.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::builder::KeyRingBuilder;
use super::document;
use super::state::{KNOWN_BEFORE, KeyState, Outcome, Private, Ring, Schedule};
use crate::error::ConfigError;
use crate::issuer::error::{Problem, SignError};
use crate::issuer::signing_key::SigningKey;
use crate::jose::Algorithm;
use crate::keys::{KeySet, Published};
use crate::runtime::{Clock, UnixTime, crash_point, trace};
use crate::store::{KeyStore, StoreError};

/// How often the store is read.
pub(super) const READ_EVERY: Duration = Duration::from_secs(60);

/// How often a change that others get in the way of is tried.
const ATTEMPTS: usize = 32;

/// Signing keys that take turns: each is published before it signs, and stays published until its last token has
/// expired (feature `issuer`).
///
/// | a key is | for |
/// |---|---|
/// | published | the publish lead, 24 hours by default |
/// | signing | until the next key takes over, 30 days by default |
/// | retired, still published | 24 hours (the longest that a token lives) and 10 minutes (leeway, and clocks that differ) |
/// | gone | |
///
/// All replicas that share a [`KeyStore`] have the same ring: the first of them makes the next key, and the
/// others find it. A task on the runtime where the ring was opened looks into the store each minute, does what is due, and
/// ends with the last clone of the ring. A replica that cannot read the store signs on until it could miss a newer
/// key (the lead less 11 minutes), and then refuses, also to verify. The clocks of replicas may differ by 5 minutes. The
/// private half of a retired key is forgotten.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use tower_jwt_auth::{Algorithm, Claims, Issuer, KeyRing, KeyState, MemoryKeyStore, Verifier};
///
/// let store = MemoryKeyStore::new(); // in production a file: `FileKeyStore::new("/var/lib/shop/keys.json")`
/// let ring = KeyRing::builder(store)
///     .algorithm(Algorithm::Ed25519)
///     .rotate_every(Duration::from_secs(90 * 24 * 3600))
///     .open()
///     .await?;
/// let issuer = Issuer::builder("https://id.example.com", ring.clone()).audience("api").build()?;
/// let verifier = Verifier::<Claims>::new(issuer.authority())?;
///
/// ring.rotate().await?; // not waiting for the schedule; signs after the lead
/// assert_eq!(ring.keys().map(|key| key.state()).collect::<Vec<_>>(), [KeyState::Signing, KeyState::Published]);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct KeyRing(Arc<Inner>);

struct Inner {
    store: Arc<dyn KeyStore>,
    schedule: Schedule,
    clock: Arc<dyn Clock>,
    current: ArcSwap<Snapshot>,
    published: Arc<Published>,
    /// Held while `current` and `published` are replaced together.
    adopting: Mutex<()>,
}

/// What was read last.
#[derive(Debug, Default)]
struct Snapshot {
    ring: Ring,
    /// When the store was asked for it.
    read_at: UnixTime,
}

/// One key of a [`KeyRing`], as it was when it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyStatus {
    kid: String,
    algorithm: Algorithm,
    state: KeyState,
    signs_from: UnixTime,
    gone_at: Option<UnixTime>,
}

impl KeyRing {
    /// Reads the store, and keeps the ring up to date on this runtime.
    pub(super) async fn start(
        store: Arc<dyn KeyStore>,
        schedule: Schedule,
        clock: Arc<dyn Clock>,
        runtime: &tokio::runtime::Handle,
    ) -> Result<Self, ConfigError> {
        let ring = Self(Arc::new(Inner {
            store,
            schedule,
            clock,
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

    /// A ring with this store, the settings by default.
    pub fn builder(store: impl KeyStore) -> KeyRingBuilder {
        KeyRingBuilder::new(Arc::new(store))
    }

    /// Opens the ring in this store with the usual settings; see [`KeyRingBuilder::open`].
    ///
    /// # Errors
    /// As [`KeyRingBuilder::open`].
    pub async fn open(store: impl KeyStore) -> Result<Self, ConfigError> {
        Self::builder(store).open().await
    }

    /// The keys, in the order in which they sign.
    pub fn keys(&self) -> impl Iterator<Item = KeyStatus> {
        let (snapshot, now) = (self.0.current.load_full(), self.0.clock.now());
        (0..snapshot.ring.keys.len()).filter_map(move |index| {
            let key = snapshot.ring.keys.get(index)?;
            Some(KeyStatus {
                kid: key.kid.clone(),
                algorithm: key.algorithm,
                state: snapshot.ring.state(index, now),
                signs_from: key.signs_from,
                gone_at: snapshot.ring.gone_at(index),
            })
        })
    }

    /// Publishes the next key now; it signs after the publish lead. If one is waiting already, that one is meant, and waits
    /// no longer than that, also if it was made by a clock that ran ahead.
    /// Answers with its `kid`.
    ///
    /// # Errors
    /// If the store cannot be read or written. The ring goes on as it was.
    pub async fn rotate(&self) -> Result<String, StoreError> {
        let schedule = self.0.schedule;
        self.change(|ring, now, fresh| ring.rotate(now, &schedule, fresh)).await
    }

    /// Withdraws a key at once, because it is no longer secret: its tokens are refused wherever the new set has
    /// arrived, within 5 minutes for verifiers that heed `Cache-Control`. If it was the key that signs, the one that
    /// waits takes over, or a new one does, without a lead. Answers whether there was such a key.
    ///
    /// Other rings with the same store, also those of other processes, follow within a minute, and take the old tokens
    /// until then. One that cannot read the store goes on with the withdrawn key for almost the publish lead: stop it.
    ///
    /// If the whole store was stolen, use [`KeyRing::revoke_all`].
    ///
    /// # Errors
    /// If the store cannot be read or written. The ring goes on as it was.
    pub async fn revoke(&self, kid: &str) -> Result<bool, StoreError> {
        trace::warn!(kid, "a signing key is revoked");
        self.change(|ring, now, fresh| ring.revoke(Some(kid), now, fresh)).await
    }

    /// Withdraws every key at once, and signs with a new one: every token ends. See [`KeyRing::revoke`].
    ///
    /// # Errors
    /// If the store cannot be read or written. The ring goes on as it was.
    pub async fn revoke_all(&self) -> Result<(), StoreError> {
        trace::warn!("all signing keys are revoked");
        self.change(|ring, now, fresh| ring.revoke(None, now, fresh)).await.map(|_| ())
    }

    /// Reads the store and does what is due. The ring does this by itself each minute.
    ///
    /// # Errors
    /// If the store cannot be read or written, or its document is damaged. The ring goes on as it was.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let schedule = self.0.schedule;
        let done = self.change(|ring, now, fresh| ring.tick(now, &schedule, fresh)).await;
        if done.is_err() {
            self.trust_none_if_stale();
        }
        done
    }

    /// A key of ours may have been withdrawn for so long that no token of it should be taken any more.
    fn trust_none_if_stale(&self) {
        let _turn = self.0.adopting.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.0.current.load_full();
        if self.is_stale(&current, self.0.clock.now()) {
            // Until it is read again, also if the clock goes back: the empty set must not be published.
            let ring = current.ring.clone();
            self.0.current.store(Arc::new(Snapshot { ring, read_at: UnixTime::default() }));
            self.0.published.replace_if_new(&KeySet::default());
        }
    }

    /// The key that signs now.
    pub(crate) fn signing(&self) -> Result<SigningKey, SignError> {
        let (snapshot, now) = (self.0.current.load(), self.0.clock.now());
        if self.is_stale(&snapshot, now) {
            return Err(Problem::Stale.into());
        }
        let private = snapshot.ring.signing(now).and_then(|key| key.private.as_ref());
        private.map(|private| private.key.clone()).ok_or_else(|| Problem::NoKey.into())
    }

    pub(crate) fn published(&self) -> &Arc<Published> {
        &self.0.published
    }

    /// Whether so much time has gone since the last reading that a key of another replica may be missing here.
    pub(crate) fn may_lack_a_key(&self) -> bool {
        self.is_stale(&self.0.current.load(), self.0.clock.now())
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        self.0.schedule.algorithm
    }

    /// A key that another replica adds signs after the lead; whoever has cached our set may use it for a while longer.
    fn is_stale(&self, snapshot: &Snapshot, now: UnixTime) -> bool {
        // A clock that was set back far says nothing of how old the reading is.
        let (forward, back) =
            (now.saturating_since(snapshot.read_at), snapshot.read_at.saturating_since(now));
        forward.max(back) > self.0.schedule.lead.saturating_sub(KNOWN_BEFORE)
    }

    async fn change<T>(
        &self,
        mut change: impl FnMut(&mut Ring, UnixTime, &mut Option<Private>) -> Outcome<T>,
    ) -> Result<T, StoreError> {
        let Inner { store, schedule, clock, current, .. } = &*self.0;
        let mut fresh = None;
        for _ in 0..ATTEMPTS {
            let now = clock.now();
            let before = store.load().await?;
            crash_point::reach("ring read");
            let mut ring = match &before {
                Some(document) => document::read(document)?,
                None if current.load().ring.keys.is_empty() => Ring::default(),
                None => {
                    return Err(StoreError::new("the key document has vanished; restore it from a backup"));
                }
            };
            if ring.revision < current.load().ring.revision {
                return Err(StoreError::new(
                    "the key document is older than the one that was read before; restart to take it all the same",
                ));
            }
            let answer = match change(&mut ring, now, &mut fresh) {
                Outcome::NeedsKey => {
                    fresh = Some(new_key(schedule.algorithm).await?);
                    continue;
                }
                Outcome::Unchanged(answer) => {
                    self.adopt(ring, now);
                    return Ok(answer);
                }
                Outcome::Changed(answer) => answer,
            };
            ring.revision += 1;
            let after = document::write(&ring)?;
            crash_point::reach("ring changed");
            if store.compare_and_swap(before, after).await? {
                crash_point::reach("ring written");
                self.adopt(ring, now);
                return Ok(answer);
            }
        }
        Err(StoreError::new(format!("the key document was changed by others {ATTEMPTS} times in a row")))
    }

    /// Takes what was read, unless something newer was read meanwhile.
    fn adopt(&self, ring: Ring, read_at: UnixTime) {
        let _turn = self.0.adopting.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.0.current.load();
        // The revision alone decides: a clock that was set back must not make every later reading look old.
        if current.ring.revision <= ring.revision {
            self.0.published.replace_if_new(&ring.published(read_at));
            self.0.current.store(Arc::new(Snapshot { ring, read_at }));
        }
    }
}

/// Makes a key where it blocks nobody: an RSA key takes a while.
async fn new_key(algorithm: Algorithm) -> Result<Private, StoreError> {
    let make = move || SigningKey::generate_jwk(algorithm);
    let made = match tokio::runtime::Handle::try_current() {
        Ok(runtime) => runtime.spawn_blocking(make).await.map_err(StoreError::new)?,
        Err(_) => make(),
    };
    let (key, jwk) = made.map_err(|error| StoreError::new(error.0))?;
    trace::debug!(kid = key.kid(), algorithm = algorithm.as_str(), "made a signing key");
    Ok(Private { key, jwk })
}

/// Keeps the ring up to date until it is dropped.
async fn keep_up(ring: Weak<Inner>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        let Some(ring) = ring.upgrade().map(KeyRing) else { return };
        // A store that hangs must not end the updates: the next one may succeed.
        let refreshed = tokio::time::timeout(every, ring.refresh()).await;
        if let Err(_error) = refreshed.unwrap_or_else(|elapsed| Err(StoreError::new(elapsed))) {
            trace::error!(error = %_error, "the key ring cannot be brought up to date");
        }
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing")
            .field("store", &self.0.store)
            .field("keys", &self.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl KeyStatus {
    /// The key's identifier.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The algorithm that it signs with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// What it does.
    #[must_use]
    pub fn state(&self) -> KeyState {
        self.state
    }

    /// When it began, or begins, to sign.
    #[must_use]
    pub fn signs_from(&self) -> UnixTime {
        self.signs_from
    }

    /// When it is withdrawn; `None` as long as no other key is to take over.
    #[must_use]
    pub fn gone_at(&self) -> Option<UnixTime> {
        self.gone_at
    }
}
