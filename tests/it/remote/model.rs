//! Random histories of a provider, its consumers' tokens and processes that restart, against a model that knows only what
//! was answered to which call, and when.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use tokio::time::Instant;
use tower_jwt_auth::{
    Authority, Claims, Fetch, FetchError, KeyStore, MemoryKeyStore, NowOrLater, ProviderFault, Reason,
    RemoteKeys, TestIssuer, Verifier,
};

use super::kept::World;
use super::{HOUR, pass};

const COOLDOWN: Duration = Duration::from_secs(10);
const FETCH_TIME: Duration = Duration::from_secs(5);
const STALE: Duration = Duration::from_secs(6 * HOUR);
/// 80 % of ten minutes, a tenth earlier or later; and without the jitter, as kept keys have it.
const REFRESH: (Duration, Duration, Duration) =
    (Duration::from_secs(420), Duration::from_secs(480), Duration::from_secs(540));
/// A timer rings up to a millisecond late.
const TICK: Duration = Duration::from_millis(2);

#[derive(Clone, Debug)]
enum Event {
    Token(Token, Client),
    Fails(ProviderFault),
    Heals,
    Announces,
    Rotates,
    Retires,
    Pass(u64),
    Restart,
}

#[derive(Clone, Copy, Debug)]
enum Token {
    Current,
    /// Of the key that signed this many rotations ago.
    Earlier(usize),
    Invented,
    /// Signed by a stranger who names the current key.
    Forged,
    OtherAudience,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Client {
    Waits,
    HangsUp,
}

fn event() -> impl Strategy<Value = Event> {
    use ProviderFault as F;
    let token = prop_oneof![
        5 => Just(Token::Current),
        3 => (1..4_usize).prop_map(Token::Earlier),
        3 => Just(Token::Invented),
        1 => Just(Token::Forged),
        1 => Just(Token::OtherAudience),
    ];
    let client = prop_oneof![5 => Just(Client::Waits), 1 => Just(Client::HangsUp)];
    let fault = select(vec![
        F::Status(500),
        F::Status(404),
        F::RetryAfter(503, 40),
        F::RetryAfter(429, 100_000),
        F::Stall,
        F::HangUp,
        F::SlowDrip,
        F::TruncatedBody,
        F::HugeBody,
        F::Garbage,
        F::Redirect,
        F::EmptySet,
        F::TooManyKeys,
        F::OnlyOddKeys,
        F::DuplicateKid,
        F::OddKeys,
    ]);
    let time = prop_oneof![8 => 1..25_u64, 3 => 25..700_u64, 1 => 700..8 * HOUR];
    prop_oneof![
        10 => (token, client).prop_map(|(token, client)| Event::Token(token, client)),
        3 => fault.prop_map(Event::Fails),
        3 => Just(Event::Heals),
        1 => Just(Event::Announces),
        2 => Just(Event::Rotates),
        1 => Just(Event::Retires),
        6 => time.prop_map(Event::Pass),
        1 => Just(Event::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn every_history_keeps_to_the_rules(events in prop::collection::vec(event(), 1..80)) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().start_paused(true).build().unwrap().block_on(async {
            let mut play = Play::new();
            for event in &events {
                play.one(event).await;
            }
            play.the_provider_was_left_in_peace();
        });
    }
}

/// One call to the provider.
#[derive(Clone, Debug)]
struct Call {
    process: usize,
    began: Instant,
    ended: Option<Instant>,
    /// What the provider did wrong when it was asked.
    fault: Option<ProviderFault>,
    /// What it answered, if that is a set that may be believed.
    kids: Option<Vec<String>>,
}

impl Call {
    fn is_good(&self) -> bool {
        self.kids.is_some()
    }

    fn retry_after(&self) -> Duration {
        match self.fault {
            Some(ProviderFault::RetryAfter(_, seconds)) => Duration::from_secs(seconds.min(300)),
            _ => Duration::ZERO,
        }
    }
}

/// The provider as one process sees it: notes each call.
#[derive(Clone, Debug)]
struct Noted {
    world: Arc<World<MemoryKeyStore>>,
    fault: Arc<Mutex<Option<ProviderFault>>>,
    calls: Arc<Mutex<Vec<Call>>>,
    process: usize,
}

/// Notes when the call ended, also if it was given up.
struct Running(Arc<Mutex<Vec<Call>>>, usize);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.lock().unwrap()[self.1].ended = Some(Instant::now());
    }
}

