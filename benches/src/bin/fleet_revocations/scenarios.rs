//! What happens to the fleets, and what is printed of it: tables in Markdown.

use super::engine::{Costs, Engine, Kind, MILLISECOND, SECOND};
use super::fleet::{Fleet, Jitter, Settings, Shared};
use super::plot::{Line, Plot, Scale};
use super::{Way, World};

/// The fleet runs this long before anything happens.
const CALM: u64 = 10 * SECOND;

/// How fast a revocation reaches all, and what the engine has to do for it.
pub fn reach(world: &World) {
    for processes in [10_000, 100_000] {
        println!("\n### {processes} processes on one engine\n");
        println!(
            "| | revocations/s | p50 | p99 | worst | engine busy | commands/s | MB/s |\n|---|---:|---:|---:|---:|---:|---:|---:|"
        );
        for way in Way::ALL {
            for rate in [0.0, 1.0, 10.0, 100.0] {
                // 100,000 processes would be 200,000 connections to PostgreSQL.
                if processes > 10_000 && (rate > 10.0 || way == Way::PostgresListening) {
                    continue;
                }
                let seen = watch(world, way.settings(), processes, rate);
                println!("| {} | {rate} | {} |", way.name(), seen.row());
            }
        }
    }
}

struct Seen {
    fleet: Fleet,
    /// How many times a revocation has to reach a process.
    expected: u64,
    busy: f64,
    commands: f64,
    bytes: f64,
}

impl Seen {
    fn row(&self) -> String {
        let reach = &self.fleet.reach;
        let times = if self.expected == 0 {
            "| |".to_owned()
        } else if reach.count() < self.expected {
            "never all | |".to_owned()
        } else {
            [reach.quantile(0.5), reach.quantile(0.99), reach.worst()].map(time).join(" | ")
        };
        format!("{times} | {:.0} % | {:.0} | {:.1}", 100.0 * self.busy, self.commands, self.bytes / 1e6)
    }
}

fn watch(world: &World, settings: Settings, processes: usize, rate: f64) -> Seen {
    let length = if rate >= 100.0 || rate == 0.0 { 10 } else { 20 } * SECOND;
    let mut fleet = world.fleet(settings, processes).running().revoking(rate, 0, CALM + length);
    fleet.counts_from = CALM;
    fleet.run(CALM);
    fleet.engine.forget_load(CALM);
    fleet.run(CALM + length);
    let seconds = length as f64 / SECOND as f64;
    let (busy, commands, bytes) = (
        fleet.engine.share(CALM + length),
        fleet.engine.commands as f64 / seconds,
        fleet.engine.bytes / seconds,
    );
    fleet.run(CALM + length + 20 * SECOND);
    let expected = fleet.revoked() * processes as u64;
    Seen { fleet, expected, busy, commands, bytes }
}

/// What the pause after a page does.
pub fn pauses(world: &World) {
    println!("\n### The pause after a page: 2,000 processes listening to Redis\n");
    println!(
        "| pause | revocations/s | p50 | p99 | worst | engine busy | commands/s | MB/s |\n|---:|---:|---:|---:|---:|---:|---:|---:|"
    );
    for pause in [0, 100, 200, 500] {
        for rate in [1.0, 10.0, 100.0] {
            let settings = Settings { gather: pause * MILLISECOND, ..Way::RedisListening.settings() };
            let seen = watch(world, settings, 2000, rate);
            println!("| {pause} ms | {rate} | {} |", seen.row());
        }
    }
}

