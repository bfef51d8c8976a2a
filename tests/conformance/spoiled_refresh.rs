//! Stores of sessions that break one rule each.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tower_jwt_auth::{Clock, NowOrLater, RefreshRecord, RefreshStore, StoreError, SystemClock, UnixTime};

use super::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// No fault: expired records vanish by a clock of the store's own, and `remove_expired` does nothing about them.
    OwnClock,
    InsertOverwrites,
    InsertSaysNothing,
    LosesRetry,
    OwnCopy,
    SubjectsWithoutCase,
    SubjectsTrimmed,
    IdsWithoutCase,
    CutsSubjects,
    CutsAtZero,
    CutsFractions,
    SwapKeepsTimes,
    SwapIgnoresRevision,
    SwapComparesLess,
    SwapOf32Bits,
    SwapInserts,
    InsertInTwoSteps,
    SwapInTwoSteps,
    SwapBringsBack,
    RemovesOne,
    RemovesSubject,
    RemoveWantsAll,
    RemovesHundred,
    ListsHundred,
    ListsOthers,
    ListInTwoSteps,
    ExpiresEarly,
    ExpiresLate,
    NeverExpires,
    OwnClockIgnoresSwaps,
    RetryEarly,
    RetryLate,
    RetryNever,
    RetryCounts,
    CleansInTwoSteps,
    Forgets,
    ShowsRecords,
    NoneOnError,
    NothingOnError,
    FalseOnError,
    FineOnError,
}

#[derive(Default)]
struct Engine {
    records: BTreeMap<String, RefreshRecord>,
    /// The ids of a subject: an index, where the fault is in it.
    subjects: BTreeMap<String, Vec<String>>,
    /// When the engine lets a record go, as it was set by the insert.
    first_expiry: BTreeMap<String, UnixTime>,
}

#[derive(Clone)]
struct Spoiled {
    engine: Arc<Mutex<Engine>>,
    seen: Arc<Mutex<BTreeMap<String, RefreshRecord>>>,
    /// By the clock of the runtime, which these tests move.
    started: (UnixTime, tokio::time::Instant),
    fault: Fault,
}

impl Debug for Spoiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fault {
            Fault::ShowsRecords => self.engine.lock().unwrap().records.keys().collect::<Vec<_>>().fmt(f),
            _ => f.write_str("Spoiled(..)"),
        }
    }
}

/// The record with some members changed, which only its JSON shows.
fn changed(record: &RefreshRecord, change: impl FnOnce(&mut Value)) -> RefreshRecord {
    let mut value = serde_json::to_value(record).unwrap();
    change(&mut value);
    serde_json::from_value(value).unwrap()
}

fn away<T>() -> NowOrLater<Result<T, StoreError>> {
    NowOrLater::ready(Err(StoreError::new("away")))
}

fn ready<T>(value: T) -> NowOrLater<Result<T, StoreError>> {
    NowOrLater::ready(Ok(value))
}

impl Spoiled {
    fn new(fault: Fault) -> Self {
        let started = (SystemClock.now(), tokio::time::Instant::now());
        Self { engine: Arc::default(), seen: Arc::default(), started, fault }
    }

    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    /// The engine, after it has let go what has expired by its own clock.
    fn engine(&self) -> std::sync::MutexGuard<'_, Engine> {
        let mut engine = self.engine.lock().unwrap();
        let now = self.started.0.saturating_add(self.started.1.elapsed());
        let Engine { records, first_expiry, .. } = &mut *engine;
        match self.fault {
            Fault::OwnClock => records.retain(|_, record| now < record.expires_at()),
            Fault::OwnClockIgnoresSwaps => records.retain(|id, _| now < first_expiry[id]),
            _ => {}
        }
        engine
    }

    fn written(&self, record: RefreshRecord) -> RefreshRecord {
        let subject = record.subject().to_owned();
        match self.fault {
            Fault::LosesRetry => record.without_retry(),
            Fault::CutsSubjects if subject.len() > 255 => {
                let short: String = subject.chars().take(255).collect();
                changed(&record, |value| value["subject"] = json!(short))
            }
            Fault::CutsAtZero => {
                let short = subject.split('\0').next().unwrap();
                changed(&record, |value| value["subject"] = json!(short))
            }
            // 999 of 1000 times are not whole seconds: the suite makes sure to have one of them.
            Fault::CutsFractions
                if record.revision() == 0 && record.expires_at().as_secs() > 200_000_000_000 =>
            {
                changed(&record, |value| value["expires_at"] = json!(200_000_000_000_000_u64))
            }
            _ => record,
        }
    }

    fn key(&self, id: &str) -> String {
        if self.is(Fault::IdsWithoutCase) { id.to_lowercase() } else { id.to_owned() }
    }
}

