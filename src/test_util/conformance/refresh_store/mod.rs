//! The rules of a `RefreshStore`.

mod at_once;
mod expiry;

use std::sync::Arc;
use std::time::Duration;

use super::checked::{Checked, Run, random};
use crate::jose;
use crate::runtime::{Clock, SystemClock, UnixTime};
use crate::store::{RefreshRecord, RefreshStore, Retry, millis};

type Store = Arc<dyn RefreshStore>;

const HOUR: Duration = Duration::from_secs(3600);
const MILLISECOND: Duration = Duration::from_millis(1);

/// Runs the rules of a [`RefreshStore`] against a store of yours. The closure opens another handle on the same store each time.
///
/// The store may have other records in it. Those that have expired by the time of the system plus one hour are removed.
///
/// ```
/// # #[tokio::main] async fn main() {
/// use std::sync::Arc;
/// use tower_jwt_auth::{MemoryRefreshStore, conformance};
///
/// let store = Arc::new(MemoryRefreshStore::new());
/// let checked = conformance::refresh_store(async || Arc::clone(&store)).await;
/// assert!(checked.checks() > 100);
/// # }
/// ```
///
/// # Panics
/// If a rule is broken; the text names it.
pub async fn refresh_store<S: RefreshStore>(open: impl AsyncFn() -> S) -> Checked {
    let mut run = Run::of("RefreshStore");
    let (one, two): (Store, Store) = (Arc::new(open().await), Arc::new(open().await));
    inserts(&mut run, &one, &two).await;
    texts(&mut run, &one, &two).await;
    times(&mut run, &one, &two).await;
    swaps(&mut run, &one, &two).await;
    removes(&mut run, &one, &two).await;
    lists(&mut run, &one, &two).await;
    at_once::all(&mut run, &one, &two).await;
    expiry::all(&mut run, &one, &two).await;

    run.rule("what was answered is there for a handle that is opened later");
    let subject = text();
    let (kept, removed) = (record(&subject), record(&subject));
    insert(&run, &one, &kept).await;
    insert(&run, &one, &removed).await;
    let kept = rotated(&kept, None);
    run.same("the answer", &swap(&run, &two, 0, &kept).await, &true);
    run.ok("remove", two.remove(vec![removed.id.clone()])).await;
    let shown = format!("{one:?} {two:?}");
    drop((one, two));
    let later: Store = Arc::new(open().await);
    stored(&mut run, &later, &kept).await;
    run.same("the removed record", &load(&run, &later, &removed).await, &None);
    run.same("the list", &list(&run, &later, &subject).await, &vec![kept.clone()]);
    run.rule("Debug does not show what is stored");
    let secrets = [&kept.id, &kept.current, &kept.subject];
    run.check(!secrets.iter().any(|secret| shown.contains(secret.as_str())), || shown.clone());
    run.ok("remove", later.remove(vec![kept.id])).await;
    run.done()
}

/// Checks that a [`RefreshStore`] whose engine cannot be reached answers errors, and never "there is none": such as one with the
/// address of a port on which nobody listens, or one whose table was dropped.
///
/// # Panics
/// If it answers something else; the text names the rule.
pub async fn refresh_store_out_of_reach(store: impl RefreshStore) -> Checked {
    let mut run = Run::of("RefreshStore");
    let record = record("bob");
    run.rule("what cannot be read is an error, never None or an empty list");
    run.err("load", store.load(record.id.clone())).await;
    run.err("list", store.list("bob".into())).await;
    run.rule("what cannot be written is an error, neither true nor false");
    run.err("insert", store.insert(record.clone())).await;
    run.err("compare_and_swap", store.compare_and_swap(0, rotated(&record, None))).await;
    run.err("remove", store.remove(vec![record.id.clone()])).await;
    run.done()
}

fn text() -> String {
    jose::encode(random())
}

fn now() -> UnixTime {
    millis::whole(SystemClock.now())
}

/// A new record, which expires in a day.
fn record(subject: &str) -> RefreshRecord {
    record_until(subject, now().saturating_add(24 * HOUR))
}

