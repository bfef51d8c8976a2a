//! A fleet of services against one identity provider, simulated second by second of made-up time.
//!
//! `cargo run --release -p benches --bin fleet -- [INSTANCES] [DIRECTORY_FOR_PLOTS]`. Nothing is random but the seed,
//! so two runs print the same. Each instance runs the crate's own state machine (`src/keys/remote/state.rs`); around it
//! stand a provider with a latency, and clients that send requests.

#[allow(dead_code)] // the file is the crate's; the health of a source is not asked for here
#[path = "../../../src/keys/remote/state.rs"]
mod state;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt::Write;
use std::time::Duration;

use state::{Bounds, Need, State, Step};

const BOUNDS: Bounds = Bounds {
    cooldown: Duration::from_secs(10),
    stale: Duration::from_secs(6 * 3600),
    lifetime: Bounds::LIFETIME,
};
/// The longest that a request waits for keys.
const WAIT: Duration = Duration::from_secs(2);
/// Between two requests that an instance receives.
const REQUESTS_EVERY: Duration = Duration::from_millis(1000);
/// The fleet runs this long before anything happens, so that its refreshes have spread.
const CALM: Duration = Duration::from_secs(4 * 3600);
const END: Duration = Duration::from_secs(4 * 3600 + 3600);
const WINDOW: u64 = 10;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let instances = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(1000);
    let plots = arguments.next();
    println!("{instances} instances, each with a request a second; windows of {WINDOW} s");
    println!(
        "{:38} {:>9} {:>9} {:>9} {:>10} {:>11} {:>12} {:>10}",
        "", "mean/s", "peak/s", "peak/mean", "refused", "of requests", "share", "new key"
    );
    for jitter in [true, false] {
        for scenario in
            [Scenario::Calm, Scenario::Announced, Scenario::Unannounced, Scenario::Outage, Scenario::Flood]
        {
            let report = Fleet::new(scenario, instances, jitter).run();
            report.print(scenario, jitter);
            if let Some(directory) = &plots {
                let name = format!("{}-{}", scenario.file(), if jitter { "jitter" } else { "no-jitter" });
                let svg = report.svg(&format!("{}, {}", scenario.title(), jitter_words(jitter)));
                std::fs::create_dir_all(directory).expect("the directory can be made");
                std::fs::write(format!("{directory}/{name}.svg"), svg).expect("the plot can be written");
            }
        }
    }
}

fn jitter_words(jitter: bool) -> &'static str {
    if jitter { "with jitter" } else { "without jitter" }
}

#[derive(Clone, Copy, PartialEq)]
enum Scenario {
    Calm,
    /// The new key is published an hour before it signs.
    Announced,
    /// The old key is withdrawn, and a new one signs at once.
    Unannounced,
    /// The provider answers nothing for ten minutes.
    Outage,
    /// Every instance receives ten tokens a second with invented `kid`s, all else of them right.
    Flood,
}

impl Scenario {
    fn title(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Announced => "announced rotation",
            Self::Unannounced => "unannounced rotation",
            Self::Outage => "outage of 10 minutes",
            Self::Flood => "flood of unknown kids for 10 minutes",
        }
    }

    fn file(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Announced => "announced",
            Self::Unannounced => "unannounced",
            Self::Outage => "outage",
            Self::Flood => "flood",
        }
    }

    /// When the new key is in the published set, and when it signs.
    fn rotation(self) -> Option<(Duration, Duration)> {
        match self {
            Self::Announced => Some((CALM - Duration::from_secs(3600), CALM + Duration::from_secs(600))),
            Self::Unannounced => Some((CALM + Duration::from_secs(600), CALM + Duration::from_secs(600))),
            _ => None,
        }
    }

    fn is_down(self, now: Duration) -> bool {
        self == Self::Outage && Self::trouble(now)
    }

    fn is_flooded(self, now: Duration) -> bool {
        self == Self::Flood && Self::trouble(now)
    }

    fn trouble(now: Duration) -> bool {
        (CALM + Duration::from_secs(600)..CALM + Duration::from_secs(1200)).contains(&now)
    }
}

struct Instance {
    state: State,
    /// Which keys it has: 0 none, 1 the old one, 2 the new one as well or instead.
    keys: u8,
    /// The set that the answer under way will bring.
    coming: Option<(u8, Duration)>,
    /// Requests that wait, since when, and until when at most.
    waiting: Vec<(Duration, Duration)>,
    first_new_token: Option<Duration>,
    first_accepted: Option<Duration>,
    wakes_at: Option<Duration>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Drive,
    Answer,
    Request,
    Invented,
}