impl RefreshStore for Spoiled {
    fn insert(&self, record: RefreshRecord) -> NowOrLater<Result<(), StoreError>> {
        match self.fault {
            Fault::FineOnError => return ready(()),
            Fault::NoneOnError | Fault::NothingOnError | Fault::FalseOnError => return away(),
            _ => {}
        }
        let record = self.written(record);
        let id = self.key(record.id());
        let there = self.engine().records.contains_key(&id);
        match self.fault {
            Fault::InsertOverwrites if there => {}
            Fault::InsertSaysNothing if there => return ready(()),
            Fault::InsertInTwoSteps if !there => {
                let this = self.clone();
                return NowOrLater::later(async move {
                    tokio::task::yield_now().await;
                    this.engine().records.insert(id, record);
                    Ok(())
                });
            }
            Fault::ListInTwoSteps if !there => {
                let this = self.clone();
                let subject = record.subject().to_owned();
                let mut engine = self.engine();
                let mut ids = engine.subjects.get(&subject).cloned().unwrap_or_default();
                ids.push(id.clone());
                engine.records.insert(id, record);
                return NowOrLater::later(async move {
                    tokio::task::yield_now().await;
                    this.engine().subjects.insert(subject, ids);
                    Ok(())
                });
            }
            _ if there => return away(),
            _ => {}
        }
        let mut engine = self.engine();
        engine.first_expiry.insert(id.clone(), record.expires_at());
        engine.records.insert(id, record);
        ready(())
    }

    fn load(&self, id: String) -> NowOrLater<Result<Option<RefreshRecord>, StoreError>> {
        match self.fault {
            Fault::NoneOnError => return ready(None),
            Fault::NothingOnError | Fault::FalseOnError | Fault::FineOnError => return away(),
            _ => {}
        }
        let found = self.engine().records.get(&self.key(&id)).cloned();
        match (self.fault, found) {
            (Fault::OwnCopy, Some(found)) => {
                ready(Some(self.seen.lock().unwrap().entry(id).or_insert(found).clone()))
            }
            (_, found) => ready(found),
        }
    }

    fn compare_and_swap(&self, expected: u64, new: RefreshRecord) -> NowOrLater<Result<bool, StoreError>> {
        match self.fault {
            Fault::FalseOnError => return ready(false),
            Fault::NoneOnError | Fault::NothingOnError | Fault::FineOnError => return away(),
            _ => {}
        }
        let new = self.written(new);
        let id = self.key(new.id());
        let mut engine = self.engine();
        let Some(stored) = engine.records.get(&id).cloned() else {
            if self.is(Fault::SwapInserts) {
                engine.records.insert(id, new);
                return ready(true);
            }
            return ready(false);
        };
        let fits = match self.fault {
            Fault::SwapIgnoresRevision => true,
            Fault::SwapComparesLess => stored.revision() <= expected,
            Fault::SwapOf32Bits => stored.revision() & 0xffff_ffff == expected & 0xffff_ffff,
            _ => stored.revision() == expected,
        };
        if !fits {
            return ready(false);
        }
        let this = self.clone();
        match self.fault {
            Fault::SwapInTwoSteps => NowOrLater::later(async move {
                tokio::task::yield_now().await;
                this.engine().records.entry(id).and_modify(|stored| *stored = new);
                Ok(true)
            }),
            // Two swaps exclude each other, but a removal comes between.
            Fault::SwapBringsBack => {
                engine.records.insert(id.clone(), new.clone());
                NowOrLater::later(async move {
                    tokio::task::yield_now().await;
                    let mut engine = this.engine();
                    if engine.records.get(&id).is_none_or(|stored| stored.revision() <= new.revision()) {
                        engine.records.insert(id, new);
                    }
                    Ok(true)
                })
            }
            Fault::SwapKeepsTimes => {
                let times = serde_json::to_value(&stored).unwrap()["last_used_at"].clone();
                engine.records.insert(id, changed(&new, |value| value["last_used_at"] = times));
                ready(true)
            }
            _ => {
                engine.records.insert(id, new);
                ready(true)
            }
        }
    }