fn record_until(subject: &str, expires_at: UnixTime) -> RefreshRecord {
    RefreshRecord {
        id: text(),
        sid: text(),
        subject: subject.to_owned(),
        current: text(),
        retry: None,
        created_at: now(),
        last_used_at: now(),
        expires_at,
        ends_at: expires_at.saturating_add(24 * HOUR),
        revision: 0,
    }
}

/// The record after a rotation.
fn rotated(record: &RefreshRecord, retry_until: Option<UnixTime>) -> RefreshRecord {
    let retry = retry_until.map(|until| Retry { token: record.current.clone(), sealed: text(), until });
    RefreshRecord { current: text(), retry, revision: record.revision + 1, ..record.clone() }
}

async fn insert(run: &Run, store: &Store, record: &RefreshRecord) {
    run.ok("insert", store.insert(record.clone())).await;
}

async fn load(run: &Run, store: &Store, record: &RefreshRecord) -> Option<RefreshRecord> {
    run.ok("load", store.load(record.id.clone())).await
}

async fn swap(run: &Run, store: &Store, expected: u64, new: &RefreshRecord) -> bool {
    run.ok("compare_and_swap", store.compare_and_swap(expected, new.clone())).await
}

/// The records of a subject, in the order of their ids.
async fn list(run: &Run, store: &Store, subject: &str) -> Vec<RefreshRecord> {
    let mut records = run.ok("list", store.list(subject.to_owned())).await;
    records.sort_by(|one, other| one.id.cmp(&other.id));
    records
}

/// Checks that this record is there, each member of it.
async fn stored(run: &mut Run, store: &Store, expected: &RefreshRecord) {
    let found = load(run, store, expected).await;
    run.check(found.as_ref() == Some(expected), || {
        let json = |record: &RefreshRecord| serde_json::to_string(record).unwrap_or_default();
        format!(
            "the record is {} and not {}",
            found.as_ref().map_or("not there".into(), json),
            json(expected)
        )
    });
}

async fn inserts(run: &mut Run, one: &Store, two: &Store) {
    run.rule("a record that is not there is None, and a subject without records has an empty list");
    let new = record(&text());
    run.same("the record", &load(run, one, &new).await, &None);
    run.same("the list", &list(run, one, &new.subject).await, &Vec::new());
    run.rule("a record is loaded as it was inserted");
    for retry_until in [None, Some(now().saturating_add(HOUR))] {
        let new = rotated(&record(&text()), retry_until);
        insert(run, one, &new).await;
        stored(run, one, &new).await;
    }
    run.rule("a handle sees at once what another one has written");
    for (writer, reader) in [(one, two), (two, one)] {
        let new = record(&text());
        insert(run, writer, &new).await;
        stored(run, reader, &new).await;
        let next = rotated(&new, None);
        run.same("the answer", &swap(run, writer, 0, &next).await, &true);
        stored(run, reader, &next).await;
        run.same("the list", &list(run, reader, &new.subject).await, &vec![next]);
        run.ok("remove", writer.remove(vec![new.id.clone()])).await;
        run.same("the record", &load(run, reader, &new).await, &None);
        run.same("the list", &list(run, reader, &new.subject).await, &Vec::new());
    }
    run.rule("an insert does not overwrite a record, and is an error");
    let first = record(&text());
    insert(run, one, &first).await;
    for subject in [first.subject.clone(), text()] {
        let second = RefreshRecord { id: first.id.clone(), ..record(&subject) };
        run.err("insert of an id that is there", two.insert(second)).await;
        stored(run, one, &first).await;
        let expected = if subject == first.subject { vec![first.clone()] } else { Vec::new() };
        run.same("the list", &list(run, one, &subject).await, &expected);
    }
}

