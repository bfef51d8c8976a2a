//! The answers of one authority, by the SHA-256 of the token. A yes and a no have places of their own, so that garbage
//! displaces no good token.

use std::fmt;
use std::time::Duration;

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

use super::answer::Answer;
use super::settings::OpaqueTokens;
use crate::error::ConfigError;
use crate::runtime::UnixTime;

/// The SHA-256 of a whole token.
pub(super) type TokenHash = [u8; 32];

pub(super) struct KeptAnswers {
    active: Cache<TokenHash, Kept, ByRoom>,
    /// Until when each of them counts.
    refused: Cache<TokenHash, Duration>,
}

#[derive(Clone)]
struct Kept {
    answer: Answer,
    /// By the stopwatch: the clock of the machine may be set back.
    until: Duration,
}

/// Weighs an entry by its bytes, and no less than its share of the places: so one bound holds for both.
#[derive(Clone)]
struct ByRoom {
    least: u64,
}

/// What an entry needs beside its claims.
const OVERHEAD: usize = 160;

impl Weighter<TokenHash, Kept> for ByRoom {
    fn weight(&self, _: &TokenHash, kept: &Kept) -> u64 {
        self.least.max((OVERHEAD + kept.answer.claims.len()) as u64)
    }
}

impl KeptAnswers {
    pub(super) fn new(settings: &OpaqueTokens) -> Result<Self, ConfigError> {
        let (entries, bytes) = (settings.entries, settings.bytes as u64);
        let least = bytes.div_ceil(entries as u64);
        let options = OptionsBuilder::new().estimated_items_capacity(entries).weight_capacity(bytes).build();
        let options = options.map_err(|error| {
            ConfigError::new("entries", format!("{settings:?}: {error:?}"), "give other bounds")
        })?;
        let (by_room, hasher) = (ByRoom { least }, DefaultHashBuilder::default());
        let active = Cache::with_options(options, by_room, hasher, DefaultLifecycle::default());
        Ok(Self { active, refused: Cache::new(entries) })
    }

    /// What was answered, if it still counts; `None` inside says that the token is not active.
    pub(super) fn get(&self, name: &TokenHash, elapsed: Duration, now: UnixTime) -> Option<Option<Answer>> {
        if let Some(kept) = self.active.get(name) {
            if elapsed < kept.until && kept.answer.expires.is_none_or(|expires| now < expires) {
                return Some(Some(kept.answer));
            }
            self.active.remove(name);
        }
        let until = self.refused.get(name)?;
        if elapsed < until {
            return Some(None);
        }
        self.refused.remove(name);
        None
    }

    pub(super) fn insert(&self, name: TokenHash, answer: Option<Answer>, until: Duration) {
        match answer {
            Some(answer) => {
                self.refused.remove(&name);
                self.active.insert(name, Kept { answer, until });
            }
            None => {
                self.active.remove(&name);
                self.refused.insert(name, until);
            }
        }
    }
}

impl fmt::Debug for KeptAnswers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptAnswers")
            .field("active", &self.active.len())
            .field("bytes", &self.active.weight())
            .field("refused", &self.refused.len())
            .finish()
    }
}
