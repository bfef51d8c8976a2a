//! A key set made ready to verify: every key bound to one algorithm, found by `kid`.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use smallvec::SmallVec;

use super::set::default_of;
use super::source::Generation;
use super::{Key, KeySet};
use crate::crypto::{Backend, PreparedKey, short_hash};
use crate::error::ConfigError;
use crate::jose::{Algorithm, AlgorithmSet, Family};
use crate::runtime::trace;

/// The keys of one authority, ready to verify.
#[derive(Debug)]
pub(crate) struct PreparedSet {
    pub(crate) generation: Generation,
    /// Every algorithm that some key can verify: the allow-list of the authority.
    pub(crate) algorithms: AlgorithmSet,
    keys: Vec<Entry>,
    /// Whether a key of the set has a `kid`, be it one that no allowed algorithm can use.
    named: bool,
    /// Positions in `keys`.
    by_kid: HashMap<Box<str>, SmallVec<[usize; 2]>>,
    /// Headers of tokens whose signature was good, so that the same text need not be decoded again. They go with the
    /// set, and so does what they were found to mean.
    seen: [OnceLock<SeenHeader>; SEEN],
}

/// How many headers are kept: a token service signs with few keys, and each has one header.
const SEEN: usize = 8;

/// A header as it was sent, and the keys that it chose.
#[derive(Debug)]
struct SeenHeader {
    encoded: Box<[u8]>,
    positions: Positions,
    /// Its `alg`, and a hash of its `kid`, for those who watch.
    algorithm: Algorithm,
    key_hash: Option<Arc<str>>,
}

#[derive(Debug)]
struct Entry {
    algorithm: Algorithm,
    /// The issuer that the key says it is for.
    issuer: Option<Box<str>>,
    key: PreparedKey,
}

/// For whom a key must say that it is, where the keys of several issuers are in one set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyOwner<'a> {
    /// This very issuer,
    pub(crate) issuer: &'a str,
    /// or every one that is made of this.
    pub(crate) template: &'a str,
}

impl KeyOwner<'_> {
    fn owns(&self, entry: &Entry) -> bool {
        entry.issuer.as_deref().is_some_and(|said| said == self.issuer || said == self.template)
    }
}

/// Why no key was picked. Another key is never taken instead.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoKey {
    /// A newer set might have it.
    Unknown,
    /// More keys fit than may be tried.
    Ambiguous,
}

/// How many keys of one `kid` are tried: a provider may publish two by mistake, and all of them are its own.
const SAME_KID: usize = 4;

/// Positions of the keys that a token may have been signed with; nearly always one.
type Positions = SmallVec<[usize; 4]>;

/// The keys that a token may have been signed with, in the order in which they are tried.
#[derive(Debug)]
pub(crate) struct Candidates<'s> {
    set: &'s PreparedSet,
    positions: Positions,
}

impl<'s> Candidates<'s> {
    /// Of the set that they are in.
    pub(crate) fn generation(&self) -> Generation {
        self.set.generation
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &'s PreparedKey> {
        let keys = &self.set.keys;
        self.positions.iter().filter_map(|position| keys.get(*position)).map(|entry| &entry.key)
    }
}

impl PreparedSet {
    /// Prepares each key of `set` for the algorithms in `allowed`, or for its own if the authority names none.
    ///
    /// # Errors
    /// If a key that was named does not work, secrets and public keys are mixed, or nothing is left.
    pub(crate) fn new(
        generation: Generation,
        set: &KeySet,
        allowed: Option<AlgorithmSet>,
        backend: &Backend,
    ) -> Result<Self, ConfigError> {
        let secrets = set.iter().filter(|key| key.material().family() == Family::Hmac).count();
        if secrets != 0 && secrets != set.len() {
            return Err(ConfigError::new(
                "keys",
                "secrets and public keys are in one authority",
                "make two authorities with issuers of their own",
            ));
        }
        let mut prepared = Self::empty(generation);
        prepared.named = set.iter().any(|key| key.kid().is_some());
        for key in set.iter() {
            prepared.add(key, allowed, backend)?;
        }
        if prepared.keys.is_empty() {
            let with = allowed
                .map_or_else(String::new, |allowed| format!(" with the allowed algorithms {allowed:?}"));
            return Err(ConfigError::new(
                "keys",
                format!("no key can verify{with} on {backend:?}"),
                "allow an algorithm that fits the keys, or give keys that fit the algorithms",
            ));
        }
        Ok(prepared)
    }

    /// How many keys there are, one for each algorithm.
    pub(crate) const fn count(&self) -> usize {
        self.keys.len()
    }

    /// The `kid`s of the keys, for messages to developers.
    pub(crate) fn kids(&self) -> Vec<&str> {
        let mut kids: Vec<_> = self.by_kid.keys().map(|kid| &**kid).collect();
        kids.sort_unstable();
        kids
    }

    /// A set that verifies nothing.
    pub(crate) fn empty(generation: Generation) -> Self {
        Self {
            generation,
            algorithms: AlgorithmSet::default(),
            keys: Vec::new(),
            named: false,
            by_kid: HashMap::new(),
            seen: [const { OnceLock::new() }; SEEN],
        }
    }