async fn texts(run: &mut Run, one: &Store, two: &Store) {
    // A prefix, so that records of others are not among them.
    let mark = text();
    run.rule("subjects that differ in anything are different subjects");
    let subjects = [
        "bob",
        "Bob",
        "BOB",
        " bob",
        "bob ",
        "bob\t",
        "b_b",
        "b%b",
        "b*b",
        "b?b",
        "b[o]b",
        "b\\b",
        "b{o}b",
        "b:b",
        "b'b",
        "b\"b",
        "b\nb",
        "",
        "bo\u{308}b",
        "b\u{f6}b",
        "\u{1f980}",
        "null",
        "1",
        "1.0",
        "01",
        "'; DROP TABLE records; --",
    ];
    let mut records = Vec::new();
    for subject in subjects {
        let new = record(&format!("{mark}{subject}"));
        insert(run, one, &new).await;
        records.push(new);
    }
    for new in &records {
        run.same("the list", &list(run, two, &new.subject).await, &vec![new.clone()]);
        stored(run, two, new).await;
    }
    run.rule("ids that differ in anything are different ids");
    let subject = text();
    let first = RefreshRecord { id: format!("a-_{}", &text()[3..]), ..record(&subject) };
    let others = [
        first.id.replacen("a-_", "A-_", 1),
        first.id.replacen("a-_", "a__", 1),
        first.id.replacen("a-_", "a--", 1),
        first.id.replacen("a-_", "a%_", 1),
        format!("{} ", first.id),
    ];
    insert(run, one, &first).await;
    for id in others {
        let other = RefreshRecord { id, ..record(&subject) };
        run.same("the record of another id", &load(run, one, &other).await, &None);
        run.same("the answer to a swap", &swap(run, one, 0, &other).await, &false);
        run.ok("remove", one.remove(vec![other.id])).await;
        stored(run, one, &first).await;
    }
    run.rule("a subject of 1000 bytes is kept");
    let long: String = std::iter::repeat_with(text).take(24).collect();
    for subject in [&long[..1000], &long[..999], &"\u{1f980}".repeat(250)] {
        let new = record(&format!("{subject}{}", if subject.is_ascii() { "" } else { "x" }));
        insert(run, one, &new).await;
        stored(run, two, &new).await;
        run.same("the list", &list(run, two, &new.subject).await, &vec![new.clone()]);
        run.ok("remove", one.remove(vec![new.id])).await;
    }
    run.rule("a subject that the engine cannot keep is refused with an error, and never changed");
    for subject in [format!("{mark}\0after"), long.repeat(60)] {
        let new = record(&subject);
        match run.answer("insert", one.insert(new.clone())).await {
            Ok(()) => {
                stored(run, two, &new).await;
                run.same("the list", &list(run, two, &subject).await, &vec![new.clone()]);
                run.ok("remove", one.remove(vec![new.id])).await;
            }
            Err(_) => run.same("the record", &load(run, two, &new).await, &None),
        }
    }
}

async fn times(run: &mut Run, one: &Store, two: &Store) {
    run.rule("times are kept to the millisecond");
    let day = now().saturating_add(24 * HOUR);
    let far = UnixTime::from_secs(253_402_300_799);
    for expires_at in [day, day.saturating_add(MILLISECOND), day.saturating_add(999 * MILLISECOND), far] {
        let new = record_until(&text(), expires_at);
        insert(run, one, &new).await;
        stored(run, two, &new).await;
        let next = rotated(&new, Some(expires_at.saturating_sub(MILLISECOND)));
        run.same("the answer", &swap(run, two, 0, &next).await, &true);
        stored(run, one, &next).await;
    }
}

