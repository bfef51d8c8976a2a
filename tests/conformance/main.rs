//! The conformance suite over the stores that come with the crate, and proof that each of its rules can be broken.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod spoiled_keys;
mod spoiled_log;
mod spoiled_refresh;
mod spoiled_replays;

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tower_jwt_auth::conformance::{self, Checked};
use tower_jwt_auth::{
    FileKeyStore, MemoryKeyStore, MemoryRefreshStore, MemoryReplayStore, MemoryRevocationStore,
};

/// One line for each store, as `tests/stores/run` puts it into its table.
fn report(trait_of: &str, store: &str, checked: &Checked) {
    println!("@ {trait_of} | {store} | {checked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refresh_store_in_memory() {
    let store = Arc::new(MemoryRefreshStore::new());
    report("RefreshStore", "memory", &conformance::refresh_store(async || Arc::clone(&store)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn key_store_in_memory() {
    let store = Arc::new(MemoryKeyStore::new());
    report("KeyStore", "memory", &conformance::key_store(async || Arc::clone(&store)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn key_store_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    report("KeyStore", "file", &conformance::key_store(async || FileKeyStore::new(&path)).await);
}

/// The file is damaged, or its folder is gone.
#[tokio::test(flavor = "multi_thread")]
async fn key_store_in_a_file_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    std::fs::write(&path, "").unwrap();
    let checked = conformance::key_store_out_of_reach(FileKeyStore::new(&path)).await;
    report("KeyStore, out of reach", "file", &checked);
    conformance::key_store_out_of_reach(FileKeyStore::new(folder.path().join("none/keys.json"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn revocation_store_in_memory() {
    let store = MemoryRevocationStore::new();
    let checked = conformance::revocation_store(async || store.clone()).await;
    report("RevocationStore", "memory", &checked);
    let lose = async || store.lose_everything();
    let checked = conformance::revocation_store_that_is_emptied(async || store.clone(), lose).await;
    report("RevocationStore, emptied", "memory", &checked);
}

#[tokio::test(flavor = "multi_thread")]
async fn replay_store_in_memory() {
    let store = Arc::new(MemoryReplayStore::new(10_000));
    report("ReplayStore", "memory", &conformance::replay_store(async || Arc::clone(&store)).await);
}

/// Full is not "new", and not "known".
#[tokio::test(flavor = "multi_thread")]
async fn replay_store_in_memory_without_room() {
    let checked = conformance::replay_store_out_of_reach(MemoryReplayStore::new(0)).await;
    report("ReplayStore, out of reach", "memory", &checked);
}

#[test]
fn what_was_checked_can_be_printed() {
    let store = Arc::new(MemoryKeyStore::new());
    let runtime = runtime();
    let checked = runtime.block_on(conformance::key_store(async || Arc::clone(&store)));
    let (rules, checks) = (checked.rules().count(), checked.rules().map(|(_, checks)| checks).sum::<usize>());
    assert_eq!(checked.to_string(), format!("{checks} checks of {rules} rules"));
    assert_eq!(checked.checks(), checks);
    assert!(checked.rules().all(|(rule, checks)| checks > 0 && !rule.is_empty()), "{checked:?}");
}

/// With a clock that goes on when nothing else does, so that nobody waits for what never comes.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

/// Checks that the suite stops at each fault, and names its rule.
fn assert_each_is_broken<F: Copy + Debug, S: Future<Output = Checked>>(
    faults: impl IntoIterator<Item = (F, &'static str)>,
    suite: impl Fn(F) -> S,
) {
    let mut wrong = Vec::new();
    for (fault, rule) in faults {
        let said = match catch_unwind(AssertUnwindSafe(|| runtime().block_on(suite(fault)))) {
            Ok(checked) => format!("nothing, after {checked}"),
            Err(panic) => panic.downcast_ref::<String>().expect("a text").clone(),
        };
        println!("{fault:?}: {said}");
        if !said.contains(&format!("breaks the rule: {rule}. ")) {
            wrong.push(format!("{fault:?} was called: {said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
