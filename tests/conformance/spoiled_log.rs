//! Logs of revocations that break one rule each.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tower_jwt_auth::{
    LogPosition, NowOrLater, RevocationPage, RevocationRecord, RevocationStore, StoreError, UnixTime,
};

use super::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// No fault: it asks a few times instead of being told.
    Asks,
    AlwaysMore,
    RestartsAtFirst,
    Backwards,
    SkipsOne,
    BeginsLate,
    IgnoresPosition,
    KeepsFirstOfRepeats,
    SaysNothingOfMore,
    PageEndIsLost,
    LosesLetters,
    LosesFractions,
    NotTold,
    HoldsConnections,
    /// The numbers are drawn before the commit.
    NumbersOverlap,
    ExpiresEarly,
    ExpiresByHalf,
    ReusesNumbers,
    OldPositionIsUnknown,
    TakesAnyPosition,
    PositionOfHandle,
    Forgets,
    RestartUnnoticed,
    RestartToldForEver,
    EmptyOnError,
    FineOnError,
}

const PAGE: u64 = 400;

#[derive(Default)]
struct Log {
    records: Vec<(u64, RevocationRecord)>,
    last: u64,
    epoch: u64,
    drawn: u64,
}

#[derive(Clone)]
struct Spoiled {
    log: Arc<Mutex<Log>>,
    appended: Arc<tokio::sync::Notify>,
    /// Positions of this handle mean something to it alone.
    handle: u64,
    connections: Arc<Mutex<usize>>,
    fault: Fault,
}

impl Debug for Spoiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Spoiled(..)")
    }
}

impl Spoiled {
    fn new(fault: Fault) -> Self {
        Self { log: Arc::default(), appended: Arc::default(), handle: 0, connections: Arc::default(), fault }
    }

    fn lose_everything(&self) {
        let mut log = self.log.lock().unwrap();
        *log = Log { epoch: log.epoch + 1, ..Log::default() };
        self.appended.notify_waiters();
    }

    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn page(&self, after: Option<&LogPosition>) -> RevocationPage {
        let log = self.log.lock().unwrap();
        let known = after.and_then(|position| {
            let mut parts = position.as_str().split('/').map(str::parse::<u64>);
            let (Some(Ok(epoch)), Some(Ok(number)), Some(Ok(handle))) =
                (parts.next(), parts.next(), parts.next())
            else {
                return self.is(Fault::TakesAnyPosition).then_some(0);
            };
            let is_ours = !self.is(Fault::PositionOfHandle) || handle == self.handle;
            let is_kept = !self.is(Fault::OldPositionIsUnknown)
                || number == 0
                || log.records.iter().any(|(kept, _)| *kept == number);
            let same = epoch == log.epoch || self.is(Fault::RestartUnnoticed);
            (same && is_ours && is_kept).then_some(number)
        });
        let from = match self.fault {
            Fault::IgnoresPosition => 0,
            Fault::BeginsLate if after.is_none() => log.last.saturating_sub(10),
            _ => known.unwrap_or(0),
        };
        let mut later: Vec<_> = log.records.iter().filter(|(number, _)| *number > from).cloned().collect();
        if self.is(Fault::Backwards) {
            later.reverse();
        }
        let more = later.len() > PAGE as usize;
        later.truncate(PAGE as usize);
        let mut last = later.iter().map(|(number, _)| *number).max().unwrap_or(from);
        if self.is(Fault::PageEndIsLost) && more {
            last += 1;
        }
        if self.is(Fault::SkipsOne) && later.len() == 4 {
            later.remove(1);
        }
        let epoch = if self.is(Fault::RestartToldForEver) && log.epoch > 0 { 99 } else { log.epoch };
        let position = LogPosition::new(format!("{epoch}/{last}/{}", self.handle));
        let records = later.into_iter().map(|(_, record)| record).collect();
        let mut page = RevocationPage::new(records, position);
        if (more && !self.is(Fault::SaysNothingOfMore)) || self.is(Fault::AlwaysMore) {
            page = page.with_more();
        }
        if (after.is_some() && known.is_none()) || (after.is_none() && self.is(Fault::RestartsAtFirst)) {
            page = page.restarted();
        }
        page
    }

