//! What one process knows of revocations: a table of hashes, read without a lock.
//!
//! A name is kept as 64 bits of a hash under seeds of this process, with its kind and issuer. The issuer chooses the names, and
//! nobody outside sees a hash or a seed, so nobody can make two names meet; by chance a good token meets one of a million entries
//! once in 10^12 times.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::runtime::UnixTime;
use crate::store::{RevocationKind, RevocationRecord};

#[derive(Debug, Default)]
pub(super) struct View {
    entries: papaya::HashMap<u64, Entry, BuildHasherDefault<AsItIs>>,
    seeds: foldhash::quality::RandomState,
    /// How many entries each kind has: a kind that has none costs no hash.
    counts: [AtomicUsize; KINDS],
    /// The entries by the second in which they expire; locked by who writes.
    expiring: Mutex<BTreeMap<u32, Vec<(RevocationKind, u64)>>>,
}

const KINDS: usize = 4;

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
}

impl View {
    /// Whether a token is revoked.
    pub(super) fn revokes(&self, token: &TokenFacts<'_>) -> bool {
        if self.is_empty() {
            return false;
        }
        let entries = self.entries.pin();
        let issued = token.issued_at.map_or(0, seconds);
        let is_in = |kind: RevocationKind, name: Option<&str>| {
            name.filter(|_| self.has(kind)).is_some_and(|name| {
                let entry = entries.get(&self.hash(kind, token.issuer, name));
                entry.is_some_and(|entry| issued <= entry.issued_until)
            })
        };
        is_in(RevocationKind::Session, token.session_id)
            || is_in(RevocationKind::Token, token.token_id)
            || is_in(RevocationKind::Subject, token.subject)
            || is_in(RevocationKind::Issuer, Some(""))
    }

    /// Adds what is revoked; of two that name the same, each time counts that reaches further.
    pub(super) fn add(&self, records: &[RevocationRecord], now: UnixTime) {
        let entries = self.entries.pin();
        let mut expiring = self.expiring.lock().unwrap_or_else(PoisonError::into_inner);
        for record in records.iter().filter(|record| now < record.expires_at()) {
            let hash = self.hash(record.kind, &record.issuer, &record.name);
            // Rounded up: a second early would be too early.
            let expires = seconds(record.expires_at()).saturating_add(1);
            let issued_until = record.issued_before.map_or(u32::MAX, seconds);
            let before = entries.get(&hash).copied();
            let entry = before.map_or(Entry { issued_until, expires }, |before| Entry {
                issued_until: before.issued_until.max(issued_until),
                expires: before.expires.max(expires),
            });
            entries.insert(hash, entry);
            if before.is_none() {
                self.count(record.kind).fetch_add(1, Ordering::Relaxed);
            }
            if before.is_none_or(|before| before.expires < entry.expires) {
                expiring.entry(entry.expires).or_default().push((record.kind, hash));
            }
        }
    }

    /// Forgets the entries that have expired.
    pub(super) fn remove_expired(&self, now: UnixTime) {
        let now = seconds(now);
        let mut expiring = self.expiring.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = self.entries.pin();
        while let Some(due) = expiring.first_entry().filter(|due| *due.key() <= now) {
            for (kind, hash) in due.remove() {
                // It may have been prolonged: then it stands further behind as well.
                if entries.get(&hash).is_some_and(|entry| entry.expires <= now) {
                    entries.remove(&hash);
                    self.count(kind).fetch_sub(1, Ordering::Relaxed);
                }
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.counts.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    fn is_empty(&self) -> bool {
        self.counts.iter().all(|count| count.load(Ordering::Relaxed) == 0)
    }

    fn has(&self, kind: RevocationKind) -> bool {
        self.count(kind).load(Ordering::Relaxed) > 0
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

    fn hash(&self, kind: RevocationKind, issuer: &str, name: &str) -> u64 {
        let mut hasher = self.seeds.build_hasher();
        hasher.write(issuer.as_bytes());
        // The length tells where the issuer ends.
        hasher.write_u64((issuer.len() as u64) << 2 | kind as u64);
        hasher.write(name.as_bytes());
        hasher.finish()
    }
}

fn seconds(time: UnixTime) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
}
