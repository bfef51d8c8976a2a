//! What one process knows of revocations: tables of hashes, read without a lock.
//!
//! A name is kept as 62 bits of a hash under seeds of this process, with its kind and issuer. The issuer chooses the names, and
//! nobody outside sees a hash or a seed, so nobody can make two names meet; by chance a good token meets one of a million entries
//! once in 10^12 times.
//!
//! There are two tables, which are never changed but replaced: a small one of what is new, which is copied with each batch, and a large
//! one, into which the small one goes now and then. So a batch costs little, however much is revoked.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::ArcSwap;

use crate::runtime::UnixTime;
use crate::store::{RevocationKind, RevocationRecord};

#[derive(Debug, Default)]
pub(super) struct View {
    tables: ArcSwap<Tables>,
    seeds: foldhash::quality::RandomState,
    /// How many entries each kind has, in the order of `NameKeys`: a kind that has none is not looked up.
    counts: [AtomicUsize; KINDS],
    /// The entries by the second in which they expire; locked by who writes.
    expiring: Mutex<BTreeMap<u32, Vec<u64>>>,
}

const KINDS: usize = 4;

#[derive(Clone, Debug, Default)]
struct Tables {
    /// Looked at first: what it says of an entry is newer.
    recent: Table,
    settled: Arc<Table>,
}

type Table = HashMap<u64, Entry, BuildHasherDefault<AsItIs>>;

/// The small table may have so many entries, or this part of those in the large one.
const RECENT: usize = 1024;
const PART: usize = 16;
/// The large table is made anew when this part of it has expired.
const EXPIRED_PART: usize = 64;

/// Seconds since 1970. Those of a time that is too far away stop at the last one there is.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Tokens issued in this second or earlier are revoked.
    issued_until: u32,
    expires: u32,
}

/// The key is a hash already.
#[derive(Debug, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// What is asked about a token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenFacts<'t> {
    /// `iss`, or nothing.
    pub(crate) issuer: &'t str,
    /// `jti`.
    pub(crate) token_id: Option<&'t str>,
    /// `sid`.
    pub(crate) session_id: Option<&'t str>,
    /// `sub`.
    pub(crate) subject: Option<&'t str>,
    /// `iat`.
    pub(crate) issued_at: Option<UnixTime>,
    /// `exp`.
    pub(crate) expires_at: UnixTime,
    /// Where the hashes of its names stay, for a token that is asked about again.
    pub(crate) keys: Option<&'t NameKeys>,
}

/// The hashes of a token's names under the seeds of one view, made when they are needed first: of `jti`, `sid`, `sub` and the issuer; 0
/// for a name that it has not.
pub(crate) type NameKeys = OnceLock<[u64; KINDS]>;

impl Tables {
    fn get(&self, key: u64) -> Option<Entry> {
        let recent = if self.recent.is_empty() { None } else { self.recent.get(&key) };
        recent.or_else(|| self.settled.get(&key)).copied()
    }

    /// Moves the small table into the large one.
    fn settle(&mut self) {
        let mut settled = Table::clone(&self.settled);
        settled.extend(self.recent.drain());
        self.settled = Arc::new(settled);
    }
}

impl View {
    /// Whether a token is revoked.
    pub(super) fn revokes(&self, token: &TokenFacts<'_>) -> bool {
        if self.len() == 0 {
            return false;
        }
        let tables = self.tables.load();
        let issued = token.issued_at.map_or(0, seconds);
        let keys = match token.keys {
            Some(keys) => *keys.get_or_init(|| self.keys_of(token)),
            None => self.keys_of(token),
        };
        keys.into_iter().zip(&self.counts).any(|(key, count)| {
            key != 0
                && count.load(Ordering::Relaxed) > 0
                && tables.get(key).is_some_and(|entry| issued <= entry.issued_until)
        })
    }

    fn keys_of(&self, token: &TokenFacts<'_>) -> [u64; KINDS] {
        let issuer = self.issuer(token.issuer);
        let of = |kind, name: Option<&str>| name.map_or(0, |name| key(&issuer, kind, name));
        [
            of(RevocationKind::Token, token.token_id),
            of(RevocationKind::Session, token.session_id),
            of(RevocationKind::Subject, token.subject),
            of(RevocationKind::Issuer, Some("")),
        ]
    }

    /// Adds what is revoked; of two that name the same, each time counts that reaches further.
    pub(super) fn add(&self, records: &[RevocationRecord], now: UnixTime) {
        let mut expiring = self.expiring.lock().unwrap_or_else(PoisonError::into_inner);
        let mut tables = Tables::clone(&self.tables.load());
        for record in records.iter().filter(|record| now < record.expires_at()) {
            let key = key(&self.issuer(&record.issuer), record.kind, &record.name);
            // Rounded up: a second early would be too early.
            let expires = seconds(record.expires_at()).saturating_add(1);
            let issued_until = record.issued_before.map_or(u32::MAX, seconds);
            let before = tables.get(key);
            let entry = before.map_or(Entry { issued_until, expires }, |before| Entry {
                issued_until: before.issued_until.max(issued_until),
                expires: before.expires.max(expires),
            });
            tables.recent.insert(key, entry);
            if before.is_none() {
                self.count(record.kind).fetch_add(1, Ordering::Relaxed);
            }
            if before.is_none_or(|before| before.expires < entry.expires) {
                expiring.entry(entry.expires).or_default().push(key);
            }
        }
        if tables.recent.len() > RECENT.max(tables.settled.len() / PART) {
            tables.settle();
        }
        self.tables.store(Arc::new(tables));
    }

