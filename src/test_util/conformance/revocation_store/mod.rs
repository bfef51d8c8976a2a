//! The rules of a `RevocationStore`.

mod at_once;
pub(super) mod lasting;

use std::sync::Arc;
use std::time::Duration;

use super::checked::{Checked, Run, random};
use crate::jose;
use crate::runtime::{Clock, SystemClock, UnixTime};
use crate::store::{LogPosition, RevocationKind, RevocationPage, RevocationRecord, RevocationStore, millis};

type Store = Arc<dyn RevocationStore>;

const HOUR: Duration = Duration::from_secs(3600);
const MILLISECOND: Duration = Duration::from_millis(1);

/// Runs the rules of a [`RevocationStore`] against a store of yours. The closure opens another handle on the same store each time.
///
/// The log may have other records in it, but nobody else may append meanwhile. Those that have expired by the time of the system
/// plus one hour are removed.
///
/// ```
/// # #[tokio::main] async fn main() {
/// use tower_jwt_auth::{MemoryRevocationStore, conformance};
///
/// let store = MemoryRevocationStore::new();
/// let checked = conformance::revocation_store(async || store.clone()).await;
/// assert!(checked.checks() > 50);
/// # }
/// ```
///
/// # Panics
/// If a rule is broken; the text names it.
pub async fn revocation_store<S: RevocationStore>(open: impl AsyncFn() -> S) -> Checked {
    let mut run = Run::of("RevocationStore");
    let (one, two): (Store, Store) = (Arc::new(open().await), Arc::new(open().await));
    ends(&mut run, &one).await;
    order(&mut run, &one, &two).await;
    repeats(&mut run, &one, &two).await;
    pages(&mut run, &one, &two).await;
    texts(&mut run, &one, &two).await;
    at_once::waiting(&mut run, &one, &two).await;
    at_once::appends(&mut run, &one, &two).await;
    lasting::expiry(&mut run, &one, &two).await;
    lasting::foreign_positions(&mut run, &one).await;

    run.rule("what was answered is there, and a position is good, for a handle that is opened later");
    let end = end(&mut run, &one).await;
    let new = some(3);
    append(&run, &one, &new).await;
    drop((one, two));
    let later: Store = Arc::new(open().await);
    has_exactly(&mut run, &later, &end, &new).await;
    let all = from_the_beginning(&mut run, &later).await;
    run.check(all.ends_with(&new), || "the log does not end with what was appended last".into());
    run.done()
}

/// Checks that a [`RevocationStore`] whose engine cannot be reached answers errors, and never an empty page.
///
/// # Panics
/// If it answers something else; the text names the rule.
pub async fn revocation_store_out_of_reach(store: impl RevocationStore) -> Checked {
    let mut run = Run::of("RevocationStore");
    run.rule("a log that cannot be read is an error, never an empty page");
    run.err("read", store.read(None, Duration::ZERO)).await;
    run.err("read", store.read(None, Duration::from_millis(50))).await;
    run.rule("what is not surely appended is an error");
    run.err("append", store.append(some(1))).await;
    run.done()
}

fn text() -> String {
    jose::encode(random())
}

fn now() -> UnixTime {
    millis::whole(SystemClock.now())
}

/// So many records that are new.
fn some(count: usize) -> Vec<RevocationRecord> {
    let expires_at = now().saturating_add(24 * HOUR);
    let record = |number: usize| {
        let issued_before = Some(now().saturating_add(Duration::from_millis(number as u64)));
        let expires_at = expires_at.saturating_add(MILLISECOND);
        let (kind, issued_before) = match number % 4 {
            0 => (RevocationKind::Token, None),
            1 => (RevocationKind::Session, None),
            2 => (RevocationKind::Subject, issued_before),
            _ => (RevocationKind::Issuer, issued_before),
        };
        RevocationRecord { kind, issued_before, ..until(expires_at) }
    };
    (0..count).map(record).collect()
}

/// One that is new, of a token that expires then.
fn until(expires_at: UnixTime) -> RevocationRecord {
    RevocationRecord {
        kind: RevocationKind::Token,
        issuer: text(),
        name: text(),
        issued_before: None,
        expires_at,
    }
}

fn named(name: &str) -> RevocationRecord {
    RevocationRecord { name: name.to_owned(), ..until(now().saturating_add(24 * HOUR)) }
}

/// Without those that were seen before.
fn once(records: Vec<RevocationRecord>) -> Vec<RevocationRecord> {
    let mut seen = std::collections::HashSet::new();
    // Each record has an issuer of its own.
    records.into_iter().filter(|record| seen.insert(record.issuer.clone())).collect()
}

async fn append(run: &Run, store: &Store, records: &[RevocationRecord]) {
    run.ok("append", store.append(records.to_vec())).await;
}

async fn read(run: &Run, store: &Store, after: Option<&LogPosition>, wait: Duration) -> RevocationPage {
    run.ok("read", store.read(after.cloned(), wait)).await
}

/// What is behind the position, page by page, and where that ends.
async fn rest(
    run: &mut Run,
    store: &Store,
    mut after: Option<LogPosition>,
) -> (Vec<RevocationRecord>, LogPosition) {
    const EMPTY_ONES: usize = 1000;
    let (mut records, mut empty_ones) = (Vec::new(), 0);
    while empty_ones < EMPTY_ONES {
        let page = read(run, store, after.as_ref(), Duration::ZERO).await;
        if page.is_restarted {
            run.broken("a position of this log was called unknown");
        }
        empty_ones = if page.records.is_empty() { empty_ones + 1 } else { 0 };
        records.extend(page.records);
        if !page.has_more {
            return (records, page.position);
        }
        after = Some(page.position);
    }
    run.broken("the log has no end: each page says that there is more")
}

