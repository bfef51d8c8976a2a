//! Fifty clients over three pools.

use tower_jwt_auth::{KeyDocument, KeyStore};

use super::*;

const CLIENTS: usize = 50;
const ROUNDS: usize = 20;

/// All present the same token: all get the identical successor, which was stored once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_get_the_identical_successor() {
    let place = Place::new().await;
    let clock = tower_jwt_auth::TestClock::at(START);
    let mut processes = Vec::new();
    for _ in 0..3 {
        let store = place.open().await.refresh();
        processes.push(RefreshTokens::builder(store).clock(clock.clone()).build().unwrap());
    }
    let mut token = processes[0].begin("bob").await.unwrap().token;
    for round in 0..ROUNDS {
        let start = Arc::new(tokio::sync::Barrier::new(CLIENTS));
        let tasks: Vec<_> = (0..CLIENTS)
            .map(|n| {
                let (tokens, token, start) = (processes[n % 3].clone(), token.clone(), Arc::clone(&start));
                tokio::spawn(async move {
                    start.wait().await;
                    rotate(&tokens, &token).await
                })
            })
            .collect();
        let mut successors = Vec::new();
        for task in tasks {
            successors.push(task.await.unwrap().unwrap());
        }
        for successor in &successors {
            assert_same(successor, &successors[0]);
        }
        let revision = place.number("SELECT revision FROM tower_jwt_auth_refresh").await;
        assert_eq!(revision, i64::try_from(round).unwrap() + 1, "stored once");
        token = successors.remove(0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_replaces_a_document() {
    let place = Place::new().await;
    let mut stores = Vec::new();
    for _ in 0..3 {
        stores.push(place.open().await.keys("ring"));
    }
    for round in 0..ROUNDS {
        let before = stores[0].load().await.unwrap();
        let start = Arc::new(tokio::sync::Barrier::new(CLIENTS));
        let tasks: Vec<_> = (0..CLIENTS)
            .map(|n| {
                let (store, before, start) = (stores[n % 3].clone(), before.clone(), Arc::clone(&start));
                tokio::spawn(async move {
                    start.wait().await;
                    let new = KeyDocument::from_bytes(format!("{round} {n}").into_bytes());
                    store.compare_and_swap(before, new).await.unwrap()
                })
            })
            .collect();
        let mut winners = 0;
        for task in tasks {
            winners += usize::from(task.await.unwrap());
        }
        assert_eq!(winners, 1, "round {round}");
    }
}