impl Fetch for Noted {
    fn fetch(&self, url: &str, max_bytes: usize) -> NowOrLater<Result<Response<Bytes>, FetchError>> {
        let fault = self.fault.lock().unwrap().clone();
        let harmless = matches!(fault, None | Some(ProviderFault::OddKeys | ProviderFault::DuplicateKid));
        let running = {
            let mut calls = self.calls.lock().unwrap();
            calls.push(Call { process: self.process, began: Instant::now(), ended: None, fault, kids: None });
            Running(Arc::clone(&self.calls), calls.len() - 1)
        };
        let answer = self.world.provider.fetch(url, max_bytes);
        NowOrLater::later(async move {
            let answer = answer.await;
            if let (true, Ok(answer)) = (harmless, &answer) {
                let set: Value = serde_json::from_slice(answer.body()).unwrap();
                let kids = set["keys"].as_array().unwrap().iter().filter_map(|key| key["kid"].as_str());
                running.0.lock().unwrap()[running.1].kids = Some(kids.map(str::to_owned).collect());
            }
            answer
        })
    }
}

struct Play {
    world: Arc<World<MemoryKeyStore>>,
    noted: Noted,
    verifier: Verifier<Claims>,
    /// A key of the provider, and a token of it.
    keys: Vec<(String, String)>,
    /// Whether this process has answered nobody yet, so that it may still have to look into the store.
    cold: bool,
    /// How many keys are not published any longer.
    retired: usize,
    /// When somebody asked for a key that was not at hand.
    unknown: Vec<Instant>,
    well_since: Instant,
}

impl Play {
    fn new() -> Self {
        let world = Arc::new(World::of(MemoryKeyStore::default()));
        let noted =
            Noted { world: Arc::clone(&world), fault: Arc::default(), calls: Arc::default(), process: 0 };
        let keys = vec![(world.provider.kid(), world.token())];
        let verifier = start(&world, &noted);
        Self {
            world,
            noted,
            verifier,
            keys,
            cold: true,
            retired: 0,
            unknown: Vec::new(),
            well_since: Instant::now(),
        }
    }

    async fn one(&mut self, event: &Event) {
        let provider = &self.world.provider;
        match event {
            Event::Token(token, client) => self.token(*token, *client).await,
            Event::Fails(fault) => {
                *self.noted.fault.lock().unwrap() = Some(fault.clone());
                provider.fails_with(fault.clone());
            }
            Event::Heals => {
                *self.noted.fault.lock().unwrap() = None;
                provider.heals();
                self.well_since = Instant::now();
            }
            Event::Announces => provider.announce(),
            Event::Rotates => {
                provider.rotate();
                self.keys.push((provider.kid(), self.world.token()));
            }
            Event::Retires => {
                provider.retire_old_keys();
                self.retired = self.keys.len() - 1;
            }
            Event::Pass(seconds) => pass(*seconds).await,
            Event::Restart => {
                self.noted.process += 1;
                self.verifier = start(&self.world, &self.noted);
                self.forget_what_was_not_kept().await;
                self.cold = true;
                tokio::task::yield_now().await;
            }
        }
    }

    /// A process that ends between a fetch and the store leaves nothing of that fetch.
    async fn forget_what_was_not_kept(&self) {
        let kept: Option<Value> = self
            .world
            .store
            .load()
            .await
            .unwrap()
            .map(|kept| serde_json::from_slice(kept.as_bytes()).unwrap());
        let is_kept = |kid: &String| {
            let keys = kept.as_ref().and_then(|kept| kept["jwks"]["keys"].as_array());
            keys.into_iter().flatten().any(|key| key["kid"] == **kid)
        };
        let mut calls = self.noted.calls.lock().unwrap();
        if let Some(last) = calls.last_mut().filter(|last| last.kids.is_some()) {
            last.kids.take_if(|kids| !kids.iter().all(is_kept));
        }
    }

