//! Connections that hang, fail, or answer nonsense. No server is needed.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)] // tests

use std::future::pending;
use std::time::Duration;

use redis::aio::ConnectionLike;
use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisFuture, Value};
use tower_jwt_auth::{KeyDocument, KeyStore, RefreshStore, ReplayStore, RevocationStore, UnixTime};
use tower_jwt_auth_redis::RedisStores;

/// What a connection does with every command.
#[derive(Clone, Copy)]
enum Connection {
    Hangs,
    IsCut,
    Answers(fn() -> Value),
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, _: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async {
            match self {
                Self::Hangs => pending().await,
                Self::IsCut => Err(RedisError::from((ErrorKind::Io, "the connection was cut"))),
                Self::Answers(value) => Ok(value()),
            }
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        _: &'a Pipeline,
        _: usize,
        _: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(pending())
    }

    fn get_db(&self) -> i64 {
        0
    }
}

/// The errors of every operation; panics if one of them succeeds.
async fn errors(connection: Connection) -> Vec<String> {
    let stores = RedisStores::new(connection).deadline(Duration::from_millis(50));
    let (refresh, keys) = (stores.refresh(), stores.keys("k"));
    let session = serde_json::json!({
        "id": "i", "sid": "s", "subject": "bob", "current": "c", "retry": null, "created_at": 1, "last_used_at": 2,
        "expires_at": 3, "ends_at": 4, "revision": 5,
    });
    let session: tower_jwt_auth::RefreshRecord = serde_json::from_value(session).unwrap();
    let revocation = serde_json::json!({
        "kind": "token", "issuer": "i", "name": "n", "issued_before": null, "expires_at": 1,
    });
    let later = UnixTime::from_secs(2_000_000_000);
    [
        refresh.insert(session.clone()).await.map(|()| "insert"),
        refresh.load("i".into()).await.map(|_| "load"),
        refresh.compare_and_swap(5, session).await.map(|_| "swap"),
        refresh.remove(vec!["i".into()]).await.map(|()| "remove"),
        refresh.list("bob".into()).await.map(|_| "list"),
        keys.load().await.map(|_| "load keys"),
        keys.compare_and_swap(None, KeyDocument::from_bytes(vec![1])).await.map(|_| "swap keys"),
        stores.replays().insert_if_absent([0; 32], later).await.map(|_| "note"),
        stores
            .revocations()
            .append(vec![serde_json::from_value(revocation).unwrap()])
            .await
            .map(|()| "append"),
        stores.revocations().read(None, Duration::from_secs(60)).await.map(|_| "read"),
        stores.revocations().remove_expired(later).await.map(|()| "remove expired"),
        stores.check().await.map(|_| "check"),
    ]
    .into_iter()
    .map(|answer| answer.unwrap_err().to_string())
    .collect()
}

#[tokio::test]
async fn a_connection_that_hangs_is_an_error_after_the_deadline() {
    for error in errors(Connection::Hangs).await {
        assert!(error.ends_with("no answer within 50ms"), "{error}");
    }
}

#[tokio::test]
async fn a_connection_that_is_cut_is_an_error() {
    for error in errors(Connection::IsCut).await {
        assert!(error.starts_with("Redis: ") && error.contains("the connection was cut"), "{error}");
    }
}

/// An answer may hold keys or sessions: errors do not show it.
#[tokio::test]
async fn an_odd_answer_is_an_error_that_does_not_show_it() {
    for value in [
        || Value::Map(vec![(Value::Int(1), Value::SimpleString("hidden".into()))]),
        || Value::Array(vec![Value::Map(vec![]), Value::BulkString(b"hidden".into())]),
    ] {
        for error in errors(Connection::Answers(value)).await.iter().filter(|error| !error.is_empty()) {
            assert!(!error.contains("hidden"), "{error}");
        }
    }
}

#[test]
fn without_a_runtime_it_says_so() {
    let store = RedisStores::new(Connection::Hangs).refresh();
    let mut answer = std::pin::pin!(store.load("x".into()));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match answer.as_mut().poll(&mut context) {
        std::task::Poll::Ready(Err(error)) => assert!(error.to_string().contains("runtime"), "{error}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_shows_the_connection() {
    let stores = RedisStores::new(Connection::Hangs).prefix("shop");
    assert_eq!(format!("{stores:?}"), "RedisStores { prefix: \"shop\", deadline: 2s, .. }");
    assert_eq!(format!("{:?}", stores.keys("a")), "RedisKeyStore(\"shop:keys:1:a\")");
}
