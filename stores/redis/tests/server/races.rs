//! Many clients over three processes.

use std::collections::HashSet;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use tower_jwt_auth::{RefreshError, RefreshToken, RefreshTokens, ReplayStore, Session, StoreError};

use crate::connect::{prefix, stores};
use crate::records::in_an_hour;

const PROCESSES: usize = 3;
const CLIENTS: usize = 17;
const ROUNDS: usize = 30;
const PREFIX: &str = "TOWER_JWT_AUTH_REDIS_WORKER";

/// A process of its own: this program once more. Of itself it has nothing to test.
#[tokio::test(flavor = "multi_thread")]
async fn worker() {
    let Ok(prefix) = env::var(PREFIX) else { return };
    let stores = stores(&prefix).await;
    let tokens = RefreshTokens::builder(stores.refresh()).build().unwrap();
    for (round, line) in std::io::stdin().lines().enumerate() {
        let token = line.unwrap();
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let (tokens, token, replays) =
                    (tokens.clone(), RefreshToken::from(&*token), stores.replays());
                tokio::spawn(async move {
                    let load = async |_: Session| Ok::<_, StoreError>(Some(()));
                    let said = match tokens.rotate(&token, load).await {
                        Ok(rotated) => rotated.token.as_str().to_owned(),
                        Err(RefreshError::Reused(_)) => "reused".to_owned(),
                        Err(error) => format!("error {error:?}"),
                    };
                    let name = [u8::try_from(round).unwrap(); 32];
                    let is_first = replays.insert_if_absent(name, in_an_hour()).await.unwrap();
                    (said, is_first)
                })
            })
            .collect();
        for client in clients {
            let (said, is_first) = client.await.unwrap();
            println!("@{said} {is_first}");
        }
        std::io::stdout().flush().unwrap();
    }
}

struct Worker {
    child: Child,
    output: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Worker {
    fn start(prefix: &str) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "races::worker", "--nocapture", "--test-threads=1"])
            .env(PREFIX, prefix)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, output }
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// What one client got, and whether it was the first to note the name of the round.
    fn hear(&mut self) -> (String, bool) {
        let said =
            self.output.find_map(|line| line.unwrap().split_once('@').map(|(_, said)| said.to_owned()));
        let said = said.expect("a worker has ended");
        let (said, is_first) = said.rsplit_once(' ').unwrap();
        (said.to_owned(), is_first == "true")
    }
}

/// 51 clients of three processes exchange the same token at once: all get the same successor, and nobody is locked out.
#[tokio::test(flavor = "multi_thread")]
async fn fifty_clients_of_three_processes_get_one_successor() {
    let prefix = prefix();
    let tokens = RefreshTokens::builder(stores(&prefix).await.refresh()).build().unwrap();
    let mut workers: Vec<_> = (0..PROCESSES).map(|_| Worker::start(&prefix)).collect();
    let mut token = tokens.begin("bob").await.unwrap().token.as_str().to_owned();
    let mut tries = 0;
    for round in 0..ROUNDS {
        for worker in &mut workers {
            worker.tell(&token);
        }
        let (mut successors, mut first) = (HashSet::new(), 0);
        for worker in &mut workers {
            for _ in 0..CLIENTS {
                let (said, is_first) = worker.hear();
                successors.insert(said);
                first += usize::from(is_first);
                tries += 1;
            }
        }
        assert_eq!(successors.len(), 1, "round {round}: {successors:?}");
        assert_eq!(first, 1, "round {round}: a name was noted by {first}");
        token = successors.into_iter().next().unwrap();
    }
    let sessions = tokens.sessions("bob").await.unwrap();
    assert_eq!(sessions.len(), 1);
    println!(
        "{tries} exchanges by {} clients of {PROCESSES} processes: lost 0, double successes 0",
        PROCESSES * CLIENTS
    );
    for mut worker in workers {
        drop(worker.child.stdin.take());
        assert!(worker.child.wait().unwrap().success());
    }
}