    async fn token(&mut self, token: Token, client: Client) {
        let (kid, text) = match token {
            Token::Earlier(ago) => self.keys[self.keys.len().saturating_sub(1 + ago)].clone(),
            Token::Current => self.keys.last().unwrap().clone(),
            Token::Invented => ("invented".to_owned(), self.by_a_stranger("invented")),
            Token::Forged => {
                let kid = self.world.provider.kid();
                (kid.clone(), self.by_a_stranger(&kid))
            }
            Token::OtherAudience => {
                let claims = json!({ "aud": "other", "iat": 1, "exp": Self::later() });
                let refused = self.verifier.verify(&self.world.provider.sign(claims)).now();
                let refused = refused.expect("a token that no key makes good waits for none").unwrap_err();
                // Between two fetches an unknown key is refused without a look at the claims.
                assert!(matches!(refused.reason(), Reason::WrongAudience | Reason::UnknownKey), "{refused}");
                return;
            }
        };
        let genuine = matches!(token, Token::Current | Token::Earlier(_));
        let asked = Instant::now();
        let (cold, held) = (self.cold, self.held());
        let trusted = held.as_ref().filter(|held| asked < held.until.0);
        let known = trusted.is_some_and(|held| held.kids.contains(&kid));
        let attempts = self.attempts();

        let at_once = self.verifier.verify(&text).now();
        assert!(!known || cold || at_once.is_some(), "{kid} is known, and its token has to wait");
        if !known {
            self.unknown.push(asked);
        }
        let verdict = match (at_once, client) {
            (Some(verdict), _) => verdict,
            (None, Client::Waits) => self.verifier.verify(&text).await,
            (None, Client::HangsUp) => return,
        };
        let verdict = verdict.map(drop).map_err(|refused| refused.reason());
        assert!(!known || asked.elapsed() == Duration::ZERO, "kept keys serve at once");
        self.cold = false;
        // A process that has just begun may have heard from the provider before it answered.
        let known = known && (!cold || self.held().is_some_and(|held| held.kids.contains(&kid)));
        if known {
            if genuine {
                assert_eq!(verdict, Ok(()), "{kid} is a key of the last good fetch: {:?}", self.calls());
            } else {
                assert_eq!(verdict, Err(Reason::BadSignature));
            }
            return;
        }
        let ambiguous = held.as_ref().is_some_and(|held| held.until.0 <= asked && asked < held.until.1);
        let now_held = self.held().filter(|held| Instant::now() < held.until.1);
        let has_key = now_held.as_ref().is_some_and(|held| held.kids.contains(&kid));
        let calls = self.calls();
        match verdict {
            Ok(()) => {
                assert!(genuine, "a forged token was accepted");
                assert!(has_key, "{kid} is gone, and its token was accepted: {calls:?}");
            }
            Err(Reason::BadSignature) => assert!(!genuine && has_key),
            Err(Reason::UnknownKey) => {
                let last = self.attempts().into_iter().rfind(|call| call.ended.is_some());
                assert!(now_held.is_some(), "without any keys nobody knows: {calls:?}");
                assert!(last.as_ref().is_none_or(Call::is_good), "401 while the provider fails: {calls:?}");
                let published = genuine && self.is_published(&kid);
                let too_soon = last.is_some_and(|last| asked < last.began + COOLDOWN);
                assert!(!published || too_soon, "{kid} was not looked for: {calls:?}");
            }
            Err(Reason::KeysUnavailable) => {
                let well = self.noted.fault.lock().unwrap().is_none() && self.well_since <= asked;
                let may_ask = may_ask_from(&attempts).is_none_or(|from| from + TICK <= asked);
                let told = !(genuine && self.is_published(&kid) && well && may_ask);
                assert!(told || ambiguous, "unavailable, though the provider is well: {calls:?}");
            }
            Err(other) => panic!("{other:?} for {kid}"),
        }
    }

    fn by_a_stranger(&self, kid: &str) -> String {
        let claims = json!({ "sub": "mallory", "iat": 1, "exp": Self::later() });
        TestIssuer::new(self.world.provider.issuer()).sign_with(json!({ "kid": kid }), claims)
    }

