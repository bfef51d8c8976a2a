//! Processes that follow the log of revocations, each with the loop of `src/revocation/follower.rs`, on one engine.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::engine::{Costs, Engine, Kind, MILLISECOND, SECOND};
use super::times::Times;

/// From a process to the engine or back.
const WAY: u64 = 250_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jitter {
    No,
    /// Half of the pause is random.
    Half,
    /// All of it is.
    Full,
}

#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub engine: Kind,
    /// Whether a read waits until it is told: by XREAD BLOCK, or by LISTEN.
    pub waits: bool,
    /// How long Redis lets it wait.
    pub wait: u64,
    /// How long an answer may take.
    pub patience: u64,
    /// Between two looks of a store that is not told; in PostgreSQL also of one that is.
    pub pause: u64,
    /// After a page that was not empty, so that what follows comes together.
    pub gather: u64,
    pub back_off: (u64, u64),
    pub jitter: Jitter,
    pub tls: bool,
    /// Records in a page.
    pub page: u32,
    pub max_age: u64,
}

/// Readers that share a computer, as in the experiment: what an answer costs them.
pub struct Shared {
    pub cost: f64,
    pub processors: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Does {
    /// It has not started, or sleeps between two reads.
    Nothing,
    Asks,
    /// It is known to the engine as a reader that waits.
    Waits,
}

#[derive(Clone, Copy)]
struct Process {
    does: Does,
    /// Of events, only those of the present generation count.
    generation: u32,
    position: u32,
    /// Where the answer under way leads to, and whether there is more.
    coming: (u32, bool),
    asked: u64,
    back_off: u64,
    is_connected: bool,
    connects: bool,
    /// The first read, and the first after a failure, does not wait.
    is_fresh: bool,
    is_told: bool,
    told_at: u64,
    epoch: u8,
    complete_at: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Append,
    Ask,
    Answer,
    WaitIsOver,
    Told,
    Fail,
}

pub struct Fleet {
    pub settings: Settings,
    pub engine: Engine,
    costs: Costs,
    processes: Vec<Process>,
    events: BinaryHeap<Reverse<(u64, u32, Event, u32)>>,
    random: fastrand::Rng,
    /// When each record was revoked; those of before the beginning have 0.
    log: Vec<u64>,
    visible: u32,
    epoch: u8,
    /// Records of whom the engine is told again, by process, after it lost them.
    pub lost: Vec<u32>,
    pub again: Times,
    down: Option<(u64, u64)>,
    /// So many of the processes, the first ones, cannot reach the engine in this time.
    cut: Option<(usize, u64, u64)>,
    readers: Option<(Engine, f64)>,
    /// Latencies are counted of records that were revoked from here on.
    pub counts_from: u64,
    pub reach: Times,
    /// Connections that were begun in each second.
    pub attempts: Vec<u64>,
    pub failures: u64,
    pub rests_when_complete: bool,
    complete: usize,
    /// From then on, when each was complete for the first time, in seconds since.
    pub notes_first_complete_from: u64,
    pub first_complete: Vec<f64>,
}

impl Fleet {
    pub fn new(settings: Settings, costs: Costs, engine: Engine, processes: usize) -> Self {
        let process = Process {
            does: Does::Nothing,
            generation: 0,
            position: 0,
            coming: (0, false),
            asked: 0,
            back_off: settings.back_off.0,
            is_connected: false,
            connects: false,
            is_fresh: false,
            is_told: false,
            told_at: 0,
            epoch: 0,
            complete_at: 0,
        };
        Self {
            settings,
            engine,
            costs,
            processes: vec![process; processes],
            events: BinaryHeap::new(),
            random: fastrand::Rng::with_seed(20_261_128),
            log: Vec::new(),
            visible: 0,
            epoch: 0,
            lost: Vec::new(),
            again: Times::default(),
            down: None,
            cut: None,
            readers: None,
            counts_from: 0,
            reach: Times::default(),
            attempts: Vec::new(),
            failures: 0,
            rests_when_complete: false,
            complete: 0,
            notes_first_complete_from: u64::MAX,
            first_complete: Vec::new(),
        }
    }

    // What happens, told before it runs.

    /// The log has these already.
    pub fn filled(mut self, records: usize) -> Self {
        self.log = vec![0; records];
        self.visible = records as u32;
        self
    }

    /// All start within a time.
    pub fn started(mut self, spread: u64) -> Self {
        for index in 0..self.processes.len() {
            let start = self.random.u64(0..spread.max(1));
            self.at(start, index, Event::Ask);
        }
        self
    }

    /// All have started long ago, and have everything.
    pub fn running(mut self) -> Self {
        let rest = if self.settings.waits { self.settings.wait } else { self.settings.pause };
        for process in &mut self.processes {
            (process.position, process.is_connected, process.is_fresh) = (self.visible, true, true);
        }
        self.started(rest)
    }

    /// Revocations at random moments, so many a second.
    pub fn revoking(mut self, rate: f64, from: u64, until: u64) -> Self {
        let mut time = from as f64;
        if rate == 0.0 {
            return self;
        }
        loop {
            time -= (1.0 - self.random.f64()).ln() / rate * SECOND as f64;
            if time >= until as f64 {
                return self;
            }
            self.at(time as u64, 0, Event::Append);
        }
    }

