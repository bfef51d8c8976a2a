//! The promise of a key ring, held against random histories of several replicas: at any instant every unexpired token
//! verifies against the set that any fresh replica publishes then, and against any set that a client may still have
//! cached.
//!
//! Time is that of the slowest clock. Between two steps the test looks for the instants at which a replica changes what
//! it does (another key signs, it is stale), and tries both sides of each of them, so that edges are met on purpose.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use proptest::prelude::*;
use proptest::sample::select;
use tower::Service;
use tower_jwt_auth::{
    Algorithm, Authority, Claims, Clock, DocumentService, Issuer, KeyRing, KeySet, KeyState, MemoryKeyStore,
    TestClock, UnixTime, Verifier,
};

use super::{ISS, START, kid};
use crate::support::verify;

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
/// How far the clocks of replicas and verifiers differ at most, in seconds.
const CLOCKS: u64 = 300;
/// The largest leeway of a verifier.
const LEEWAY: u64 = 300;
/// `Cache-Control: max-age` of the published set.
const MAX_AGE: u64 = 300;

/// A replica's clock: ahead of the slowest one.
#[derive(Clone, Debug)]
struct Ahead {
    slowest: TestClock,
    by: Duration,
}

impl Clock for Ahead {
    fn now(&self) -> UnixTime {
        Clock::now(&self.slowest).saturating_add(self.by)
    }
}

#[derive(Clone, Debug)]
struct Plan {
    ahead: Vec<u64>,
    lead: u64,
    /// As a multiple of the lead; `None`: by hand.
    every: Option<u64>,
    steps: Vec<Step>,
}

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    /// So many minutes in which some replicas (by their bits) refresh each minute, as the ring itself does.
    Live(u64, u8),
    Refresh(usize),
    Rotate(usize),
    Sign(usize, u64),
}

fn plan() -> impl Strategy<Value = Plan> {
    let ahead = prop_oneof![Just(0), Just(CLOCKS), 0..=CLOCKS];
    let lead = select(vec![15 * MINUTE, HOUR, DAY]);
    let every = prop_oneof![1 => Just(None), 3 => (2_u64..6).prop_map(Some)];
    (prop::collection::vec(ahead, 2..4), lead, every).prop_flat_map(|(ahead, lead, every)| {
        let replica = 0..ahead.len();
        let wait = prop_oneof![
            3 => 0..10_u64,
            3 => 0..10 * MINUTE,
            3 => 0..2 * HOUR,
            2 => lead.saturating_sub(15 * MINUTE)..lead + 15 * MINUTE,
            2 => DAY..DAY + HOUR,
            1 => DAY..21 * DAY,
        ];
        let step = prop_oneof![
            5 => wait.prop_map(Step::Wait),
            2 => (1..20_u64, any::<u8>()).prop_map(|(minutes, who)| Step::Live(minutes, who)),
            5 => replica.clone().prop_map(Step::Refresh),
            2 => replica.clone().prop_map(Step::Rotate),
            1 => (replica, 1..=DAY).prop_map(|(replica, lifetime)| Step::Sign(replica, lifetime)),
        ];
        let steps = prop::collection::vec(step, 1..40);
        steps.prop_map(move |steps| Plan { ahead: ahead.clone(), lead, every, steps })
    })
}

struct Replica {
    ahead: u64,
    ring: KeyRing,
    issuer: Issuer,
    documents: DocumentService,
    clock: Ahead,
}

struct Token {
    number: usize,
    token: String,
    kid: String,
    /// In the clock of the replica that signed it.
    expires: u64,
}

/// A published set, by its number.
type SetId = usize;

#[derive(Default)]
struct Counts {
    tokens: usize,
    held: usize,
    fetches: usize,
    refused: usize,
    edges: usize,
    keys: usize,
}

struct World {
    clock: TestClock,
    replicas: Vec<Replica>,
    lead: u64,
    tokens: Vec<Token>,
    /// When each set was fetched last: who fetched it earlier uses it less long.
    cached: HashMap<SetId, u64>,
    /// When each key was first seen.
    seen: HashMap<String, u64>,
    first: String,
    sets: Vec<(Bytes, Verifier<Claims>)>,
    /// Whether the signature of a token is good by a set.
    verified: HashMap<(usize, SetId), bool>,
    /// The clock of the verifiers.
    judge: TestClock,
    counts: Counts,
}

/// What a replica does, as far as it depends on the time alone.
#[derive(Clone, Debug, PartialEq)]
struct Doing {
    publishes: bool,
    signs: Option<String>,
}

