//! Which key of a ring does what at which time: pure functions of the ring and the time.
//!
//! A key is published at once, signs from `signs_from` until that of its successor, stays published until no token of
//! its can be alive, and is then gone. All of this is read off the clock, so that a change of state needs no write: the
//! store is written only to add a key, to forget the private half of a retired one, and to drop what is gone.

use std::time::Duration;

use crate::crypto::JwkText;
use crate::issuer::signing_key::SigningKey;
use crate::jose::Algorithm;
use crate::keys::KeySet;
use crate::time::UnixTime;

/// The longest that an issuer lets a token live.
pub(crate) const MAX_TOKEN_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// The longest that others may keep a published set ([`crate::issuer::well_known`] says so to them).
pub(crate) const PUBLISHED_MAX_AGE: Duration = Duration::from_secs(300);
/// How far the clocks of replicas may differ.
pub(super) const CLOCK_DIFFERENCE: Duration = Duration::from_secs(300);
/// The largest leeway of a verifier.
const LEEWAY: Duration = Duration::from_secs(300);
/// How long a key stays published after another one has taken over.
const RETIRED_FOR: Duration = MAX_TOKEN_LIFETIME.saturating_add(LEEWAY).saturating_add(CLOCK_DIFFERENCE);

/// All keys, in the order in which they sign.
#[derive(Clone, Debug, Default)]
pub(super) struct Ring {
    /// Counts the changes, so that of two readings the newer one is known.
    pub(super) revision: u64,
    pub(super) keys: Vec<RingKey>,
}

/// One key and its times, in whole seconds.
#[derive(Clone, Debug)]
pub(super) struct RingKey {
    pub(super) kid: String,
    pub(super) algorithm: Algorithm,
    pub(super) published_at: UnixTime,
    pub(super) signs_from: UnixTime,
    pub(super) public: KeySet,
    /// Forgotten once the key is retired.
    pub(super) private: Option<Private>,
}

#[derive(Clone)]
pub(super) struct Private {
    pub(super) key: SigningKey,
    pub(super) jwk: JwkText,
}

impl std::fmt::Debug for Private {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Private(..)")
    }
}

/// What a key of a ring does at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyState {
    /// It is published, so that verifiers know it before it signs.
    Published,
    /// It signs.
    Signing,
    /// Another key signs; this one stays published as long as a token of its may be alive.
    Retired,
}

/// When keys are made, and when they sign.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    pub(super) algorithm: Algorithm,
    /// `None`: by hand.
    pub(super) every: Option<Duration>,
    pub(super) lead: Duration,
}

/// What came of an attempt to change a ring.
pub(super) enum Outcome<T> {
    /// Try again with a new key.
    NeedsKey,
    Unchanged(T),
    Changed(T),
}

impl Ring {
    /// The key that signs at `now`.
    ///
    /// A clock that lags behind that of the replica which made the first key takes that key all the same.
    pub(super) fn signing(&self, now: UnixTime) -> Option<&RingKey> {
        self.keys.iter().rev().find(|key| key.signs_from <= now).or(self.keys.first())
    }

    pub(super) fn state(&self, index: usize, now: UnixTime) -> KeyState {
        let signing = self.keys.iter().rposition(|key| key.signs_from <= now).unwrap_or(0);
        match index.cmp(&signing) {
            std::cmp::Ordering::Less => KeyState::Retired,
            std::cmp::Ordering::Equal => KeyState::Signing,
            std::cmp::Ordering::Greater => KeyState::Published,
        }
    }

    /// When the key at `index` is withdrawn; `None` as long as it has no successor.
    pub(super) fn gone_at(&self, index: usize) -> Option<UnixTime> {
        Some(self.keys.get(index + 1)?.signs_from.saturating_add(RETIRED_FOR))
    }

    /// The keys that others must know at `now`.
    pub(super) fn published(&self, now: UnixTime) -> KeySet {
        let live =
            (0..).zip(&self.keys).filter(|(index, _)| self.gone_at(*index).is_none_or(|gone| now < gone));
        live.fold(KeySet::default(), |set, (_, key)| set.merge(&key.public))
    }