    fn is_empty(&self, after: Option<&LogPosition>) -> bool {
        let from = after.and_then(|after| after.as_str().split('/').nth(1)?.parse().ok()).unwrap_or(0);
        let log = self.log.lock().unwrap();
        log.records.iter().all(|(number, _)| *number <= from)
            && after.is_none_or(|after| after.as_str().starts_with(&format!("{}/", log.epoch)))
    }
}

/// Counts those that wait.
struct Connection(Arc<Mutex<usize>>, bool);

impl Drop for Connection {
    fn drop(&mut self) {
        if !self.1 {
            *self.0.lock().unwrap() -= 1;
        }
    }
}

impl RevocationStore for Spoiled {
    fn append(&self, mut records: Vec<RevocationRecord>) -> NowOrLater<Result<(), StoreError>> {
        match self.fault {
            Fault::EmptyOnError => return NowOrLater::ready(Err(StoreError::new("away"))),
            Fault::FineOnError => return NowOrLater::ready(Ok(())),
            _ => {}
        }
        let mut log = self.log.lock().unwrap();
        match self.fault {
            Fault::KeepsFirstOfRepeats if records.len() == 2 => {
                let is_there = log.records.iter().any(|(_, record)| *record == records[0]);
                if is_there {
                    return NowOrLater::ready(Err(StoreError::new("there already")));
                }
            }
            Fault::LosesLetters => {
                let text = serde_json::to_string(&records).unwrap().replace('\u{1f980}', "?");
                records = serde_json::from_str(&text).unwrap();
            }
            Fault::LosesFractions
                if records.len() == 4 && records[3].expires_at().as_secs() == 253_402_300_799 =>
            {
                let mut value = serde_json::to_value(&records).unwrap();
                let whole = value[0]["expires_at"].as_u64().unwrap() / 1000 * 1000;
                value[2]["expires_at"] = (whole).into();
                records = serde_json::from_value(value).unwrap();
            }
            Fault::NumbersOverlap => {
                log.drawn = log.drawn.max(log.last) + 1;
                let first = log.drawn;
                log.drawn += records.len() as u64;
                let this = self.clone();
                return NowOrLater::later(async move {
                    // The commits come in another order than the numbers.
                    for _ in 0..(first % 5) {
                        tokio::task::yield_now().await;
                    }
                    let mut log = this.log.lock().unwrap();
                    for (number, record) in (first..).zip(records) {
                        log.records.push((number, record));
                        log.last = log.last.max(number);
                    }
                    log.records.sort_by_key(|(number, _)| *number);
                    this.appended.notify_waiters();
                    Ok(())
                });
            }
            Fault::ReusesNumbers => log.last = log.records.last().map_or(0, |(number, _)| *number),
            _ => {}
        }
        for record in records {
            log.last += 1;
            let number = log.last;
            log.records.push((number, record));
        }
        if !self.is(Fault::NotTold) {
            self.appended.notify_waiters();
        }
        NowOrLater::ready(Ok(()))
    }

    fn read(
        &self,
        after: Option<LogPosition>,
        wait: Duration,
    ) -> NowOrLater<Result<RevocationPage, StoreError>> {
        match self.fault {
            Fault::FineOnError => return NowOrLater::ready(Err(StoreError::new("away"))),
            Fault::EmptyOnError => {
                return NowOrLater::ready(Ok(RevocationPage::new(Vec::new(), LogPosition::new("0/0/0"))));
            }
            _ => {}
        }
        let this = self.clone();
        NowOrLater::later(async move {
            {
                let mut connections = this.connections.lock().unwrap();
                if this.is(Fault::HoldsConnections) && *connections >= 20 {
                    return Err(StoreError::new("there is no connection left"));
                }
                *connections += 1;
            }
            let mut connection = Connection(Arc::clone(&this.connections), this.is(Fault::HoldsConnections));
            let deadline = tokio::time::Instant::now() + wait;
            loop {
                let told = this.appended.notified();
                tokio::pin!(told);
                told.as_mut().enable();
                let is_over = tokio::time::Instant::now() >= deadline;
                if is_over
                    || !this.is_empty(after.as_ref())
                    || (this.is(Fault::Asks) && wait > Duration::ZERO)
                {
                    connection.1 = false; // it was used to its end
                    if this.is(Fault::Asks) && this.is_empty(after.as_ref()) {
                        tokio::time::sleep(Duration::from_millis(10).min(wait)).await;
                    }
                    return Ok(this.page(after.as_ref()));
                }
                let _ = tokio::time::timeout_at(deadline, told).await;
            }
        })
    }

