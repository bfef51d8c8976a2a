//! A process with some of the clients. It does what its input says, all clients at once, and says on its output what came of it.

use std::convert::Infallible;
use std::io::BufRead;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Barrier, mpsc};
use tokio::task::JoinSet;
use tower_jwt_auth::{
    Clock, KeyDocument, RefreshError, RefreshToken, RefreshTokens, Revocation, Revocations, SystemClock,
    UnixTime, WhenStale,
};

use crate::Failure;
use crate::clock::Ahead;
use crate::counting::Counting;
use crate::engine::{Stores, open};

/// A call that takes longer has hung. No store may.
const HUNG: Duration = Duration::from_secs(20);
/// A client gives up after so many errors, so that the run ends whatever happens.
const TRIES: usize = 400;
const PAUSE: Duration = Duration::from_millis(50);

#[derive(Clone)]
struct Process {
    stores: Stores,
    tokens: RefreshTokens,
    revocations: Revocations,
    counts: Arc<Counts>,
    first: usize,
    clients: usize,
}

#[derive(Default)]
struct Counts {
    calls: AtomicU64,
    errors: AtomicU64,
    hung: AtomicU64,
    longest: AtomicU64,
    swaps_lost: Arc<AtomicU64>,
}

pub(crate) async fn run(
    url: &str,
    name: &str,
    first: usize,
    clients: usize,
    ahead: i64,
) -> Result<(), Failure> {
    let stores = open(url, name, Ahead(ahead)).await?;
    let (won, mut swaps) = mpsc::unbounded_channel();
    let counts = Arc::new(Counts::default());
    let counting = Counting { store: Arc::clone(&stores.refresh), won, lost: Arc::clone(&counts.swaps_lost) };
    let tokens =
        RefreshTokens::builder(counting).clock(Ahead(ahead)).grace(Duration::from_secs(60)).build()?;
    let revocations = Revocations::builder()
        .store(Arc::clone(&stores.revocations))
        .max_age(Duration::from_secs(30), WhenStale::ServeOn)
        .clock(Ahead(ahead))
        .build()?;
    revocations.ready().await;
    let process = Process { stores, tokens, revocations, counts, first, clients };
    say("ready");
    let lines = std::io::stdin().lock().lines();
    for line in lines {
        let line = line?;
        let words: Vec<&str> = line.split(' ').collect();
        say("begun");
        match words[..] {
            ["rotate", ref tokens @ ..] => {
                process.rotate(tokens).await;
                while let Ok(swap) = swaps.try_recv() {
                    say(&format!("swapped {swap}"));
                }
            }
            ["count", each] => process.count(each.parse()?).await,
            ["names", seed, count, until] => {
                process.names(seed.parse()?, count.parse()?, until.parse()?).await
            }
            ["revoke", each, mark] => process.revoke(each.parse()?, mark).await,
            ["entries", at_least] => process.entries(at_least.parse()?).await,
            _ => return Err(format!("no such thing to do: {line}").into()),
        }
        process.done();
    }
    Ok(())
}

/// Lines are written as a whole, so that one that was begun before a kill is not taken for another.
fn say(line: &str) {
    println!("@{line}");
}