struct Fleet {
    scenario: Scenario,
    jitter: bool,
    instances: Vec<Instance>,
    events: BinaryHeap<Reverse<(Duration, usize, Event)>>,
    random: fastrand::Rng,
    report: Report,
}

#[derive(Default)]
struct Report {
    fetches: Vec<u64>,
    requests: u64,
    refused: u64,
    slowest_new_key: Duration,
}

impl Fleet {
    fn new(scenario: Scenario, count: usize, jitter: bool) -> Self {
        let mut fleet = Self {
            scenario,
            jitter,
            instances: Vec::with_capacity(count),
            events: BinaryHeap::new(),
            random: fastrand::Rng::with_seed(20_261_123),
            report: Report::default(),
        };
        for index in 0..count {
            fleet.instances.push(Instance {
                state: State::new(BOUNDS),
                keys: 0,
                coming: None,
                waiting: Vec::new(),
                first_new_token: None,
                first_accepted: None,
                wakes_at: None,
            });
            // A deployment rolls over the fleet within ten minutes.
            let start = Duration::from_secs_f64(600.0 * index as f64 / count as f64);
            fleet.at(start, index, Event::Request);
            if scenario == Scenario::Flood {
                fleet.at(CALM + Duration::from_secs(600), index, Event::Invented);
            }
        }
        fleet
    }

    fn run(mut self) -> Report {
        while let Some(Reverse((now, index, event))) = self.events.pop() {
            if now >= END {
                break;
            }
            match event {
                Event::Drive if self.instances[index].wakes_at != Some(now) => continue, // another came first
                Event::Drive => self.instances[index].wakes_at = None,
                Event::Answer => self.answer(index, now),
                Event::Request => {
                    self.request(index, now);
                    // Until the fleet has spread, one request that starts the instance is enough.
                    let next = (now + REQUESTS_EVERY)
                        .max(CALM + now.saturating_sub(Duration::from_secs(now.as_secs())));
                    self.at(next, index, Event::Request);
                }
                Event::Invented => {
                    self.instances[index].state.ask(Need::Kid, now);
                    if self.scenario.is_flooded(now) {
                        self.at(now + Duration::from_millis(100), index, Event::Invented);
                    }
                }
            }
            self.drive(index, now);
        }
        let slowest = self
            .instances
            .iter()
            .filter_map(|instance| Some(instance.first_accepted?.saturating_sub(instance.first_new_token?)));
        self.report.slowest_new_key = slowest.max().unwrap_or_default();
        self.report
    }

    fn request(&mut self, index: usize, now: Duration) {
        let counts = now >= CALM;
        self.report.requests += u64::from(counts);
        let new = self.scenario.rotation().is_some_and(|(_, signs)| now >= signs);
        let needed = if new { 2 } else { 1 };
        let instance = &mut self.instances[index];
        if new {
            instance.first_new_token.get_or_insert(now);
        }
        if instance.keys >= needed {
            if new {
                instance.first_accepted.get_or_insert(now);
            }
            return;
        }
        let need = if instance.keys == 0 { Need::Keys } else { Need::Kid };
        if instance.state.ask(need, now) > now + WAIT {
            self.report.refused += u64::from(counts);
        } else {
            instance.waiting.push((now, now + WAIT));
        }
    }

    fn answer(&mut self, index: usize, now: Duration) {
        let counts = now >= CALM;
        let spread = if self.jitter { self.random.f64() * 2.0 - 1.0 } else { 0.0 };
        let instance = &mut self.instances[index];
        match instance.coming.take() {
            Some((keys, _)) => {
                instance.keys = keys;
                instance.state.succeeded(now, None, spread);
            }
            None => instance.state.failed(now, None, spread),
        }
        let new = self.scenario.rotation().is_some_and(|(_, signs)| now >= signs);
        for (since, until) in std::mem::take(&mut instance.waiting) {
            let after_rotation = self.scenario.rotation().is_some_and(|(_, signs)| since >= signs);
            let accepted = now <= until && instance.keys >= if after_rotation { 2 } else { 1 };
            if accepted && new {
                instance.first_accepted.get_or_insert(now);
            }
            self.report.refused += u64::from(counts && !accepted);
        }
    }

