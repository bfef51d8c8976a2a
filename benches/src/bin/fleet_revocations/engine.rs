//! An engine: what each operation costs it, as measured, and the queue in front of its processors and its network.

use std::collections::HashMap;

pub const SECOND: u64 = 1_000_000_000;
pub const MILLISECOND: u64 = 1_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Redis,
    Postgres,
}

/// Medians of what `benches/fleet/measure.py` wrote.
pub struct Measured(HashMap<(String, String, u64), f64>);

impl Measured {
    pub fn read(text: &str) -> Self {
        let mut rounds: HashMap<_, Vec<f64>> = HashMap::new();
        for line in text.lines().skip(1) {
            let cells: Vec<_> = line.split('\t').collect();
            let [engine, what, size, _, value, _] = cells[..] else { panic!("not a row: {line}") };
            let key = (engine.to_owned(), what.to_owned(), size.parse().expect("a size"));
            rounds.entry(key).or_default().push(value.parse().expect("a number"));
        }
        Self(rounds.into_iter().map(|(key, values)| (key, median(values))).collect())
    }

    pub fn get(&self, engine: Kind, what: &str, size: u64) -> f64 {
        let name = if engine == Kind::Redis { "redis" } else { "postgresql" };
        let key = (name.to_owned(), what.to_owned(), size);
        *self.0.get(&key).unwrap_or_else(|| panic!("not measured: {key:?}"))
    }

    /// A start and a slope, through the sizes 1 and 1,000.
    fn line(&self, engine: Kind, what: &str) -> (f64, f64) {
        let (one, thousand) = (self.get(engine, what, 1), self.get(engine, what, 1000));
        let slope = (thousand - one) / 999.0;
        (one - slope, slope)
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// What operations cost, in nanoseconds of a processor, and bytes.
#[derive(Clone, Copy, Debug)]
pub struct Costs {
    pub read_nothing: f64,
    page: (f64, f64),
    bytes: (f64, f64),
    pub append: f64,
    /// A read that waits until its time is over.
    pub wait: f64,
    /// To tell one reader that waits of a record.
    pub wake: f64,
    pub connect: f64,
    pub connect_tls: f64,
}

impl Costs {
    pub fn of(engine: Kind, waits: bool, measured: &Measured, processes: usize) -> Self {
        let get = |what, size| measured.get(engine, what, size) * 1000.0;
        let (start, slope) = measured.line(engine, "read_page");
        let page = (start * 1000.0, slope * 1000.0);
        let bytes = measured.line(engine, "page_bytes");
        match engine {
            Kind::Redis => {
                let near =
                    [100, 1000, 5000].into_iter().rfind(|size| *size <= processes as u64).unwrap_or(100);
                let block = get("wait_in_vain", near.max(1000));
                let look = get("read_nothing", if near == 100 { 50 } else { near });
                // Many connections cost a read more; a page is measured with few.
                let more = look - get("read_nothing", 50);
                Self {
                    read_nothing: look,
                    page: (page.0 + more, page.1),
                    bytes,
                    append: get("append", 1),
                    // A look before it and one after it.
                    wait: 2.0f64.mul_add(look, block),
                    // What was measured has the command in it that waits again.
                    wake: (get("wake", near) - get("wait_in_vain", near)).max(1000.0),
                    connect: get("connect", 1),
                    connect_tls: get("connect_tls", 1),
                }
            }
            Kind::Postgres => {
                let near =
                    [50, 100, 200, 400].into_iter().rfind(|size| *size <= processes as u64).unwrap_or(50);
                // A backend of its own for each reader has run long ago when it reads; those behind a pool are warm.
                let polled = if waits {
                    get("notify_and_read", near) - get("notify", near)
                } else {
                    get("read_nothing", 50)
                };
                let more = polled - get("read_nothing", 8);
                Self {
                    read_nothing: polled,
                    page: (page.0 + more, page.1),
                    bytes,
                    append: get("append", 8),
                    wait: polled,
                    wake: get("notify", near),
                    // One to read on, and one to listen with.
                    connect: get("connect_scram", 1) * if waits { 2.0 } else { 1.0 },
                    connect_tls: get("connect_scram", 1) * if waits { 2.0 } else { 1.0 },
                }
            }
        }
    }

    /// On a computer on which the engine has to wait for a processor.
    pub fn stretched(self, factor: f64) -> Self {
        let (page, bytes) = ((self.page.0 * factor, self.page.1 * factor), self.bytes);
        Self {
            read_nothing: self.read_nothing * factor,
            page,
            bytes,
            append: self.append * factor,
            wait: self.wait * factor,
            wake: self.wake * factor,
            connect: self.connect * factor,
            connect_tls: self.connect_tls * factor,
        }
    }

    pub fn page(&self, records: usize) -> f64 {
        if records == 0 { self.read_nothing } else { self.page.0 + self.page.1 * records as f64 }
    }

    pub fn bytes(&self, records: usize) -> f64 {
        // A question and an empty answer are some 100 bytes.
        if records == 0 { 100.0 } else { 100.0 + self.bytes.0 + self.bytes.1 * records as f64 }
    }
}

/// Processors that take work in the order in which it comes, and a network behind them.
pub struct Engine {
    processors: Vec<u64>,
    network: u64,
    /// Nanoseconds that a byte takes.
    per_byte: f64,
    /// Nanoseconds of work that was given to it.
    work: u64,
    /// When the load was forgotten, and the work that had been done by then.
    since: (u64, u64),
    pub commands: u64,
    pub bytes: f64,
}

impl Engine {
    pub fn new(processors: usize, gigabits: f64) -> Self {
        let per_byte = 8.0 / gigabits;
        Self {
            processors: vec![0; processors],
            network: 0,
            per_byte,
            work: 0,
            since: (0, 0),
            commands: 0,
            bytes: 0.0,
        }
    }

    /// When work that comes at `now` is done, and its answer sent.
    pub fn serve(&mut self, now: u64, cost: f64, bytes: f64) -> u64 {
        let first = self.processors.iter_mut().min().expect("there is a processor");
        let done = now.max(*first) + cost as u64;
        *first = done;
        self.work += cost as u64;
        self.commands += 1;
        self.bytes += bytes;
        self.network = self.network.max(done) + (bytes * self.per_byte) as u64;
        self.network
    }

    /// Begins to count its load anew.
    pub fn forget_load(&mut self, now: u64) {
        self.since = (now, self.done(now));
        (self.commands, self.bytes) = (0, 0.0);
    }

    /// The share of the time since then in which its processors were busy.
    pub fn share(&self, now: u64) -> f64 {
        let (begin, before) = self.since;
        (self.done(now) - before) as f64 / (now - begin) as f64 / self.processors.len() as f64
    }

    fn done(&self, now: u64) -> u64 {
        let waiting: u64 = self.processors.iter().map(|until| until.saturating_sub(now)).sum();
        self.work.saturating_sub(waiting)
    }
}
