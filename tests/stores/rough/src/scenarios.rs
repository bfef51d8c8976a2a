//! What is done to an engine, and what came of it.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::watch;
use tower_jwt_auth::{Clock, RefreshTokens, SystemClock};

use crate::Failure;
use crate::clock::Ahead;
use crate::engine::{Stores, open};
use crate::proxy::Proxy;
use crate::tally::{Tally, head, row};
use crate::team::{CLIENTS, Orders, Team};
use crate::worker::number_of;

/// Tokens that every client exchanges in a round, numbers that each adds, names that each notes, sessions that each revokes.
const TOKENS: usize = 10;
const ADDS: usize = 2;
const NAMES: u64 = 60;
const REVOKES: usize = 8;

const MINUTES: i64 = 5 * 60;

/// What happens while the clients work.
#[derive(Clone, Copy, PartialEq)]
enum Event {
    Nothing,
    WorkerKilled,
    ServerKilled,
    Hangs,
    Cut,
}

/// An engine, and what can be done to it.
struct World {
    store: String,
    /// For this process, which nothing is done to.
    direct: Stores,
    proxy: Option<Arc<Proxy>>,
    control: Option<String>,
    orders: Orders,
    /// Each event happens a bit later in the round than the one before.
    events: u64,
    is_good: bool,
}

pub(crate) async fn run(store: &str, url: &str, control: Option<&str>) -> Result<(), Failure> {
    let name = format!("rough-{}", std::process::id());
    // `redis://127.0.0.1:6379`, `postgres://user@127.0.0.1:5432/database`
    let server = url.split_once("://").map(|(_, rest)| {
        let rest = rest.rsplit('@').next().unwrap_or(rest);
        rest.split('/').next().unwrap_or(rest).to_owned()
    });
    let proxy = match &server {
        Some(server) => Some(Proxy::to(server.clone()).await?),
        None => None,
    };
    let through = match (&server, &proxy) {
        (Some(server), Some(proxy)) => url.replace(server, &proxy.address.to_string()),
        _ => url.to_owned(),
    };
    let mut world = World {
        store: store.to_owned(),
        direct: open(url, &name, Ahead(0)).await?,
        proxy,
        control: control.map(ToOwned::to_owned),
        orders: Orders { url: through, name, clocks: [0; 3] },
        events: 0,
        is_good: true,
    };
    head();
    // `tests/stores/run short`: each event in one round.
    let is_short = std::env::var_os("ROUGH_SHORT").is_some();
    let rounds = |many: usize| if is_short { 1 } else { many };
    world.scenario("50 clients, 3 processes", rounds(2), Event::Nothing, [0; 3]).await?;
    world.scenario("a process is killed (-9)", rounds(3), Event::WorkerKilled, [0; 3]).await?;
    if world.proxy.is_some() {
        world.scenario("all connections are cut", rounds(2), Event::Cut, [0; 3]).await?;
        world.scenario("the connections hang for 5 s", 1, Event::Hangs, [0; 3]).await?;
    }
    if world.control.is_some() {
        // After a crash PostgreSQL syncs all of its files before it starts: seconds each time.
        let rounds = if store == "postgres" { 1 } else { rounds(3) };
        world.scenario("the server is killed (-9)", rounds, Event::ServerKilled, [0; 3]).await?;
    }
    world.wandering("one client, clocks differ by 5 min", [0, MINUTES, -MINUTES]).await?;
    world.scenario("50 clients, clocks differ by 5 min", 1, Event::Nothing, [0, MINUTES, -MINUTES]).await?;
    if store == "redis" && world.control.is_some() {
        world.comes_back_empty().await?;
    }
    match world.is_good {
        true => Ok(()),
        false => Err("something was lost, succeeded twice, or hung".into()),
    }
}