    pub fn without_engine(mut self, from: u64, until: u64) -> Self {
        self.down = Some((from, until));
        for index in 0..self.processes.len() {
            self.at(from, index, Event::Fail);
        }
        self
    }

    pub fn cut_off(mut self, processes: usize, from: u64, until: u64) -> Self {
        self.cut = Some((processes, from, until));
        self
    }

    pub fn on_one_computer(mut self, shared: &Shared) -> Self {
        self.readers = Some((Engine::new(shared.processors, 1000.0), shared.cost));
        self
    }

    /// The engine has lost all; so many of the processes revoked one of what it had.
    pub fn loses_everything(&mut self, records: usize) {
        self.epoch += 1;
        self.log.clear();
        self.visible = 0;
        self.lost = (0..self.processes.len()).map(|index| u32::from(index < records)).collect();
    }

    /// All but those that are cut off have these already.
    pub fn revoked_while_cut_off(&mut self, records: u32) {
        let cut = self.cut.map_or(0, |(processes, ..)| processes);
        self.log.resize(self.log.len() + records as usize, 0);
        self.visible += records;
        for process in &mut self.processes[cut..] {
            process.position += records;
            process.coming.0 += records;
        }
    }

    // What is seen.

    pub const fn complete(&self) -> usize {
        self.complete
    }

    /// Revocations whose latencies count.
    pub fn revoked(&self) -> u64 {
        self.log.iter().filter(|revoked| **revoked >= self.counts_from).count() as u64
    }

    pub fn stale(&self, now: u64) -> usize {
        let max_age = self.settings.max_age;
        self.processes.iter().filter(|process| process.complete_at + max_age < now).count()
    }

    pub fn behind(&self) -> usize {
        self.processes.iter().filter(|process| process.position < self.visible).count()
    }

    pub fn complete_since(&self, time: u64) -> usize {
        self.processes.iter().filter(|process| process.complete_at >= time).count()
    }

    // How it goes.

    fn at(&mut self, time: u64, index: usize, event: Event) {
        let generation = self.processes[index].generation;
        self.events.push(Reverse((time, index as u32, event, generation)));
    }

    pub fn run(&mut self, until: u64) {
        while let Some(Reverse((now, index, event, generation))) = self.events.peek().copied() {
            if now >= until {
                return;
            }
            self.events.pop();
            let index = index as usize;
            let is_current = self.processes[index].generation == generation;
            match event {
                Event::Append => self.append(now),
                Event::Told => self.told(index, now),
                // The engine went: nobody is spared.
                Event::Fail if self.down.is_some_and(|(from, _)| now == from) => self.fail(index, now),
                _ if !is_current => {}
                Event::Ask => self.ask(index, now),
                Event::Answer => self.answer(index, now),
                Event::WaitIsOver => {
                    self.processes[index].coming = (self.processes[index].position, false);
                    self.processes[index].asked = now;
                    self.reply(index, now + WAY);
                }
                Event::Fail => self.fail(index, now),
            }
        }
    }

    fn is_down(&self, now: u64) -> bool {
        self.down.is_some_and(|(from, until)| (from..until).contains(&now))
    }

    fn is_cut(&self, index: usize, now: u64) -> bool {
        self.cut.is_some_and(|(processes, from, until)| index < processes && (from..until).contains(&now))
    }

    fn append(&mut self, now: u64) {
        if self.is_down(now) {
            return;
        }
        let bytes = self.costs.bytes(1);
        self.engine.serve(now, self.costs.append, bytes);
        self.log.push(now);
        self.visible += 1;
        if !self.settings.waits {
            return;
        }
        for index in 0..self.processes.len() {
            let process = &self.processes[index];
            // A backend of PostgreSQL that has not run since it was told last sees both at once.
            let is_told = process.told_at > now;
            let listens = match self.settings.engine {
                Kind::Redis => process.does == Does::Waits,
                Kind::Postgres => process.is_connected,
            };
            if listens && !is_told {
                let done = self.engine.serve(now, self.costs.wake, self.costs.bytes(1));
                self.processes[index].told_at = done + WAY;
                if !self.is_cut(index, now) {
                    self.at(done + WAY, index, Event::Told);
                }
            }
        }
    }

    /// The process was told that there is something.
    fn told(&mut self, index: usize, now: u64) {
        let now = self.read_by_reader(now);
        let process = &mut self.processes[index];
        if !process.is_connected {
            return;
        }
        process.is_told = true;
        if process.does == Does::Waits {
            process.generation += 1;
            process.does = Does::Nothing;
            self.at(now, index, Event::Ask);
        }
    }

