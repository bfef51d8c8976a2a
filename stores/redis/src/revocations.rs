//! The log of revocations.

use std::fmt;
use std::time::Duration;

use redis::Value;
use tokio::time::{Instant, sleep, timeout_at};
use tower_jwt_auth::{
    LogPosition, NowOrLater, RevocationPage, RevocationRecord, RevocationStore, StoreError, UnixTime,
};

use crate::answer::{array, bytes, damaged, is_one, text, unexpected};
use crate::link::call_name;
use crate::position::Position;
use crate::script::{APPEND, READ, SWEEP};
use crate::{RedisStores, life};

/// Records in a page. A longer one costs the server the same for each record, and holds up all others for longer.
const PAGE: usize = 100;
/// Entries that one script looks at to remove those that have expired, and how many such scripts one call runs.
const SWEPT_AT_ONCE: usize = 1000;
const SWEEPS: usize = 20;

/// Keeps the log of revocations in Redis, as a stream; [`RedisStores::revocations`] makes it.
///
/// A reader asks every 250 ms for what is new, or is told on a connection of its own
/// ([`RedisStores::listening_on`]). If the server has lost the log, or a part of it that the reader has seen, the reader is told so.
///
/// Each append removes some of what has expired, more than it adds. [`remove_expired`](RevocationStore::remove_expired) removes more,
/// from 20,000 entries at most in one call; the next call goes on where it stopped.
#[derive(Clone)]
pub struct RedisRevocationStore(RedisStores);

/// A page, and whether it is worth waiting for another one.
struct Read {
    records: Vec<RevocationRecord>,
    position: Position,
    has_more: bool,
    is_restarted: bool,
}

impl RedisRevocationStore {
    pub(crate) fn new(stores: &RedisStores) -> Self {
        Self(stores.clone())
    }

    async fn read_now(&self, after: Option<&After>) -> Result<Read, StoreError> {
        let mut arguments = vec![call_name()?.into_bytes(), PAGE.to_string().into_bytes()];
        match after {
            None => {}
            Some(After::Known(Position { epoch, entry, ends })) => {
                arguments.extend([epoch, entry, ends].map(|field| field.clone().into_bytes()));
            }
            // No epoch is called so.
            Some(After::Unknown) => arguments.extend([&b"-"[..], b"0-0", b"0"].map(<[u8]>::to_vec)),
        }
        let patient = self.0.link.clone().with_deadline(self.0.page_deadline);
        let answer = patient.run("read revocations", &READ, &self.0.prefix.log(), &arguments).await?;
        let fields: [Value; 6] = array(answer)?.try_into().map_err(|_| unexpected())?;
        let [epoch, is_restarted, has_more, records, entry, ends] = fields;
        Ok(Read {
            records: array(records)?.into_iter().map(record).collect::<Result<_, _>>()?,
            position: Position { epoch: text(epoch)?, entry: text(entry)?, ends: text(ends)? },
            has_more: is_one(&has_more)?,
            is_restarted: is_one(&is_restarted)?,
        })
    }

    /// Waits until there may be something new: until the server says so, or for a while.
    async fn pause(&self, position: &Position, deadline: Instant) {
        let Some((link, block)) = &self.0.listener else {
            sleep(self.0.poll.min(deadline.saturating_duration_since(Instant::now()))).await;
            return;
        };
        let block = (*block).min(deadline.saturating_duration_since(Instant::now()));
        // 0 would be for ever.
        let millis = u64::try_from(block.as_millis()).unwrap_or(u64::MAX).max(1);
        let [log, _] = self.0.prefix.log();
        let mut command = redis::cmd("XREAD");
        command.arg("COUNT").arg(1).arg("BLOCK").arg(millis).arg("STREAMS").arg(log).arg(&position.entry);
        // It only tells when to look: if it cannot, looking now and then does.
        if link.command("wait for revocations", command, block).await.is_err() {
            let _ = timeout_at(deadline, sleep(self.0.poll)).await;
        }
    }
}

/// Where a reader goes on.
enum After {
    Known(Position),
    /// A place in a log of another form.
    Unknown,
}

fn record(json: Value) -> Result<RevocationRecord, StoreError> {
    serde_json::from_slice(&bytes(json)?).map_err(|error| damaged("a stored revocation", &error))
}

impl RevocationStore for RedisRevocationStore {
    fn append(&self, records: Vec<RevocationRecord>) -> NowOrLater<Result<(), StoreError>> {
        if records.is_empty() {
            return NowOrLater::ready(Ok(()));
        }
        let this = self.clone();
        NowOrLater::later(async move {
            let mut arguments = vec![call_name()?.into_bytes()];
            for record in &records {
                let life = life::left(&*this.0.clock, record.expires_at());
                arguments.push(life.to_string().into_bytes());
                arguments.push(serde_json::to_vec(record).map_err(StoreError::new)?);
            }
            let log = this.0.prefix.log();
            is_one(&this.0.link.run("append revocations", &APPEND, &log, &arguments).await?)?;
            Ok(())
        })
    }

    fn read(
        &self,
        after: Option<LogPosition>,
        wait: Duration,
    ) -> NowOrLater<Result<RevocationPage, StoreError>> {
        let this = self.clone();
        NowOrLater::later(async move {
            let after = after.map(|after| match Position::parse(after.as_str()) {
                Some(position) => After::Known(position),
                None => After::Unknown,
            });
            let begun = Instant::now();
            let deadline = begun.checked_add(wait).unwrap_or(begun);
            loop {
                let read = this.read_now(after.as_ref()).await?;
                if !read.records.is_empty() || read.is_restarted || Instant::now() >= deadline {
                    return Ok(page(read));
                }
                this.pause(&read.position, deadline).await;
            }
        })
    }

    fn remove_expired(&self, now: UnixTime) -> NowOrLater<Result<(), StoreError>> {
        let this = self.clone();
        NowOrLater::later(async move {
            let log = this.0.prefix.log();
            for _ in 0..SWEEPS {
                let later = life::left(&*this.0.clock, now);
                let arguments =
                    [call_name()?, SWEPT_AT_ONCE.to_string(), later.to_string()].map(String::into_bytes);
                if is_one(&this.0.link.run("remove expired revocations", &SWEEP, &log, &arguments).await?)? {
                    break;
                }
            }
            Ok(())
        })
    }
}

fn page(read: Read) -> RevocationPage {
    let mut page = RevocationPage::new(read.records, LogPosition::new(read.position.to_text()));
    if read.has_more {
        page = page.with_more();
    }
    if read.is_restarted {
        page = page.restarted();
    }
    page
}

impl fmt::Debug for RedisRevocationStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisRevocationStore({:?})", self.0.prefix.as_str())
    }
}