    /// Does what is due at `now`.
    pub(super) fn tick(
        &mut self,
        now: UnixTime,
        schedule: &Schedule,
        fresh: &mut Option<Private>,
    ) -> Outcome<()> {
        let Some(newest) = self.keys.last() else {
            // Nobody can have cached a set without it, so it may sign at once.
            return self.append(now, now, fresh).map_or(Outcome::NeedsKey, |_| Outcome::Changed(()));
        };
        let mut changed = false;
        let due = schedule.every.is_some_and(|every| {
            now >= newest.signs_from.saturating_add(every.saturating_sub(schedule.lead))
        });
        if due {
            if self.append(now, now.saturating_add(schedule.lead), fresh).is_none() {
                return Outcome::NeedsKey;
            }
            changed = true;
        }
        changed |= self.forget(now);
        if changed { Outcome::Changed(()) } else { Outcome::Unchanged(()) }
    }

    /// Publishes a new key that signs after the lead, unless one is waiting already. Answers with its `kid`.
    pub(super) fn rotate(
        &mut self,
        now: UnixTime,
        schedule: &Schedule,
        fresh: &mut Option<Private>,
    ) -> Outcome<String> {
        let signs_from = now.saturating_add(schedule.lead);
        match self.keys.last() {
            Some(next) if next.signs_from > signs_from.saturating_add(CLOCK_DIFFERENCE) => {
                // The clock of whoever made it ran ahead; those before it may come from there too.
                let (kid, signs_from) = (next.kid.clone(), rounded_up(signs_from));
                self.keys.iter_mut().for_each(|key| key.signs_from = key.signs_from.min(signs_from));
                Outcome::Changed(kid)
            }
            Some(next) if next.signs_from > now => Outcome::Unchanged(next.kid.clone()),
            _ => self.append(now, signs_from, fresh).map_or(Outcome::NeedsKey, Outcome::Changed),
        }
    }

    /// Withdraws a key at once, or every key. If none is left to sign, one that waits takes over, or a new one does.
    /// Answers whether there was such a key.
    pub(super) fn revoke(
        &mut self,
        kid: Option<&str>,
        now: UnixTime,
        fresh: &mut Option<Private>,
    ) -> Outcome<bool> {
        let named = |key: &RingKey| kid.is_none_or(|kid| key.kid == kid);
        if !self.keys.iter().any(named) {
            return Outcome::Unchanged(false);
        }
        let signing = self.signing(now).map(|key| key.kid.clone());
        let mut keys = self.keys.clone();
        keys.retain(|key| !named(key));
        let orphaned = !keys.iter().any(|key| signing.as_ref() == Some(&key.kid));
        if orphaned {
            match keys.iter_mut().find(|key| key.signs_from > now && key.private.is_some()) {
                Some(next) => next.signs_from = whole_seconds(now),
                None => {
                    if fresh.is_none() {
                        return Outcome::NeedsKey;
                    }
                    self.keys = keys;
                    self.append(now, now, fresh);
                    return Outcome::Changed(true);
                }
            }
        }
        self.keys = keys;
        Outcome::Changed(true)
    }

    fn append(&mut self, now: UnixTime, signs_from: UnixTime, fresh: &mut Option<Private>) -> Option<String> {
        let private = fresh.take()?;
        let kid = private.key.kid().to_owned();
        self.keys.push(RingKey {
            kid: kid.clone(),
            algorithm: private.key.algorithm(),
            published_at: whole_seconds(now),
            signs_from: if signs_from > now { rounded_up(signs_from) } else { whole_seconds(now) },
            public: private.key.key_set(),
            private: Some(private),
        });
        Some(kid)
    }

    /// Drops keys that are gone, and the private halves of those that no replica signs with any more.
    fn forget(&mut self, now: UnixTime) -> bool {
        let count = self.keys.len();
        while self.gone_at(0).is_some_and(|gone| gone <= now) {
            self.keys.remove(0);
        }
        let mut changed = count != self.keys.len();
        let retired: Vec<bool> = self
            .keys
            .iter()
            .skip(1)
            .map(|successor| successor.signs_from.saturating_add(CLOCK_DIFFERENCE) <= now)
            .collect();
        for (key, retired) in self.keys.iter_mut().zip(retired) {
            if retired && key.private.take().is_some() {
                changed = true;
            }
        }
        changed
    }
}

/// So that the lead is never shorter than said.
fn rounded_up(time: UnixTime) -> UnixTime {
    whole_seconds(time.saturating_add(Duration::from_nanos(999_999_999)))
}

fn whole_seconds(time: UnixTime) -> UnixTime {
    UnixTime::from_secs(time.as_secs())
}
