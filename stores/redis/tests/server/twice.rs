//! A client may send a command again when its connection was cut, as the cluster client does. Each must do as if sent once.

use redis::aio::ConnectionLike;
use redis::{Cmd, Pipeline, RedisFuture, Value};
use tower_jwt_auth::{KeyDocument, KeyStore, RefreshStore, ReplayStore};
use tower_jwt_auth_redis::RedisStores;

use crate::connect::{Connection, connect, prefix};
use crate::records::{at_revision, in_an_hour, session};

/// Sends every command twice, and takes the first answer for lost.
#[derive(Clone)]
struct Twice(Connection);

impl ConnectionLike for Twice {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let _ = self.0.req_packed_command(cmd).await;
            self.0.req_packed_command(cmd).await
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        self.0.req_packed_commands(pipeline, offset, count)
    }

    fn get_db(&self) -> i64 {
        0
    }
}

#[tokio::test]
async fn a_command_that_is_sent_twice_is_done_once() {
    let stores = RedisStores::new(Twice(connect().await)).prefix(prefix());
    let refresh = stores.refresh();
    let first = session("a", "bob", in_an_hour());
    refresh.insert(first.clone()).await.unwrap();
    assert!(refresh.insert(first.clone()).await.is_err(), "a second call is another one");
    for revision in 0..3 {
        let next = at_revision("a", "bob", in_an_hour(), revision + 1, Some(in_an_hour()));
        assert!(refresh.compare_and_swap(revision, next.clone()).await.unwrap());
        assert!(!refresh.compare_and_swap(revision, next).await.unwrap());
    }
    assert_eq!(refresh.list("bob".into()).await.unwrap().len(), 1);
    refresh.remove(vec!["a".into()]).await.unwrap();

    let (keys, document) = (stores.keys("k"), |text: &str| KeyDocument::from_bytes(text.into()));
    assert!(keys.compare_and_swap(None, document("one")).await.unwrap());
    assert!(!keys.compare_and_swap(None, document("one")).await.unwrap());
    assert!(keys.compare_and_swap(Some(document("one")), document("two")).await.unwrap());

    let replays = stores.replays();
    assert!(replays.insert_if_absent([1; 32], in_an_hour()).await.unwrap());
    assert!(!replays.insert_if_absent([1; 32], in_an_hour()).await.unwrap());
}