    fn remove(&self, mut ids: Vec<String>) -> NowOrLater<Result<(), StoreError>> {
        match self.fault {
            Fault::NoneOnError | Fault::NothingOnError | Fault::FalseOnError | Fault::FineOnError => {
                return away();
            }
            Fault::RemovesOne => ids.truncate(1),
            Fault::RemovesHundred => ids.truncate(100),
            _ => {}
        }
        let mut engine = self.engine();
        for id in &ids {
            let removed = engine.records.remove(&self.key(id));
            match removed {
                None if self.is(Fault::RemoveWantsAll) => return away(),
                Some(removed) if self.is(Fault::RemovesSubject) && ids.len() > 1 => {
                    engine.records.retain(|_, other| other.subject() != removed.subject());
                }
                _ => {}
            }
        }
        ready(())
    }

    fn list(&self, subject: String) -> NowOrLater<Result<Vec<RefreshRecord>, StoreError>> {
        match self.fault {
            Fault::NothingOnError => return ready(Vec::new()),
            Fault::NoneOnError | Fault::FalseOnError | Fault::FineOnError => return away(),
            _ => {}
        }
        let engine = self.engine();
        let of_subject = |record: &&RefreshRecord| match self.fault {
            Fault::SubjectsWithoutCase => record.subject().to_lowercase() == subject.to_lowercase(),
            Fault::SubjectsTrimmed => record.subject().trim() == subject.trim(),
            Fault::CutsSubjects => record.subject() == subject.chars().take(255).collect::<String>(),
            _ => record.subject() == subject,
        };
        let mut found: Vec<_> = engine.records.values().filter(of_subject).cloned().collect();
        match self.fault {
            Fault::ListsHundred => found.truncate(100),
            Fault::ListsOthers if found.len() > 100 => found = engine.records.values().cloned().collect(),
            Fault::ListInTwoSteps => {
                let ids = engine.subjects.get(&subject).cloned().unwrap_or_default();
                found.retain(|record| ids.iter().any(|id| id == record.id()));
            }
            _ => {}
        }
        ready(found)
    }

    fn remove_expired(&self, now: UnixTime) -> NowOrLater<Result<(), StoreError>> {
        const MOMENT: std::time::Duration = std::time::Duration::from_millis(1);
        let (mut expired, mut over) = (now, now);
        match self.fault {
            Fault::ExpiresEarly => expired = now.saturating_add(MOMENT),
            Fault::ExpiresLate => expired = now.saturating_sub(MOMENT),
            Fault::NeverExpires | Fault::OwnClock | Fault::OwnClockIgnoresSwaps => {
                expired = UnixTime::default();
            }
            Fault::RetryEarly => over = now.saturating_add(MOMENT),
            Fault::RetryLate => over = now.saturating_sub(MOMENT),
            Fault::RetryNever => over = UnixTime::default(),
            _ => {}
        }
        let mut engine = self.engine();
        if self.is(Fault::CleansInTwoSteps) {
            let this = self.clone();
            let old: Vec<_> =
                engine.records.values().filter(|one| one.expires_at() <= now).cloned().collect();
            let retries: Vec<_> =
                engine.records.values().filter(|one| one.retry_until() <= Some(now)).cloned().collect();
            return NowOrLater::later(async move {
                tokio::task::yield_now().await;
                let mut engine = this.engine();
                for record in retries.into_iter().filter(|record| record.retry_until().is_some()) {
                    engine.records.insert(record.id().to_owned(), record.without_retry());
                }
                for record in old {
                    engine.records.remove(record.id());
                }
                Ok(())
            });
        }
        engine.records.retain(|_, record| expired < record.expires_at());
        for record in engine.records.values_mut() {
            if record.retry_until().is_some_and(|until| until <= over) {
                *record = record.clone().without_retry();
                if self.is(Fault::RetryCounts) {
                    *record = changed(record, |value| value["revision"] = json!(record.revision() + 1));
                }
            }
        }
        ready(())
    }
}

async fn suite(fault: Fault) -> Checked {
    let store = Spoiled::new(fault);
    if matches!(fault, Fault::NoneOnError | Fault::NothingOnError | Fault::FalseOnError | Fault::FineOnError)
    {
        return conformance::refresh_store_out_of_reach(store).await;
    }
    let handles = Mutex::new(0);
    conformance::refresh_store(async || {
        *handles.lock().unwrap() += 1;
        match fault == Fault::Forgets && *handles.lock().unwrap() > 2 {
            true => Spoiled::new(fault),
            false => Spoiled { seen: Arc::default(), ..store.clone() },
        }
    })
    .await
}

