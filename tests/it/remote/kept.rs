//! Keys that are kept over restarts: who believes them, for how long, and what a store can spoil.

mod believed;
mod removal;
mod stores;

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tower_jwt_auth::{
    Authority, Claims, Clock, FileKeyStore, KeyDocument, KeyHealth, KeyStore, MemoryKeyStore, NowOrLater,
    ProviderFault, Reason, RemoteKeys, StoreError, SystemClock, TestProvider, UnixTime, Verifier,
};

use super::{HOUR, accepts, at_once, copied, pass, provider, reason};

/// A wall clock that goes with tokio's paused one, also while no process runs; it can be set wrong.
#[derive(Clone, Debug)]
pub(super) struct Wall {
    start: (UnixTime, tokio::time::Instant),
    wrong_by: Arc<AtomicI64>,
}

impl Wall {
    fn new() -> Self {
        let start = UnixTime::from_secs(SystemClock.now().as_secs());
        Self { start: (start, tokio::time::Instant::now()), wrong_by: Arc::default() }
    }

    fn is_wrong_by(&self, seconds: i64) {
        self.wrong_by.store(seconds, Ordering::Relaxed);
    }
}

impl Clock for Wall {
    fn now(&self) -> UnixTime {
        let right = self.start.0.saturating_add(self.start.1.elapsed());
        let wrong_by = self.wrong_by.load(Ordering::Relaxed);
        let by = Duration::from_secs(wrong_by.unsigned_abs());
        if wrong_by < 0 { right.saturating_sub(by) } else { right.saturating_add(by) }
    }
}

/// What a store does when it is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    Works,
    Takes(Duration),
    Fails,
    Hangs,
    Panics,
    /// Does its work, and then hangs.
    NeverSaysSo,
}

/// A store in memory with a script.
#[derive(Debug, Default)]
pub(super) struct Scripted {
    kept: Arc<MemoryKeyStore>,
    load: Mutex<Mode>,
    write: Mutex<Mode>,
    loads: AtomicUsize,
    /// Somebody else's document, which is stored just before the next write.
    intruder: Mutex<Option<KeyDocument>>,
}

impl Scripted {
    fn when_read(&self, mode: Mode) {
        *self.load.lock().unwrap() = mode;
    }

    fn when_written(&self, mode: Mode) {
        *self.write.lock().unwrap() = mode;
    }

    fn stored(&self) -> Option<KeyDocument> {
        self.kept.load().now().unwrap().unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(self.stored().unwrap().as_bytes()).unwrap()
    }

    /// The `kid`s that are stored.
    fn kids(&self) -> Vec<String> {
        let document = self.json();
        let kids = document["jwks"]["keys"].as_array().unwrap().iter();
        kids.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    }

    fn plant(&self, document: impl AsRef<[u8]>) {
        let document = KeyDocument::from_bytes(document.as_ref().to_vec());
        assert!(self.kept.compare_and_swap(self.stored(), document).now().unwrap().unwrap());
    }

    /// Stores the present document with one change.
    fn change(&self, change: impl FnOnce(&mut Value)) {
        let mut document = self.json();
        change(&mut document);
        self.plant(document.to_string());
    }
}

async fn played<T: Send + 'static>(
    mode: Mode,
    answer: impl FnOnce() -> Result<T, StoreError> + Send,
) -> Result<T, StoreError> {
    match mode {
        Mode::Works => answer(),
        Mode::Takes(time) => {
            tokio::time::sleep(time).await;
            answer()
        }
        Mode::Fails => Err(StoreError::new("the disk is gone")),
        Mode::Hangs => std::future::pending().await,
        Mode::Panics => panic!("a bug in somebody's store"),
        Mode::NeverSaysSo => {
            answer()?;
            std::future::pending().await
        }
    }
}

impl KeyStore for Scripted {
    fn load(&self) -> NowOrLater<Result<Option<KeyDocument>, StoreError>> {
        self.loads.fetch_add(1, Ordering::Relaxed);
        let (kept, mode) = (Arc::clone(&self.kept), *self.load.lock().unwrap());
        NowOrLater::later(played(mode, move || kept.load().now().unwrap()))
    }

