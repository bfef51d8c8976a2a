//! A ring and its store: replicas that change it at once, and documents that are not as they were written.

use std::sync::Arc;
use std::time::Duration;

use http::{Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt;
use tower_jwt_auth::{
    Algorithm, Claims, Clock, FileKeyStore, Issuer, KeyRing, KeyState, KeyStore, MemoryKeyStore, TestClock,
    UnixTime, Verifier,
};

use super::{ISS, START, Shelf, kid};
use crate::support::{refusal, verify};

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

async fn open(store: impl KeyStore, clock: &TestClock) -> KeyRing {
    let ring = KeyRing::builder(store).algorithm(Algorithm::Ed25519).clock(clock.clone());
    ring.publish_lead(HOUR).rotate_by_hand().open().await.unwrap()
}

fn issuer(ring: &KeyRing, clock: &TestClock) -> Issuer {
    Issuer::builder(ISS, ring.clone()).audience("api").clock(clock.clone()).build().unwrap()
}

fn states(ring: &KeyRing) -> Vec<KeyState> {
    ring.keys().map(|key| key.state()).collect()
}

async fn status(issuer: &Issuer) -> StatusCode {
    issuer.jwks_service().oneshot(Request::new(())).await.unwrap().status()
}

/// A ring with a retired, a signing and a waiting key.
async fn with_three_keys() -> (Shelf, TestClock, KeyRing) {
    let (shelf, clock) = (Shelf::default(), TestClock::at(START));
    let ring = open(shelf.clone(), &clock).await;
    ring.rotate().await.unwrap();
    clock.advance(HOUR);
    ring.rotate().await.unwrap();
    clock.advance(6 * MINUTE);
    ring.refresh().await.unwrap();
    assert_eq!(states(&ring), [KeyState::Retired, KeyState::Signing, KeyState::Published]);
    (shelf, clock, ring)
}

#[test]
fn replicas_that_rotate_at_once_make_one_key() {
    let directory = tempfile::tempdir().unwrap();
    let file = FileKeyStore::new(directory.path().join("keys.json"));
    let stores: [Arc<dyn KeyStore>; 2] = [Arc::new(MemoryKeyStore::new()), Arc::new(file)];
    for store in stores {
        let clock = TestClock::at(START);
        for round in 1..=3 {
            let together = std::sync::Barrier::new(8);
            let kids: Vec<String> = std::thread::scope(|scope| {
                let replica = || {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                    runtime.block_on(async {
                        together.wait();
                        let ring = open(Arc::clone(&store), &clock).await;
                        together.wait();
                        ring.rotate().await.unwrap()
                    })
                };
                let threads: Vec<_> = (0..8).map(|_| scope.spawn(replica)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert!(kids.iter().all(|kid| *kid == kids[0]), "{kids:?}");
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let ring = open(Arc::clone(&store), &clock).await;
                assert_eq!(ring.keys().count(), round + 1, "{store:?}");
                assert_eq!(states(&ring).last(), Some(&KeyState::Published));
            });
            clock.advance(HOUR);
        }
    }
}

#[tokio::test]
async fn a_change_that_others_get_in_the_way_of_is_tried_again() {
    let (shelf, clock) = (Shelf::default(), TestClock::at(START));
    let ring = open(shelf.clone(), &clock).await;
    shelf.lose(10);
    ring.rotate().await.unwrap();
    assert_eq!(states(&ring), [KeyState::Signing, KeyState::Published]);
    clock.advance(HOUR);
    shelf.lose(usize::MAX);
    let error = ring.rotate().await.unwrap_err().to_string();
    assert!(error.contains("changed by others"), "{error}");
    assert_eq!(states(&ring), [KeyState::Retired, KeyState::Signing]);
    shelf.lose(0);
    ring.rotate().await.unwrap();
    assert_eq!(states(&ring).len(), 3);
}

/// What is damaged is an error; the document stays as it is, and the ring in memory goes on.
async fn assert_refused(ring: &KeyRing, shelf: &Shelf, clock: &TestClock, bytes: &[u8], what: &str) {
    let (before, swaps) = (states(ring), shelf.swaps());
    shelf.put(bytes);
    let error = ring.refresh().await.expect_err(what).to_string();
    assert!(error.contains("damaged") && error.contains("restore it"), "{what}: {error}");
    ring.rotate().await.expect_err(what);
    ring.revoke_all().await.expect_err(what);
    let opening = KeyRing::builder(shelf.clone()).clock(clock.clone()).open().await;
    let opening = opening.expect_err(what).to_string();
    assert!(opening.contains("damaged"), "{what}: {opening}");
    assert_eq!((shelf.bytes().as_slice(), shelf.swaps()), (bytes, swaps), "{what}: it was written");
    assert_eq!(states(ring), before, "{what}");
    assert!(issuer(ring, clock).sign(&json!({})).is_ok(), "{what}");
    // No key is shown: no piece of the document that is long enough to be one.
    let document = String::from_utf8_lossy(bytes).into_owned();
    for private in document.match_indices("\"d\":\"").filter_map(|(at, _)| document.get(at + 5..at + 25)) {
        assert!(!error.contains(private) && !opening.contains(private), "{what}: {error}");
    }
}

#[tokio::test]
async fn a_truncated_document_is_an_error_at_every_length() {
    let (shelf, clock, ring) = with_three_keys().await;
    let whole = shelf.bytes();
    for length in 0..whole.len() {
        assert_refused(&ring, &shelf, &clock, &whole[..length], &format!("{length} bytes")).await;
    }
    shelf.put(whole);
    ring.refresh().await.unwrap();
}

#[tokio::test]
async fn a_flipped_bit_is_an_error_or_leaves_a_ring_that_works() {
    let (shelf, clock) = (Shelf::default(), TestClock::at(START));
    let ring = open(shelf.clone(), &clock).await;
    ring.rotate().await.unwrap();
    let old = issuer(&ring, &clock).sign(&json!({})).unwrap();
    clock.advance(HOUR + 6 * MINUTE);
    ring.refresh().await.unwrap();
    let new = issuer(&ring, &clock).sign(&json!({})).unwrap();
    let whole = shelf.bytes();
    let (mut refused, mut taken) = (0, 0);
    for at in 0..whole.len() {
        for bit in [0, 1, 5] {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << bit;
            shelf.put(damaged.clone());
            // A ring of its own: the one above would refuse an older revision.
            let other = KeyRing::builder(shelf.clone()).clock(clock.clone()).rotate_by_hand().open().await;
            assert!(other.is_ok() || shelf.bytes() == damaged, "byte {at}, bit {bit}: it was written");
            let Ok(other) = other else {
                refused += 1;
                continue;
            };
            taken += 1;
            // A time, the revision, or what is said twice: whichever keys are published are the right ones.
            let issuer = issuer(&other, &clock);
            let verifier = Verifier::<Claims>::builder().authority(issuer.authority()).clock(clock.clone());
            let verifier = verifier.build().unwrap();
            assert!(verify(&verifier, &issuer.sign(&json!({})).unwrap()).is_ok());
            for token in [&old, &new] {
                let (why, _) = refusal(&verifier, token);
                assert!(["accepted", "unknown_key", "expired"].contains(&why), "byte {at}, bit {bit}: {why}");
            }
        }
    }
    println!("of {} damaged documents {refused} were refused", refused + taken);
    assert!(refused > 10 * taken);
}

#[tokio::test]
async fn what_does_not_fit_together_is_damaged() {
    let (shelf, clock, ring) = with_three_keys().await;
    let good = shelf.json();
    let change = |change: &dyn Fn(&mut Value)| {
        let mut json = good.clone();
        change(&mut json);
        json.to_string()
    };
    let swap = |json: &mut Value, one: usize, other: usize, member: &str| {
        let first = json["keys"][one][member].take();
        let second = std::mem::replace(&mut json["keys"][other][member], first);
        json["keys"][one][member] = second;
    };
    let damaged: Vec<(&str, String)> = vec![
        ("nothing", String::new()),
        ("white space", " \n".into()),
        ("null", "null".into()),
        ("an array", "[]".into()),
        ("an object", "{}".into()),
        ("a JWK set", r#"{"keys":[]}"#.into()),
        ("binary", "\0\u{1}\u{7f}".into()),
        ("no keys", change(&|json| json["keys"] = json!([]))),
        ("another format", change(&|json| json["format"] = "tower-jwt-auth key ring 2".into())),
        ("an unknown member", change(&|json| json["more"] = 1.into())),
        ("an unknown member of a key", change(&|json| json["keys"][0]["more"] = 1.into())),
        ("swapped private halves", change(&|json| swap(json, 1, 2, "private"))),
        ("swapped public halves", change(&|json| swap(json, 1, 2, "public"))),
        ("swapped kids", change(&|json| swap(json, 1, 2, "kid"))),
        (
            "a private half of another",
            change(&|json| json["keys"][0]["private"] = json["keys"][1]["private"].clone()),
        ),
        ("another algorithm", change(&|json| json["keys"][1]["alg"] = "ES256".into())),
        ("an unknown algorithm", change(&|json| json["keys"][1]["alg"] = "none".into())),
        ("a secret", change(&|json| json["keys"][1]["alg"] = "HS256".into())),
        ("twice the same", change(&|json| json["keys"][2] = json["keys"][1].clone())),
        (
            "out of order",
            change(&|json| {
                let keys = json["keys"].as_array_mut().unwrap();
                keys.swap(1, 2);
            }),
        ),
        (
            "a retired newest key",
            change(&|json| drop(json["keys"][2].as_object_mut().unwrap().remove("private"))),
        ),
        ("a negative time", change(&|json| json["keys"][1]["signs_from"] = (-1).into())),
        (
            "a public half with a private member",
            change(&|json| {
                json["keys"][1]["public"]["keys"][0]["d"] = json["keys"][1]["private"]["d"].clone();
            }),
        ),
        (
            "two public keys",
            change(&|json| {
                let two = json["keys"][2]["public"]["keys"][0].clone();
                json["keys"][1]["public"]["keys"].as_array_mut().unwrap().push(two);
            }),
        ),
        ("more behind it", format!("{good} {{}}")),
        ("a duplicate member", good.to_string().replacen("\"format\"", "\"revision\":9,\"format\"", 1)),
    ];
    for (what, bytes) in damaged {
        assert_refused(&ring, &shelf, &clock, bytes.as_bytes(), what).await;
    }
    shelf.put_json(&good);
    ring.refresh().await.unwrap();
}

#[tokio::test]
async fn a_document_that_vanished_or_is_older_never_replaces_what_is_known() {
    let (shelf, clock, ring) = with_three_keys().await;
    let document = shelf.bytes();
    let swaps = shelf.swaps();
    shelf.empty();
    let error = ring.refresh().await.unwrap_err().to_string();
    assert!(error.contains("vanished") && error.contains("restore"), "{error}");
    assert!(ring.rotate().await.is_err() && ring.revoke_all().await.is_err());
    assert_eq!(shelf.swaps(), swaps, "nothing was made in its place");
    assert!(issuer(&ring, &clock).sign(&json!({})).is_ok());

    shelf.put(document.clone());
    clock.advance(HOUR);
    ring.rotate().await.unwrap();
    let newer = shelf.bytes();
    shelf.put(document.clone());
    let error = ring.refresh().await.unwrap_err().to_string();
    assert!(error.contains("older") && error.contains("restart"), "{error}");
    assert!(ring.rotate().await.is_err());
    assert_eq!(shelf.bytes(), document);
    shelf.put(newer);
    ring.refresh().await.unwrap();
}

#[tokio::test]
async fn a_replica_that_cannot_read_signs_on_until_it_may_lack_a_key() {
    let (shelf, clock) = (Shelf::default(), TestClock::at(START));
    let ring = open(shelf.clone(), &clock).await;
    let issuer = issuer(&ring, &clock);
    let verifier = Verifier::<Claims>::builder().authority(issuer.authority()).clock(clock.clone());
    let verifier = verifier.build().unwrap();
    let token = issuer.sign(&json!({})).unwrap();
    shelf.break_down(true);

    // The lead less what others may cache (5 minutes), clocks (5) and the writing (1).
    let fresh_for = HOUR - 11 * MINUTE;
    clock.advance(fresh_for);
    assert!(ring.refresh().await.is_err());
    assert!(issuer.sign(&json!({})).is_ok());
    assert_eq!(status(&issuer).await, StatusCode::OK);

    clock.advance(Duration::from_secs(1));
    let error = issuer.sign(&json!({})).unwrap_err().to_string();
    assert!(error.contains("has not been read for too long") && error.contains("store"), "{error}");
    assert_eq!(status(&issuer).await, StatusCode::SERVICE_UNAVAILABLE);
    let answer = issuer.jwks_service().oneshot(Request::new(())).await.unwrap();
    assert_eq!(
        (&answer.headers()["retry-after"], &answer.headers()["cache-control"]),
        (&"60".parse().unwrap(), &"no-store".parse().unwrap())
    );
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    let _ = (verifier, token);

    shelf.break_down(false);
    ring.refresh().await.unwrap();
    assert!(issuer.sign(&json!({})).is_ok());
    assert_eq!(status(&issuer).await, StatusCode::OK);
}

#[tokio::test]
async fn a_clock_that_was_set_back_makes_no_replica_believe_that_it_is_fresh() {
    let (shelf, clock) = (Shelf::default(), TestClock::at(START));
    let ring = open(shelf.clone(), &clock).await;
    let issuer = issuer(&ring, &clock);
    shelf.break_down(true);
    clock.set(START.saturating_sub(30 * 24 * HOUR));
    assert!(issuer.sign(&json!({})).is_err(), "the reading may be a month old by now");
    shelf.break_down(false);
    ring.refresh().await.unwrap();
    assert!(issuer.sign(&json!({})).is_ok(), "and the new reading counts");
    // A little is what clocks do.
    clock.set(UnixTime::from_secs(START.as_secs() - 30 * 24 * 3600 - 5));
    assert!(issuer.sign(&json!({})).is_ok());
}

#[tokio::test]
async fn a_revoked_key_ends_at_once_and_the_waiting_one_takes_over() {
    let (_shelf, clock, ring) = with_three_keys().await;
    let issuer = issuer(&ring, &clock);
    let verifier = Verifier::<Claims>::builder().authority(issuer.authority()).clock(clock.clone());
    let verifier = verifier.build().unwrap();
    let [retired, signing, waiting] =
        ring.keys().map(|key| key.kid().to_owned()).collect::<Vec<_>>().try_into().unwrap();
    let token = issuer.sign(&json!({})).unwrap();
    assert_eq!(kid(&token), signing);
    assert!(!ring.revoke("unknown").await.unwrap());

    assert!(ring.revoke(&signing).await.unwrap());
    assert_eq!(kid(&issuer.sign(&json!({})).unwrap()), waiting);
    assert!(verify(&verifier, &token).is_err());
    assert_eq!(states(&ring), [KeyState::Retired, KeyState::Signing]);

    assert!(ring.revoke(&retired).await.unwrap());
    let token = issuer.sign(&json!({})).unwrap();
    ring.revoke_all().await.unwrap();
    assert!(verify(&verifier, &token).is_err());
    assert_eq!(states(&ring), [KeyState::Signing]);
    let token = issuer.sign(&json!({})).unwrap();
    assert!(![retired, signing, waiting].contains(&kid(&token)));
    assert!(verify(&verifier, &token).is_ok());
}

/// The slow clock has not yet come to the time from which the new key signs, and the old one is gone.
#[tokio::test]
async fn after_a_revocation_a_replica_with_a_slow_clock_signs_all_the_same() {
    let (shelf, clock, ring) = with_three_keys().await;
    let slow = TestClock::at(Clock::now(&clock).saturating_sub(5 * MINUTE));
    let other = open(shelf.clone(), &slow).await;
    let signing = ring.keys().find(|key| key.state() == KeyState::Signing).unwrap();
    ring.revoke(signing.kid()).await.unwrap();
    other.refresh().await.unwrap();
    let (one, another) = (issuer(&ring, &clock).sign(&json!({})), issuer(&other, &slow).sign(&json!({})));
    assert_eq!(kid(&one.unwrap()), kid(&another.unwrap()));
    assert_eq!(states(&other), [KeyState::Retired, KeyState::Signing]);
}

#[tokio::test]
async fn the_private_half_of_a_retired_key_is_forgotten() {
    let (shelf, _clock, _ring) = with_three_keys().await;
    let json = shelf.json();
    let privates: Vec<bool> =
        json["keys"].as_array().unwrap().iter().map(|key| key["private"].is_object()).collect();
    assert_eq!(privates, [false, true, true]);
    assert!(!json["keys"][0].to_string().contains("\"d\""));
}