    fn remove_expired(&self, now: UnixTime) -> NowOrLater<Result<(), StoreError>> {
        let minute = Duration::from_secs(60);
        let mut log = self.log.lock().unwrap();
        let is_kept = |expires_at: UnixTime| match self.fault {
            Fault::ExpiresEarly => now.saturating_add(minute) < expires_at,
            Fault::ExpiresByHalf => now < expires_at.saturating_add(minute),
            _ => now < expires_at,
        };
        log.records.retain(|(_, record)| is_kept(record.expires_at()));
        NowOrLater::ready(Ok(()))
    }
}

async fn suite(fault: Fault) -> Checked {
    let store = Spoiled::new(fault);
    match fault {
        Fault::EmptyOnError | Fault::FineOnError => {
            return conformance::revocation_store_out_of_reach(store).await;
        }
        Fault::RestartUnnoticed | Fault::RestartToldForEver => {
            let lose = async || store.lose_everything();
            return conformance::revocation_store_that_is_emptied(async || store.clone(), lose).await;
        }
        _ => {}
    }
    let handles = Mutex::new(0);
    conformance::revocation_store(async || {
        let mut handle = handles.lock().unwrap();
        *handle += 1;
        match fault == Fault::Forgets && *handle > 2 {
            true => Spoiled::new(fault),
            false => Spoiled { handle: *handle, ..store.clone() },
        }
    })
    .await
}

#[test]
fn without_a_fault_all_rules_hold() {
    for fault in [Fault::None, Fault::Asks] {
        println!("{}", runtime().block_on(suite(fault)));
    }
    let store = Spoiled::new(Fault::None);
    let lose = async || store.lose_everything();
    runtime().block_on(conformance::revocation_store_that_is_emptied(async || store.clone(), lose));
}

#[test]
fn each_fault_is_called_by_its_rule() {
    let has_an_end = "a log has an end, behind which a page is empty";
    let in_order = "records are read as they were appended, in that order, by each handle";
    let restart = "a reader is told when the engine has lost what it had, and begins anew";
    assert_each_is_broken(
        [
            (Fault::AlwaysMore, has_an_end),
            (Fault::RestartsAtFirst, has_an_end),
            (Fault::Backwards, in_order),
            (Fault::SkipsOne, "a reader goes on where a page ended"),
            (Fault::IgnoresPosition, "a reader goes on where a page ended"),
            (Fault::PositionOfHandle, in_order),
            (Fault::BeginsLate, "a reader without a position begins at the beginning"),
            (Fault::KeepsFirstOfRepeats, "to append a record that is there is harmless"),
            (Fault::SaysNothingOfMore, "a page that does not say that there is more is the last one"),
            (Fault::PageEndIsLost, "a page that does not say that there is more is the last one"),
            (Fault::LosesLetters, "the names in a record are kept as they are"),
            (Fault::LosesFractions, "times are kept to the millisecond"),
            (Fault::NotTold, "a reader that waits is given what is appended meanwhile"),
            (Fault::HoldsConnections, "a reader that gives up loses nothing, and holds nothing"),
            (
                Fault::NumbersOverlap,
                "no reader misses a record of appends that overlap, and each has those of one appender in order",
            ),
            (Fault::ExpiresEarly, "remove_expired leaves what has not expired, in its order"),
            (Fault::ExpiresByHalf, "remove_expired removes what has expired, or does nothing"),
            (Fault::OldPositionIsUnknown, "a position stays good when records are removed"),
            (
                Fault::ReusesNumbers,
                "a reader at the end sees what is appended after all before it was removed",
            ),
            (Fault::TakesAnyPosition, "a position of another log is an error, or begins anew and says so"),
            (
                Fault::Forgets,
                "what was answered is there, and a position is good, for a handle that is opened later",
            ),
            (Fault::RestartUnnoticed, restart),
            (Fault::RestartToldForEver, restart),
            (Fault::EmptyOnError, "a log that cannot be read is an error, never an empty page"),
            (Fault::FineOnError, "what is not surely appended is an error"),
        ],
        suite,
    );
}
