//! Single flight, under random schedules of threads (`--cfg shuttle`): many ask at once, some hang up, fetches fail, the
//! task ends with its runtime, keys rotate, and time passes.
//!
//! `SHUTTLE_SCHEDULES` says how many schedules of each kind are played: 500 by default.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use shuttle::future::block_on;
use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Schedule, Scheduler, Task, TaskId};
use shuttle::{Config, Runner, thread};

use super::remote::Remote;
use super::shared::{Inner, Settings, millis};
use crate::keys::remote::endpoint::KeyLocation;
use crate::keys::remote::fetch::{Fetch, FetchError};
use crate::keys::remote::measured_as::MeasuredAs;
use crate::keys::remote::state::{Bounds, State};
use crate::keys::remote::sync::simulated::{be, next, now, reset, sleep};
use crate::keys::remote::url_rules::UrlRules;
use crate::keys::{KeySet, KeySource};
use crate::runtime::{NowOrLater, SystemClock};

const PATIENCE: Duration = Duration::from_secs(2);
const COOLDOWN: Duration = Duration::from_secs(10);
const FETCH_TIME: Duration = Duration::from_secs(5);
const CLIENTS: usize = 5;

/// What happens beside the questions.
#[derive(Clone, Copy, Debug, Default)]
struct Script {
    failures: usize,
    /// How often the task ends with its runtime.
    ends: usize,
    rotations: usize,
    /// Whether time passes also while somebody could go on.
    hurried: bool,
}

#[test]
fn all_who_ask_at_once_are_answered_by_one_fetch() {
    check(Script::default());
}

#[test]
fn a_rotation_during_a_fetch_is_found() {
    check(Script { rotations: 2, ..Script::default() });
}

#[test]
fn failures_are_told_and_made_up_for() {
    check(Script { failures: 2, rotations: 1, ..Script::default() });
}

#[test]
fn whoever_waits_takes_over_a_task_that_ended() {
    check(Script { ends: 2, ..Script::default() });
}

#[test]
fn everything_at_once() {
    check(Script { failures: 2, ends: 2, rotations: 2, hurried: false });
}

#[test]
fn time_passes_at_any_moment() {
    check(Script { failures: 2, ends: 2, rotations: 2, hurried: true });
}

/// Plays the script under random schedules, and under such as change who goes on at few, but nasty moments.
fn check(script: Script) {
    let schedules = std::env::var("SHUTTLE_SCHEDULES").map_or(500, |count| count.parse().unwrap());
    let run = move || play(script);
    let mut config = Config::new();
    config.silence_warnings = true;
    Runner::new(Patient(RandomScheduler::new(schedules), script.hurried), config.clone()).run(run);
    Runner::new(Patient(PctScheduler::new(3, schedules), script.hurried), config).run(run);
}

/// Lets time, which is the first thread beside the main one, pass only when nobody else can go on: as tokio's paused
/// clock does. So whoever misses being woken is found waiting too long.
struct Patient<S>(S, bool);

impl<S: Scheduler> Scheduler for Patient<S> {
    fn new_execution(&mut self) -> Option<Schedule> {
        self.0.new_execution()
    }

    fn next_task(&mut self, runnable: &[&Task], current: Option<TaskId>, yields: bool) -> Option<TaskId> {
        let others: Vec<_> = runnable.iter().copied().filter(|task| task.id() != TaskId::from(1)).collect();
        let runnable = if self.1 || others.is_empty() { runnable } else { &others };
        self.0.next_task(runnable, current, yields)
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }
}

