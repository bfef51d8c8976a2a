//! The rules of all stores, as the core publishes them.

use tower_jwt_auth::conformance;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_keep_the_rules() {
    let place = Place::new().await;
    println!("refresh: {}", conformance::refresh_store(async || place.open().await.refresh()).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_keep_the_rules() {
    let place = Place::new().await;
    println!("keys: {}", conformance::key_store(async || place.open().await.keys("ring")).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revocations_keep_the_rules() {
    let place = Place::new().await;
    let checked = conformance::revocation_store(async || place.open().await.revocations()).await;
    println!("revocations: {checked}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_lost_is_noticed() {
    let place = Place::new().await;
    let open = async || place.open().await.revocations();
    let lose = async || place.lose_everything().await;
    println!("emptied: {}", conformance::revocation_store_that_is_emptied(open, lose).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replays_keep_the_rules() {
    let place = Place::new().await;
    println!("replays: {}", conformance::replay_store(async || place.open().await.replays()).await);
}