    fn compare_and_swap(
        &self,
        expected: Option<KeyDocument>,
        new: KeyDocument,
    ) -> NowOrLater<Result<bool, StoreError>> {
        if let Some(other) = self.intruder.lock().unwrap().take() {
            self.plant(other.as_bytes());
        }
        let (kept, mode) = (Arc::clone(&self.kept), *self.write.lock().unwrap());
        NowOrLater::later(played(mode, move || kept.compare_and_swap(expected, new).now().unwrap()))
    }
}

/// A provider, a store, and the time that goes on when processes end.
#[derive(Debug)]
pub(super) struct World<S = Scripted> {
    pub(super) provider: TestProvider,
    pub(super) store: Arc<S>,
    pub(super) wall: Wall,
}

impl World {
    fn new() -> Self {
        Self::of(Scripted::default())
    }

    /// After a process that fetched, kept and ended.
    async fn after_one() -> Self {
        let world = Self::new();
        world.start().warm().await.unwrap();
        pass(1).await;
        world
    }
}

impl<S: KeyStore> World<S> {
    pub(super) fn of(store: S) -> Self {
        Self { provider: provider(), store: Arc::new(store), wall: Wall::new() }
    }

    /// A process.
    pub(super) fn start(&self) -> Verifier<Claims> {
        self.start_with(self.provider.oidc_keys())
    }

    fn start_with(&self, keys: RemoteKeys) -> Verifier<Claims> {
        self.start_of(Authority::oidc(keys.keep_in(Arc::clone(&self.store))))
    }

    fn start_of(&self, authority: Authority) -> Verifier<Claims> {
        let authority = authority.issuer(self.provider.issuer()).audience("test");
        Verifier::builder().authority(authority).clock(self.wall.clone()).build().unwrap()
    }

    pub(super) fn goes_down(&self) {
        self.provider.fails_with(ProviderFault::Status(500));
    }

    /// A token that is good for a month, whatever the clock says.
    pub(super) fn token(&self) -> String {
        self.provider.sign(json!({ "sub": "bob", "iat": 1, "exp": self.wall.start.0.as_secs() + 720 * HOUR }))
    }
}

fn health(verifier: &Verifier<Claims>) -> KeyHealth {
    verifier.key_health().remove(0)
}