impl World {
    async fn open(plan: &Plan) -> Self {
        let clock = TestClock::at(START);
        let store = Arc::new(MemoryKeyStore::new());
        let mut replicas = Vec::new();
        for ahead in &plan.ahead {
            let own = Ahead { slowest: clock.clone(), by: Duration::from_secs(*ahead) };
            let ring = KeyRing::builder(Arc::clone(&store)).algorithm(Algorithm::Ed25519).clock(own.clone());
            let ring = ring.publish_lead(Duration::from_secs(plan.lead));
            let ring = match plan.every {
                Some(leads) => ring.rotate_every(Duration::from_secs(leads * plan.lead)),
                None => ring.rotate_by_hand(),
            };
            let ring = ring.open().await.unwrap();
            let issuer = issuer(&ring, &own, DAY);
            let documents = issuer.jwks_service();
            replicas.push(Replica { ahead: *ahead, ring, issuer, documents, clock: own });
        }
        let first = replicas[0].ring.keys().next().unwrap().kid().to_owned();
        Self {
            clock,
            replicas,
            lead: plan.lead,
            tokens: Vec::new(),
            cached: HashMap::new(),
            seen: HashMap::new(),
            first,
            sets: Vec::new(),
            verified: HashMap::new(),
            judge: TestClock::at(START),
            counts: Counts::default(),
        }
    }

    fn now(&self) -> u64 {
        Clock::now(&self.clock).as_secs()
    }

    fn go_to(&self, second: u64) {
        self.clock.set(UnixTime::from_secs(second));
    }

    fn doing(&mut self, replica: usize, at: u64) -> Doing {
        let now = self.now();
        self.go_to(at);
        let publishes = self.fetch(replica).is_some();
        let keys = self.replicas[replica].ring.keys();
        let signs =
            keys.filter(|key| key.state() == KeyState::Signing).map(|key| key.kid().to_owned()).next();
        self.go_to(now);
        Doing { publishes, signs }
    }

    fn fetch(&mut self, replica: usize) -> Option<Bytes> {
        let documents = &mut self.replicas[replica].documents;
        let response = ready(documents.call(Request::new(()))).unwrap();
        match response.status() {
            StatusCode::OK => Some(ready(response.into_body().collect()).unwrap().to_bytes()),
            StatusCode::SERVICE_UNAVAILABLE => None,
            other => panic!("{other}"),
        }
    }

    fn set_id(&mut self, set: Bytes) -> SetId {
        self.sets.iter().rposition(|(known, _)| *known == set).unwrap_or_else(|| {
            let keys = KeySet::from_jwks(std::str::from_utf8(&set).unwrap()).unwrap();
            let authority = Authority::keys(keys).issuer(ISS).audience("api").typ("at+jwt");
            let verifier =
                Verifier::builder().authority(authority).clock(self.judge.clone()).build().unwrap();
            self.sets.push((set, verifier));
            self.sets.len() - 1
        })
    }

    /// Tries everything at this instant: each replica signs, each set is fetched, each token is held against each set.
    fn probe(&mut self) {
        let now = self.now();
        for replica in 0..self.replicas.len() {
            if let Some(set) = self.fetch(replica) {
                self.counts.fetches += 1;
                let set = self.set_id(set);
                self.cached.insert(set, now);
            }
            self.sign(replica, DAY);
        }
        self.cached.retain(|_, fetched| now <= *fetched + MAX_AGE);
        self.tokens.retain(|token| now < token.expires + LEEWAY);
        for token in &self.tokens {
            for (set, fetched) in &self.cached {
                self.counts.held += 1;
                let (published, verifier) = &self.sets[*set];
                let good = *self.verified.entry((token.number, *set)).or_insert_with(|| {
                    // The times are what this test keeps count of itself.
                    self.judge.set(UnixTime::from_secs(token.expires - 1));
                    verify(verifier, &token.token).is_ok()
                });
                assert!(
                    good,
                    "a token of {} is refused at {now} by a set of {} s ago: {published:?}",
                    token.kid,
                    now - fetched
                );
            }
        }
    }

    fn sign(&mut self, replica: usize, lifetime: u64) {
        let now = self.now();
        let Replica { ring, clock, issuer: usual, ahead, .. } = &self.replicas[replica];
        let signed = match lifetime {
            DAY => usual.sign(&Claims::default()),
            _ => issuer(ring, clock, lifetime).sign(&Claims::default()),
        };
        let Ok(token) = signed else {
            // A replica may refuse, but only because it is stale: then it does not publish either.
            self.counts.refused += 1;
            assert!(self.fetch(replica).is_none(), "{:?}", signed.unwrap_err());
            return;
        };
        let kid = kid(&token);
        let seen = *self.seen.get(&kid).expect("only keys that were published");
        let ahead_most = self.replicas.iter().map(|replica| replica.ahead).max().unwrap();
        let ahead_least = self.replicas.iter().map(|replica| replica.ahead).min().unwrap();
        let lead = self.lead - (ahead_most - ahead_least);
        assert!(kid == self.first || now >= seen + lead, "signed {} s after it was published", now - seen);
        let expires = now + ahead + lifetime;
        // Of the tokens of one key those that live longest say it all.
        let longer = self.tokens.iter().filter(|token| token.kid == kid && token.expires >= expires).count();
        if longer < 2 {
            self.counts.tokens += 1;
            self.tokens.push(Token { number: self.counts.tokens, token, kid, expires });
        }
    }