/// Both ways to tidy up are good ones.
#[test]
fn without_a_fault_all_rules_hold() {
    let by_given_time = runtime().block_on(suite(Fault::None));
    let by_own_clock = runtime().block_on(suite(Fault::OwnClock));
    println!("{by_given_time} by the given time, {by_own_clock} by the store's clock");
    assert!(by_own_clock.rules().count() > by_given_time.rules().count());
}

#[test]
fn each_fault_is_called_by_its_rule() {
    let whole_list = "a list is whole after inserts and removals of the subject at once";
    let to_the_millisecond = "remove_expired removes what has expired, to the millisecond";
    let retry = "remove_expired forgets what answers a retry when that time is over, to the millisecond";
    assert_each_is_broken(
        [
            (Fault::LosesRetry, "a record is loaded as it was inserted"),
            (Fault::OwnCopy, "a handle sees at once what another one has written"),
            (Fault::InsertOverwrites, "an insert does not overwrite a record, and is an error"),
            (Fault::InsertSaysNothing, "an insert does not overwrite a record, and is an error"),
            (Fault::SubjectsWithoutCase, "subjects that differ in anything are different subjects"),
            (Fault::SubjectsTrimmed, "subjects that differ in anything are different subjects"),
            (Fault::IdsWithoutCase, "ids that differ in anything are different ids"),
            (Fault::CutsSubjects, "a subject of 1000 bytes is kept"),
            (
                Fault::CutsAtZero,
                "a subject that the engine cannot keep is refused with an error, and never changed",
            ),
            (Fault::CutsFractions, "times are kept to the millisecond"),
            (Fault::SwapKeepsTimes, "a swap replaces the whole record"),
            (Fault::SwapIgnoresRevision, "a swap of another revision changes nothing"),
            (Fault::SwapComparesLess, "a swap of another revision changes nothing"),
            (Fault::SwapOf32Bits, "revisions of 2 to the power of 32 and more are told apart"),
            (Fault::SwapInserts, "ids that differ in anything are different ids"),
            (Fault::RemovesOne, "what was removed stays removed"),
            (Fault::RemovesSubject, "other records stay when some are removed"),
            (Fault::RemoveWantsAll, "ids that differ in anything are different ids"),
            (Fault::RemovesHundred, "a thousand records may be removed by one call"),
            (Fault::ListsHundred, "a list has every record of the subject once, and no others"),
            (Fault::ListsOthers, "a list has every record of the subject once, and no others"),
            (Fault::InsertInTwoSteps, "of many that insert the same id at once, one succeeds"),
            (Fault::SwapInTwoSteps, "of many that swap the same revision at once, one succeeds"),
            (Fault::SwapBringsBack, "a record that is removed while it is swapped is gone"),
            (Fault::ListInTwoSteps, whole_list),
            (Fault::ExpiresEarly, to_the_millisecond),
            (Fault::ExpiresLate, to_the_millisecond),
            (
                Fault::NeverExpires,
                "what has expired vanishes, by the given time or by the clock of the engine",
            ),
            (Fault::OwnClockIgnoresSwaps, "a swap that prolongs a record prolongs how long it is kept"),
            (Fault::RetryEarly, "remove_expired leaves other records, and the revision, as they are"),
            (
                Fault::RetryLate,
                "what answers a retry is forgotten, by the given time or by the clock of the engine",
            ),
            (
                Fault::RetryNever,
                "what answers a retry is forgotten, by the given time or by the clock of the engine",
            ),
            (Fault::RetryCounts, retry),
            (
                Fault::CleansInTwoSteps,
                "remove_expired does not overwrite or remove what is changed meanwhile",
            ),
            (Fault::Forgets, "what was answered is there for a handle that is opened later"),
            (Fault::ShowsRecords, "Debug does not show what is stored"),
            (Fault::NoneOnError, "what cannot be read is an error, never None or an empty list"),
            (Fault::NothingOnError, "what cannot be read is an error, never None or an empty list"),
            (Fault::FalseOnError, "what cannot be written is an error, neither true nor false"),
            (Fault::FineOnError, "what cannot be written is an error, neither true nor false"),
        ],
        suite,
    );
}