/// Fleets of other sizes, at ten revocations a second.
pub fn sizes(world: &World) {
    let sizes = [200, 500, 1000, 2000, 5000, 10_000, 20_000];
    let (mut worst, mut busy, mut calm) = (Vec::new(), Vec::new(), Vec::new());
    println!("\n### Worst time to reach all, and the engine's load, at 10 revocations a second\n");
    println!("| processes | {} |", Way::ALL.map(Way::name).join(" | "));
    println!("|---:|---:|---:|---:|---:|");
    let mut rows: Vec<String> = sizes.iter().map(|size| format!("| {size} |")).collect();
    for way in Way::ALL {
        let (mut reached, mut loaded, mut idle) = (Vec::new(), Vec::new(), Vec::new());
        for (size, row) in sizes.into_iter().zip(&mut rows) {
            let seen = watch(world, way.settings(), size, 10.0);
            *row += &format!(" {}, {:.0} % |", time(seen.fleet.reach.worst()), 100.0 * seen.busy);
            reached.push((size as f64, seen.fleet.reach.worst()));
            loaded.push((size as f64, 100.0 * seen.busy));
            idle.push((size as f64, 100.0 * watch(world, way.settings(), size, 0.0).busy));
        }
        worst.push(Line { name: way.name().to_owned(), points: reached });
        busy.push(Line { name: way.name().to_owned(), points: loaded });
        calm.push(Line { name: way.name().to_owned(), points: idle });
    }
    rows.iter().for_each(|row| println!("{row}"));
    let x = ("processes", Scale::Logarithmic);
    let title = "Until the last process has a revocation, 10 a second";
    let y = ("seconds", Scale::Logarithmic);
    world.plot("revocations-reach", &Plot { title, x, y, limit: Some((1.0, "one second")), lines: worst });
    let y = ("% of the engine's processors", Scale::Linear);
    let title = "Load of the engine, 10 revocations a second";
    world.plot("revocations-load", &Plot { title, x, y, limit: Some((100.0, "all of it")), lines: busy });
    let title = "Load of the engine in calm";
    world.plot("revocations-calm", &Plot { title, x, y, limit: Some((100.0, "all of it")), lines: calm });
}

/// All start anew, and read the whole log.
pub fn restart(world: &World) {
    println!("\n### A restart of all: until the processes have the whole log\n");
    println!(
        "| engine | processes | entries | start within | half have it | all | reads that failed | bytes |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|");
    let mut lines = Vec::new();
    for (way, engine, page, patience) in [
        (Way::RedisListening, "Redis", 1000, 2),
        (Way::RedisListening, "Redis", 100, 10),
        (Way::PostgresListening, "PostgreSQL", 1000, 5),
    ] {
        for (processes, entries, spreads) in [
            (10_000, 1000, &[1, 60][..]),
            (100_000, 1000, &[1, 600]),
            (10_000, 1_000_000, &[1, 36_000]),
            (100_000, 1_000_000, &[1]),
        ] {
            // What needs so many pages is told by a division.
            if page == 100 && entries > 1000 {
                continue;
            }
            for &spread in spreads {
                let settings = Settings { page, patience: patience * SECOND, ..way.settings() };
                let seen = start(world, settings, processes, entries, spread);
                println!(
                    "| {engine}, page {page}, {patience} s | {processes} | {entries} | {spread} s | {} | {} | {} | {:.1} GB |",
                    seen.at(0.5),
                    seen.at(1.0),
                    seen.failures,
                    seen.bytes / 1e9
                );
                if processes == 10_000 && spread == spreads[0] {
                    lines
                        .push(Line { name: format!("{engine}, page {page}, {entries}"), points: seen.curve });
                }
            }
        }
    }
    for line in &mut lines {
        let (mut seen, last) = (-1.0, line.points.last().copied());
        line.points.retain(|point| {
            let keeps = point.1 - seen >= 50.0 || Some(*point) == last;
            seen = if keeps { point.1 } else { seen };
            keeps
        });
    }
    let title = "10,000 processes start at once, and read the whole log";
    let (x, y) = (("seconds", Scale::Logarithmic), ("processes that have it", Scale::Linear));
    world.plot("revocations-restart", &Plot { title, x, y, limit: None, lines });
}

struct Started {
    /// Seconds, and how many are complete.
    curve: Vec<(f64, f64)>,
    processes: usize,
    failures: u64,
    bytes: f64,
}

impl Started {
    fn at(&self, share: f64) -> String {
        let needed = (self.processes as f64 * share).max(1.0);
        self.curve.iter().find(|(_, count)| *count >= needed).map_or("never".to_owned(), |(at, _)| time(*at))
    }
}

fn start(world: &World, settings: Settings, processes: usize, entries: usize, spread: u64) -> Started {
    let mut fleet = world.fleet(settings, processes).filled(entries).started(spread * SECOND);
    // Those that are complete read no more: their load is that of the calm.
    fleet.rests_when_complete = true;
    let (mut curve, mut now) = (Vec::new(), 0);
    let step = if entries > 1000 { 10 * SECOND } else { 20 * MILLISECOND };
    let mut idle = 0;
    while fleet.complete() < processes && idle < 20_000 {
        now += step;
        let before = fleet.complete();
        fleet.run(now);
        curve.push((now as f64 / 1e9, fleet.complete() as f64));
        // If nobody gets a page in time any more, nobody will.
        let is_stuck = fleet.complete() == before && fleet.failures > 30 * processes as u64;
        idle = if is_stuck { 20_000 } else { idle };
    }
    Started { curve, processes, failures: fleet.failures, bytes: fleet.engine.bytes }
}

