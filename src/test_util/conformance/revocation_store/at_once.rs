//! Readers that wait, and appends at the same moment.

use std::sync::atomic::{AtomicBool, Ordering};

use super::super::checked::{PAUSE, at_once};
use super::*;
use crate::store::StoreError;

/// Time for a task to begin to wait. Nothing depends on it that could fail.
pub(super) async fn pause() {
    tokio::time::sleep(PAUSE).await;
}

pub(super) type Waiting = tokio::task::JoinHandle<Result<RevocationPage, StoreError>>;

pub(super) fn spawn_read(store: &Store, after: &LogPosition, wait: Duration) -> Waiting {
    let (store, after) = (Arc::clone(store), after.clone());
    tokio::spawn(async move { store.read(Some(after), wait).await })
}

pub(super) async fn waiting(run: &mut Run, one: &Store, two: &Store) {
    run.rule("a reader that waits is given what is appended meanwhile");
    for writer in [one, two] {
        let mut position = end(run, one).await;
        let mut waiting = spawn_read(one, &position, HOUR);
        pause().await;
        let new = some(2);
        append(run, writer, &new).await;
        let mut found = Vec::new();
        // It may have answered an empty page before.
        while found.len() < new.len() {
            match run.answer("read", waiting).await {
                Ok(Ok(page)) => {
                    found.extend(page.records);
                    position = page.position;
                }
                Ok(Err(error)) => run.broken(&format!("the store answered the error {error}")),
                Err(stopped) => run.broken(&format!("the store has panicked: {stopped}")),
            }
            waiting = spawn_read(one, &position, if found.len() < new.len() { HOUR } else { Duration::ZERO });
        }
        waiting.abort();
        run.check(once(found) == new, || "it was given something else".into());
    }
    run.rule("a reader that gives up loses nothing, and holds nothing");
    let position = end(run, one).await;
    for _ in 0..30 {
        let given_up = tokio::time::timeout(MILLISECOND, one.read(Some(position.clone()), HOUR)).await;
        drop(given_up);
    }
    let waiting: Vec<_> = (0..10).map(|_| spawn_read(one, &position, HOUR)).collect();
    pause().await;
    let new = some(2);
    append(run, two, &new).await;
    for waiting in waiting {
        waiting.abort();
    }
    has_exactly(run, one, &position, &new).await;
}

pub(super) async fn appends(run: &mut Run, one: &Store, two: &Store) {
    const APPENDERS: usize = 8;
    const EACH: usize = 10;
    run.rule(
        "no reader misses a record of appends that overlap, and each has those of one appender in order",
    );
    for _ in 0..3 {
        let before = end(run, one).await;
        let all: Vec<_> = (0..APPENDERS).map(|_| some(EACH)).collect();
        let done = Arc::new(AtomicBool::new(false));
        let readers = [one, two]
            .map(|store| tokio::spawn(follow(Arc::clone(store), before.clone(), Arc::clone(&done))));
        let appenders = all.iter().cloned().enumerate().map(|(number, records)| {
            let store = Arc::clone(if number % 2 == 0 { one } else { two });
            async move {
                for record in records {
                    store.append(vec![record]).await?;
                }
                Ok::<_, StoreError>(())
            }
        });
        for answer in at_once(appenders).await {
            run.ok("append", answer.into()).await;
        }
        done.store(true, Ordering::SeqCst);
        for reader in readers {
            let found = match run.answer("read", reader).await {
                Ok(Ok(found)) => once(found),
                Ok(Err(error)) => run.broken(&format!("the store answered the error {error}")),
                Err(stopped) => run.broken(&format!("the store has panicked: {stopped}")),
            };
            for records in &all {
                let theirs: Vec<_> =
                    found.iter().filter(|record| records.contains(record)).cloned().collect();
                run.check(theirs == *records, || {
                    let count = theirs.len();
                    format!("of {EACH} that were appended one after the other, the reader has {count}")
                });
            }
        }
        let all: Vec<_> = all.concat();
        let mut stored = once(rest(run, one, Some(before)).await.0);
        run.same("the number of records in the log", &stored.len(), &all.len());
        stored.retain(|record| !all.contains(record));
        run.check(stored.is_empty(), || "the log has records that nobody appended".into());
    }
}

/// Reads as it comes, until the appenders are done and nothing is left.
async fn follow(
    store: Store,
    mut position: LogPosition,
    done: Arc<AtomicBool>,
) -> Result<Vec<RevocationRecord>, StoreError> {
    let mut found = Vec::new();
    loop {
        let was_done = done.load(Ordering::SeqCst);
        let page = store.read(Some(position), Duration::from_millis(50)).await?;
        let is_empty = page.records.is_empty() && !page.has_more;
        found.extend(page.records);
        position = page.position;
        if was_done && is_empty {
            return Ok(found);
        }
        tokio::task::yield_now().await;
    }
}
