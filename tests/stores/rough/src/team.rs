//! The processes of a run.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::watch;

use crate::Failure;

/// 50 clients over three processes.
pub(crate) const CLIENTS: [usize; 3] = [17, 17, 16];

/// How workers are started.
#[derive(Clone)]
pub(crate) struct Orders {
    pub(crate) url: String,
    pub(crate) name: String,
    /// By how many seconds each clock is ahead.
    pub(crate) clocks: [i64; 3],
}

pub(crate) struct Worker {
    number: usize,
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Worker {
    pub(crate) async fn start(orders: &Orders, number: usize) -> Result<Self, Failure> {
        let first: usize = CLIENTS[..number].iter().sum();
        let mut child = Command::new(std::env::current_exe()?)
            .args(["worker", &orders.url, &orders.name])
            .args([first.to_string(), CLIENTS[number].to_string()])
            .arg(orders.clocks[number].to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let input = child.stdin.take().ok_or("no input")?;
        let output = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
        let mut worker = Self { number, child, input, output };
        match worker.hear().await {
            Some(line) if line == "ready" => Ok(worker),
            said => Err(format!("worker {number} has not started: {said:?}").into()),
        }
    }

    pub(crate) async fn tell(&mut self, line: &str) -> Result<(), Failure> {
        Ok(self.input.write_all(format!("{line}\n").as_bytes()).await?)
    }

    /// The next line; `None` if there are no more, because it was killed.
    async fn hear(&mut self) -> Option<String> {
        while let Ok(Some(line)) = self.output.next_line().await {
            if let Some(said) = line.strip_prefix('@') {
                return Some(said.to_owned());
            }
        }
        None
    }

    /// All that it says until it is done. The bool is whether it was.
    async fn hear_all(&mut self, progress: &watch::Sender<usize>) -> (Vec<String>, bool) {
        let mut lines = Vec::new();
        while let Some(line) = self.hear().await {
            progress.send_modify(|heard| *heard += 1);
            let is_done = line.starts_with("done ");
            lines.push(line);
            if is_done {
                return (lines, true);
            }
        }
        (lines, false)
    }
}

/// SIGKILL: a process can do nothing about it.
async fn kill(id: u32) -> Result<(), Failure> {
    match Command::new("kill").args(["-9", &id.to_string()]).status().await?.success() {
        true => Ok(()),
        false => Err(format!("process {id} cannot be killed").into()),
    }
}

pub(crate) struct Team {
    orders: Orders,
    workers: Vec<Worker>,
    /// Processes that were killed while they worked.
    pub(crate) kills: usize,
}

impl Team {
    pub(crate) async fn start(orders: Orders) -> Result<Self, Failure> {
        let mut workers = Vec::new();
        for number in 0..CLIENTS.len() {
            workers.push(Worker::start(&orders, number).await?);
        }
        Ok(Self { orders, workers, kills: 0 })
    }

    /// Tells all the same. While they work `meanwhile` is done, which is told how many lines they have said, and may kill one of them (it answers which). A killed one is
    /// started anew, and told again. What all have said comes back.
    pub(crate) async fn work(
        &mut self,
        line: &str,
        meanwhile: impl AsyncFnOnce(watch::Receiver<usize>) -> Result<Option<usize>, Failure>,
    ) -> Result<Vec<String>, Failure> {
        for worker in &mut self.workers {
            worker.tell(line).await?;
        }
        let progress = watch::Sender::new(0);
        // All are heard at once: one whose output is full would stop.
        let ids: Vec<_> = self.workers.iter().map(|worker| worker.child.id()).collect();
        let hearing: Vec<_> = self
            .workers
            .drain(..)
            .map(|mut worker| {
                let progress = progress.clone();
                tokio::spawn(async move {
                    let heard = worker.hear_all(&progress).await;
                    (worker, heard)
                })
            })
            .collect();
        if let Some(victim) = meanwhile(progress.subscribe()).await? {
            kill(ids[victim].ok_or("it has ended already")?).await?;
        }
        let (mut said, mut ended) = (Vec::new(), Vec::new());
        for hearing in hearing {
            let (worker, (lines, is_done)) = hearing.await?;
            said.extend(lines);
            if !is_done {
                ended.push(worker.number);
            }
            self.workers.push(worker);
        }
        for number in ended {
            self.kills += 1;
            self.workers[number] = Worker::start(&self.orders, number).await?;
            self.workers[number].tell(line).await?;
            let (lines, is_done) = self.workers[number].hear_all(&progress).await;
            said.extend(lines);
            if !is_done {
                return Err(format!("worker {number} has ended").into());
            }
        }
        Ok(said)
    }
}
