//! A replica is killed (kill -9) before and after every step of opening its ring, of a rotation, and of a revocation.

#![cfg(unix)]

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use std::{env, fs};

use serde_json::json;
use tower_jwt_auth::{
    Algorithm, Claims, Clock, FileKeyStore, Issuer, KeyRing, KeyState, KeyStatus, TestClock, UnixTime,
    Verifier,
};

use super::{ISS, START, kid};
use crate::support::verify;

const HOUR: Duration = Duration::from_secs(3600);
const DAYS: Duration = Duration::from_secs(30 * 24 * 3600);

async fn open(path: &Path, clock: &TestClock) -> KeyRing {
    let ring = KeyRing::builder(FileKeyStore::new(path)).algorithm(Algorithm::Ed25519).clock(clock.clone());
    ring.publish_lead(HOUR).rotate_every(DAYS).open().await.unwrap()
}

fn issuer(ring: &KeyRing, clock: &TestClock) -> Issuer {
    Issuer::builder(ISS, ring.clone()).audience("api").clock(clock.clone()).build().unwrap()
}

fn is_good(ring: &KeyRing, clock: &TestClock, token: &str) -> bool {
    let authority = issuer(ring, clock).authority();
    let verifier = Verifier::<Claims>::builder().authority(authority).clock(clock.clone()).build().unwrap();
    verify(&verifier, token).is_ok()
}

fn keys(ring: &KeyRing, state: KeyState) -> Vec<KeyStatus> {
    ring.keys().filter(|key| key.state() == state).collect()
}

/// Runs in a process of its own, for the tests below.
#[tokio::test]
async fn worker() {
    let Ok(path) = env::var("KEY_RING_OF_WORKER") else { return };
    let now = env::var("KEY_RING_TIME").unwrap().parse().unwrap();
    let clock = TestClock::at(UnixTime::from_secs(now));
    let ring = open(Path::new(&path), &clock).await;
    match env::var("KEY_RING_WORK").unwrap().as_str() {
        "open" => {}
        "rotate" => drop(ring.rotate().await.unwrap()),
        "revoke" => {
            let signing = keys(&ring, KeyState::Signing).remove(0);
            assert!(ring.revoke(signing.kid()).await.unwrap());
        }
        other => panic!("{other}"),
    }
    println!("the work is done");
}

/// The name of the point at which the worker was killed, or `None` if it did all of its work.
fn kill_at(point: usize, path: &Path, work: &str, clock: &TestClock) -> Option<String> {
    let Output { status, stdout, stderr } = Command::new(env::current_exe().unwrap())
        .args(["--exact", "issuer::crash::worker", "--nocapture"])
        .env("KEY_RING_OF_WORKER", path)
        .env("KEY_RING_WORK", work)
        .env("KEY_RING_TIME", Clock::now(clock).as_secs().to_string())
        .env("TOWER_JWT_AUTH_CRASH_AT", point.to_string())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (said, complained) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    if status.success() {
        assert!(said.contains("the work is done"), "{said}{complained}");
        return None;
    }
    assert_eq!(status.signal(), Some(9), "{said}{complained}");
    let named = format!("crash point {point}: ");
    Some(complained.lines().find_map(|line| line.strip_prefix(&named)).unwrap().to_owned())
}

/// The steps of one change of the ring.
const READ: &str = "ring read";
const WRITTEN: [&str; 9] = [
    "ring read",
    "ring changed",
    "compared",
    "temporary file made",
    "temporary file written",
    "temporary file synced",
    "renamed",
    "directory synced",
    "ring written",
];
/// After this one the new document is there.
const COMMIT: &str = "renamed";

fn files(directory: &Path) -> usize {
    fs::read_dir(directory).unwrap().count()
}

#[tokio::test]
async fn a_first_opening_that_is_killed_leaves_no_key_or_one() {
    println!("| killed at | keys after | a key is lost |");
    println!("|---|---|---|");
    let mut names = Vec::new();
    for point in 1.. {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.json");
        let clock = TestClock::at(START);
        let Some(name) = kill_at(point, &path, "open", &clock) else { break };
        let before = fs::read(&path).ok();
        let ring = open(&path, &clock).await;
        let signing = keys(&ring, KeyState::Signing);
        assert_eq!((ring.keys().count(), signing.len()), (1, 1), "{name}: never a second first key");
        if let Some(before) = &before {
            // The key that was written is the one that is used.
            assert!(String::from_utf8_lossy(before).contains(signing[0].kid()), "{name}");
            assert_eq!(&fs::read(&path).unwrap(), before, "{name}: and nothing was written again");
        }
        assert_eq!(files(directory.path()), 2, "{name}: the document and its lock");
        println!("| {name} | 1, {} | no |", if before.is_some() { "that of the killed one" } else { "new" });
        names.push((name, before.is_some()));
    }
    // It is read once to see that a key is needed, and again when there is one.
    let committed = |at: usize| at >= WRITTEN.iter().position(|name| *name == COMMIT).unwrap();
    let mut expected = vec![(READ.to_owned(), false)];
    expected.extend(WRITTEN.iter().enumerate().map(|(at, name)| ((*name).to_owned(), committed(at))));
    assert_eq!(names, expected);
}

