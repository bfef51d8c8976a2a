//! Asks the server what would harm the stores.

use std::time::Duration;

use redis::Value;
use tower_jwt_auth::{StoreError, UnixTime};

use crate::RedisStores;
use crate::answer::{array, text, unexpected};
use crate::info::Info;
use crate::script::LOAD_RECORDS;

/// Something about the server that would harm the stores, and what to do.
///
/// Printed, it is both: `maxmemory-policy is allkeys-lru, so ...: set it to noeviction`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisProblem {
    problem: String,
    remedy: String,
}

impl RedisProblem {
    pub(crate) fn new(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { problem: problem.into(), remedy: remedy.into() }
    }

    /// What is wrong, and what that leads to.
    #[must_use]
    pub fn problem(&self) -> &str {
        &self.problem
    }

    /// What to do.
    #[must_use]
    pub fn remedy(&self) -> &str {
        &self.remedy
    }
}

impl std::fmt::Display for RedisProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.problem, self.remedy)
    }
}

/// By so much the clocks may differ before it is worth a word.
const CLOCKS: Duration = Duration::from_secs(5);

pub(crate) async fn check(stores: &RedisStores) -> Result<Vec<RedisProblem>, StoreError> {
    let mut problems = Vec::new();
    // The one command without which nothing works; its error is that of the connection too.
    let no_key = [stores.prefix.nothing()];
    stores.link.run("run a script", &LOAD_RECORDS, &no_key, &[]).await?;
    match stores.link.command("ask for INFO", redis::cmd("INFO"), Duration::ZERO).await {
        Ok(answer) => {
            for (node, info) in nodes(answer)? {
                problems.extend(Info::parse(&info).problems(node.as_deref()));
            }
        }
        Err(error) => problems.push(RedisProblem::new(
            format!("the server does not tell its settings ({error})"),
            "permit the command INFO (ACL: +info), or check eviction and persistence by hand",
        )),
    }
    if let Ok(answer) = stores.link.command("ask for TIME", redis::cmd("TIME"), Duration::ZERO).await {
        problems.extend(clocks(server_time(answer)?, stores.clock.now()));
    }
    Ok(problems)
}

/// The text of each server: a cluster answers a map of them.
fn nodes(answer: Value) -> Result<Vec<(Option<String>, String)>, StoreError> {
    match answer {
        Value::Map(nodes) => {
            nodes.into_iter().map(|(node, info)| Ok((Some(text(node)?), info_text(info)?))).collect()
        }
        one => Ok(vec![(None, info_text(one)?)]),
    }
}

fn info_text(answer: Value) -> Result<String, StoreError> {
    match answer {
        Value::VerbatimString { text, .. } => Ok(text),
        other => text(other),
    }
}

fn server_time(answer: Value) -> Result<UnixTime, StoreError> {
    let fields = array(answer)?;
    let seconds = fields.into_iter().next().ok_or_else(unexpected)?;
    text(seconds)?.parse().map(UnixTime::from_secs).map_err(|_| unexpected())
}

fn clocks(server: UnixTime, here: UnixTime) -> Option<RedisProblem> {
    let difference = server.saturating_since(here).max(here.saturating_since(server));
    (difference > CLOCKS).then(|| {
        RedisProblem::new(
            format!(
                "the clock of the server and that of this process differ by {} s, so one of them is wrong. The stores do not \
                 mind, but processes whose clocks differ judge tokens differently",
                difference.as_secs()
            ),
            "synchronise the clocks (NTP)",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_may_differ_a_little() {
        let at = UnixTime::from_secs;
        assert_eq!(clocks(at(1000), at(1005)), None);
        assert_eq!(clocks(at(1005), at(1000)), None);
        assert!(clocks(at(1300), at(1000)).unwrap().to_string().contains("300 s"));
        assert!(clocks(at(1000), at(1300)).unwrap().to_string().contains("300 s"));
    }

    #[test]
    fn a_cluster_answers_for_each_node() {
        let bulk = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let one = nodes(bulk("redis_version:7.0.15")).unwrap();
        assert_eq!(one, [(None, "redis_version:7.0.15".to_owned())]);
        let two = Value::Map(vec![(bulk("a:1"), bulk("x")), (bulk("b:2"), bulk("y"))]);
        assert_eq!(nodes(two).unwrap()[1], (Some("b:2".to_owned()), "y".to_owned()));
        assert!(nodes(Value::Int(1)).is_err());
    }
}
