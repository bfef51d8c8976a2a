//! Calls at the same moment.

use super::super::checked::at_once;
use super::*;
use crate::store::StoreError;

const ROUNDS: usize = 20;
const CALLS: usize = 16;

pub(super) async fn all(run: &mut Run, one: &Store, two: &Store) {
    inserts_of_one_id(run, one, two).await;
    swaps_of_one_revision(run, one, two).await;
    nothing_is_lost(run, one, two).await;
    removed_meanwhile(run, one, two).await;
    lists_stay_whole(run, one, two).await;
}

/// One handle, then the other.
fn handle(number: usize, one: &Store, two: &Store) -> Store {
    Arc::clone(if number.is_multiple_of(2) { one } else { two })
}

async fn inserts_of_one_id(run: &mut Run, one: &Store, two: &Store) {
    run.rule("of many that insert the same id at once, one succeeds");
    for _ in 0..ROUNDS {
        let first = record(&text());
        let new: Vec<_> =
            (0..CALLS).map(|_| RefreshRecord { id: first.id.clone(), ..record(&first.subject) }).collect();
        let calls = new.iter().cloned().enumerate().map(|(number, new)| {
            let store = handle(number, one, two);
            async move { store.insert(new).await }
        });
        let answers = at_once(calls).await;
        let won: Vec<_> = new.iter().zip(answers).filter(|(_, answer)| answer.is_ok()).collect();
        run.same("the number of those that succeeded", &won.len(), &1);
        if let Some((new, _)) = won.first() {
            stored(run, one, new).await;
        }
    }
}

async fn swaps_of_one_revision(run: &mut Run, one: &Store, two: &Store) {
    run.rule("of many that swap the same revision at once, one succeeds");
    let mut current = record(&text());
    insert(run, one, &current).await;
    for _ in 0..ROUNDS {
        let new: Vec<_> = (0..CALLS).map(|_| rotated(&current, None)).collect();
        let expected = current.revision;
        let calls = new.iter().cloned().enumerate().map(|(number, new)| {
            let store = handle(number, one, two);
            async move { store.compare_and_swap(expected, new).await }
        });
        let answers = at_once(calls).await;
        let mut won = Vec::new();
        for (new, answer) in new.into_iter().zip(answers) {
            if run.ok("compare_and_swap", answer.into()).await {
                won.push(new);
            }
        }
        run.same("the number of those that succeeded", &won.len(), &1);
        if let Some(new) = won.pop() {
            stored(run, two, &new).await;
            current = new;
        }
    }
    run.same("the list", &list(run, one, &current.subject).await, &vec![current.clone()]);
}

async fn nothing_is_lost(run: &mut Run, one: &Store, two: &Store) {
    const WORKERS: usize = 4;
    const EACH: usize = 10;
    run.rule("no change is lost between those that try again until they succeed");
    let first = record(&text());
    insert(run, one, &first).await;
    let workers = (0..WORKERS).map(|number| {
        let (store, id) = (handle(number, one, two), first.id.clone());
        async move {
            let mut done = 0;
            while done < EACH {
                let Some(current) = store.load(id.clone()).await? else {
                    return Err(StoreError::new("the record has vanished"));
                };
                if store.compare_and_swap(current.revision, rotated(&current, None)).await? {
                    done += 1;
                } else {
                    tokio::task::yield_now().await;
                }
            }
            Ok(())
        }
    });
    for answer in at_once(workers).await {
        run.ok("load and compare_and_swap", answer.into()).await;
    }
    let counted = load(run, two, &first).await.map(|record| record.revision);
    run.same("the revision", &counted, &Some((WORKERS * EACH) as u64));
}

async fn removed_meanwhile(run: &mut Run, one: &Store, two: &Store) {
    enum Did {
        Remove(Result<(), StoreError>),
        Swap(Result<bool, StoreError>),
    }
    run.rule("a record that is removed while it is swapped is gone");
    for _ in 0..ROUNDS {
        let current = record(&text());
        insert(run, one, &current).await;
        let next = rotated(&current, None);
        let calls = (0..4).map(|number| {
            let (store, next) = (handle(number / 2, one, two), next.clone());
            async move {
                match number.is_multiple_of(2) {
                    true => Did::Remove(store.remove(vec![next.id]).await),
                    false => Did::Swap(store.compare_and_swap(0, next).await),
                }
            }
        });
        for did in at_once(calls).await {
            match did {
                Did::Remove(answer) => run.ok("remove", answer.into()).await,
                Did::Swap(answer) => drop(run.ok("compare_and_swap", answer.into()).await),
            }
        }
        run.same("the record", &load(run, two, &current).await, &None);
        run.same("the list", &list(run, one, &current.subject).await, &Vec::new());
    }
}

async fn lists_stay_whole(run: &mut Run, one: &Store, two: &Store) {
    run.rule("a list is whole after inserts and removals of the subject at once");
    for _ in 0..ROUNDS / 2 {
        let subject = text();
        let (old, new): (Vec<_>, Vec<_>) =
            (0..CALLS / 2).map(|_| (record(&subject), record(&subject))).unzip();
        for record in &old {
            insert(run, one, record).await;
        }
        let calls = old.iter().chain(&new).cloned().enumerate().map(|(number, record)| {
            let store = handle(number, one, two);
            async move {
                match number < CALLS / 2 {
                    true => store.remove(vec![record.id]).await,
                    false => store.insert(record).await,
                }
            }
        });
        for answer in at_once(calls).await {
            run.ok("insert and remove", answer.into()).await;
        }
        let mut expected = new;
        expected.sort_by(|one, other| one.id.cmp(&other.id));
        let found = list(run, two, &subject).await;
        run.same("the number of records", &found.len(), &expected.len());
        run.check(found == expected, || "the records are not those that were inserted".into());
    }
}