/// Three of ten processes cannot reach the engine for ten minutes.
pub fn partition(world: &World) {
    println!(
        "\n### A partition of ten minutes for 3 of 10 processes, 6,000 revocations meanwhile, max_age 30 s\n"
    );
    println!(
        "| | processes | page | answer within | first stale after | all stale after | process seconds stale | all have caught up after | load at the peak |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|");
    let (from, length) = (60, 600);
    let mut lines = Vec::new();
    for (way, sizes) in
        [(Way::RedisListening, &[1000, 10_000, 100_000][..]), (Way::PostgresListening, &[1000, 10_000])]
    {
        for (&processes, (page, patience)) in sizes
            .iter()
            .flat_map(|size| [(size, (1000, 2)), (size, (1000, 10)), (size, (100, 2)), (size, (100, 10))])
        {
            if patience != 10 && (processes != 10_000 || way == Way::PostgresListening)
                || page == 1000 && processes == 100_000
            {
                continue;
            }
            let cut = processes * 3 / 10;
            let mut fleet = world
                .fleet(Settings { page, patience: patience * SECOND, ..way.settings() }, processes)
                .running()
                .cut_off(cut, from * SECOND, (from + length) * SECOND);
            fleet.counts_from = u64::MAX;
            let (mut stale, mut points, mut seconds, mut peak) = (Vec::new(), Vec::new(), 0, 0f64);
            let mut caught_up = None;
            for second in 1..=from + length + 120 {
                fleet.engine.forget_load((second - 1) * SECOND);
                fleet.run(second * SECOND);
                let count = if second > from { fleet.stale(second * SECOND) } else { 0 };
                seconds += count;
                stale.push((second, count));
                if second >= from {
                    points.push((second as f64 - from as f64, 100.0 * count as f64 / processes as f64));
                }
                if second == from + length {
                    // What happened meanwhile, told at once: the load of telling the others is in other tables.
                    fleet.revoked_while_cut_off(6000);
                }
                if second > from + length {
                    peak = peak.max(fleet.engine.share(second * SECOND));
                    if caught_up.is_none() && fleet.complete_since((from + length) * SECOND) == processes {
                        caught_up = Some(second - from - length);
                    }
                }
            }
            let first = stale.iter().find(|(_, count)| *count > 0).map_or(0, |(second, _)| second - from);
            let all = stale.iter().find(|(_, count)| *count >= cut).map_or(0, |(second, _)| second - from);
            println!(
                "| {} | {processes} | {page} | {patience} s | {first} s | {all} s | {seconds} | {} | {:.0} % |",
                way.name(),
                caught_up.map_or("never".to_owned(), |seconds| format!("{seconds} s")),
                100.0 * peak
            );
            if processes == 10_000 {
                let engine = if way == Way::RedisListening { "Redis" } else { "PostgreSQL" };
                lines.push(Line { name: format!("{engine}, page {page}, {patience} s"), points });
            }
        }
    }
    let title = "Stale processes: 30 % are cut off for ten minutes";
    let (x, y) = (("seconds since it began", Scale::Linear), ("% of the fleet", Scale::Linear));
    world.plot("revocations-partition", &Plot { title, x, y, limit: None, lines });
}

