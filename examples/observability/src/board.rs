//! What was decided lately, for the status page. Its memory is bounded: codes, the last records, and one hour of minutes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tower_jwt_auth::{Clock, Decision, Outcome, Reason, UnixTime};

/// How many records are kept.
pub const RECORDS: usize = 30;

/// How many minutes are kept.
pub const MINUTES: usize = 60;

/// Counts decisions, and keeps the last ones.
#[derive(Debug)]
pub struct Board {
    clock: Arc<dyn Clock>,
    seen: Mutex<Seen>,
}

/// What has been seen since the start.
#[derive(Clone, Debug)]
pub struct Seen {
    /// When the counting began.
    pub since: UnixTime,
    /// How often each outcome came.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// How often each reason came, and when last.
    pub reasons: BTreeMap<&'static str, (u64, UnixTime)>,
    /// Tokens that the cache knew.
    pub hits: u64,
    /// Tokens that it did not know.
    pub misses: u64,
    /// The last decisions, the newest first.
    pub records: VecDeque<Record>,
    /// The last minutes, the newest last, without those in which nothing was decided.
    pub minutes: VecDeque<Minute>,
}

/// One decision: codes and what is configured, as in [`Decision`]. There is no token, no claim's value and no address.
#[derive(Clone, Debug)]
pub struct Record {
    /// When.
    pub at: UnixTime,
    /// What became of the request.
    pub outcome: &'static str,
    /// Why it was refused.
    pub reason: Option<&'static str>,
    /// The name of the claim that decided.
    pub claim: Option<String>,
    /// Where the token was.
    pub source: Option<&'static str>,
    /// The issuer as it is configured.
    pub authority: Option<String>,
    /// The algorithm.
    pub algorithm: Option<&'static str>,
    /// A hash of the key id.
    pub key: Option<String>,
    /// Whether the cache knew the token.
    pub cached: Option<bool>,
    /// How long it took.
    pub took: Duration,
}

/// One minute.
#[derive(Clone, Copy, Debug, Default)]
pub struct Minute {
    /// Minutes since 1970.
    pub number: u64,
    /// Requests that passed.
    pub passed: u64,
    /// Requests that did not.
    pub others: u64,
}

impl Board {
    /// A board on which there is nothing yet.
    pub fn new(clock: impl Clock) -> Self {
        let seen = Seen {
            since: clock.now(),
            outcomes: BTreeMap::new(),
            reasons: BTreeMap::new(),
            hits: 0,
            misses: 0,
            records: VecDeque::with_capacity(RECORDS),
            minutes: VecDeque::with_capacity(MINUTES),
        };
        Self { clock: Arc::new(clock), seen: Mutex::new(seen) }
    }

    /// Counts one decision. It is called for each request, so it does nothing that takes time.
    pub fn note(&self, decision: &Decision) {
        let at = self.clock.now();
        let record = Record {
            at,
            outcome: decision.outcome().as_str(),
            reason: decision.reason().map(Reason::as_str),
            claim: decision.claim().map(str::to_owned),
            source: decision.source(),
            authority: decision.authority().map(str::to_owned),
            algorithm: decision.algorithm().map(|algorithm| algorithm.as_str()),
            key: decision.key_hash().map(str::to_owned),
            cached: decision.was_cached(),
            took: decision.duration(),
        };
        let passed = matches!(decision.outcome(), Outcome::Accepted | Outcome::Anonymous | Outcome::Reported);
        self.seen().add(record, passed);
    }

    /// A copy of all that was seen, and what the clock says.
    pub fn look(&self) -> (UnixTime, Seen) {
        (self.clock.now(), self.seen().clone())
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn add(&mut self, record: Record, passed: bool) {
        *self.outcomes.entry(record.outcome).or_default() += 1;
        if let Some(reason) = record.reason {
            let (count, last) = self.reasons.entry(reason).or_insert((0, record.at));
            *count += 1;
            *last = record.at;
        }
        match record.cached {
            Some(true) => self.hits += 1,
            Some(false) => self.misses += 1,
            None => {}
        }
        let number = record.at.as_secs() / 60;
        if self.minutes.back().is_none_or(|minute| minute.number < number) {
            if self.minutes.len() == MINUTES {
                self.minutes.pop_front();
            }
            self.minutes.push_back(Minute { number, ..Minute::default() });
        }
        if let Some(minute) = self.minutes.back_mut() {
            *if passed { &mut minute.passed } else { &mut minute.others } += 1;
        }
        if self.records.len() == RECORDS {
            self.records.pop_back();
        }
        self.records.push_front(record);
    }
}