#[tokio::test(start_paused = true)]
async fn keys_come_back_from_memory_and_from_a_file() {
    async fn round(world: World<impl KeyStore>) {
        let token = world.token();
        let first = world.start();
        first.warm().await.unwrap();
        pass(100).await;
        assert!(!health(&first).restored && health(&first).store_error.is_none());
        drop(first);
        world.goes_down();
        for seconds in [100, 110, 120] {
            let next = world.start();
            assert!(accepts(&next, &token).await);
            let health = health(&next);
            assert_eq!(
                (health.restored, health.kids, health.store_error),
                (true, vec![world.provider.kid()], None)
            );
            assert_eq!(health.age.unwrap().as_secs(), seconds);
            pass(10).await;
        }
    }
    round(World::of(MemoryKeyStore::new())).await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("id.example.com.json");
    round(World::of(FileKeyStore::new(&path))).await;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_during_an_outage_serves_at_once() {
    for outage in [ProviderFault::Stall, ProviderFault::Status(500), ProviderFault::Garbage] {
        let world = World::after_one().await;
        world.provider.fails_with(outage.clone());
        let start = tokio::time::Instant::now();
        let verifier = world.start();
        assert!(accepts(&verifier, &world.token()).await, "{outage:?}");
        assert_eq!(start.elapsed(), Duration::ZERO, "nobody waits for the fetch: {outage:?}");
        assert_eq!(at_once(&verifier, &world.token()), Some(true));
        world.provider.heals();
        pass(10).await;
        assert!(!health(&verifier).restored, "{outage:?}: it is asked all the same");
    }
}

#[tokio::test(start_paused = true)]
async fn warm_is_content_with_kept_keys() {
    let world = World::after_one().await;
    world.goes_down();
    world.start().warm().await.unwrap();
    world.store.plant("gone");
    let error = world.start().warm().await.unwrap_err().to_string();
    assert!(error.contains("answered 500"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_loaded_before_the_first_token_and_only_for_want_of_keys() {
    let world = World::after_one().await;
    let loads = || world.store.loads.load(Ordering::Relaxed);
    let before = loads();
    let verifier = world.start();
    pass(HOUR).await;
    assert_eq!(reason(&verifier, "not.a.token").await, Reason::MalformedToken);
    assert_eq!(loads(), before);
    assert!(accepts(&verifier, &world.token()).await);
    pass(1).await;
    assert_eq!(loads(), before + 2, "once to restore, and once to write");
    world.goes_down();
    pass(HOUR).await;
    assert_eq!(loads(), before + 2, "a failing fetch needs no store while there are keys");
}

/// However often it restarts: from the fetch to the end are 480 seconds and the time for stale keys.
#[tokio::test(start_paused = true)]
async fn age_counts_from_the_first_fetch_over_any_number_of_restarts() {
    const END: u64 = 480 + 2 * HOUR;
    for every in [60, 600, 7000] {
        let world = World::new();
        let start = || world.start_with(world.provider.oidc_keys().stale(Duration::from_secs(2 * HOUR)));
        let (token, fetched) = (world.token(), tokio::time::Instant::now());
        start().warm().await.unwrap();
        pass(1).await;
        world.goes_down();
        let mut verifier = start();
        loop {
            assert!(accepts(&verifier, &token).await, "{every} {:?}", fetched.elapsed());
            if fetched.elapsed().as_secs() + every >= END {
                break;
            }
            pass(every).await;
            verifier = start();
        }
        tokio::time::sleep_until(fetched + Duration::from_secs(END) - Duration::from_millis(2)).await;
        let fresh = start();
        for verifier in [&verifier, &fresh] {
            assert!(accepts(verifier, &token).await, "{every}: two milliseconds before");
        }
        pass(1).await;
        for verifier in [&verifier, &fresh, &start()] {
            assert_eq!(reason(verifier, &token).await, Reason::KeysUnavailable, "{every}: after");
        }
        world.provider.heals();
        pass(120).await;
        assert!(accepts(&fresh, &token).await);
    }
}

/// A process that was down for long finds what another one keeps fresh.
#[tokio::test(start_paused = true)]
async fn the_time_is_renewed_by_each_fetch_though_the_keys_are_the_same() {
    let world = World::new();
    let long = world.start();
    long.warm().await.unwrap();
    pass(10 * HOUR).await;
    world.goes_down();
    let age = health(&long).age.unwrap();
    drop(long);
    let next = world.start();
    assert!(accepts(&next, &world.token()).await);
    assert_eq!(health(&next).age.unwrap().as_secs(), age.as_secs());
    assert!(age.as_secs() <= 540, "{age:?}");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_new_since_is_looked_for_at_the_provider() {
    let world = World::after_one().await;
    world.provider.rotate();
    let (new, invented) = (world.token(), copied(&world.provider, "invented"));
    // The very first token after the restart has the new key.
    let calls = world.provider.jwks_calls();
    let verifier = world.start();
    assert!(accepts(&verifier, &new).await);
    assert_eq!(world.provider.jwks_calls(), calls + 1);
    // An invented one is refused, after at most one fetch more than a known one causes.
    let verifier = world.start();
    assert_eq!(reason(&verifier, &invented).await, Reason::UnknownKey);
    assert!(world.provider.jwks_calls() <= calls + 2);
    drop(verifier);
    // During an outage nobody knows. That is our fault, and not the token's.
    world.provider.rotate();
    let newest = world.token();
    world.goes_down();
    let verifier = world.start();
    for token in [&newest, &invented, &newest] {
        assert_eq!(reason(&verifier, token).await, Reason::KeysUnavailable);
        assert_eq!(at_once(&verifier, &new), Some(true), "known ones are served");
        pass(7).await;
    }
    world.provider.heals();
    pass(61).await;
    assert!(accepts(&verifier, &newest).await);
    assert_eq!(reason(&verifier, &invented).await, Reason::UnknownKey);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_kid_asks_twice_and_no_more() {
    let world = World::after_one().await;
    world.provider.latency(Duration::from_millis(700));
    // Longer than all it takes, so that an endless question would be seen.
    let keys = world.provider.oidc_keys().cooldown(Duration::from_secs(5));
    let verifier = world.start_with(keys.wait(Duration::from_secs(10)));
    let start = tokio::time::Instant::now();
    assert_eq!(reason(&verifier, &copied(&world.provider, "invented")).await, Reason::UnknownKey);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}