/// The engine is away for a minute, and all come back.
pub fn outage(world: &World) {
    println!("\n### An engine that is away for a minute\n");
    println!(
        "| | processes | connections | back-off | connects/s at the peak | back: p50 | p99 | last | reads that failed after it | stale after it |"
    );
    println!("|---|---:|---|---|---:|---:|---:|---:|---:|---:|");
    let mut lines = Vec::new();
    for way in [Way::RedisListening, Way::PostgresListening] {
        for processes in [2000, 10_000, 100_000] {
            if processes > 2000 && way == Way::PostgresListening {
                continue;
            }
            for tls in [false, true] {
                if tls && way == Way::PostgresListening
                    || processes == 2000 && !tls && way == Way::RedisListening
                    || processes == 100_000 && !tls
                {
                    continue;
                }
                for (name, back_off, jitter) in [
                    ("each second, no jitter", (1000, 1000), Jitter::No),
                    ("0.1 to 5 s, half", (100, 5000), Jitter::Half),
                    ("0.1 to 5 s, full", (100, 5000), Jitter::Full),
                    ("0.1 to 30 s, full", (100, 30_000), Jitter::Full),
                ] {
                    if processes == 100_000 && jitter != Jitter::Full {
                        continue;
                    }
                    let back_off = (back_off.0 * MILLISECOND, back_off.1 * MILLISECOND);
                    let settings = Settings { back_off, jitter, tls, ..way.settings() };
                    let back = returns(world, settings, processes);
                    println!(
                        "| {} | {processes} | {} | {name} | {} | {} | {} | {} | {} | {:.0} s |",
                        way.name(),
                        if tls { "TLS" } else { "plain" },
                        back.peak,
                        back.at(0.5),
                        back.at(0.99),
                        back.at(1.0),
                        back.failures,
                        back.stale
                    );
                    if processes == 10_000 && tls {
                        lines.push(Line { name: name.to_owned(), points: back.attempts });
                    }
                }
            }
        }
    }
    let title = "10,000 processes come back to Redis with TLS after a minute";
    let (x, y) = (
        ("seconds since the engine is back", Scale::Linear),
        ("connections begun in a second", Scale::Linear),
    );
    world.plot("revocations-return", &Plot { title, x, y, limit: None, lines });
}

struct Back {
    peak: u64,
    times: Vec<f64>,
    processes: usize,
    failures: u64,
    stale: f64,
    attempts: Vec<(f64, f64)>,
}

impl Back {
    fn at(&self, share: f64) -> String {
        let needed = (self.processes as f64 * share).ceil() as usize;
        self.times.get(needed.saturating_sub(1)).map_or("never".to_owned(), |at| time(*at))
    }
}

fn returns(world: &World, settings: Settings, processes: usize) -> Back {
    let (from, until, end) = (30 * SECOND, 90 * SECOND, 270 * SECOND);
    let mut fleet = world.fleet(settings, processes).running().without_engine(from, until);
    fleet.run(until);
    let failures = fleet.failures;
    let (mut now, mut stale) = (until, 0);
    fleet.notes_first_complete_from = until;
    while now < end {
        now += SECOND;
        fleet.run(now);
        if fleet.stale(now) > 0 {
            stale = now - until;
        }
    }
    let mut times = std::mem::take(&mut fleet.first_complete);
    times.sort_by(f64::total_cmp);
    let attempts = fleet.attempts.iter().enumerate().skip(90).take(40);
    let attempts: Vec<_> = attempts.map(|(second, count)| (second as f64 - 90.0, *count as f64)).collect();
    let peak = attempts.iter().map(|(_, count)| *count as u64).max().unwrap_or(0);
    Back { peak, times, processes, failures: fleet.failures - failures, stale: stale as f64 / 1e9, attempts }
}

/// Redis comes back after ten seconds, and has lost everything.
pub fn empty(world: &World) {
    println!("\n### Redis comes back empty after ten seconds\n");
    println!(
        "| processes | page, answer within | records in force | appended again: half | all | they have reached all | engine busy in the worst second |"
    );
    println!("|---:|---|---:|---:|---:|---:|---:|");
    for (processes, page, patience) in
        [(1000, 1000, 2), (10_000, 1000, 2), (10_000, 100, 10), (100_000, 100, 10)]
    {
        for records in [100, 1000] {
            let (from, until) = (30 * SECOND, 40 * SECOND);
            let settings = Settings { page, patience: patience * SECOND, ..Way::RedisListening.settings() };
            let mut fleet = world.fleet(settings, processes).running().without_engine(from, until);
            fleet.run(until - SECOND);
            fleet.loses_everything(records);
            fleet.run(until);
            let (mut now, mut peak, mut done) = (until, 0f64, None);
            while now < until + 120 * SECOND {
                fleet.engine.forget_load(now);
                now += SECOND;
                fleet.run(now);
                peak = peak.max(fleet.engine.share(now));
                let all = fleet.again.count() == records as u64;
                if done.is_none() && all && fleet.behind() == 0 {
                    done = Some(now - until);
                }
            }
            let since = |share| fleet.again.quantile(share) - until as f64 / 1e9;
            println!(
                "| {processes} | {page}, {patience} s | {records} | {} | {} | {} | {:.0} % |",
                time(since(0.5)),
                time(fleet.again.worst() - until as f64 / 1e9),
                done.map_or("not within two minutes".to_owned(), |done| time(done as f64 / 1e9)),
                100.0 * peak
            );
        }
    }
}