impl World {
    async fn scenario(
        &mut self,
        what: &str,
        rounds: usize,
        event: Event,
        clocks: [i64; 3],
    ) -> Result<(), Failure> {
        let mut team = Team::start(Orders { clocks, ..self.orders.clone() }).await?;
        let [mut rotations, mut swaps, mut names, mut revocations] = [(); 4].map(|()| Tally::default());
        for _ in 0..rounds {
            self.rotate(&mut team, event, clocks, &mut rotations).await?;
            self.count(&mut team, event, &mut swaps).await?;
            self.names(&mut team, event, &mut names).await?;
            self.revoke(&mut team, event, &mut revocations).await?;
        }
        for (work, tally) in
            [("rotate", rotations), ("swap keys", swaps), ("names", names), ("revoke", revocations)]
        {
            self.row(what, work, &tally);
        }
        if event == Event::WorkerKilled {
            println!(
                "{:9} {what}: {} of {} were killed while they worked",
                self.store,
                team.kills,
                4 * rounds
            );
            if team.kills < 2 * rounds {
                return Err("too few processes were killed while they worked".into());
            }
        }
        Ok(())
    }

    fn row(&mut self, what: &str, work: &str, tally: &Tally) {
        row(&self.store, what, work, tally);
        self.is_good &= tally.is_good();
    }

    /// Does it in the middle of the round, each time at another place; answers which worker is to be killed.
    async fn happens(
        &mut self,
        event: Event,
        mut heard: watch::Receiver<usize>,
    ) -> Result<Option<usize>, Failure> {
        if event == Event::Nothing {
            return Ok(None);
        }
        self.events += 1;
        let enough = CLIENTS.len() + 7 * (self.events % 5) as usize;
        // If they are done before, it happens to those who do nothing.
        let _ = heard.wait_for(|heard| *heard > enough).await;
        let proxy = self.proxy.clone();
        match (event, proxy) {
            (Event::WorkerKilled, _) => return Ok(Some(self.events as usize % CLIENTS.len())),
            (Event::ServerKilled, _) => {
                self.control("kill").await?;
                self.control("start").await?;
            }
            (Event::Cut, Some(proxy)) => {
                for _ in 0..3 {
                    proxy.cut();
                    tokio::time::sleep(Duration::from_millis(30)).await;
                }
            }
            (Event::Hangs, Some(proxy)) => {
                proxy.hang(true);
                tokio::time::sleep(Duration::from_secs(5)).await;
                proxy.hang(false);
            }
            _ => {}
        }
        Ok(None)
    }

    async fn control(&self, what: &str) -> Result<(), Failure> {
        let program = self.control.as_ref().ok_or("no control of the server")?;
        let status = Command::new(program).arg(what).stdin(Stdio::null()).status().await?;
        if status.success() { Ok(()) } else { Err(format!("{program} {what}: {status}").into()) }
    }

