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
use crate::runtime::UnixTime;

/// The longest that an issuer lets a token live.
pub(crate) const MAX_TOKEN_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// The longest that others may keep a published set ([`crate::issuer::well_known`] says so to them).
pub(crate) const PUBLISHED_MAX_AGE: Duration = Duration::from_secs(300);
/// How far the clocks of replicas may differ.
pub(super) const CLOCK_DIFFERENCE: Duration = Duration::from_secs(300);
/// How long a write of the store may take.
const WRITING: Duration = Duration::from_secs(60);
/// For so much of the publish lead a replica must know the new key.
///
/// Its clock reads up to `CLOCK_DIFFERENCE` less than that of the replica which signs first, the new key was written up
/// to `WRITING` after the time from which the lead counts, and who fetched the old set uses it for another
/// `PUBLISHED_MAX_AGE`.
pub(super) const KNOWN_BEFORE: Duration =
    PUBLISHED_MAX_AGE.saturating_add(CLOCK_DIFFERENCE).saturating_add(WRITING);
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
    pub(super) fn signing(&self, now: UnixTime) -> Option<&RingKey> {
        self.keys.get(self.signing_index(now)?)
    }

    /// A clock that lags behind that of the replica which made a key to sign at once (the first one, or one in place of
    /// another that was revoked) takes that key all the same.
    fn signing_index(&self, now: UnixTime) -> Option<usize> {
        let begun = self.keys.iter().rposition(|key| key.signs_from <= now && key.private.is_some());
        begun.or_else(|| self.keys.iter().position(|key| key.private.is_some()))
    }

    pub(super) fn state(&self, index: usize, now: UnixTime) -> KeyState {
        match index.cmp(&self.signing_index(now).unwrap_or(0)) {
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

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600;
    const SCHEDULE: Schedule = Schedule {
        algorithm: Algorithm::Ed25519,
        every: Some(Duration::from_secs(100 * HOUR)),
        lead: Duration::from_secs(10 * HOUR),
    };
    /// 24 hours, the leeway and the difference of clocks.
    const RETIRED: u64 = 24 * HOUR + 600;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::from_secs(seconds)
    }

    fn fresh() -> Option<Private> {
        let (key, jwk) = SigningKey::generate_jwk(Algorithm::Ed25519).unwrap();
        Some(Private { key, jwk })
    }

    /// Whether something changed.
    fn tick(ring: &mut Ring, seconds: u64) -> bool {
        match ring.tick(at(seconds), &SCHEDULE, &mut fresh()) {
            Outcome::Changed(()) => true,
            Outcome::Unchanged(()) => false,
            Outcome::NeedsKey => panic!("it has one"),
        }
    }

    fn rotate(ring: &mut Ring, seconds: u64) -> String {
        match ring.rotate(at(seconds), &SCHEDULE, &mut fresh()) {
            Outcome::Changed(kid) | Outcome::Unchanged(kid) => kid,
            Outcome::NeedsKey => panic!("it has one"),
        }
    }

    fn revoke(ring: &mut Ring, kid: Option<&str>, seconds: u64) -> bool {
        match ring.revoke(kid, at(seconds), &mut fresh()) {
            Outcome::Changed(found) | Outcome::Unchanged(found) => found,
            Outcome::NeedsKey => panic!("it has one"),
        }
    }

    /// One letter a key: waiting, signing, retired with and without (`-`) its private half; small if it is not
    /// published.
    fn states(ring: &Ring, seconds: u64) -> String {
        let published = ring.published(at(seconds));
        let letter = |(index, key): (usize, &RingKey)| {
            let letter = match (ring.state(index, at(seconds)), &key.private) {
                (KeyState::Published, Some(_)) => 'W',
                (KeyState::Signing, Some(_)) => 'S',
                (KeyState::Retired, Some(_)) => 'R',
                (KeyState::Retired, None) => '-',
                (_, None) => '?',
            };
            let is_published = published.iter().any(|known| known.kid() == Some(&key.kid));
            if is_published { letter } else { letter.to_ascii_lowercase() }
        };
        ring.keys.iter().enumerate().map(letter).collect()
    }

    fn kids(ring: &Ring) -> Vec<&str> {
        ring.keys.iter().map(|key| key.kid.as_str()).collect()
    }

    #[test]
    fn the_life_of_a_key_to_the_second() {
        let mut ring = Ring::default();
        // Each row: the second, whether that instant changes the document, and what the keys do then.
        let takes_over = 100 * HOUR;
        let forgotten = takes_over + 300;
        let rows = [
            (0, true, "S"),
            (1, false, "S"),
            (90 * HOUR - 1, false, "S"),
            (90 * HOUR, true, "SW"),
            (90 * HOUR + 1, false, "SW"),
            (takes_over - 1, false, "SW"),
            (takes_over, false, "RS"),
            (forgotten - 1, false, "RS"),
            (forgotten, true, "-S"),
            (takes_over + RETIRED - 1, false, "-S"),
            (takes_over + RETIRED, true, "S"),
            (190 * HOUR, true, "SW"),
            (200 * HOUR, false, "RS"),
        ];
        for (seconds, changes, expected) in rows {
            assert_eq!(tick(&mut ring, seconds), changes, "second {seconds}");
            assert_eq!(states(&ring, seconds), expected, "second {seconds}");
        }
    }

    #[test]
    fn who_reads_no_more_publishes_and_signs_by_the_clock_alone() {
        let mut ring = Ring::default();
        tick(&mut ring, 0);
        tick(&mut ring, 90 * HOUR);
        let takes_over = 100 * HOUR;
        for (seconds, expected) in [
            (takes_over - 1, "SW"),
            (takes_over, "RS"),
            (takes_over + RETIRED - 1, "RS"),
            (takes_over + RETIRED, "rS"),
        ] {
            assert_eq!(states(&ring, seconds), expected, "second {seconds}");
        }
        assert_eq!(ring.gone_at(0), Some(at(takes_over + RETIRED)));
        assert_eq!((ring.gone_at(1), ring.gone_at(2)), (None, None));
    }

    #[test]
    fn rotating_again_means_the_key_that_waits() {
        let mut ring = Ring::default();
        tick(&mut ring, 0);
        let next = rotate(&mut ring, 5);
        assert_eq!(rotate(&mut ring, 6), next);
        assert_eq!(rotate(&mut ring, 5 + 10 * HOUR - 1), next);
        assert_eq!(states(&ring, 6), "SW");
        assert_ne!(rotate(&mut ring, 5 + 10 * HOUR), next);
        assert_eq!(states(&ring, 5 + 10 * HOUR), "RSW");
        // The schedule counts from the newest key.
        assert!(!tick(&mut ring, 5 + 20 * HOUR - 1 - 10 * HOUR));
        assert!(tick(&mut ring, 5 + 20 * HOUR + 90 * HOUR));
    }

    #[test]
    fn without_a_key_at_hand_nothing_changes() {
        let mut ring = Ring::default();
        assert!(matches!(ring.tick(at(0), &SCHEDULE, &mut None), Outcome::NeedsKey));
        tick(&mut ring, 0);
        let before = kids(&ring).join(" ");
        assert!(matches!(ring.tick(at(90 * HOUR), &SCHEDULE, &mut None), Outcome::NeedsKey));
        assert!(matches!(ring.rotate(at(1), &SCHEDULE, &mut None), Outcome::NeedsKey));
        assert!(matches!(ring.revoke(None, at(1), &mut None), Outcome::NeedsKey));
        assert_eq!(kids(&ring).join(" "), before);
    }

    #[test]
    fn by_hand_means_never_by_itself() {
        let schedule = Schedule { every: None, ..SCHEDULE };
        let mut ring = Ring::default();
        tick(&mut ring, 0);
        assert!(matches!(ring.tick(at(u32::MAX.into()), &schedule, &mut None), Outcome::Unchanged(())));
    }

    #[test]
    fn after_a_long_downtime_the_old_key_signs_until_the_lead_is_over() {
        let mut ring = Ring::default();
        tick(&mut ring, 0);
        let year = 365 * 24 * HOUR;
        assert_eq!(states(&ring, year), "S");
        assert!(tick(&mut ring, year));
        assert_eq!(states(&ring, year), "SW");
        assert_eq!(states(&ring, year + 10 * HOUR - 1), "SW");
        assert_eq!(states(&ring, year + 10 * HOUR), "RS");
        // One that waited all the time signs at once: it was published long before.
        let then = 2 * year;
        assert!(tick(&mut ring, then), "the next one is made, the first one dropped");
        assert_eq!(states(&ring, then), "SW");
    }

    #[test]
    fn what_is_revoked_is_gone_and_something_signs() {
        let ring = || {
            let mut ring = Ring::default();
            tick(&mut ring, 0);
            rotate(&mut ring, 0);
            rotate(&mut ring, 10 * HOUR);
            tick(&mut ring, 10 * HOUR + 300);
            ring
        };
        let now = 11 * HOUR;
        assert_eq!(states(&ring(), now), "-SW");
        for (index, expected, makes_a_key) in [(0, "SW", false), (1, "-S", false), (2, "-S", false)] {
            let mut ring = ring();
            let before: Vec<String> = kids(&ring).into_iter().map(str::to_owned).collect();
            assert!(revoke(&mut ring, Some(&before[index]), now));
            assert_eq!(states(&ring, now), expected, "revoked {index}");
            assert!(!kids(&ring).contains(&before[index].as_str()));
            let made = kids(&ring).iter().any(|kid| !before.iter().any(|known| known == kid));
            assert_eq!(made, makes_a_key, "revoked {index}");
        }
        // The one that takes over early does so for its successor's schedule too.
        let mut promoted = ring();
        let signing = promoted.keys[1].kid.clone();
        assert!(revoke(&mut promoted, Some(&signing), now));
        assert_eq!(promoted.keys[1].signs_from, at(now));
        assert!(!revoke(&mut promoted, Some(&signing), now), "it is gone already");
        // None waits: a new one signs at once.
        let last = promoted.keys[1].kid.clone();
        assert!(revoke(&mut promoted, Some(&last), now));
        assert_eq!(states(&promoted, now), "-S");
        let mut all = ring();
        assert!(revoke(&mut all, None, now));
        assert_eq!(states(&all, now), "S");
        assert!(!kids(&ring()).contains(&all.keys[0].kid.as_str()));
    }

    #[test]
    fn a_slow_clock_takes_a_key_that_signs_from_later_only_if_there_is_no_other() {
        let mut ring = Ring::default();
        tick(&mut ring, 1000);
        assert_eq!(states(&ring, 700), "S", "the first key, seen by a clock that is behind");
        rotate(&mut ring, 1000);
        assert_eq!(states(&ring, 700), "SW");
        let mut ring = Ring::default();
        tick(&mut ring, 0);
        rotate(&mut ring, 0);
        tick(&mut ring, 10 * HOUR + 300);
        let signing = ring.keys[1].kid.clone();
        revoke(&mut ring, Some(&signing), 20 * HOUR);
        assert_eq!(states(&ring, 20 * HOUR - 300), "-S", "no key of which only the public half is left");
        assert!(ring.signing(at(20 * HOUR - 300)).unwrap().private.is_some());
        assert!(Ring::default().signing(at(0)).is_none());
    }

    #[test]
    fn the_lead_is_never_shorter_than_said() {
        let mut ring = Ring::default();
        tick(&mut ring, 0);
        let now = at(50).saturating_add(Duration::from_millis(1));
        ring.rotate(now, &SCHEDULE, &mut fresh());
        assert_eq!(ring.keys[1].published_at, at(50));
        assert_eq!(ring.keys[1].signs_from, at(51 + 10 * HOUR));
    }
}