/// What `benches/fleet/experiment.py` did with real readers.
pub fn experiment(world: &World) {
    let path = "benches/fleet/experiment.tsv";
    let Ok(text) = std::fs::read_to_string(path) else { return println!("\n{path} is not there") };
    println!("\n### 200 real readers, 100 revocations\n");
    println!("| | | p50 | p99 | worst |\n|---|---|---:|---:|---:|");
    let mut lines = Vec::new();
    for (key, way) in [
        ("redis-polled", Way::RedisPolled),
        ("redis-listening", Way::RedisListening),
        ("postgresql-polled", Way::PostgresPolled),
        ("postgresql-listening", Way::PostgresListening),
    ] {
        let cells = |kind: &str| -> Vec<f64> {
            let rows = text.lines().map(|line| line.split('\t').collect::<Vec<_>>());
            rows.filter(|row| row[0] == key && row[1] == kind)
                .map(|row| row[3].parse().expect("a number"))
                .collect()
        };
        let mut measured = cells("reached_ms");
        if measured.is_empty() {
            continue;
        }
        measured.sort_by(f64::total_cmp);
        let at = |share: f64| measured[((measured.len() as f64 * share).ceil() as usize).max(1) - 1] / 1e3;
        println!(
            "| {} | measured | {} | {} | {} |",
            way.name(),
            time(at(0.5)),
            time(at(0.99)),
            time(at(1.0))
        );
        let settings = way.settings();
        let mut curves = vec![(
            "measured",
            (1..=100).map(|part| (at(f64::from(part) / 100.0), f64::from(part))).collect::<Vec<_>>(),
        )];
        let costs = Costs::of(settings.engine, settings.waits, &world.measured, 200);
        let (own, waited) = (cells("reader_us")[0] * 1e3, cells("reader_waits_us")[0] * 1e3);
        // The readers are one thread; all of it was on two processors, which others used too.
        for (name, costs, cost, processors) in [
            ("simulated, undisturbed", costs, own, 2),
            ("simulated, disturbed", costs.stretched(cells("engine_stretch")[0]), own + waited, 1),
        ] {
            let processors = if settings.engine == Kind::Redis { 1 } else { processors };
            let mut fleet = Fleet::new(settings, costs, Engine::new(processors, 1000.0), 200)
                .running()
                .revoking(4.0, CALM, CALM + 25 * SECOND)
                .on_one_computer(&Shared { cost, processors: 1 });
            fleet.run(CALM + 60 * SECOND);
            let reach = &fleet.reach;
            println!(
                "| | {name} | {} | {} | {} |",
                time(reach.quantile(0.5)),
                time(reach.quantile(0.99)),
                time(reach.worst())
            );
            let part = |part| (reach.quantile(f64::from(part) / 100.0), f64::from(part));
            curves.push((name, (1..=100).map(part).collect()));
        }
        if way == Way::RedisListening || way == Way::PostgresListening {
            for (name, points) in curves {
                let points = points.into_iter().map(|(at, part)| (at * 1e3, part)).collect();
                let engine = if way == Way::RedisListening { "Redis" } else { "PG" };
                lines.push(Line { name: format!("{engine}, {name}"), points });
            }
        }
    }
    let title = "200 readers, 100 revocations: reached within";
    let (x, y) = (("milliseconds", Scale::Logarithmic), ("% of the readers", Scale::Linear));
    world.plot("revocations-experiment", &Plot { title, x, y, limit: None, lines });
}

fn time(seconds: f64) -> String {
    if seconds < 0.0995 {
        format!("{:.1} ms", seconds * 1e3)
    } else if seconds < 9.95 {
        format!("{seconds:.2} s")
    } else if seconds < 300.0 {
        format!("{seconds:.0} s")
    } else if seconds < 7200.0 {
        format!("{:.0} min", seconds / 60.0)
    } else {
        format!("{:.1} h", seconds / 3600.0)
    }
}