impl Process {
    /// Each client does this, all begin at once.
    async fn each<F: Future<Output = ()> + Send + 'static>(&self, part: impl Fn(Self, usize) -> F) {
        let start = Arc::new(Barrier::new(self.clients));
        let mut clients = JoinSet::new();
        for client in self.first..self.first + self.clients {
            let (start, part) = (Arc::clone(&start), part(self.clone(), client));
            clients.spawn(async move {
                start.wait().await;
                part.await;
            });
        }
        while let Some(done) = clients.join_next().await {
            done.expect("a client");
        }
    }

    fn done(&self) {
        let Counts { calls, errors, hung, longest, swaps_lost } = &*self.counts;
        let [calls, errors, hung, longest, lost] =
            [calls, errors, hung, longest, swaps_lost].map(|count| count.swap(0, Ordering::SeqCst));
        say(&format!("done {calls} {errors} {hung} {longest} {lost}"));
    }

    /// One call; `None` if it has hung.
    async fn call<T>(&self, call: impl Future<Output = T>) -> Option<T> {
        let begun = SystemClock.now();
        self.counts.calls.fetch_add(1, Ordering::SeqCst);
        let answer = tokio::time::timeout(HUNG, call).await;
        let took = SystemClock.now().saturating_since(begun).as_millis() as u64;
        self.counts.longest.fetch_max(took, Ordering::SeqCst);
        if answer.is_err() {
            self.counts.hung.fetch_add(1, Ordering::SeqCst);
        }
        answer.ok()
    }

    async fn failed(&self) {
        self.counts.errors.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(PAUSE).await;
    }

    /// Every client exchanges each of these tokens, and tries again until it is answered.
    async fn rotate(&self, tokens: &[&str]) {
        let all: Vec<String> = tokens.iter().map(ToString::to_string).collect();
        self.each(|this, _| {
            let all = all.clone();
            async move {
                for (number, token) in all.iter().enumerate() {
                    let said = this.rotate_one(token).await;
                    say(&format!("rotated {number} {said}"));
                }
            }
        })
        .await;
    }

    async fn rotate_one(&self, token: &str) -> String {
        // So that those who have found the token current swap at the same moment.
        let load = async |_| {
            tokio::task::yield_now().await;
            Ok::<_, Infallible>(Some(()))
        };
        let token = RefreshToken::from(token);
        for _ in 0..TRIES {
            match self.call(self.tokens.rotate(&token, load)).await {
                Some(Ok(rotated)) => return rotated.token.as_str().to_owned(),
                Some(Err(RefreshError::Invalid)) => return "!invalid".into(),
                Some(Err(RefreshError::Reused(_))) => return "!reused".into(),
                Some(Err(_)) => self.failed().await,
                None => {}
            }
        }
        "!unanswered".into()
    }

    /// Every client adds one to the number in the document, so many times.
    async fn count(&self, each: usize) {
        self.each(|this, client| async move {
            let mut done = 0;
            for _ in 0..TRIES * each {
                match this.add_one(client).await {
                    Some(Ok(Some(number))) => {
                        say(&format!("counted {number}"));
                        done += 1;
                    }
                    Some(Ok(None)) | None => {}
                    Some(Err(_)) => this.failed().await,
                }
                if done == each {
                    return;
                }
            }
            say("unanswered");
        })
        .await;
    }

    /// The number that it has written.
    async fn add_one(&self, client: usize) -> Option<Result<Option<u64>, Failure>> {
        let keys = &self.stores.keys;
        let step = async {
            let old = keys.load().await?;
            let number = old.as_ref().map_or(0, number_of) + 1;
            let new =
                KeyDocument::from_bytes(format!("{number} {} {client}", std::process::id()).into_bytes());
            Ok(keys.compare_and_swap(old, new).await?.then_some(number))
        };
        self.call(step).await
    }

    /// Every client notes each of these names once. An error is no leave to go on, so it does not try again.
    async fn names(&self, seed: u64, count: u64, until: u64) {
        self.each(|this, _| async move {
            for number in 0..count {
                let mut name = [0; 32];
                name[..8].copy_from_slice(&seed.to_be_bytes());
                name[8..16].copy_from_slice(&number.to_be_bytes());
                let insert = this.stores.replays.insert_if_absent(name, UnixTime::from_secs(until));
                match this.call(insert).await {
                    Some(Ok(true)) => say(&format!("new {number}")),
                    Some(Ok(false)) => {}
                    Some(Err(_)) | None => {
                        say(&format!("unknown {number}"));
                        this.failed().await;
                    }
                }
            }
        })
        .await;
    }

    /// Every client revokes so many sessions, and tries again until it is answered.
    async fn revoke(&self, each: usize, mark: &str) {
        self.each(|this, client| {
            let mark = mark.to_owned();
            async move {
                for number in 0..each {
                    let sid = format!("{mark}-{client}-{number}");
                    let mut answered = false;
                    for _ in 0..TRIES {
                        let revocation = Revocation::session("https://id.example.com", sid.clone());
                        match this.call(this.revocations.revoke(revocation)).await {
                            Some(Ok(())) => answered = true,
                            Some(Err(_)) => this.failed().await,
                            None => {}
                        }
                        if answered {
                            break;
                        }
                    }
                    say(if answered { "revoked" } else { "unanswered" });
                }
            }
        })
        .await;
    }

    /// Says how many revocations this process knows, when they are that many or no more come.
    async fn entries(&self, at_least: usize) {
        for _ in 0..200 {
            if self.revocations.health().entries >= at_least {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        say(&format!("entries {}", self.revocations.health().entries));
    }
}

pub(crate) fn number_of(document: &KeyDocument) -> u64 {
    let text = String::from_utf8_lossy(document.as_bytes());
    text.split(' ').next().and_then(|number| number.parse().ok()).expect("a number in the document")
}
