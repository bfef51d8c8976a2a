//! Thousands of processes that follow the log of revocations on one engine, simulated from what real engines were measured to do.
//!
//! `cargo run --release -p benches --bin fleet_revocations -- [DIRECTORY_FOR_PLOTS]`, from the root of the repository. Nothing is
//! random but the seed, so two runs print the same. The loop of a process is that of `src/revocation/follower.rs`; what an
//! operation costs the engine is in `benches/fleet/engines.tsv`.

mod engine;
mod fleet;
mod plot;
mod scenarios;
mod times;

use engine::{Costs, Engine, Kind, MILLISECOND, Measured, SECOND};
use fleet::{Fleet, Jitter, Settings};

/// Redis has one thread for commands. A PostgreSQL of a middle size.
const POSTGRES_PROCESSORS: usize = 8;
const GIGABITS: f64 = 10.0;

/// How processes read, with the defaults of the stores.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    RedisPolled,
    RedisListening,
    PostgresPolled,
    PostgresListening,
}

impl Way {
    const ALL: [Self; 4] =
        [Self::RedisPolled, Self::RedisListening, Self::PostgresPolled, Self::PostgresListening];

    const fn name(self) -> &'static str {
        match self {
            Self::RedisPolled => "Redis, asked each 250 ms",
            Self::RedisListening => "Redis, listening",
            Self::PostgresPolled => "PostgreSQL, asked each second",
            Self::PostgresListening => "PostgreSQL, listening",
        }
    }

    fn settings(self) -> Settings {
        let is_redis = matches!(self, Self::RedisPolled | Self::RedisListening);
        Settings {
            engine: if is_redis { Kind::Redis } else { Kind::Postgres },
            waits: matches!(self, Self::RedisListening | Self::PostgresListening),
            wait: 5 * SECOND,
            patience: if is_redis { 2 * SECOND } else { 5 * SECOND },
            pause: if is_redis { 250 * MILLISECOND } else { SECOND },
            gather: 200 * MILLISECOND,
            back_off: (100 * MILLISECOND, 5 * SECOND),
            jitter: Jitter::Full,
            tls: false,
            page: 1000,
            max_age: 30 * SECOND,
        }
    }
}

struct World {
    measured: Measured,
    plots: Option<String>,
}

impl World {
    fn fleet(&self, settings: Settings, processes: usize) -> Fleet {
        let costs = Costs::of(settings.engine, settings.waits, &self.measured, processes);
        let processors = if settings.engine == Kind::Redis { 1 } else { POSTGRES_PROCESSORS };
        Fleet::new(settings, costs, Engine::new(processors, GIGABITS), processes)
    }

    fn plot(&self, name: &str, plot: &plot::Plot<'_>) {
        if let Some(directory) = &self.plots {
            std::fs::create_dir_all(directory).expect("the directory can be made");
            std::fs::write(format!("{directory}/{name}.svg"), plot.svg()).expect("the plot can be written");
        }
    }
}

fn main() {
    let path = "benches/fleet/engines.tsv";
    let measured = Measured::read(&std::fs::read_to_string(path).expect("the measurements are there"));
    let mut arguments = std::env::args().skip(1);
    let plots = arguments.next();
    let world = World { measured, plots };
    let chosen: Vec<_> = arguments.collect();
    let all = [
        ("reach", scenarios::reach as fn(&World)),
        ("pauses", scenarios::pauses),
        ("sizes", scenarios::sizes),
        ("restart", scenarios::restart),
        ("partition", scenarios::partition),
        ("outage", scenarios::outage),
        ("empty", scenarios::empty),
        ("experiment", scenarios::experiment),
    ];
    for (name, scenario) in all {
        if chosen.is_empty() || chosen.iter().any(|one| one == name) {
            scenario(&world);
        }
    }
}
