//! What is said of the server, and what its user must be permitted to do.

use std::time::Duration;

use tower_jwt_auth::{KeyDocument, KeyStore, RefreshStore, ReplayStore, RevocationStore, TestClock};
use tower_jwt_auth_redis::RedisStores;

use crate::connect::{connect, prefix, send, stores, url};
use crate::records::{at_revision, in_an_hour, now, revocation, session};

#[tokio::test]
async fn it_says_what_the_server_lacks() {
    let found = stores(&prefix()).await.check().await.unwrap();
    let info = format!("{:?}", send(&mut connect().await, &["INFO", "persistence"]).await);
    let says = |word: &str| found.iter().any(|problem| problem.to_string().contains(word));
    assert_eq!(says("appendonly"), info.contains("aof_enabled:0"), "{found:?}");
    assert!(!says("clock"), "{found:?}");
    let wrong = TestClock::at(now().saturating_add(Duration::from_secs(300)));
    let found = stores(&prefix()).await.clock(wrong).check().await.unwrap();
    assert!(found.iter().any(|problem| problem.problem().contains("clock")), "{found:?}");
}

/// The rights that the README lists are enough. (Not run on a cluster, where ACL SETUSER reaches one node of several.)
#[tokio::test]
async fn a_user_with_few_rights_is_enough() {
    let readme = include_str!("../../README.md");
    let rights = readme.lines().find_map(|line| line.strip_prefix("ACL SETUSER shop ")).unwrap();
    let prefix = prefix();
    let mut words = vec!["ACL", "SETUSER", &prefix];
    let rights = rights.replace("shop", &prefix).replace("PASSWORD", "a-password");
    words.extend(rights.split_whitespace());
    let mut raw = connect().await;
    send(&mut raw, &words).await;

    let user = url().replace("://", &format!("://{prefix}:a-password@"));
    let connection = redis::Client::open(user).unwrap().get_multiplexed_async_connection().await.unwrap();
    let listener = connection.clone();
    let stores =
        RedisStores::new(connection).prefix(&prefix).listening_on(listener, Duration::from_millis(100));
    let refresh = stores.refresh();
    refresh.insert(session("a", "bob", in_an_hour())).await.unwrap();
    assert!(
        refresh.compare_and_swap(0, at_revision("a", "bob", in_an_hour(), 1, Some(now()))).await.unwrap()
    );
    assert_eq!(refresh.list("bob".into()).await.unwrap().len(), 1);
    refresh.remove(vec!["a".into()]).await.unwrap();
    assert!(refresh.list("bob".into()).await.unwrap().is_empty());
    assert!(stores.keys("a").compare_and_swap(None, KeyDocument::from_bytes(vec![1])).await.unwrap());
    assert!(stores.keys("a").load().await.unwrap().is_some());
    assert!(stores.replays().insert_if_absent([0; 32], in_an_hour()).await.unwrap());
    assert!(!stores.replays().insert_if_absent([0; 32], in_an_hour()).await.unwrap());
    stores.revocations().append(vec![revocation(1, in_an_hour())]).await.unwrap();
    let page = stores.revocations().read(None, Duration::ZERO).await.unwrap();
    let after = Some(crate::records::position(&page));
    let _ = stores.revocations().read(after, Duration::from_millis(300)).await.unwrap();
    stores.revocations().remove_expired(now()).await.unwrap();
    let found = stores.check().await.unwrap();
    assert!(!found.iter().any(|problem| problem.problem().contains("settings")), "{found:?}");

    // Not so for keys of another application.
    let error = stores.prefix("other").keys("a").load().await.unwrap_err().to_string();
    assert!(error.to_lowercase().contains("perm"), "{error}");
    send(&mut raw, &["ACL", "SETUSER", &prefix, "-info"]).await;
    let user = url().replace("://", &format!("://{prefix}:a-password@"));
    let connection = redis::Client::open(user).unwrap().get_multiplexed_async_connection().await.unwrap();
    let found = RedisStores::new(connection).prefix(&prefix).check().await.unwrap();
    assert!(found.iter().any(|problem| problem.remedy().contains("+info")), "{found:?}");
    send(&mut raw, &["ACL", "DELUSER", &prefix]).await;
}