/// Opens a ring with one retired and one signing key, and lets the worker die at each of its points.
async fn matrix(work: &str, check: impl AsyncFn(&str, &KeyRing, &TestClock, &str, &str)) -> Vec<String> {
    let mut names = Vec::new();
    for point in 1.. {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.json");
        let clock = TestClock::at(START);
        let ring = open(&path, &clock).await;
        ring.rotate().await.unwrap();
        clock.advance(HOUR - Duration::from_secs(1));
        ring.refresh().await.unwrap();
        let of_the_old = issuer(&ring, &clock).sign(&json!({ "sub": "old" })).unwrap();
        clock.advance(Duration::from_secs(1));
        let of_the_new = issuer(&ring, &clock).sign(&json!({ "sub": "new" })).unwrap();
        assert_ne!(kid(&of_the_old), kid(&of_the_new));
        drop(ring);

        let Some(name) = kill_at(point, &path, work, &clock) else { break };
        // Whoever starts now finds a ring that works.
        let ring = open(&path, &clock).await;
        check(&name, &ring, &clock, &of_the_old, &of_the_new).await;
        assert_eq!(files(directory.path()), 2, "{name}: the document and its lock");
        // And the key's whole life goes on.
        clock.advance(HOUR);
        ring.refresh().await.unwrap();
        let later = issuer(&ring, &clock).sign(&json!({ "sub": "later" })).unwrap();
        assert!(is_good(&ring, &clock, &later), "{name}");
        names.push(name);
    }
    names
}

#[tokio::test]
async fn a_rotation_that_is_killed_loses_nothing_and_can_be_repeated() {
    println!("| killed at | keys after | waiting | tokens of before | rotated again | waiting |");
    println!("|---|---|---|---|---|---|");
    let names = matrix("rotate", async |name, ring, clock, old, new| {
        let (count, waiting) = (ring.keys().count(), keys(ring, KeyState::Published));
        assert_eq!(count, 2 + waiting.len(), "{name}");
        assert!(is_good(ring, clock, old) && is_good(ring, clock, new), "{name}: a token was lost");
        assert_eq!(keys(ring, KeyState::Signing)[0].kid(), kid(new), "{name}: the same key signs");

        let rotated = ring.rotate().await.unwrap();
        let then = keys(ring, KeyState::Published);
        assert_eq!(then.len(), 1, "{name}: one key waits");
        assert_eq!(then[0].kid(), rotated, "{name}");
        if let [was] = waiting.as_slice() {
            assert_eq!(was, &then[0], "{name}: and it is the one of the killed worker");
        }
        assert!(is_good(ring, clock, old) && is_good(ring, clock, new), "{name}");
        println!("| {name} | {count} | {} | 2 of 2 good | yes | 1 |", waiting.len());
    })
    .await;
    // To open, and twice to rotate: once to see that a key is needed.
    assert_eq!(names, [&[READ, READ], &WRITTEN[..]].concat());
    println!("{} points, all survived", names.len());
}

#[tokio::test]
async fn a_revocation_that_is_killed_is_done_or_not_and_can_be_repeated() {
    println!("| killed at | the revoked key | signs | revoked again |");
    println!("|---|---|---|---|");
    let names = matrix("revoke", async |name, ring, clock, old, new| {
        let gone = !ring.keys().any(|key| key.kid() == kid(new));
        assert_eq!(is_good(ring, clock, new), !gone, "{name}");
        assert!(is_good(ring, clock, old), "{name}: of the other key");
        assert_eq!(keys(ring, KeyState::Signing).len(), 1, "{name}");
        assert_eq!(ring.revoke(&kid(new)).await.unwrap(), !gone, "{name}");
        assert!(!is_good(ring, clock, new) && is_good(ring, clock, old), "{name}");
        let token = issuer(ring, clock).sign(&json!({})).unwrap();
        assert!(is_good(ring, clock, &token), "{name}");
        assert_eq!(ring.keys().count(), 2, "{name}");
        println!("| {name} | {} | 1 key | {} |", if gone { "gone" } else { "there" }, !gone);
    })
    .await;
    assert_eq!(names, [&[READ, READ], &WRITTEN[..]].concat());
    println!("{} points, all survived", names.len());
}
