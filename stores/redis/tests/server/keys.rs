//! Documents of keys.

use tower_jwt_auth::{KeyDocument, KeyRing, KeyStore};

use crate::connect::{connect, prefix, send, stores};

fn document(text: &str) -> KeyDocument {
    KeyDocument::from_bytes(text.as_bytes().to_vec())
}

#[tokio::test]
async fn documents_have_names_and_are_replaced_by_who_knows_them() {
    let prefix = prefix();
    let (here, there) = (stores(&prefix).await, stores(&prefix).await);
    let (store, same, other) = (here.keys("a"), there.keys("a"), there.keys("b"));
    assert_eq!(store.load().await.unwrap(), None);
    assert!(!store.compare_and_swap(Some(document("x")), document("y")).await.unwrap());
    assert!(store.compare_and_swap(None, document("one")).await.unwrap());
    assert!(!same.compare_and_swap(None, document("one")).await.unwrap());
    assert_eq!(same.load().await.unwrap(), Some(document("one")));
    assert_eq!(other.load().await.unwrap(), None);
    assert!(!same.compare_and_swap(Some(document("on")), document("two")).await.unwrap());
    assert!(same.compare_and_swap(Some(document("one")), document("two")).await.unwrap());
    assert_eq!(store.load().await.unwrap(), Some(document("two")));
}

#[tokio::test]
async fn any_bytes_are_kept() {
    let store = stores(&prefix()).await.keys("a");
    let all: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
    let mut expected = None;
    for bytes in [&all[..], b"", b"\0", b"\r\n"] {
        let new = KeyDocument::from_bytes(bytes.to_vec());
        assert!(store.compare_and_swap(expected, new.clone()).await.unwrap());
        assert_eq!(store.load().await.unwrap(), Some(new.clone()));
        expected = Some(new);
    }
}

#[tokio::test]
async fn what_is_damaged_is_an_error_and_never_missing() {
    let (prefix, mut raw) = (prefix(), connect().await);
    let store = stores(&prefix).await.keys("a");
    let key = format!("{prefix}:keys:1:a");
    send(&mut raw, &["SET", &key, "x"]).await;
    assert!(store.load().await.is_err());
    assert!(store.compare_and_swap(None, document("new")).await.is_err());
    send(&mut raw, &["DEL", &key]).await;
    send(&mut raw, &["HSET", &key, "other", "x"]).await;
    assert!(store.load().await.is_err());
    assert!(store.compare_and_swap(None, document("new")).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_at_once_agree_on_one_ring() {
    let prefix = prefix();
    let mut tasks = Vec::new();
    for _ in 0..8 {
        let stores = stores(&prefix).await;
        tasks.push(tokio::spawn(async move { KeyRing::open(stores.keys("ring")).await.unwrap() }));
    }
    let mut published = Vec::new();
    for task in tasks {
        let ring = task.await.unwrap();
        // One of them may have begun with what another has replaced since.
        ring.refresh().await.unwrap();
        published.push(ring.keys().map(|key| key.kid().to_owned()).collect::<Vec<_>>());
    }
    published.dedup();
    assert_eq!(published.len(), 1, "{published:?}");
}