fn play(script: Script) {
    reset();
    let done = Arc::new(AtomicBool::new(false));
    let time = thread::spawn({
        let done = Arc::clone(&done);
        move || {
            while !done.load(Ordering::Relaxed) {
                match next() {
                    Some(at) => be(at),
                    None => assert!(script.hurried || done.load(Ordering::Relaxed), "nobody can go on"),
                }
                thread::yield_now();
            }
        }
    });
    let provider = Arc::new(Provider { failures: AtomicUsize::new(script.failures), ..Provider::default() });
    let source = Arc::new(Remote::new(settings(&provider)));
    // Who asked for a kid, when, and which set was published then.
    let wanted = Arc::new(Mutex::new(Vec::new()));
    let mut threads: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (source, provider, wanted) =
                (Arc::clone(&source), Arc::clone(&provider), Arc::clone(&wanted));
            thread::spawn(move || {
                for _ in 0..2 {
                    ask(script, &source, &provider, &wanted);
                }
            })
        })
        .collect();
    threads.push(thread::spawn({
        let (source, provider) = (Arc::clone(&source), Arc::clone(&provider));
        move || {
            for _ in 0..script.rotations {
                block_on(sleep(some_time()));
                provider.published.fetch_add(1, Ordering::Relaxed);
                agrees(&source.0);
            }
        }
    }));
    threads.push(thread::spawn({
        let source = Arc::clone(&source);
        move || {
            for _ in 0..script.ends {
                block_on(sleep(some_time()));
                let task = source.0.task().clone();
                if let Some(task) = task {
                    task.abort();
                }
                agrees(&source.0);
            }
        }
    }));
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(source.0.waiters.load(Ordering::Relaxed), 0, "somebody who went away still counts");

    // Tokens with known keys come, which start the task if need be. Nobody asks again.
    for _ in 0..30 {
        source.generation();
        block_on(sleep(Duration::from_secs(1)));
    }
    agrees(&source.0);
    let held = held(&source.current().1).unwrap_or(0);
    let fetches = provider.ended.lock().unwrap().clone();
    for (asked, published) in wanted.lock().unwrap().drain(..) {
        // Who is told of a failure may ask again.
        let failed = fetches.iter().any(|fetch| !fetch.good && fetch.began >= asked);
        assert!(
            script.hurried || failed || held >= published,
            "a question was forgotten: {asked:?}, {published}, {fetches:?}"
        );
    }
    drop(source);
    assert!(!provider.is_asked.load(Ordering::Relaxed) || script.hurried);
    done.store(true, Ordering::Relaxed);
    time.join().unwrap();
}

/// One request that needs another set than the one it sees.
fn ask(script: Script, source: &Remote, provider: &Provider, wanted: &Mutex<Vec<(Duration, usize)>>) {
    block_on(sleep(some_time()));
    let seen = source.generation();
    let has_keys = !source.current().1.is_empty();
    let (since, published) = (now(), provider.published.load(Ordering::Relaxed));
    let asked = match source.refresh(seen, None).into_now() {
        Ok(Ok(true)) => return assert_ne!(source.current().0, seen),
        asked => asked,
    };
    if has_keys {
        wanted.lock().unwrap().push((since, published));
    }
    let Err(waits) = asked else {
        assert!(!matches!(asked, Ok(Err(_))) || script.failures > 0, "there was nothing wrong: {since:?}");
        return;
    };
    let hangs_up_after = thread_rng().gen_range(0..8);
    let mut polls = 0;
    let answer = block_on(async {
        let mut waits = pin!(waits);
        poll_fn(|cx| {
            polls += 1;
            match waits.as_mut().poll(cx) {
                Poll::Ready(answer) => Poll::Ready(Some(answer)),
                Poll::Pending if polls > hangs_up_after => Poll::Ready(None),
                Poll::Pending => {
                    if hangs_up_after < 4 {
                        cx.waker().wake_by_ref();
                    }
                    Poll::Pending
                }
            }
        })
        .await
    });
    let Some(answer) = answer else { return };
    if matches!(answer, Ok(true)) {
        assert_ne!(source.current().0, seen, "there is no other set");
    }
    if script.hurried {
        return;
    }
    let ended = provider.ended.lock().unwrap().clone();
    let meanwhile: Vec<_> = ended.into_iter().filter(|fetch| fetch.ended > since).collect();
    let too_long = meanwhile.iter().any(|fetch| fetch.ended < now());
    assert!(!too_long, "asked at {since:?}, answered at {:?}, fetches {meanwhile:?}", now());
    if answer.is_err() {
        let good = meanwhile.iter().any(|fetch| fetch.good);
        assert!(!good, "unavailable, though a fetch brought keys: {since:?} to {:?}, {meanwhile:?}", now());
        assert!(has_keys || script.failures > 0, "there was nothing wrong, and still no keys");
    }
}