    /// Forgets the entries that have expired, when there are enough of them.
    pub(super) fn remove_expired(&self, now: UnixTime) {
        let now = seconds(now);
        let mut expiring = self.expiring.lock().unwrap_or_else(PoisonError::into_inner);
        let due: usize = expiring.range(..=now).map(|(_, keys)| keys.len()).sum();
        if due <= self.len() / EXPIRED_PART {
            return;
        }
        let later = expiring.split_off(&now.saturating_add(1));
        let due = std::mem::replace(&mut *expiring, later);
        let mut tables = Tables::clone(&self.tables.load());
        tables.settle();
        let settled = Arc::make_mut(&mut tables.settled);
        for key in due.into_values().flatten() {
            // It may have been prolonged: then it stands further behind as well.
            if settled.get(&key).is_some_and(|entry| entry.expires <= now) {
                settled.remove(&key);
                self.count(kind_of(key)).fetch_sub(1, Ordering::Relaxed);
            }
        }
        settled.shrink_to_fit();
        self.tables.store(Arc::new(tables));
    }

    pub(super) fn len(&self) -> usize {
        self.counts.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    fn count(&self, kind: RevocationKind) -> &AtomicUsize {
        let [token, session, subject, issuer] = &self.counts;
        match kind {
            RevocationKind::Token => token,
            RevocationKind::Session => session,
            RevocationKind::Subject => subject,
            RevocationKind::Issuer => issuer,
        }
    }

    /// The hash of an issuer, to which those of its names are added.
    fn issuer(&self, issuer: &str) -> NameHasher {
        let mut hasher = self.seeds.build_hasher();
        hasher.write(issuer.as_bytes());
        // The length tells where the issuer ends.
        hasher.write_usize(issuer.len());
        hasher
    }
}

type NameHasher = <foldhash::quality::RandomState as BuildHasher>::Hasher;

/// The hash of a name, with the kind in two bits of it that the table uses for nothing else: its buckets are chosen by the lowest
/// bits, and marked by the highest.
fn key(issuer: &NameHasher, kind: RevocationKind, name: &str) -> u64 {
    let mut hasher = issuer.clone();
    hasher.write(name.as_bytes());
    hasher.write_u8(kind as u8);
    hasher.finish() & !KIND_BITS | (kind as u64) << KIND_AT
}

const KIND_AT: u32 = 54;
const KIND_BITS: u64 = 0b11 << KIND_AT;

fn kind_of(key: u64) -> RevocationKind {
    match (key & KIND_BITS) >> KIND_AT {
        0 => RevocationKind::Token,
        1 => RevocationKind::Session,
        2 => RevocationKind::Subject,
        _ => RevocationKind::Issuer,
    }
}

fn seconds(time: UnixTime) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Many entries of many kinds and lives, against a list that is searched.
    #[test]
    fn the_tables_say_what_a_list_would_say() {
        const KINDS: [RevocationKind; 4] =
            [RevocationKind::Token, RevocationKind::Session, RevocationKind::Subject, RevocationKind::Issuer];
        let view = View::default();
        let mut all: Vec<RevocationRecord> = Vec::new();
        let mut state = 7_u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        for round in 0..200_u64 {
            let now = UnixTime::from_secs(1000 + 10 * round);
            let batch: Vec<_> = (0..random(200))
                .map(|_| {
                    let kind = KINDS[random(4) as usize];
                    RevocationRecord {
                        kind,
                        issuer: format!("i{}", random(3)),
                        name: if kind == RevocationKind::Issuer {
                            String::new()
                        } else {
                            format!("n{}", random(9000))
                        },
                        issued_before: Some(UnixTime::from_secs(random(3000)))
                            .filter(|time| time.as_secs() > 900),
                        expires_at: now.saturating_add(std::time::Duration::from_secs(1 + random(900))),
                    }
                })
                .collect();
            view.add(&batch, now);
            all.extend(batch);
            view.remove_expired(now);
            let live: Vec<_> = all.iter().filter(|record| now < record.expires_at).collect();
            for _ in 0..50 {
                let (issuer, name) = (format!("i{}", random(3)), format!("n{}", random(9000)));
                let issued = UnixTime::from_secs(random(4000));
                let kind = KINDS[random(3) as usize];
                let named = |of: RevocationKind| (kind == of).then_some(name.as_str());
                let facts = TokenFacts {
                    issuer: &issuer,
                    token_id: named(RevocationKind::Token),
                    session_id: named(RevocationKind::Session),
                    subject: named(RevocationKind::Subject),
                    issued_at: Some(issued),
                    expires_at: issued,
                    keys: None,
                };
                let concerns = |record: &&&RevocationRecord| {
                    record.issuer == issuer
                        && (record.kind == RevocationKind::Issuer
                            || record.kind == kind && record.name == name)
                };
                let revoked = live.iter().filter(concerns).any(|record| {
                    record.issued_before.is_none_or(|before| issued.as_secs() <= before.as_secs())
                });
                // What has expired may be refused for a while longer, for its tokens have expired too.
                assert!(view.revokes(&facts) || !revoked, "{facts:?}");
                if view.revokes(&facts) && !revoked {
                    assert!(all.iter().any(|record| concerns(&&record)), "{facts:?}");
                }
            }
        }
        assert!(view.tables.load().settled.len() > 1000);
        let end = UnixTime::from_secs(100_000);
        view.remove_expired(end);
        assert_eq!((view.len(), view.tables.load().settled.len()), (0, 0));
        assert!(view.expiring.lock().unwrap().is_empty());
    }
}