async fn swaps(run: &mut Run, one: &Store, two: &Store) {
    run.rule("a swap replaces the whole record");
    let subject = text();
    let first = record(&subject);
    insert(run, one, &first).await;
    let mut next = rotated(&first, Some(now().saturating_add(HOUR)));
    (next.last_used_at, next.expires_at) = (now().saturating_add(HOUR), now().saturating_add(48 * HOUR));
    run.same("the answer", &swap(run, two, 0, &next).await, &true);
    stored(run, one, &next).await;
    run.same("the list", &list(run, one, &subject).await, &vec![next.clone()]);
    run.rule("a swap of another revision changes nothing");
    for wrong in [0, 2, 10] {
        let other = RefreshRecord { revision: wrong + 1, ..rotated(&next, None) };
        run.same("the answer", &swap(run, two, wrong, &other).await, &false);
        stored(run, one, &next).await;
        run.same("the list", &list(run, one, &subject).await, &vec![next.clone()]);
    }
    run.rule("revisions of 2 to the power of 32 and more are told apart");
    let large = RefreshRecord { revision: 1 << 40, ..rotated(&next, None) };
    run.same("the answer", &swap(run, one, 1, &large).await, &true);
    let larger = rotated(&large, None);
    for wrong in [0, 1, (1 << 40) - 1, (1 << 40) + 1] {
        run.same("the answer", &swap(run, one, wrong, &larger).await, &false);
    }
    run.same("the answer", &swap(run, one, 1 << 40, &larger).await, &true);
    stored(run, two, &larger).await;
    run.rule("a swap of a record that is not there makes none");
    let absent = record(&subject);
    run.same("the answer", &swap(run, one, 0, &rotated(&absent, None)).await, &false);
    run.same("the record", &load(run, two, &absent).await, &None);
    run.same("the list", &list(run, two, &subject).await, &vec![larger.clone()]);
}

async fn removes(run: &mut Run, one: &Store, two: &Store) {
    run.rule("what was removed stays removed");
    let subject = text();
    let records: Vec<_> = (0..6).map(|_| record(&subject)).collect();
    for new in &records {
        insert(run, one, new).await;
    }
    let (removed, kept) = records.split_at(3);
    let mut ids: Vec<_> = removed.iter().map(|record| record.id.clone()).collect();
    // An unknown one, and some twice: no errors.
    ids.push(text());
    ids.extend(removed.iter().map(|record| record.id.clone()));
    run.ok("remove", two.remove(ids.clone())).await;
    for gone in removed {
        run.same("the record", &load(run, one, gone).await, &None);
        run.same("the answer to a swap", &swap(run, one, 0, &rotated(gone, None)).await, &false);
        run.same("the record", &load(run, two, gone).await, &None);
    }
    run.rule("other records stay when some are removed");
    for record in kept {
        stored(run, one, record).await;
    }
    let mut expected = kept.to_vec();
    expected.sort_by(|one, other| one.id.cmp(&other.id));
    run.same("the list", &list(run, one, &subject).await, &expected);
    run.rule("to remove what is not there, or nothing, is no error");
    run.ok("remove again", one.remove(ids)).await;
    run.ok("remove nothing", one.remove(Vec::new())).await;
    run.same("the list", &list(run, one, &subject).await, &expected);
    run.rule("a thousand records may be removed by one call");
    let mut ids: Vec<String> = std::iter::repeat_with(text).take(1000).collect();
    ids.extend(kept.iter().map(|record| record.id.clone()));
    run.ok("remove", one.remove(ids)).await;
    run.same("the list", &list(run, two, &subject).await, &Vec::new());
}

async fn lists(run: &mut Run, one: &Store, two: &Store) {
    run.rule("a list has every record of the subject once, and no others");
    let (subject, other) = (text(), text());
    let mut records: Vec<_> = (0..300).map(|_| record(&subject)).collect();
    let strangers: Vec<_> = (0..3).map(|_| record(&other)).collect();
    for new in records.iter().chain(&strangers) {
        insert(run, one, new).await;
    }
    // Changed ones are in it as they are now.
    for changed in records.iter_mut().take(3) {
        let next = rotated(changed, None);
        run.same("the answer", &swap(run, one, 0, &next).await, &true);
        *changed = next;
    }
    records.sort_by(|one, other| one.id.cmp(&other.id));
    let found = list(run, two, &subject).await;
    run.same("the number of records", &found.len(), &records.len());
    run.check(found == records, || "the records are not those that were stored".into());
    let of_other = list(run, two, &other).await;
    run.same("the number of records of the other subject", &of_other.len(), &3);
    let ids = records.iter().chain(&strangers).map(|record| record.id.clone()).collect();
    run.ok("remove", one.remove(ids)).await;
    run.same("the list", &list(run, two, &subject).await, &Vec::new());
}
