//! A second process: this test binary once more, told by its environment to be a worker.

use std::env;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use tower_jwt_auth::{NowOrLater, RefreshRecord};
use tower_jwt_auth_sql::SqliteRefreshStore;

use super::*;

const TASK: &str = "REFRESH_WORKER_TASK";
const DATABASE: &str = "REFRESH_WORKER_DATABASE";
const TOKEN: &str = "REFRESH_WORKER_TOKEN";
const KILL_AT: &str = "REFRESH_WORKER_KILL_AT";

/// Does what its parent wants; of itself it has nothing to test.
#[tokio::test]
async fn worker() {
    let Ok(task) = env::var(TASK) else { return };
    let database = env::var(DATABASE).unwrap();
    match task.as_str() {
        "race" => race(&database).await,
        task => step(task, &database).await,
    }
}

/// The process of a worker; its lines are those that begin with `@`.
pub(super) struct Worker {
    child: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
}

impl Worker {
    pub(super) fn race(database: &Path) -> Self {
        Self::start(database, &[(TASK, "race")])
    }

    /// Takes one step, and is killed at the event of this number.
    pub(super) fn step(database: &Path, task: &str, token: &str, kill_at: u64) -> Self {
        Self::start(database, &[(TASK, task), (TOKEN, token), (KILL_AT, &kill_at.to_string())])
    }

    fn start(database: &Path, environment: &[(&str, &str)]) -> Self {
        let (_, here) = module_path!().split_once("::").unwrap();
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", &format!("{here}::worker"), "--nocapture", "--test-threads=1"])
            .env(DATABASE, database)
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { input: child.stdin.take(), child, output }
    }

    pub(super) fn tell(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    /// The next line that the worker says, without its mark; `None` if it says no more.
    pub(super) fn hear(&mut self) -> Option<String> {
        // The name of the test stands before the first one, as the test harness prints it.
        self.output.find_map(|line| line.unwrap().split_once('@').map(|(_, said)| said.to_owned()))
    }

    pub(super) fn end(mut self) -> ExitStatus {
        drop(self.input.take());
        self.child.wait().unwrap()
    }
}

fn say(line: &str) {
    println!("@{line}");
}

fn listen() -> Option<String> {
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line).unwrap();
    (read > 0).then(|| line.trim_end().to_owned())
}

/// Exchanges each token that it is sent, at the moment that it is told.
async fn race(database: &str) {
    let store = Counting::open(Path::new(database)).await;
    let world = World::new(Arc::new(store.clone()));
    while let Some(line) = listen() {
        let (kind, token) = line.split_once(' ').unwrap();
        let meet_in_loader = kind == "judged";
        if !meet_in_loader {
            say("ready");
            listen().unwrap();
        }
        let load = async |_| {
            if meet_in_loader {
                say("ready");
                listen().unwrap();
            }
            Ok::<_, Infallible>(Some(()))
        };
        match world.tokens.rotate(&RefreshToken::from(token), load).await {
            Ok(rotated) => {
                let Swaps { won, lost } = store.take();
                say(&format!("{won} {lost} {}", rotated.token.as_str()));
            }
            Err(error) => say(&format!("0 0 {error:?}")),
        }
    }
}

/// A store in SQLite that counts how its compare-and-swaps went.
#[derive(Clone, Debug)]
pub(super) struct Counting {
    store: Arc<SqliteRefreshStore>,
    won: Arc<AtomicU64>,
    lost: Arc<AtomicU64>,
}

/// How often compare-and-swap succeeded and did not.
pub(super) struct Swaps {
    pub(super) won: u64,
    pub(super) lost: u64,
}

impl Counting {
    pub(super) async fn open(database: &Path) -> Self {
        let store = Arc::new(SqliteStores::open(database).await.unwrap().refresh());
        Self { store, won: Arc::default(), lost: Arc::default() }
    }

    /// The numbers since it was last asked.
    pub(super) fn take(&self) -> Swaps {
        Swaps { won: self.won.swap(0, Ordering::SeqCst), lost: self.lost.swap(0, Ordering::SeqCst) }
    }
}

impl RefreshStore for Counting {
    fn insert(&self, record: RefreshRecord) -> NowOrLater<Result<(), StoreError>> {
        self.store.insert(record)
    }

    fn load(&self, id: String) -> NowOrLater<Result<Option<RefreshRecord>, StoreError>> {
        self.store.load(id)
    }

    fn compare_and_swap(&self, expected: u64, new: RefreshRecord) -> NowOrLater<Result<bool, StoreError>> {
        let this = self.clone();
        NowOrLater::later(async move {
            let swapped = this.store.compare_and_swap(expected, new).await?;
            let counter = if swapped { &this.won } else { &this.lost };
            counter.fetch_add(1, Ordering::SeqCst);
            Ok(swapped)
        })
    }

