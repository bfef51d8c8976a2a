//! What a server says of itself (INFO), judged.

use std::collections::HashMap;

use crate::RedisProblem;

/// The oldest version that has all that the scripts use.
const OLDEST: (u64, u64) = (6, 2);

pub(crate) struct Info<'a>(HashMap<&'a str, &'a str>);

impl<'a> Info<'a> {
    pub(crate) fn parse(text: &'a str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Self(lines.filter_map(|line| line.trim_end().split_once(':')).collect())
    }

    fn get(&self, name: &str) -> &'a str {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// All that would harm the stores. What the server does not tell is no problem.
    pub(crate) fn problems(&self, node: Option<&str>) -> Vec<RedisProblem> {
        let found = [
            self.version(),
            self.role(),
            self.eviction(),
            self.persistence(),
            self.append_only_failed(),
            self.snapshot_failed(),
            self.fail_over(),
        ];
        let named = |found: (String, &str)| match node {
            Some(node) => RedisProblem::new(format!("{node}: {}", found.0), found.1),
            None => RedisProblem::new(found.0, found.1),
        };
        found.into_iter().flatten().map(named).collect()
    }

    fn version(&self) -> Option<(String, &'static str)> {
        let version = self.get("redis_version");
        let mut numbers = version.split('.').map_while(|number| number.parse::<u64>().ok());
        let is_old = (numbers.next()?, numbers.next()?) < OLDEST;
        is_old.then(|| {
            let problem =
                format!("the server is of version {version}, whose scripts lack what the stores use");
            (problem, "use Redis 6.2 or later, or Valkey")
        })
    }

    fn role(&self) -> Option<(String, &'static str)> {
        (self.get("role") == "slave").then(|| {
            let problem = "this is a replica: it cannot be written, and lags behind".to_owned();
            (problem, "connect to the primary, or through Sentinel or the cluster client")
        })
    }

    fn eviction(&self) -> Option<(String, &'static str)> {
        let (policy, most) = (self.get("maxmemory_policy"), self.get("maxmemory"));
        let is_harmful = !matches!(policy, "" | "noeviction") && !matches!(most, "" | "0");
        is_harmful.then(|| {
            let problem = format!(
                "maxmemory-policy is {policy}, so a server that is full forgets sessions, noted names and revocations"
            );
            (problem, "set maxmemory-policy to noeviction, and use a server that is no cache")
        })
    }

    fn persistence(&self) -> Option<(String, &'static str)> {
        (self.get("aof_enabled") == "0").then(|| {
            let problem = "appendonly is no: a server that ends forgets what it was told since its last snapshot, such as logins, \
                           logouts and new keys";
            (problem.to_owned(), "set appendonly to yes, unless users may log in again after each restart")
        })
    }

    fn append_only_failed(&self) -> Option<(String, &'static str)> {
        (self.get("aof_last_write_status") == "err").then(|| {
            let problem =
                "the server cannot write its append-only file, and takes no writes meanwhile".to_owned();
            (problem, "see its log; most often the disk is full")
        })
    }

    fn snapshot_failed(&self) -> Option<(String, &'static str)> {
        (self.get("rdb_last_bgsave_status") == "err").then(|| {
            let problem =
                "the last snapshot of the server failed; by default it takes no writes then".to_owned();
            (problem, "see its log; most often the disk or the memory is full")
        })
    }

    fn fail_over(&self) -> Option<(String, &'static str)> {
        let replicas: u64 = self.get("connected_slaves").parse().unwrap_or_default();
        let is_waited_for = self.0.contains_key("min_slaves_good_slaves");
        (self.get("role") == "master" && replicas > 0 && !is_waited_for).then(|| {
            let problem = "there are replicas, and none has to be up to date: a fail-over may lose seconds and more of logins, \
                           logouts and revocations";
            (problem.to_owned(), "set min-replicas-to-write to 1 and min-replicas-max-lag to a few seconds")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\n\r\n# Memory\r\nmaxmemory:1000\r\n\
        maxmemory_policy:noeviction\r\n# Persistence\r\naof_enabled:1\r\naof_last_write_status:ok\r\n\
        rdb_last_bgsave_status:ok\r\n# Replication\r\nrole:master\r\nconnected_slaves:0\r\n";

    fn problems(from: &str, to: &str) -> Vec<String> {
        assert!(GOOD.contains(from), "{from}");
        let text = GOOD.replace(from, to);
        Info::parse(&text).problems(None).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_good_server_has_none() {
        assert_eq!(problems("", ""), [""; 0]);
        assert_eq!(problems("redis_version:7.0.15", "redis_version:6.2.0"), [""; 0]);
        assert_eq!(problems("redis_version:7.0.15", "redis_version:10.0.0"), [""; 0]);
        assert_eq!(
            problems(
                "maxmemory:1000\r\nmaxmemory_policy:noeviction",
                "maxmemory:0\r\nmaxmemory_policy:allkeys-lru"
            ),
            [""; 0]
        );
        assert_eq!(problems("connected_slaves:0", "connected_slaves:2\r\nmin_slaves_good_slaves:2"), [""; 0]);
        assert_eq!(Info::parse("").problems(None), []);
    }

    #[test]
    fn each_has_a_remedy() {
        for (from, to, problem, remedy) in [
            ("redis_version:7.0.15", "redis_version:6.0.16", "6.0.16", "6.2"),
            ("redis_version:7.0.15", "redis_version:5.0.7", "5.0.7", "6.2"),
            ("role:master", "role:slave", "replica", "primary"),
            ("policy:noeviction", "policy:allkeys-lru", "allkeys-lru", "noeviction"),
            ("policy:noeviction", "policy:volatile-ttl", "volatile-ttl", "noeviction"),
            ("aof_enabled:1", "aof_enabled:0", "appendonly is no", "appendonly to yes"),
            ("aof_last_write_status:ok", "aof_last_write_status:err", "append-only file", "disk"),
            ("rdb_last_bgsave_status:ok", "rdb_last_bgsave_status:err", "snapshot", "disk"),
            ("connected_slaves:0", "connected_slaves:1", "fail-over", "min-replicas-to-write"),
        ] {
            let found = problems(from, to);
            assert_eq!(found.len(), 1, "{to}: {found:?}");
            assert!(found[0].contains(problem) && found[0].contains(remedy), "{to}: {found:?}");
        }
    }

    #[test]
    fn nodes_of_a_cluster_are_named() {
        let found = Info::parse("role:slave").problems(Some("10.0.0.1:6379"));
        assert!(found[0].problem().starts_with("10.0.0.1:6379: this is a replica"), "{found:?}");
    }
}