    /// The keys that this very header chose before, when a signature under it was good.
    pub(crate) fn recall(&self, encoded_header: &[u8]) -> Option<Candidates<'_>> {
        let mut seen = self.seen.iter().map_while(OnceLock::get);
        let header = seen.find(|header| *header.encoded == *encoded_header)?;
        Some(Candidates { set: self, positions: header.positions.clone() })
    }

    /// What a header that is recalled says: its `alg`, and a hash of its `kid`.
    pub(crate) fn recalled(&self, encoded_header: &[u8]) -> Option<(Algorithm, Option<Arc<str>>)> {
        let mut seen = self.seen.iter().map_while(OnceLock::get);
        let header = seen.find(|header| *header.encoded == *encoded_header)?;
        Some((header.algorithm, header.key_hash.clone()))
    }

    /// A hash of this `kid`, if a key of the set has it.
    pub(crate) fn key_hash(&self, kid: Option<&str>) -> Option<Arc<str>> {
        kid.filter(|kid| self.by_kid.contains_key(*kid)).and_then(short_hash)
    }

    /// Keeps a header under which a signature was good: what a caller without a key sends must not take up room.
    pub(crate) fn remember(
        &self,
        encoded_header: &[u8],
        algorithm: Algorithm,
        kid: Option<&str>,
        candidates: &Candidates<'_>,
    ) {
        let header = || SeenHeader {
            encoded: encoded_header.into(),
            positions: candidates.positions.clone(),
            algorithm,
            key_hash: self.key_hash(kid),
        };
        if let Some(free) = self.seen.iter().find(|slot| slot.get().is_none()) {
            // Another thread may have been first; then this one is kept another time.
            free.get_or_init(header);
        }
    }

    fn add(
        &mut self,
        key: &Key,
        allowed: Option<AlgorithmSet>,
        backend: &Backend,
    ) -> Result<(), ConfigError> {
        let of_its_own = key.algorithm().or_else(|| default_of(key.material()));
        let algorithms: AlgorithmSet = match (key.algorithm(), allowed) {
            (Some(only), Some(allowed)) => [only].into_iter().filter(|a| allowed.contains(*a)).collect(),
            (None, Some(allowed)) => {
                allowed.iter().filter(|a| a.family() == key.material().family()).collect()
            }
            (_, None) => of_its_own.into_iter().collect(),
        };
        for algorithm in algorithms.iter() {
            match backend.prepare(key.material(), algorithm) {
                Ok(ready) => {
                    let position = self.keys.len();
                    self.keys.push(Entry { algorithm, issuer: key.issuer().map(Into::into), key: ready });
                    self.algorithms.insert(algorithm);
                    if let Some(kid) = key.kid() {
                        self.by_kid.entry(kid.into()).or_default().push(position);
                    }
                }
                Err(error) if key.is_named() => {
                    return Err(ConfigError::new(
                        "keys",
                        format!("the key for {algorithm} cannot be used: {}", error.0),
                        "give a key that fits, or choose another backend",
                    ));
                }
                Err(_error) => trace::warn!(kid = ?key.kid(), why = _error.0, "verification key skipped"),
            }
        }
        Ok(())
    }

    /// The keys that a token with this `kid` and `alg` may have been signed with, at most `limit` if no `kid` chooses.
    /// With an `owner`, only keys that say they are its.
    ///
    /// # Errors
    /// If none fits, or too many do.
    pub(crate) fn candidates(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
        limit: usize,
        owner: Option<KeyOwner<'_>>,
    ) -> Result<Candidates<'_>, NoKey> {
        let fits = |entry: &Entry| {
            entry.algorithm.canonical() == algorithm.canonical()
                && owner.is_none_or(|owner| owner.owns(entry))
        };
        let mut limit = limit;
        let positions: Positions = match kid {
            // A set that names no key leaves nothing to match (and no reason to refuse).
            Some(kid) if self.named => {
                limit = SAME_KID;
                let positions = self.by_kid.get(kid).ok_or(NoKey::Unknown)?;
                let fits = |position: &&usize| self.keys.get(**position).is_some_and(fits);
                positions.iter().filter(fits).take(limit + 1).copied().collect()
            }
            _ => {
                let all = self.keys.iter().enumerate().filter(|(_, entry)| fits(entry));
                all.take(limit + 1).map(|(position, _)| position).collect()
            }
        };
        match positions.len() {
            0 => Err(NoKey::Unknown),
            count if count > limit => Err(NoKey::Ambiguous),
            _ => Ok(Candidates { set: self, positions }),
        }
    }
}

#[cfg(all(test, any(feature = "aws-lc-rs", feature = "rust-crypto")))]
#[allow(clippy::unwrap_used)] // clippy knows tests by `cfg(test)` alone
mod tests {
    use super::*;
    use crate::keys::Secret;

    fn set() -> PreparedSet {
        let keys = KeySet::from_secret(Algorithm::HS256, Secret::generate().unwrap()).unwrap();
        PreparedSet::new(0, &keys.with_kid("k").unwrap(), None, &Backend::preferred().unwrap()).unwrap()
    }

    #[test]
    fn a_header_is_recalled_by_all_of_its_bytes_and_goes_with_the_set() {
        let set = set();
        let candidates = set.candidates(Some("k"), Algorithm::HS256, 1, None).unwrap();
        assert!(set.recall(b"eyJ").is_none());
        set.remember(b"eyJ", Algorithm::HS256, Some("k"), &candidates);
        assert_eq!(set.recall(b"eyJ").unwrap().iter().count(), 1);
        for other in [&b"eyj"[..], b"eyJh", b"ey", b""] {
            assert!(set.recall(other).is_none());
        }
        assert!(self::set().recall(b"eyJ").is_none());
    }

    #[test]
    fn so_many_headers_are_kept_at_most() {
        let set = set();
        let candidates = set.candidates(Some("k"), Algorithm::HS256, 1, None).unwrap();
        let headers: Vec<[u8; 1]> = (0..20).map(|number| [number]).collect();
        headers.iter().for_each(|header| set.remember(header, Algorithm::HS256, None, &candidates));
        let kept = headers.iter().filter(|header| set.recall(&header[..]).is_some()).count();
        assert_eq!(kept, SEEN);
    }
}
