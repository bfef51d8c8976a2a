//! The rules of a `ReplayStore`.

use std::sync::Arc;
use std::time::Duration;

use super::checked::{Checked, Run, at_once, random};
use crate::runtime::{Clock, SystemClock, UnixTime};
use crate::store::ReplayStore;

type Store = Arc<dyn ReplayStore>;

const HOUR: Duration = Duration::from_secs(3600);
const ROUNDS: usize = 20;
const CALLS: usize = 32;

/// Runs the rules of a [`ReplayStore`] against a store of yours, which must have room for 2,000 names. The closure opens another
/// handle on the same store each time.
///
/// ```
/// # #[tokio::main] async fn main() {
/// use std::sync::Arc;
/// use tower_jwt_auth::{MemoryReplayStore, conformance};
///
/// let store = Arc::new(MemoryReplayStore::new(10_000));
/// let checked = conformance::replay_store(async || Arc::clone(&store)).await;
/// assert!(checked.checks() > 300);
/// # }
/// ```
///
/// # Panics
/// If a rule is broken; the text names it.
pub async fn replay_store<S: ReplayStore>(open: impl AsyncFn() -> S) -> Checked {
    let mut run = Run::of("ReplayStore");
    let (one, two): (Store, Store) = (Arc::new(open().await), Arc::new(open().await));
    let later = now().saturating_add(HOUR);

    run.rule("a name is new once");
    let name = random();
    insert(&mut run, &one, name, later, true).await;
    for store in [&one, &two, &one] {
        insert(&mut run, store, name, later, false).await;
    }
    whole_names(&mut run, &one, &two).await;

    run.rule("a name stays noted until the time that it was noted with");
    for again in [now().saturating_sub(HOUR), now(), later] {
        let name = random();
        insert(&mut run, &one, name, later, true).await;
        insert(&mut run, &two, name, again, false).await;
        for store in [&one, &two] {
            insert(&mut run, store, name, later, false).await;
        }
    }
    let far = (random(), UnixTime::from_secs(253_402_300_799));
    insert(&mut run, &one, far.0, far.1, true).await;
    insert(&mut run, &two, far.0, far.1, false).await;

    run.rule("of many that insert the same name at once, one is told that it is new");
    for _ in 0..ROUNDS {
        let name = random();
        let told = told_new(&run, &one, &two, &[name; CALLS]).await;
        run.same("the number of those that were told so", &told, &1);
        insert(&mut run, &two, name, later, false).await;
    }
    run.rule("of many names at once each is new");
    let names: Vec<_> = std::iter::repeat_with(random).take(500).collect();
    let told = told_new(&run, &one, &two, &names).await;
    run.same("the number of those that were told so", &told, &names.len());
    run.same("the number of those that are new still", &told_new(&run, &one, &two, &names).await, &0);

    run.rule("a name is noted for a handle that is opened later");
    drop((one, two));
    let reopened: Store = Arc::new(open().await);
    insert(&mut run, &reopened, name, later, false).await;
    run.done()
}

/// Checks that a [`ReplayStore`] whose engine cannot be reached answers errors, and never that a name is new, or not.
///
/// # Panics
/// If it answers something else; the text names the rule.
pub async fn replay_store_out_of_reach(store: impl ReplayStore) -> Checked {
    let mut run = Run::of("ReplayStore");
    run.rule("a name that is not surely noted is an error, neither true nor false");
    for _ in 0..2 {
        run.err("insert_if_absent", store.insert_if_absent(random(), now().saturating_add(HOUR))).await;
    }
    run.done()
}

fn now() -> UnixTime {
    SystemClock.now()
}

async fn insert(run: &mut Run, store: &Store, name: [u8; 32], until: UnixTime, is_new: bool) {
    let told = run.ok("insert_if_absent", store.insert_if_absent(name, until)).await;
    run.check(told == is_new, || {
        let word = |is_new| if is_new { "new" } else { "there already" };
        format!("the name {} was called {} and not {}", hex::encode(name), word(told), word(is_new))
    });
}

/// How many were told that their name is new, of those who insert these at once.
async fn told_new(run: &Run, one: &Store, two: &Store, names: &[[u8; 32]]) -> usize {
    let until = now().saturating_add(HOUR);
    let calls = names.iter().copied().enumerate().map(|(number, name)| {
        let store = Arc::clone(if number % 2 == 0 { one } else { two });
        async move { store.insert_if_absent(name, until).await }
    });
    let mut told = 0;
    for answer in at_once(calls).await {
        told += usize::from(run.ok("insert_if_absent", answer.into()).await);
    }
    told
}

async fn whole_names(run: &mut Run, one: &Store, two: &Store) {
    run.rule("names that differ in one bit are different names");
    let later = now().saturating_add(HOUR);
    let name = random();
    insert(run, one, name, later, true).await;
    for bit in 0..256 {
        let mut other = name;
        if let Some(byte) = other.get_mut(bit / 8) {
            *byte ^= 1 << (bit % 8);
        }
        insert(run, if bit % 2 == 0 { one } else { two }, other, later, true).await;
    }
    run.rule("a name may have any bytes");
    for filler in [0, 0x20, 0x27, 0x5c, 0x7f, 0xff] {
        // Half of it random, so that it is new on a store that the suite has run on.
        let (mut front, mut back, mut both) = (random(), random(), [filler; 32]);
        front.iter_mut().take(16).for_each(|byte| *byte = filler);
        back.iter_mut().skip(16).for_each(|byte| *byte = filler);
        both.iter_mut().zip(random()).skip(8).take(16).for_each(|(byte, random)| *byte = random);
        for name in [front, back, both] {
            insert(run, one, name, later, true).await;
            insert(run, two, name, later, false).await;
        }
    }
}
