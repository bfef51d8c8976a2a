//! Names that may be used once.

use std::time::Duration;

use tower_jwt_auth::{ReplayStore, TestClock};

use crate::connect::{connect, number, prefix, stores};
use crate::records::now;

fn key(prefix: &str, name: [u8; 32]) -> String {
    let hex: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{prefix}:replay:1:{hex}")
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_at_once_one_is_first() {
    let prefix = prefix();
    for round in 0..20 {
        let mut tasks = Vec::new();
        let stores = [stores(&prefix).await, stores(&prefix).await];
        for caller in 0..50 {
            let store = stores[caller % 2].replays();
            let until = now().saturating_add(Duration::from_secs(60));
            tasks
                .push(tokio::spawn(async move { store.insert_if_absent([round; 32], until).await.unwrap() }));
        }
        let mut first = 0;
        for task in tasks {
            first += usize::from(task.await.unwrap());
        }
        assert_eq!(first, 1);
    }
}

/// It is kept longer than it was told, because another process may be behind; and ends by itself.
#[tokio::test]
async fn a_name_outlives_its_time_by_five_minutes() {
    let (prefix, mut raw) = (prefix(), connect().await);
    for (number_of, its_now) in
        [now(), now().saturating_add(Duration::from_secs(300))].into_iter().enumerate()
    {
        let name = [u8::try_from(number_of).unwrap(); 32];
        let store = stores(&prefix).await.clock(TestClock::at(its_now)).replays();
        let until = its_now.saturating_add(Duration::from_secs(60));
        assert!(store.insert_if_absent(name, until).await.unwrap());
        assert!(!store.insert_if_absent(name, until).await.unwrap());
        let lives = number(&mut raw, &["PTTL", &key(&prefix, name)]).await;
        assert!((330_000..=360_001).contains(&lives), "{lives}");
    }
}

#[tokio::test]
async fn names_are_told_apart() {
    let store = stores(&prefix()).await.replays();
    let until = now().saturating_add(Duration::from_secs(60));
    let mut other = [7; 32];
    other[31] = 8;
    assert!(store.insert_if_absent([7; 32], until).await.unwrap());
    assert!(store.insert_if_absent(other, until).await.unwrap());
}
