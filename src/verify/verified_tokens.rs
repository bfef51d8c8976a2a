//! The tokens that were found good, by their SHA-256.
//!
//! Only verified tokens go in, so nobody without a signing key can fill it, displace others, or choose a name in it. The
//! name is the hash of the whole token: no part of it can be changed, and no token is kept.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

use super::jwt::Jwt;
use super::token_cache::TokenCache;
use crate::crypto::sha256;
use crate::error::{AuthError, ConfigError};
use crate::keys::Generation;

pub(super) struct VerifiedTokens<C> {
    cache: Cache<TokenHash, Entry<C>, ByRoom>,
    /// The tokens that are being verified just now.
    running: [Mutex<Running<C>>; 16],
}

/// The SHA-256 of a whole token.
type TokenHash = [u8; 32];

/// What is the same for all who come with the same token under the same keys.
type Run = (TokenHash, FoundBy);

type Running<C> = HashMap<Run, Arc<OnceLock<Result<Jwt<C>, AuthError>>>>;

/// Under which keys a token was found good.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct FoundBy {
    /// [`ReadyAuthority::id`](super::ready_authority::ReadyAuthority): its policy never changes.
    pub(super) authority: u64,
    /// Of the set of keys.
    pub(super) generation: Generation,
}

struct Entry<C> {
    jwt: Jwt<C>,
    found_by: FoundBy,
}

// By hand: a derive would ask for `C: Clone`.
impl<C> Clone for Entry<C> {
    fn clone(&self) -> Self {
        Self { jwt: self.jwt.clone(), found_by: self.found_by }
    }
}

/// Weighs an entry by its bytes, and no less than its share of the places: so one bound holds for both.
#[derive(Clone)]
struct ByRoom {
    least: u64,
}

/// What an entry needs beside its claims: its hash, its place in the table, and what counts references.
const OVERHEAD: usize = 160;

impl<C> Weighter<TokenHash, Entry<C>> for ByRoom {
    fn weight(&self, _: &TokenHash, entry: &Entry<C>) -> u64 {
        self.least.max((OVERHEAD + entry.jwt.bytes()) as u64)
    }
}

impl<C> VerifiedTokens<C> {
    /// # Errors
    /// If a setting is out of bounds.
    pub(super) fn new(settings: TokenCache) -> Result<Self, ConfigError> {
        settings.check()?;
        let (entries, bytes) = (settings.entries, settings.bytes as u64);
        let least = bytes.div_ceil(entries as u64);
        let options = OptionsBuilder::new().estimated_items_capacity(entries).weight_capacity(bytes).build();
        let options = options.map_err(|error| {
            ConfigError::new("cache", format!("{settings:?}: {error:?}"), "give it other bounds")
        })?;
        let (by_room, hasher) = (ByRoom { least }, DefaultHashBuilder::default());
        let cache = Cache::with_options(options, by_room, hasher, DefaultLifecycle::default());
        Ok(Self { cache, running: Default::default() })
    }

    /// The name of a token; `None` without SHA-256, which `new` has seen to be there.
    pub(super) fn name(token: &[u8]) -> Option<TokenHash> {
        sha256(token)
    }

    /// What was found under the same policy and the same keys.
    pub(super) fn get(&self, name: &TokenHash, found_by: FoundBy) -> Option<Jwt<C>> {
        self.cache.get(name).filter(|entry| entry.found_by == found_by).map(|entry| entry.jwt)
    }

    /// Forgets a token that has expired.
    pub(super) fn remove(&self, name: &TokenHash) {
        self.cache.remove(name);
    }

    /// Verifies a token, and keeps it if it is good. Others who come with the same token meanwhile wait, and get the same
    /// verdict, be it good or bad.
    pub(super) fn verify(
        &self,
        name: TokenHash,
        found_by: FoundBy,
        verify: impl FnOnce() -> Result<Jwt<C>, AuthError>,
    ) -> Result<Jwt<C>, AuthError> {
        let run = (name, found_by);
        let slot = Arc::clone(self.running(&name).entry(run).or_default());
        let verdict = slot.get_or_init(|| {
            // It goes when it is done, or when a claims type of the user's panics.
            let _end = End { tokens: self, run };
            // Somebody may have been done since this caller looked.
            if let Some(jwt) = self.get(&name, found_by) {
                return Ok(jwt);
            }
            let verdict = verify();
            if let Ok(jwt) = &verdict {
                self.cache.insert(name, Entry { jwt: jwt.clone(), found_by });
            }
            verdict
        });
        verdict.clone()
    }

    fn running(&self, name: &TokenHash) -> MutexGuard<'_, Running<C>> {
        let ([first, ..], [shard, ..]) = (name, &self.running);
        let shard = self.running.get(usize::from(first % 16)).unwrap_or(shard);
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end of a verification.
struct End<'t, C> {
    tokens: &'t VerifiedTokens<C>,
    run: Run,
}

impl<C> Drop for End<'_, C> {
    fn drop(&mut self) {
        self.tokens.running(&self.run.0).remove(&self.run);
    }
}

impl<C> fmt::Debug for VerifiedTokens<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedTokens")
            .field("entries", &self.cache.len())
            .field("bytes", &self.cache.weight())
            .finish_non_exhaustive()
    }
}
