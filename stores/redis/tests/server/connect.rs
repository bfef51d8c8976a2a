//! Connections to the server of the tests.

use std::env;

use redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::{Cmd, Pipeline, RedisFuture, Value};
use std::time::Duration;
use tower_jwt_auth_redis::RedisStores;

/// One server, or a cluster.
#[derive(Clone)]
pub(crate) enum Connection {
    One(ConnectionManager),
    Cluster(ClusterConnection),
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(connection) => connection.req_packed_command(cmd),
            Self::Cluster(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        0
    }
}

pub(crate) fn url() -> String {
    env::var("TOWER_JWT_AUTH_REDIS")
        .expect("TOWER_JWT_AUTH_REDIS must be the URL of a server; see tests/stores/run")
}

pub(crate) fn is_cluster() -> bool {
    url().contains(',')
}

/// With response timeouts that a slow machine keeps.
pub(crate) async fn connect() -> Connection {
    let (url, patience) = (url(), Duration::from_secs(20));
    if is_cluster() {
        let nodes: Vec<_> = url.split(',').collect();
        let client = ClusterClient::builder(nodes).response_timeout(patience).build().unwrap();
        Connection::Cluster(client.get_async_connection().await.unwrap())
    } else {
        let client = redis::Client::open(url).unwrap();
        let config = ConnectionManagerConfig::new().set_response_timeout(Some(patience));
        Connection::One(ConnectionManager::new_with_config(client, config).await.unwrap())
    }
}

/// A prefix that no other test has.
pub(crate) fn prefix() -> String {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).unwrap();
    format!("test-{:016x}", u64::from_be_bytes(bytes))
}

pub(crate) async fn stores(prefix: &str) -> RedisStores {
    RedisStores::new(connect().await).prefix(prefix).deadline(Duration::from_secs(20))
}

/// Sends a command of the test itself.
pub(crate) async fn send(connection: &mut Connection, words: &[&str]) -> Value {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    command.query_async(connection).await.unwrap()
}

/// The answer to a command, as a number.
pub(crate) async fn number(connection: &mut Connection, words: &[&str]) -> i64 {
    match send(connection, words).await {
        Value::Int(number) => number,
        other => panic!("{other:?}"),
    }
}