    /// For this process itself, which has a connection that the server's death has cut.
    async fn patiently<T, E: std::fmt::Display>(
        what: &str,
        mut ask: impl AsyncFnMut() -> Result<T, E>,
    ) -> Result<T, Failure> {
        let mut last = String::new();
        for _ in 0..200 {
            match ask().await {
                Ok(answer) => return Ok(answer),
                Err(error) => last = error.to_string(),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(format!("{what}: {last}").into())
    }

    async fn sessions(&self, count: usize) -> Result<Vec<String>, Failure> {
        let tokens = RefreshTokens::builder(Arc::clone(&self.direct.refresh)).build()?;
        let mut begun = Vec::new();
        for number in 0..count {
            let subject = format!("user {number} {}", self.events);
            let grant = Self::patiently("begin", async || tokens.begin(&subject).await).await?;
            begun.push(grant.token.as_str().to_owned());
        }
        Ok(begun)
    }

    async fn work(
        &mut self,
        team: &mut Team,
        line: &str,
        event: Event,
        tally: &mut Tally,
    ) -> Result<Vec<String>, Failure> {
        let said = team.work(line, async |heard| self.happens(event, heard).await).await?;
        for done in said.iter().filter(|line| line.starts_with("done ")) {
            tally.add_done(done);
        }
        // A client that was never answered has hung, however politely.
        tally.hung += said.iter().filter(|line| line.contains("unanswered")).count() as u64;
        Ok(said)
    }

    /// All clients exchange the same tokens. Each token has one successor, and nobody's session ends.
    async fn rotate(
        &mut self,
        team: &mut Team,
        event: Event,
        clocks: [i64; 3],
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        let begun = self.sessions(TOKENS).await?;
        let said = self.work(team, &format!("rotate {}", begun.join(" ")), event, tally).await?;
        let mut successors: HashMap<&str, Vec<&str>> = HashMap::new();
        for [number, successor] in words::<2>(&said, "rotated") {
            match successor {
                // With clocks that differ by more than the grace an honest second try looks like a theft. The session ends.
                "!reused" | "!invalid" if clocks != [0; 3] => tally.ended += 1,
                "!reused" | "!invalid" => tally.losses += 1,
                "!unanswered" => {}
                successor => {
                    let all = successors.entry(number).or_default();
                    if !all.contains(&successor) {
                        all.push(successor);
                    }
                }
            }
        }
        tally.won += successors.len() as u64;
        tally.losses += (TOKENS - successors.len()) as u64;
        tally.doubles += successors.values().map(|all| all.len() as u64 - 1).sum::<u64>();
        // The same record at the same revision: written once.
        tally.doubles += repeats(words::<1>(&said, "swapped").map(|[swap]| swap));
        if clocks == [0; 3] {
            let tokens = RefreshTokens::builder(Arc::clone(&self.direct.refresh)).build()?;
            for all in successors.values() {
                let token = all[0].into();
                let load = async |_| Ok::<_, std::convert::Infallible>(Some(()));
                let rotated = Self::patiently("rotate", async || match tokens.rotate(&token, load).await {
                    Err(tower_jwt_auth::RefreshError::Invalid | tower_jwt_auth::RefreshError::Reused(_)) => {
                        Ok(false)
                    }
                    Ok(_) => Ok(true),
                    Err(error) => Err(error),
                });
                tally.losses += u64::from(!rotated.await?);
            }
        }
        Ok(())
    }

    /// All clients add to the same number. Each number is written by one, and none that was answered is missing.
    async fn count(&mut self, team: &mut Team, event: Event, tally: &mut Tally) -> Result<(), Failure> {
        let before = self.number().await?;
        let said = self.work(team, &format!("count {ADDS}"), event, tally).await?;
        let numbers: Vec<u64> =
            words::<1>(&said, "counted").filter_map(|[number]| number.parse().ok()).collect();
        let after = self.number().await?;
        tally.won += numbers.len() as u64;
        tally.doubles += repeats(numbers.iter());
        tally.losses += numbers.iter().filter(|number| **number > after || **number <= before).count() as u64;
        if event == Event::Nothing {
            tally.losses += (after - before).abs_diff(numbers.len() as u64);
        }
        Ok(())
    }

    async fn number(&self) -> Result<u64, Failure> {
        let document = Self::patiently("load", async || self.direct.keys.load().await).await?;
        Ok(document.as_ref().map_or(0, number_of))
    }

    /// All clients note the same names. Each is new to one, and to nobody afterwards.
    async fn names(&mut self, team: &mut Team, event: Event, tally: &mut Tally) -> Result<(), Failure> {
        let now = SystemClock.now();
        let seed = now.since_epoch().as_nanos() as u64;
        let until = now.as_secs() + 15 * 60;
        let line = format!("names {seed} {NAMES} {until}");
        let said = self.work(team, &line, event, tally).await?;
        let new: Vec<_> = words::<1>(&said, "new").map(|[number]| number.to_owned()).collect();
        let is_sure = event == Event::Nothing;
        tally.won += new.len() as u64;
        tally.doubles += repeats(new.iter());
        if is_sure {
            tally.losses += NAMES.saturating_sub(new.len() as u64);
        }
        // What was called new once is never new again.
        let said = self.work(team, &line, Event::Nothing, &mut Tally::default()).await?;
        tally.doubles +=
            words::<1>(&said, "new").filter(|[again]| new.iter().any(|new| new == again)).count() as u64;
        Ok(())
    }

    /// All clients revoke sessions. Each process comes to know all that was answered.
    async fn revoke(&mut self, team: &mut Team, event: Event, tally: &mut Tally) -> Result<(), Failure> {
        let mark = SystemClock.now().since_epoch().as_nanos();
        let known = self.entries(team, 0).await?;
        let said = self.work(team, &format!("revoke {REVOKES} {mark}"), event, tally).await?;
        let all = CLIENTS.iter().sum::<usize>() * REVOKES;
        tally.won += said.iter().filter(|line| *line == "revoked").count() as u64;
        // Whoever was killed has revoked all of its own once more.
        let expected = known.iter().max().copied().unwrap_or_default() + all;
        let known = self.entries(team, expected).await?;
        tally.losses += known.iter().map(|known| expected.saturating_sub(*known) as u64).sum::<u64>();
        Ok(())
    }

    /// How many revocations each process knows.
    async fn entries(&mut self, team: &mut Team, at_least: usize) -> Result<Vec<usize>, Failure> {
        let said =
            self.work(team, &format!("entries {at_least}"), Event::Nothing, &mut Tally::default()).await?;
        Ok(words::<1>(&said, "entries").filter_map(|[count]| count.parse().ok()).collect())
    }

    /// A client whose requests reach one machine after the other. It keeps its session, whatever their clocks say.
    async fn wandering(&mut self, what: &str, clocks: [i64; 3]) -> Result<(), Failure> {
        let mut tally = Tally::default();
        let mut token = self.sessions(1).await?.remove(0).as_str().into();
        for step in 0..30 {
            let clock = Ahead(clocks[step % clocks.len()]);
            let store = Arc::clone(&self.direct.refresh);
            let tokens = RefreshTokens::builder(store).clock(clock).build()?;
            let load = async |_| Ok::<_, std::convert::Infallible>(Some(()));
            tally.tries += 1;
            match tokens.rotate(&token, load).await {
                Ok(rotated) => {
                    tally.won += 1;
                    token = rotated.token;
                }
                Err(_) => {
                    tally.losses += 1;
                    break;
                }
            }
        }
        self.row(what, "rotate", &tally);
        Ok(())
    }

    /// A server without persistence is killed, and comes back with nothing: whoever was logged in is not, and nobody gets in.
    async fn comes_back_empty(&mut self) -> Result<(), Failure> {
        let mut team = Team::start(self.orders.clone()).await?;
        let begun = self.sessions(TOKENS).await?;
        self.control("kill").await?;
        self.control("empty").await?;
        let mut tally = Tally::default();
        let said =
            self.work(&mut team, &format!("rotate {}", begun.join(" ")), Event::Nothing, &mut tally).await?;
        let (mut refused, mut let_in) = (0, 0);
        for [_, successor] in words::<2>(&said, "rotated") {
            match successor {
                "!invalid" => refused += 1,
                "!unanswered" => {}
                _ => let_in += 1,
            }
        }
        tally.ended = refused;
        tally.doubles = let_in;
        let what = "the server comes back empty";
        self.row(what, "rotate", &tally);
        println!("{:9} {what}: {refused} refused as not logged in, {let_in} let in", self.store);
        // New logins work, and what is revoked from now on reaches all.
        for (work, tally) in [("rotate", true), ("revoke", false)] {
            let mut counts = Tally::default();
            match tally {
                true => self.rotate(&mut team, Event::Nothing, [0; 3], &mut counts).await?,
                false => self.revoke(&mut team, Event::Nothing, &mut counts).await?,
            }
            self.row("after it came back empty", work, &counts);
        }
        Ok(())
    }
}

/// The words of the lines that begin with this one.
fn words<'l, const N: usize>(lines: &'l [String], first: &'l str) -> impl Iterator<Item = [&'l str; N]> {
    lines.iter().filter_map(move |line| {
        let rest = line.strip_prefix(first)?.strip_prefix(' ')?;
        rest.split(' ').collect::<Vec<_>>().try_into().ok()
    })
}

/// How many are there again.
fn repeats<T: std::hash::Hash + Eq>(all: impl Iterator<Item = T>) -> u64 {
    let mut seen = std::collections::HashSet::new();
    all.filter_map(|one| (!seen.insert(one)).then_some(())).count() as u64
}