async fn end(run: &mut Run, store: &Store) -> LogPosition {
    rest(run, store, None).await.1
}

async fn from_the_beginning(run: &mut Run, store: &Store) -> Vec<RevocationRecord> {
    once(rest(run, store, None).await.0)
}

/// Checks that just these are behind the position, in this order.
async fn has_exactly(run: &mut Run, store: &Store, after: &LogPosition, expected: &[RevocationRecord]) {
    let found = once(rest(run, store, Some(after.clone())).await.0);
    run.check(found == expected, || {
        let missing = expected.iter().filter(|record| !found.contains(record)).count();
        let (found, expected) = (found.len(), expected.len());
        format!("{found} records are behind the position, {missing} of the {expected} are missing or changed, or the order is another")
    });
}

async fn ends(run: &mut Run, one: &Store) {
    run.rule("a log has an end, behind which a page is empty");
    let (_, position) = rest(run, one, None).await;
    for wait in [Duration::ZERO, Duration::from_millis(50)] {
        let page = read(run, one, Some(&position), wait).await;
        let is_end = page.records.is_empty() && !page.has_more && !page.is_restarted;
        run.check(is_end, || format!("the page behind the end is {page:?}"));
        let next = read(run, one, Some(&page.position), wait).await;
        run.check(next.records.is_empty() && !next.is_restarted, || {
            format!("the page behind that is {next:?}")
        });
    }
    run.rule("a reader without a position is not told that the log began anew");
    let first = read(run, one, None, Duration::ZERO).await;
    run.check(!first.is_restarted, || "it was told so".into());
}

async fn order(run: &mut Run, one: &Store, two: &Store) {
    run.rule("records are read as they were appended, in that order, by each handle");
    let before = end(run, one).await;
    let all = some(24);
    let mut positions = vec![before.clone()];
    for (number, part) in all.chunks(4).enumerate() {
        let (writer, reader) = if number % 2 == 0 { (one, two) } else { (two, one) };
        append(run, writer, part).await;
        positions.push(rest(run, reader, positions.last().cloned()).await.1);
    }
    for store in [one, two] {
        has_exactly(run, store, &before, &all).await;
    }
    run.rule("a reader goes on where a page ended");
    for (position, done) in positions.iter().zip((0..).step_by(4)) {
        for store in [one, two] {
            let copied = LogPosition::new(position.as_str());
            has_exactly(run, store, &copied, all.get(done..).unwrap_or_default()).await;
        }
    }
    run.rule("a reader without a position begins at the beginning");
    let found = from_the_beginning(run, two).await;
    run.check(found.ends_with(&all), || "the log does not end with what was appended".into());
}

async fn repeats(run: &mut Run, one: &Store, two: &Store) {
    run.rule("to append nothing changes nothing");
    let before = end(run, one).await;
    append(run, one, &[]).await;
    has_exactly(run, two, &before, &[]).await;
    run.rule("to append a record that is there is harmless");
    let new = some(2);
    append(run, one, &new).await;
    append(run, two, &new).await;
    let after = some(1);
    append(run, one, &after).await;
    has_exactly(run, two, &before, &[new, after].concat()).await;
}

async fn pages(run: &mut Run, one: &Store, two: &Store) {
    run.rule("a page that does not say that there is more is the last one");
    let before = end(run, one).await;
    let all = some(2500);
    for part in all.chunks(500) {
        append(run, one, part).await;
    }
    let (mut found, mut after) = (Vec::new(), before.clone());
    loop {
        let page = read(run, two, Some(&after), Duration::ZERO).await;
        let (got, more) = (page.records.len(), page.has_more);
        found.extend(page.records);
        after = page.position;
        if !more || got == 0 {
            run.check(once(found.clone()) == all, || {
                format!("it came after {} of {}", found.len(), all.len())
            });
            break;
        }
    }
    run.rule("pages lose nothing between them");
    has_exactly(run, one, &before, &all).await;
    let found = from_the_beginning(run, two).await;
    run.check(found.ends_with(&all), || "from the beginning something else is read".into());
}

async fn texts(run: &mut Run, one: &Store, two: &Store) {
    run.rule("the names in a record are kept as they are");
    let before = end(run, one).await;
    let names = [
        "",
        " ",
        "Bob",
        "bob ",
        "b'b\"b\\b",
        "b\nb\r\tb",
        "bo\u{308}b",
        "\u{1f980}",
        "null",
        "{}",
        "$1 ?1 %s",
    ];
    let mut all: Vec<_> = names.into_iter().map(named).collect();
    for name in names {
        all.push(RevocationRecord {
            kind: RevocationKind::Subject,
            issued_before: Some(now()),
            ..named(name)
        });
    }
    all.push(named(&std::iter::repeat_with(text).take(100).collect::<String>()));
    append(run, one, &all).await;
    has_exactly(run, two, &before, &all).await;
    run.rule("a name that the engine cannot keep is refused with an error, and never changed");
    let before = end(run, one).await;
    let zero = named("b\0b");
    let kept = run.answer("append", one.append(vec![zero.clone()])).await.is_ok();
    has_exactly(run, two, &before, if kept { std::slice::from_ref(&zero) } else { &[] }).await;
    run.rule("times are kept to the millisecond");
    let before = end(run, one).await;
    let day = now().saturating_add(24 * HOUR);
    let far = UnixTime::from_secs(253_402_300_799);
    let all = [day, day.saturating_add(MILLISECOND), day.saturating_add(999 * MILLISECOND), far].map(until);
    append(run, one, &all).await;
    has_exactly(run, two, &before, &all).await;
}
