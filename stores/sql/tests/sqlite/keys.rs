//! Documents of keys.

use tower_jwt_auth::{KeyDocument, KeyRing, KeyStore};

use super::*;

fn document(text: &str) -> KeyDocument {
    KeyDocument::from_bytes(text.as_bytes().to_vec())
}

#[tokio::test]
async fn a_document_is_replaced_only_if_it_is_the_expected_one() {
    let folder = tempfile::tempdir().unwrap();
    let stores = SqliteStores::open(folder.path().join("auth.db")).await.unwrap();
    let (ring, other) = (stores.keys("ring"), stores.keys("other"));
    assert_eq!(ring.load().await.unwrap(), None);
    assert!(!ring.compare_and_swap(Some(document("a")), document("b")).await.unwrap(), "there is none");
    assert!(ring.compare_and_swap(None, document("a")).await.unwrap());
    assert!(!ring.compare_and_swap(None, document("b")).await.unwrap(), "there is one");
    assert!(!ring.compare_and_swap(Some(document("b")), document("c")).await.unwrap());
    assert_eq!(ring.load().await.unwrap(), Some(document("a")));
    assert!(ring.compare_and_swap(Some(document("a")), document("b")).await.unwrap());
    assert_eq!(ring.load().await.unwrap(), Some(document("b")));
    assert_eq!(other.load().await.unwrap(), None, "each name has its own");
    assert!(other.compare_and_swap(None, document("x")).await.unwrap());
    assert_eq!(stores.keys("ring").load().await.unwrap(), Some(document("b")));
}

/// Of many that replace the same document one succeeds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_replaces_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("auth.db");
    let stores = [SqliteStores::open(&path).await.unwrap(), SqliteStores::open(&path).await.unwrap()];
    for round in 0..20 {
        let store = stores[0].keys("ring");
        let before = store.load().await.unwrap();
        let tries: Vec<_> = (0..10)
            .map(|n| {
                let (store, before) = (stores[n % 2].keys("ring"), before.clone());
                tokio::spawn(async move {
                    store.compare_and_swap(before, document(&format!("{round} {n}"))).await.unwrap()
                })
            })
            .collect();
        let mut winners = Vec::new();
        for (n, swapped) in tries.into_iter().enumerate() {
            if swapped.await.unwrap() {
                winners.push(n);
            }
        }
        assert_eq!(winners.len(), 1, "round {round}: {winners:?}");
        assert_eq!(store.load().await.unwrap(), Some(document(&format!("{round} {}", winners[0]))));
    }
}

/// What was replaced is in none of the files: it may have been a private key that was withdrawn.
#[tokio::test]
async fn an_old_document_is_in_none_of_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStores::open(folder.path().join("auth.db")).await.unwrap().keys("ring");
    let (old, new) = (document(&"the-old-key".repeat(50)), document(&"the-new-key".repeat(50)));
    assert!(store.compare_and_swap(None, old.clone()).await.unwrap());
    let contains = |text: &str| {
        let files = std::fs::read_dir(folder.path()).unwrap().map(|file| std::fs::read(file.unwrap().path()));
        let bytes = files.collect::<Result<Vec<_>, _>>().unwrap().concat();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    };
    assert!(contains("the-old-key"));
    assert!(store.compare_and_swap(Some(old), new).await.unwrap());
    assert!(contains("the-new-key") && !contains("the-old-key"));
}

#[tokio::test]
async fn two_rings_on_one_database_are_one_ring() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("auth.db");
    let mut rings = Vec::new();
    for _ in 0..2 {
        let store = SqliteStores::open(&path).await.unwrap().keys("ring");
        rings.push(KeyRing::builder(store).open().await.unwrap());
    }
    let shown = |ring: &KeyRing| ring.keys().map(|key| key.kid().to_owned()).collect::<Vec<_>>();
    assert!(!shown(&rings[0]).is_empty());
    assert_eq!(shown(&rings[0]), shown(&rings[1]));
}
