//! Valid requests while ten times as many bad signatures arrive, over HTTP on loopback: the server on one core, all clients on
//! another. Requests are sent when they are due, whether or not the server keeps up, and a latency is counted from then if an answer before it was late.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use axum::http::{Request, StatusCode};
use http::header::{AUTHORIZATION, HOST};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::runtime::Runtime;
use tokio::time::Instant;

use crate::rounds::median;
use crate::tokens::Algorithm;

const ROUNDS: usize = 7;
const SECONDS: f64 = 3.0;
/// A valid answer that comes later counts as none.
const TOO_LATE: Duration = Duration::from_secs(1);

/// A server in a process of its own, on the first core; it is killed with this value.
pub struct Server {
    process: Child,
    pub address: String,
    /// Tokens of as many users, and the same with signatures of others.
    pub good: Vec<String>,
    pub bad: Vec<String>,
}

impl Server {
    pub fn start(how: &str, name: &str, algorithm: Algorithm) -> Self {
        use std::io::BufRead;
        let program = std::env::current_exe().unwrap();
        let mut command = Command::new("taskset");
        command.args(["-c", "0"]).arg(program).args([how, name, &algorithm.name()]).stdout(Stdio::piped());
        let mut process = command.spawn().expect("taskset");
        let mut line = String::new();
        std::io::BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let mut words = line.split_whitespace().map(str::to_owned);
        let address = words.next().unwrap();
        let good: Vec<String> = words.collect();
        let cut = |token: &String| token.rsplit_once('.').map(|(message, _)| message.to_owned()).unwrap();
        let signature =
            |token: &String| token.rsplit_once('.').map(|(_, signature)| signature.to_owned()).unwrap();
        let others = good.iter().cycle().skip(1).map(signature);
        let bad =
            good.iter().map(cut).zip(others).map(|(message, other)| format!("{message}.{other}")).collect();
        Self { process, address, good, bad }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// This process on the second core.
pub fn on_the_second_core() {
    let pid = std::process::id().to_string();
    let done = Command::new("taskset").args(["-cp", "1", &pid]).stdout(Stdio::null()).status();
    assert!(done.expect("taskset").success());
}

/// What became of the valid requests of one phase.
struct Phase {
    good: f64,
    p50: f64,
    p99: f64,
}

pub fn goodput(runtime: &Runtime, algorithm: Algorithm) {
    on_the_second_core();
    let rate: f64 = std::env::var("RATE").ok().and_then(|text| text.parse().ok()).unwrap_or(300.0);
    let servers = crate::serve::NAMES.map(|name| (name, Server::start("serve", name, algorithm)));
    let mut phases: Vec<Vec<(Phase, Phase)>> = servers.iter().map(|_| Vec::new()).collect();
    for round in 0..ROUNDS {
        for turn in 0..servers.len() {
            let index = (round + turn) % servers.len();
            let (name, server) = &servers[index];
            // Without a layer nothing is refused, so its flood is of good tokens: what so many requests cost by themselves.
            let bad = if *name == "none" { &server.good } else { &server.bad };
            let calm = runtime.block_on(phase(server, rate, &[]));
            let flood = runtime.block_on(phase(server, rate, bad));
            phases[index].push((calm, flood));
        }
    }
    for ((name, _), phases) in servers.iter().zip(phases) {
        let of = |figure: &dyn Fn(&(Phase, Phase)) -> f64| median(phases.iter().map(figure).collect());
        let what = |figure: &str| format!("{}, {figure}", algorithm.name());
        let milliseconds = |value: f64| value * 1e6;
        crate::line(
            "goodput",
            &what("answered in time"),
            name,
            of(&|(calm, flood)| flood.good / calm.good),
            0.0,
        );
        for (figure, of_phase) in
            [("p50", (|phase| phase.p50) as fn(&Phase) -> f64), ("p99", |phase| phase.p99)]
        {
            let ratio = of(&|(calm, flood)| of_phase(flood) / of_phase(calm));
            crate::line(
                "goodput",
                &what(figure),
                name,
                ratio,
                milliseconds(of(&|(_, flood)| of_phase(flood))),
            );
        }
    }
}

/// Valid requests at this rate over 8 connections, and ten times as many with these tokens over 32 others, if there are any.
async fn phase(server: &Server, rate: f64, flood: &[String]) -> Phase {
    let start = Instant::now() + Duration::from_millis(20);
    let mut attackers = Vec::new();
    if !flood.is_empty() {
        for number in 0..32 {
            attackers.push(tokio::spawn(paced(
                connect(server).await,
                flood.to_vec(),
                10.0 * rate / 32.0,
                number,
                start,
            )));
        }
    }
    let mut users = Vec::new();
    for number in 0..8 {
        users.push(tokio::spawn(paced(
            connect(server).await,
            server.good.clone(),
            rate / 8.0,
            number,
            start,
        )));
    }
    let (mut times, mut due) = (Vec::new(), 0);
    for user in users {
        let answers = user.await.unwrap();
        due += answers.len();
        times.extend(answers.into_iter().filter(|(status, _)| status.is_success()).map(|(_, time)| time));
    }
    for attacker in attackers {
        let answers = attacker.await.unwrap();
        let refused = answers.iter().all(|(status, _)| *status == StatusCode::UNAUTHORIZED);
        assert!(refused || std::ptr::eq(flood, &server.good[..]), "a bad signature was not refused");
    }
    times.sort();
    let good = times.iter().filter(|time| **time < TOO_LATE).count() as f64 / due as f64;
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
    Phase { good, p50: at(0.5), p99: at(0.99) }
}

async fn connect(server: &Server) -> SendRequest<Empty<Bytes>> {
    let stream = tokio::net::TcpStream::connect(&server.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// Sends a request whenever one is due, until the time is over, and tells status and time of each.
async fn paced(
    mut sender: SendRequest<Empty<Bytes>>,
    tokens: Vec<String>,
    rate: f64,
    number: usize,
    start: Instant,
) -> Vec<(StatusCode, Duration)> {
    let values: Vec<Arc<str>> = tokens.iter().map(|token| format!("Bearer {token}").into()).collect();
    let count = (SECONDS * rate) as usize;
    let mut answers = Vec::with_capacity(count);
    for turn in 0..count {
        // Connections take turns within the interval.
        let due = start + Duration::from_secs_f64((turn as f64 + number as f64 * 0.618 % 1.0) / rate);
        // The timer wakes up to a millisecond late, which is none of the server's time.
        let behind = Instant::now() > due;
        tokio::time::sleep_until(due).await;
        let from = if behind { due } else { Instant::now() };
        let value = &values[(turn * 7 + number) % values.len()];
        let request = Request::get("/").header(HOST, "localhost").header(AUTHORIZATION, &**value);
        sender.ready().await.unwrap();
        let answer = sender.send_request(request.body(Empty::new()).unwrap()).await.unwrap();
        let status = answer.status();
        answer.into_body().collect().await.unwrap();
        answers.push((status, from.elapsed()));
    }
    answers
}
