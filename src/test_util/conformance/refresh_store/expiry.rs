//! What vanishes by time, and what must not.

use super::super::checked::at_once;
use super::*;
use crate::store::StoreError;

/// For engines that go by a clock of their own: long enough to write a few records before.
const SOON: Duration = Duration::from_secs(2);

pub(super) async fn all(run: &mut Run, one: &Store, two: &Store) {
    records(run, one, two).await;
    retries(run, one, two).await;
    changed_meanwhile(run, one, two).await;
}

async fn remove_expired(run: &Run, store: &Store, now: UnixTime) {
    run.ok("remove_expired", store.remove_expired(now)).await;
}

async fn records(run: &mut Run, one: &Store, two: &Store) {
    run.rule("remove_expired removes what has expired, to the millisecond");
    let at = now().saturating_add(HOUR);
    let subject = text();
    let before = record_until(&subject, at.saturating_sub(MILLISECOND));
    let exactly = record_until(&subject, at);
    let after = record_until(&subject, at.saturating_add(MILLISECOND));
    let prolonged = record_until(&subject, at);
    for new in [&before, &exactly, &after, &prolonged] {
        insert(run, one, new).await;
    }
    let mut used = rotated(&prolonged, None);
    used.expires_at = at.saturating_add(HOUR);
    run.same("the answer", &swap(run, one, 0, &used).await, &true);
    remove_expired(run, one, at).await;
    // By the engine's clock the hour has not passed.
    let by_given_time = load(run, two, &before).await.is_none();
    if by_given_time {
        run.same("the record that expires at this millisecond", &load(run, two, &exactly).await, &None);
        let mut expected = vec![after.clone(), used.clone()];
        expected.sort_by(|one, other| one.id.cmp(&other.id));
        run.same("the list", &list(run, two, &subject).await, &expected);
    }
    run.rule("remove_expired leaves what has not expired as it is");
    stored(run, two, &after).await;
    stored(run, two, &used).await;
    run.same("the answer to a swap", &swap(run, one, 1, &rotated(&used, None)).await, &true);
    if !by_given_time {
        vanish_by_the_engine(run, one, two).await;
    }
    let ids = [before, exactly, after, used].map(|record| record.id);
    run.ok("remove", one.remove(ids.into())).await;
    run.same("the list", &list(run, two, &subject).await, &Vec::new());
}

async fn vanish_by_the_engine(run: &mut Run, one: &Store, two: &Store) {
    run.rule("what has expired vanishes, by the given time or by the clock of the engine");
    let (subject, soon) = (text(), now().saturating_add(SOON));
    let (short, prolonged) = (record_until(&subject, soon), record_until(&subject, soon));
    insert(run, one, &short).await;
    insert(run, one, &prolonged).await;
    let mut used = rotated(&prolonged, None);
    used.expires_at = soon.saturating_add(HOUR);
    run.same("the answer", &swap(run, one, 0, &used).await, &true);
    remove_expired(run, one, soon).await;
    let vanished = run.comes(async |run| load(run, two, &short).await.is_none()).await;
    run.check(vanished, || "a record that has expired is still there".into());
    run.same("the answer to a swap", &swap(run, one, 0, &rotated(&short, None)).await, &false);
    run.rule("a swap that prolongs a record prolongs how long it is kept");
    stored(run, two, &used).await;
    run.same("the list", &list(run, two, &subject).await, &vec![used.clone()]);
    run.ok("remove", one.remove(vec![used.id])).await;
}

async fn retries(run: &mut Run, one: &Store, two: &Store) {
    run.rule("remove_expired forgets what answers a retry when that time is over, to the millisecond");
    // Another hour than above, so that a store that goes by the given time is seen to do so here too.
    let at = now().saturating_add(HOUR);
    let (past, future) = (at, at.saturating_add(MILLISECOND));
    let [over, lasting, plain] =
        [Some(past), Some(future), None].map(|until| rotated(&record(&text()), until));
    for new in [&over, &lasting, &plain] {
        insert(run, one, new).await;
    }
    remove_expired(run, one, at).await;
    let forgotten = over.clone().without_retry();
    let by_given_time = load(run, two, &over).await.as_ref() == Some(&forgotten);
    if by_given_time {
        run.same("the list", &list(run, two, &over.subject).await, &vec![forgotten.clone()]);
    } else {
        stored(run, two, &over).await;
    }
    run.rule("remove_expired leaves other records, and the revision, as they are");
    stored(run, two, &lasting).await;
    stored(run, two, &plain).await;
    let next = rotated(&over, None);
    run.same("the answer to a swap of the same revision", &swap(run, one, 1, &next).await, &true);
    stored(run, two, &next).await;
    if !by_given_time {
        run.rule("what answers a retry is forgotten, by the given time or by the clock of the engine");
        let soon = now().saturating_add(SOON);
        let over = rotated(&record(&text()), Some(soon));
        insert(run, one, &over).await;
        let forgotten = over.clone().without_retry();
        let comes = run
            .comes(async |run| {
                // Once its clock is there: this goes by the clock, at the latest then.
                remove_expired(run, one, soon).await;
                load(run, two, &over).await.as_ref() == Some(&forgotten)
            })
            .await;
        run.check(comes, || "it is still there".into());
        run.ok("remove", one.remove(vec![over.id])).await;
    }
    run.ok("remove", one.remove([over, lasting, plain].map(|record| record.id).into())).await;
}

/// The one that cleans up has seen the old record; the new one must not be undone by it.
async fn changed_meanwhile(run: &mut Run, one: &Store, two: &Store) {
    run.rule("remove_expired does not overwrite or remove what is changed meanwhile");
    for _ in 0..10 {
        let at = now().saturating_add(HOUR);
        let current = rotated(&record_until(&text(), at), Some(at));
        insert(run, one, &current).await;
        let mut next = rotated(&current, Some(at.saturating_add(HOUR)));
        next.expires_at = at.saturating_add(HOUR);
        let calls = (0..4).map(|number| {
            let store = Arc::clone(if number % 2 == 0 { one } else { two });
            let next = next.clone();
            async move {
                match number {
                    0 => store.compare_and_swap(1, next).await,
                    _ => store.remove_expired(at).await.map(|()| false),
                }
            }
        });
        let mut answers: Vec<Result<bool, StoreError>> = at_once(calls).await;
        let swapped = run.ok("compare_and_swap", answers.swap_remove(0).into()).await;
        // A clean-up may fail when another one is at work. Then it is done again.
        if answers.iter().any(Result::is_err) {
            remove_expired(run, one, at).await;
        }
        // If it was removed first there was nothing to swap.
        match swapped {
            true => stored(run, two, &next).await,
            false => run.same("the record", &load(run, two, &current).await, &None),
        }
        run.ok("remove", one.remove(vec![current.id])).await;
    }
}