    fn remove(&self, ids: Vec<String>) -> NowOrLater<Result<(), StoreError>> {
        self.store.remove(ids)
    }

    fn list(&self, subject: String) -> NowOrLater<Result<Vec<RefreshRecord>, StoreError>> {
        self.store.list(subject)
    }

    fn remove_expired(&self, now: UnixTime) -> NowOrLater<Result<(), StoreError>> {
        self.store.remove_expired(now)
    }
}

static EVENTS: AtomicU64 = AtomicU64::new(0);
static FATAL: AtomicU64 = AtomicU64::new(0);

/// Instructions of SQLite's machine from one event to the next.
const INSTRUCTIONS: i32 = 10;

/// Something happens; at the event of the given number the process ends.
fn event() {
    let seen = EVENTS.fetch_add(1, Ordering::SeqCst) + 1;
    if seen == FATAL.load(Ordering::SeqCst) {
        kill_myself();
    }
}

/// Opens the database, takes one step, and says how many events there were.
async fn step(task: &str, database: &str) {
    FATAL.store(env::var(KILL_AT).unwrap().parse().unwrap(), Ordering::SeqCst);
    let token = RefreshToken::from(env::var(TOKEN).unwrap());
    let mut file = std::fs::OpenOptions::new();
    file.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
    file.open(database).unwrap();
    let options = SqliteConnectOptions::new().filename(database);
    let pool = SqlitePoolOptions::new().max_connections(1).after_connect(|connection, _| {
        Box::pin(async move {
            let mut handle = connection.lock_handle().await?;
            let go_on = || {
                event();
                true
            };
            handle.set_progress_handler(INSTRUCTIONS, go_on);
            handle.set_commit_hook(go_on);
            Ok(())
        })
    });
    let stores = SqliteStores::new(pool.connect_lazy_with(options));
    stores.migrate().await.unwrap();
    let store = Arc::new(Mortal(stores.refresh()));
    let opened = EVENTS.load(Ordering::SeqCst);
    let world = World::with(store, |settings| settings.sessions_per_subject(kills::SESSIONS));
    match task {
        "begin" => drop(world.login().await),
        "rotate" | "retry" => drop(world.rotate(&token).await.unwrap()),
        "reuse" => assert_reused(world.rotate(&token).await),
        "end" => world.tokens.end(&token).await.unwrap(),
        "end_all" => world.tokens.end_all("bob").await.unwrap(),
        "remove_expired" => {
            world.clock.advance(GRACE);
            world.tokens.remove_expired().await.unwrap();
        }
        other => panic!("{other}"),
    }
    say(&format!("{opened} {}", EVENTS.load(Ordering::SeqCst)));
}

/// Dies before and after the calls of the store too.
#[derive(Debug)]
struct Mortal(SqliteRefreshStore);

fn mortal<T: Send + 'static>(call: impl FnOnce() -> NowOrLater<T>) -> NowOrLater<T> {
    event();
    let answer = call();
    NowOrLater::later(async move {
        let answer = answer.await;
        event();
        answer
    })
}

impl RefreshStore for Mortal {
    fn insert(&self, record: RefreshRecord) -> NowOrLater<Result<(), StoreError>> {
        mortal(|| self.0.insert(record))
    }

    fn load(&self, id: String) -> NowOrLater<Result<Option<RefreshRecord>, StoreError>> {
        mortal(|| self.0.load(id))
    }

    fn compare_and_swap(&self, expected: u64, new: RefreshRecord) -> NowOrLater<Result<bool, StoreError>> {
        mortal(|| self.0.compare_and_swap(expected, new))
    }

    fn remove(&self, ids: Vec<String>) -> NowOrLater<Result<(), StoreError>> {
        mortal(|| self.0.remove(ids))
    }

    fn list(&self, subject: String) -> NowOrLater<Result<Vec<RefreshRecord>, StoreError>> {
        mortal(|| self.0.list(subject))
    }

    fn remove_expired(&self, now: UnixTime) -> NowOrLater<Result<(), StoreError>> {
        mortal(|| self.0.remove_expired(now))
    }
}

#[cfg(unix)]
fn kill_myself() {
    use rustix::process::{Signal, getpid, kill_process};
    kill_process(getpid(), Signal::KILL).unwrap();
    // The signal may reach another thread of this process first; this one goes no further.
    loop {
        std::hint::spin_loop();
    }
}

#[cfg(not(unix))]
fn kill_myself() {
    std::process::abort();
}
