//! What vanishes by time or by accident, and what becomes of positions then.

use super::at_once::{pause, spawn_read};
use super::*;

const ABOUT: Duration = Duration::from_secs(10);

/// Checks that a [`RevocationStore`] notices when its engine has lost what it had. The first closure opens another handle on the same
/// store each time, the second one makes the engine lose everything: restarts it without persistence, or deletes all there is.
///
/// ```
/// # #[tokio::main] async fn main() {
/// use tower_jwt_auth::{MemoryRevocationStore, conformance};
///
/// let store = MemoryRevocationStore::new();
/// let lose = async || store.lose_everything();
/// conformance::revocation_store_that_is_emptied(async || store.clone(), lose).await;
/// # }
/// ```
///
/// # Panics
/// If a rule is broken; the text names it.
pub async fn revocation_store_that_is_emptied<S: RevocationStore>(
    open: impl AsyncFn() -> S,
    lose: impl AsyncFn(),
) -> Checked {
    let mut run = Run::of("RevocationStore");
    let (one, two): (Store, Store) = (Arc::new(open().await), Arc::new(open().await));
    for appended_after in [0, 2, 5] {
        append(&run, &one, &some(3)).await;
        let position = end(&mut run, &two).await;
        lose().await;
        let new = some(appended_after);
        run.rule("a store can be used again when its engine is back");
        let comes = run.comes(async |run| run.answer("append", one.append(new.clone())).await.is_ok()).await;
        run.check(comes, || "it is still not appended to".into());
        run.rule("a reader is told when the engine has lost what it had, and begins anew");
        for store in [&one, &two] {
            let page = read(&run, store, Some(&position), Duration::ZERO).await;
            run.check(page.is_restarted, || format!("{appended_after} records later it was told nothing"));
            let mut records = page.records;
            if page.has_more {
                records.extend(rest(&mut run, store, Some(page.position.clone())).await.0);
            }
            run.check(once(records) == new, || "it was not given what the log has now".into());
            let next = read(&run, store, Some(&page.position), Duration::ZERO).await;
            run.check(!next.is_restarted, || "it was told again, at the new position".into());
        }
        run.rule("a reader that waits is told when the engine has lost what it had");
        let position = end(&mut run, &two).await;
        let waiting = spawn_read(&two, &position, Duration::from_secs(5));
        pause().await;
        lose().await;
        let answer = run.answer("read", waiting).await;
        // An error is an answer too, and so is that there was nothing: the reader asks again.
        let told = matches!(answer, Ok(Ok(page)) if page.is_restarted);
        let asked = async |run: &Run| {
            let again = two.read(Some(position.clone()), Duration::ZERO);
            matches!(run.answer("read", again).await, Ok(page) if page.is_restarted)
        };
        let told = told || run.comes(asked).await;
        run.check(told, || "it was told nothing".into());
        let again = run.comes(async |run| run.answer("append", one.append(some(1))).await.is_ok()).await;
        run.check(again, || "it is still not appended to".into());
    }
    run.done()
}

pub(super) async fn expiry(run: &mut Run, one: &Store, two: &Store) {
    run.rule("remove_expired leaves what has not expired, in its order");
    let before = end(run, one).await;
    let at = now().saturating_add(HOUR);
    // A store that counts in the time of its engine may be off by what a call takes.
    let kept = [HOUR, ABOUT, 24 * HOUR].map(|span| until(at.saturating_add(span)));
    let gone = [until(at.saturating_sub(HOUR / 2)), until(at.saturating_sub(ABOUT))];
    let [k0, k1, k2] = kept.clone();
    let [g0, g1] = gone.clone();
    append(run, one, &[k0, g0]).await;
    let between = rest(run, one, Some(before.clone())).await.1;
    append(run, two, &[k1, g1, k2]).await;
    let last = end(run, two).await;
    run.ok("remove_expired", one.remove_expired(at)).await;
    let found = from_the_beginning(run, two).await;
    let left: Vec<_> = found.iter().filter(|record| kept.contains(record)).cloned().collect();
    run.check(left == kept, || {
        format!("{} of {} are left, or their order is another", left.len(), kept.len())
    });
    run.rule("remove_expired removes what has expired, or does nothing");
    let still = gone.iter().filter(|record| found.contains(record)).count();
    run.check(still == 0 || still == gone.len(), || {
        format!("of {} that had expired {still} are left", gone.len())
    });
    run.rule("a position stays good when records are removed");
    for (position, expected) in
        [(&before, &kept[..]), (&between, kept.get(1..).unwrap_or_default()), (&last, &[])]
    {
        let found = once(rest(run, two, Some(position.clone())).await.0);
        let found: Vec<_> = found.into_iter().filter(|record| !gone.contains(record)).collect();
        run.check(found == expected, || {
            format!("{} records are behind it, not {}", found.len(), expected.len())
        });
    }
    run.rule("a reader at the end sees what is appended after all before it was removed");
    for _ in 0..3 {
        let short: Vec<_> = (0..5).map(|_| until(at)).collect();
        append(run, one, &short).await;
        let position = end(run, two).await;
        run.ok("remove_expired", one.remove_expired(at)).await;
        let new = some(2);
        append(run, one, &new).await;
        has_exactly(run, two, &position, &new).await;
        let all = from_the_beginning(run, two).await;
        run.check(all.ends_with(&new), || "the log does not end with what was appended last".into());
    }
}

pub(super) async fn foreign_positions(run: &mut Run, one: &Store) {
    run.rule("a position of another log is an error, or begins anew and says so");
    for foreign in ["of another store", "", "-", "\0"] {
        let answer = run.answer("read", one.read(Some(LogPosition::new(foreign)), Duration::ZERO)).await;
        let is_fine = answer.as_ref().map_or(true, |page| page.is_restarted);
        run.check(is_fine, || format!("{foreign:?} was taken for a position of this log"));
    }
}