    /// Lets time pass, and probes on both sides of each instant at which a replica does something else.
    fn wait(&mut self, seconds: u64) {
        let (from, to) = (self.now(), self.now() + seconds);
        let mut edges = vec![to];
        for replica in 0..self.replicas.len() {
            let (before, after) = (self.doing(replica, from), self.doing(replica, to));
            self.edges(replica, (from, before), (to, after), &mut edges);
        }
        edges.sort_unstable();
        edges.dedup();
        self.counts.edges += edges.len() - 1;
        for edge in edges {
            for instant in [edge.saturating_sub(1).max(from), edge] {
                self.go_to(instant);
                self.probe();
            }
        }
    }

    fn edges(&mut self, replica: usize, low: (u64, Doing), high: (u64, Doing), edges: &mut Vec<u64>) {
        if low.1 == high.1 {
            return;
        }
        if low.0 + 1 == high.0 {
            edges.push(high.0);
            return;
        }
        let middle = low.0 + (high.0 - low.0) / 2;
        let between = (middle, self.doing(replica, middle));
        self.edges(replica, low, between.clone(), edges);
        self.edges(replica, between, high, edges);
    }

    async fn refresh(&mut self, replica: usize) {
        self.replicas[replica].ring.refresh().await.unwrap();
        self.look(replica);
        assert!(self.replicas[replica].issuer.sign(&Claims::default()).is_ok(), "a fresh replica signs");
        assert!(self.fetch(replica).is_some(), "a fresh replica publishes");
    }

    /// Notes new keys, and that no more than one is waiting by any clock.
    fn look(&mut self, replica: usize) {
        let now = self.now();
        let fastest = self.replicas.iter().map(|replica| replica.ahead).max().unwrap() + now;
        let mut waiting = 0;
        for key in self.replicas[replica].ring.keys() {
            waiting += usize::from(key.signs_from().as_secs() > fastest);
            if !self.seen.contains_key(key.kid()) {
                self.counts.keys += 1;
                self.seen.insert(key.kid().to_owned(), now);
            }
        }
        assert!(waiting <= 1, "{waiting} keys wait");
    }

    async fn take(&mut self, step: &Step) {
        match *step {
            Step::Wait(seconds) => self.wait(seconds),
            Step::Live(minutes, who) => {
                for _ in 0..minutes {
                    self.wait(MINUTE);
                    for replica in 0..self.replicas.len() {
                        if who & (1 << replica) != 0 {
                            self.refresh(replica).await;
                        }
                    }
                }
            }
            Step::Refresh(replica) => self.refresh(replica).await,
            Step::Rotate(replica) => {
                let kid = self.replicas[replica].ring.rotate().await.unwrap();
                self.look(replica);
                assert!(self.seen.contains_key(&kid));
            }
            Step::Sign(replica, lifetime) => self.sign(replica, lifetime),
        }
        self.probe();
    }
}

fn issuer(ring: &KeyRing, clock: &Ahead, lifetime: u64) -> Issuer {
    let lifetime = Duration::from_secs(lifetime);
    Issuer::builder(ISS, ring.clone())
        .audience("api")
        .lifetime(lifetime)
        .clock(clock.clone())
        .build()
        .unwrap()
}

fn ready<T>(future: impl Future<Output = T>) -> T {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut cx) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("it has to wait"),
    }
}

/// Plays a history; panics where the promise is broken.
fn play(plan: &Plan) -> Counts {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let mut world = World::open(plan).await;
        (0..world.replicas.len()).for_each(|replica| world.look(replica));
        world.probe();
        for step in &plan.steps {
            world.take(step).await;
        }
        world.counts
    })
}

#[test]
fn every_live_token_verifies_against_every_set_that_anybody_may_have() {
    // More with PROPTEST_CASES.
    let usual = ProptestConfig::default();
    let cases = usual.cases / 4;
    let config = ProptestConfig { cases, failure_persistence: None, ..usual };
    let mut total = Counts::default();
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let total_ = std::cell::RefCell::new(&mut total);
    let outcome = runner.run(&plan(), |plan| {
        let counts = play(&plan);
        let mut total = total_.borrow_mut();
        total.tokens += counts.tokens;
        total.held += counts.held;
        total.fetches += counts.fetches;
        total.refused += counts.refused;
        total.edges += counts.edges;
        total.keys += counts.keys;
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    let Counts { tokens, held, fetches, refused, edges, keys } = total;
    println!(
        "{cases} histories: {keys} keys, {tokens} tokens, {fetches} sets fetched, {held} tokens held against sets, \
         {refused} signatures refused by stale replicas, {edges} edges tried on both sides"
    );
    // The histories are worth something.
    assert!(keys > 2 * cases as usize && refused > 0 && edges > cases as usize && held > 1000);
}