fn some_time() -> Duration {
    // Those at ten seconds are around and within the fetch that a cooldown has put off.
    Duration::from_millis([0, 0, 1, 700, 9_990, 10_100, 10_150, 11_000][thread_rng().gen_range(0..8)])
}

/// Under the lock, all that tells of the same set agrees.
fn agrees(source: &Inner) {
    let state: crate::keys::remote::sync::MutexGuard<'_, State> = source.state();
    let unusable_from = source.unusable_from.load(Ordering::Relaxed);
    assert_eq!(unusable_from, state.unusable_from().map_or(u64::MAX, millis));
    assert_eq!(source.snapshot.load().1.is_empty(), state.unusable_from().is_none());
}

fn settings(provider: &Arc<Provider>) -> Settings {
    Settings {
        location: KeyLocation::JwkSet { url: "https://id.example.com/keys".to_owned() },
        measured_as: MeasuredAs::alone("https://id.example.com/keys"),
        fetch: Arc::new(Asking(Arc::clone(provider))),
        url_rules: UrlRules::set_by("RemoteKeys"),
        bounds: Bounds { cooldown: COOLDOWN, stale: Duration::from_secs(3600), lifetime: Bounds::LIFETIME },
        fetch_time: FETCH_TIME,
        wait: PATIENCE,
        kept: None,
        clock: Arc::new(SystemClock),
    }
}

#[derive(Debug, Default)]
struct Provider {
    /// The `kid` of its one key.
    published: AtomicUsize,
    failures: AtomicUsize,
    is_asked: AtomicBool,
    /// Those that ended with the task are not among them.
    ended: Mutex<Vec<Fetched>>,
}

#[derive(Clone, Copy, Debug)]
struct Fetched {
    began: Duration,
    ended: Duration,
    good: bool,
}

/// A fetch, until it ends or is dropped.
struct Asked(Arc<Provider>);

impl Drop for Asked {
    fn drop(&mut self) {
        self.0.is_asked.store(false, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct Asking(Arc<Provider>);

impl Fetch for Asking {
    fn fetch(&self, _: &str, _: usize) -> NowOrLater<Result<Response<Bytes>, FetchError>> {
        let provider = Arc::clone(&self.0);
        NowOrLater::later(async move {
            assert!(!provider.is_asked.swap(true, Ordering::Relaxed), "two fetches at once");
            let asked = Asked(provider);
            let provider = &asked.0;
            let [before, after] = [0, 1].map(|_| Duration::from_millis(thread_rng().gen_range(0..2) * 211));
            let began = now();
            sleep(before).await;
            let kid = provider.published.load(Ordering::Relaxed);
            let fails = provider.failures.load(Ordering::Relaxed) > 0 && thread_rng().gen_bool(0.5);
            sleep(after).await;
            shuttle::future::yield_now().await;
            provider.ended.lock().unwrap().push(Fetched { began, ended: now(), good: !fails });
            if fails {
                provider.failures.fetch_sub(1, Ordering::Relaxed);
                return Err(FetchError::new("on purpose"));
            }
            Ok(Response::new(Bytes::from(set(kid))))
        })
    }
}

/// The key of RFC 7515 appendix A.3.
fn set(kid: usize) -> String {
    let (x, y) =
        ("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
    format!(r#"{{"keys":[{{"kty":"EC","crv":"P-256","kid":"{kid}","x":"{x}","y":"{y}"}}]}}"#)
}

/// Which set it is.
fn held(keys: &KeySet) -> Option<usize> {
    keys.iter().next()?.kid()?.parse().ok()
}