    fn ask(&mut self, index: usize, now: u64) {
        let Settings { wait, patience, waits, tls, engine, page, .. } = self.settings;
        let connects = !self.processes[index].is_connected;
        let process = &mut self.processes[index];
        process.asked = now;
        process.does = Does::Asks;
        process.is_told = false;
        process.generation += 1;
        if connects {
            let window = (now / SECOND) as usize;
            self.attempts.resize(self.attempts.len().max(window + 1), 0);
            self.attempts[window] += 1;
        }
        if self.is_down(now) {
            return self.at(now + 2 * WAY, index, Event::Fail);
        }
        // The last moment; an answer makes it void.
        let deadline = now + patience;
        if self.is_cut(index, now) {
            return self.at(deadline, index, Event::Fail);
        }
        let arrives = now + WAY;
        let mut cost = 0.0;
        if connects {
            cost += if tls { self.costs.connect_tls } else { self.costs.connect };
            (self.processes[index].is_connected, self.processes[index].connects) = (true, true);
        }
        let process = &mut self.processes[index];
        if process.epoch != self.epoch {
            (process.epoch, process.position) = (self.epoch, 0);
        }
        let to = self.visible.min(process.position + page);
        let records = (to - process.position) as usize;
        let waits_there = records == 0 && waits && engine == Kind::Redis && process.is_fresh;
        cost += if waits_there { self.costs.wait } else { self.costs.page(records) };
        process.coming = (to, to < self.visible);
        let done = self.engine.serve(arrives, cost, self.costs.bytes(records));
        if waits_there && done + WAY <= deadline {
            self.engine.commands += 2; // a look, the command that waits, another look
            self.processes[index].does = Does::Waits;
            self.at(done + wait, index, Event::WaitIsOver);
            return;
        }
        self.reply(index, done + WAY);
    }

    /// The answer is under way, unless the process has lost patience by then.
    fn reply(&mut self, index: usize, arrives: u64) {
        let is_lost = self.is_cut(index, arrives);
        let process = &mut self.processes[index];
        process.does = Does::Asks;
        process.generation += 1;
        let deadline = process.asked + self.settings.patience;
        if is_lost || arrives > deadline {
            return self.at(deadline, index, Event::Fail);
        }
        let arrives = self.read_by_reader(arrives);
        self.at(arrives, index, Event::Answer);
    }

    fn read_by_reader(&mut self, arrives: u64) -> u64 {
        match &mut self.readers {
            Some((readers, cost)) => readers.serve(arrives, *cost, 0.0),
            None => arrives,
        }
    }

    fn answer(&mut self, index: usize, now: u64) {
        let Settings { waits, pause, gather, engine, back_off, .. } = self.settings;
        let process = self.processes[index];
        let (to, has_more) = process.coming;
        for &revoked in self.log.get(process.position as usize..to as usize).unwrap_or_default() {
            if revoked > 0 && revoked >= self.counts_from {
                self.reach.add(now - revoked);
            }
        }
        let is_empty = to == process.position;
        let process = &mut self.processes[index];
        (process.position, process.back_off, process.does) = (to, back_off.0, Does::Nothing);
        process.connects = false;
        let was_fresh = std::mem::replace(&mut process.is_fresh, true);
        if !has_more {
            let from = self.notes_first_complete_from;
            if process.complete_at < from && from <= now {
                self.first_complete.push((now - from) as f64 / 1e9);
            }
            self.complete += usize::from(process.complete_at == 0);
            process.complete_at = now;
        }
        process.generation += 1;
        let is_told = process.is_told;
        if !self.lost.is_empty() {
            self.append_again(index, now);
        }
        let sleep = if has_more {
            0
        } else if !is_empty {
            (gather as f64 * (0.5 + self.random.f64())) as u64
        } else if waits && !was_fresh {
            (250.0 * MILLISECOND as f64 * (0.5 + self.random.f64())) as u64
        } else if waits && engine == Kind::Redis || is_told {
            0
        } else {
            if waits {
                self.processes[index].does = Does::Waits;
            }
            pause
        };
        if !self.rests_when_complete || has_more {
            self.at(now + sleep, index, Event::Ask);
        }
    }

    fn append_again(&mut self, index: usize, now: u64) {
        for _ in 0..std::mem::take(&mut self.lost[index]) {
            let done = self.engine.serve(now + WAY, self.costs.append, self.costs.bytes(1));
            self.again.add(done);
            self.at(now + WAY, index, Event::Append);
        }
    }

    fn fail(&mut self, index: usize, now: u64) {
        let (_, longest) = self.settings.back_off;
        let ends = self.settings.engine == Kind::Postgres || self.is_down(now) || self.is_cut(index, now);
        let share = match self.settings.jitter {
            Jitter::No => 1.0,
            Jitter::Half => 0.5 + self.random.f64() / 2.0,
            Jitter::Full => self.random.f64(),
        };
        let process = &mut self.processes[index];
        let sleep = (process.back_off as f64 * share) as u64;
        process.back_off = (process.back_off * 2).min(longest);
        // A late answer does not end a connection to Redis, if it was not that of its beginning.
        process.is_connected &= !ends && !process.connects;
        process.connects = false;
        (process.does, process.is_fresh) = (Does::Nothing, false);
        process.generation += 1;
        self.failures += 1;
        self.at(now + sleep.max(MILLISECOND), index, Event::Ask);
    }
}