    fn drive(&mut self, index: usize, now: Duration) {
        match self.instances[index].state.step(now) {
            Step::Fetch => {
                if now >= CALM {
                    let window = ((now - CALM).as_secs() / WINDOW) as usize;
                    self.report.fetches.resize(self.report.fetches.len().max(window + 1), 0);
                    self.report.fetches[window] += 1;
                }
                let set = match self.scenario.rotation() {
                    Some((published, _)) if now >= published => 2,
                    _ => 1,
                };
                let down = self.scenario.is_down(now);
                // An outage is a connection that is refused at once: worse for a provider than one that hangs.
                let latency = Duration::from_millis(20) + self.random_up_to(Duration::from_millis(130));
                let instance = &mut self.instances[index];
                instance.state.begin(now);
                instance.coming = (!down).then_some((set, now));
                self.at(now + latency, index, Event::Answer);
            }
            Step::Drop => {
                self.instances[index].keys = 0;
                self.instances[index].state.dropped();
            }
            Step::Sleep(Some(until)) => {
                if self.instances[index].wakes_at.is_none_or(|at| until < at) {
                    self.instances[index].wakes_at = Some(until);
                    self.at(until, index, Event::Drive);
                }
            }
            Step::Sleep(None) => {}
        }
    }

    fn at(&mut self, time: Duration, index: usize, event: Event) {
        self.events.push(Reverse((time, index, event)));
    }

    fn random_up_to(&mut self, most: Duration) -> Duration {
        most.mul_f64(self.random.f64())
    }
}

impl Report {
    fn mean(&self) -> f64 {
        self.fetches.iter().sum::<u64>() as f64 / self.fetches.len().max(1) as f64 / WINDOW as f64
    }

    fn peak(&self) -> f64 {
        self.fetches.iter().max().copied().unwrap_or(0) as f64 / WINDOW as f64
    }

    fn print(&self, scenario: Scenario, jitter: bool) {
        let name = format!("{}, {}", scenario.title(), jitter_words(jitter));
        println!(
            "{name:38} {:>9.2} {:>9.2} {:>9.2} {:>10} {:>11} {:>11.5}% {:>8.1} s",
            self.mean(),
            self.peak(),
            self.peak() / self.mean(),
            self.refused,
            self.requests,
            100.0 * self.refused as f64 / self.requests.max(1) as f64,
            self.slowest_new_key.as_secs_f64()
        );
    }

    /// Fetches a second at the provider over the hour.
    fn svg(&self, title: &str) -> String {
        let (width, height, left, bottom) = (720.0, 240.0, 60.0, 30.0);
        let top = (self.peak() * 1.1).max(0.1);
        let x =
            |window: usize| left + (width - left - 10.0) * window as f64 / self.fetches.len().max(1) as f64;
        let y = |rate: f64| height - bottom - (height - bottom - 30.0) * rate / top;
        let mut points = String::new();
        for (window, count) in self.fetches.iter().enumerate() {
            let _ = write!(points, "{:.1},{:.1} ", x(window), y(*count as f64 / WINDOW as f64));
        }
        let mean = y(self.mean());
        let (right, base, middle, low) = (width - 10.0, height - bottom, left - 6.0, height - 10.0);
        let (mean_rate, peak_rate, refused, highest) = (self.mean(), self.peak(), self.refused, y(top) + 4.0);
        format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">
<rect width="{width}" height="{height}" fill="#fff"/>
<text x="{left}" y="18" font-weight="bold">{title}</text>
<text x="{right}" y="18" text-anchor="end">mean {mean_rate:.1}/s, peak {peak_rate:.1}/s, {refused} refused</text>
<line x1="{left}" y1="{base}" x2="{right}" y2="{base}" stroke="#999"/>
<line x1="{left}" y1="{mean:.1}" x2="{right}" y2="{mean:.1}" stroke="#999" stroke-dasharray="4 4"/>
<text x="{middle}" y="{highest}" text-anchor="end">{top:.1}/s</text><text x="{middle}" y="{base}" text-anchor="end">0</text>
<text x="{left}" y="{low}">0 min</text><text x="{right}" y="{low}" text-anchor="end">60 min</text>
<polyline points="{points}" fill="none" stroke="#2a5bd7" stroke-width="1.5"/>
</svg>
"##
        )
    }
}