    /// In a year, whatever the clock says.
    fn later() -> u64 {
        use tower_jwt_auth::{Clock, SystemClock};
        SystemClock.now().as_secs() + 8760 * HOUR
    }

    fn calls(&self) -> Vec<Call> {
        self.noted.calls.lock().unwrap().clone()
    }

    /// The calls of this process.
    fn attempts(&self) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.process == self.noted.process).collect()
    }

    /// What the last good fetch brought, of whichever process, and between when and when it ceases to be trusted.
    fn held(&self) -> Option<Held> {
        let call = self.calls().into_iter().rfind(Call::is_good)?;
        let fetched = call.ended?;
        let (least, kept, most) = REFRESH;
        let (least, most) = if call.process == self.noted.process { (least, most) } else { (kept, kept) };
        // The wall clock counts from a whole second on.
        let until = (fetched + least + STALE - Duration::from_secs(1), fetched + most + STALE + TICK);
        Some(Held { kids: call.kids?, until })
    }

    fn is_published(&self, kid: &str) -> bool {
        self.keys[self.retired..].iter().any(|(published, _)| published == kid)
    }

    /// Each call was due, and all of them together keep to the formula.
    fn the_provider_was_left_in_peace(&self) {
        for process in 0..=self.noted.process {
            let calls: Vec<_> = self.calls().into_iter().filter(|call| call.process == process).collect();
            for n in 1..calls.len() {
                let (before, call) = (&calls[n - 1], &calls[n]);
                let ended = before.ended.expect("one at a time");
                assert!(ended <= call.began, "one at a time: {calls:?}");
                if before.is_good() {
                    let asked = self.unknown.iter().any(|at| before.began <= *at && *at <= call.began);
                    let pause = if asked { before.began + COOLDOWN } else { ended + REFRESH.0 };
                    assert!(call.began + TICK >= pause, "too soon after a good one: {before:?}, {call:?}");
                } else {
                    let pause = back_off(&calls[..n]).0.max(before.retry_after());
                    assert!(
                        call.began + TICK >= ended + pause,
                        "too soon after a bad one: {before:?}, {call:?}"
                    );
                }
            }
            for (first, call) in calls.iter().enumerate() {
                let mut failed = 0;
                for (count, last) in calls[first..].iter().enumerate() {
                    let time = (last.began - call.began + TICK).as_secs();
                    let scheduled = time.div_ceil(REFRESH.0.as_secs());
                    let bound = 1 + time.div_ceil(COOLDOWN.as_secs()) + scheduled + failed;
                    assert!((count as u64) < bound, "{} calls in {time} s", count + 1);
                    failed += u64::from(!last.is_good());
                }
            }
        }
    }
}

fn start(world: &World<MemoryKeyStore>, noted: &Noted) -> Verifier<Claims> {
    let url = world.provider.jwks_url();
    let keys = RemoteKeys::new(url).fetch(noted.clone()).keep_in(Arc::clone(&world.store));
    let authority = Authority::jwks(keys).issuer(world.provider.issuer()).audience("test");
    Verifier::builder().authority(authority).clock(world.wall.clone()).build().unwrap()
}

/// The least and the longest pause after the failures at the end.
fn back_off(calls: &[Call]) -> (Duration, Duration) {
    let failures = calls.iter().rev().take_while(|call| !call.is_good()).count() as u32;
    let pause = Duration::from_secs((1 << failures.saturating_sub(1).min(6)).min(60));
    (pause / 2, pause * 3 / 2)
}

/// From when on an unknown key is looked for at once; nothing if there was no attempt.
fn may_ask_from(calls: &[Call]) -> Option<Instant> {
    let last = calls.last()?;
    // A fetch that hangs ends in time.
    let ended = last.ended.unwrap_or(last.began + FETCH_TIME);
    let failed = ended + back_off(calls).1.max(last.retry_after());
    let cooled = last.began + COOLDOWN;
    Some(if last.is_good() { cooled } else { cooled.max(failed) })
}

struct Held {
    kids: Vec<String>,
    until: (Instant, Instant),
}
