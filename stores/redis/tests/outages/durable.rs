//! With an append-only file: what was answered is there after the server was killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tower_jwt_auth::{
    KeyDocument, KeyStore, RefreshError, RefreshToken, RefreshTokens, ReplayStore, RevocationRecord,
    RevocationStore, Session, StoreError,
};
use tower_jwt_auth_redis::RedisStores;

use super::{comes, in_an_hour, prefix, server, stores};

const KILLS: usize = 10;
const WORKERS: usize = 8;

async fn load_user(_: Session) -> Result<Option<()>, StoreError> {
    Ok(Some(()))
}

/// What one worker was answered before the server was killed.
struct Answered {
    /// The newest token that it got.
    token: RefreshToken,
    /// Tokens of sessions that it ended.
    ended: Vec<RefreshToken>,
    names: Vec<[u8; 32]>,
    revocations: Vec<usize>,
    /// The number in its key document.
    counted: u64,
    answers: usize,
}

fn revocation(number: usize) -> RevocationRecord {
    serde_json::from_value(serde_json::json!({
        "kind": "token", "issuer": format!("#{number}#"), "name": "n", "issued_before": null,
        "expires_at": u64::try_from(in_an_hour().since_epoch().as_millis()).unwrap(),
    }))
    .unwrap()
}

/// Works until the server is gone.
async fn work(stores: RedisStores, worker: usize, round: usize, is_killed: Arc<AtomicBool>) -> Answered {
    let tokens = RefreshTokens::builder(stores.refresh()).build().unwrap();
    let keys = stores.keys(format!("counter {worker}"));
    let grant = tokens.begin(format!("user {worker}")).await.unwrap();
    let counted = number(keys.load().await.unwrap().as_ref());
    let mut it = Answered {
        token: grant.token,
        ended: Vec::new(),
        names: Vec::new(),
        revocations: Vec::new(),
        counted,
        answers: 0,
    };
    for step in 0_usize.. {
        // The record of what an answer was: a failure after that is no answer.
        let Ok(rotated) = tokens.rotate(&it.token, load_user).await else { break };
        it.token = rotated.token;
        let Ok(short) = tokens.begin(format!("user {worker}")).await else { break };
        if tokens.end(&short.token).await.is_err() {
            break;
        }
        it.ended.push(short.token);
        let id = (round * WORKERS + worker) * 1_000_000 + step;
        let mut name = [0; 32];
        name[..8].copy_from_slice(&(id as u64).to_be_bytes());
        if stores.replays().insert_if_absent(name, in_an_hour()).await.is_err() {
            break;
        }
        it.names.push(name);
        if stores.revocations().append(vec![revocation(id)]).await.is_err() {
            break;
        }
        it.revocations.push(id);
        let old = (it.counted > 0).then(|| KeyDocument::from_bytes(it.counted.to_string().into_bytes()));
        let new = KeyDocument::from_bytes((it.counted + 1).to_string().into_bytes());
        match keys.compare_and_swap(old, new).await {
            Ok(swapped) => assert!(swapped, "nobody else counts here"),
            Err(_) => break,
        }
        it.counted += 1;
        it.answers += 6;
    }
    assert!(is_killed.load(Ordering::SeqCst), "an error before the server was killed");
    it
}

fn number(document: Option<&KeyDocument>) -> u64 {
    document.map_or(0, |document| String::from_utf8_lossy(document.as_bytes()).parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_was_answered_is_lost_when_the_server_is_killed() {
    let prefix = prefix();
    let (mut answers, mut revoked) = (0, Vec::new());
    for round in 0..KILLS {
        let is_killed = Arc::new(AtomicBool::new(false));
        let mut workers = Vec::new();
        for worker in 0..WORKERS {
            workers.push(tokio::spawn(work(stores(&prefix).await, worker, round, Arc::clone(&is_killed))));
        }
        // In the middle of it, at another moment each time.
        tokio::time::sleep(Duration::from_millis(200 + 37 * round as u64)).await;
        is_killed.store(true, Ordering::SeqCst);
        server("kill");
        let mut done = Vec::new();
        for worker in workers {
            done.push(worker.await.unwrap());
        }
        server("start");
        let stores = stores(&prefix).await;
        let tokens = RefreshTokens::builder(stores.refresh()).build().unwrap();
        for (worker, it) in done.iter().enumerate() {
            // The last exchange may have happened without its answer: within the grace the same token gets its successor.
            tokens.rotate(&it.token, load_user).await.expect("a session was lost");
            for ended in &it.ended {
                match tokens.rotate(ended, load_user).await {
                    Err(RefreshError::Invalid) => {}
                    other => panic!("a session that was ended: {other:?}"),
                }
            }
            for name in &it.names {
                let is_new = stores.replays().insert_if_absent(*name, in_an_hour()).await.unwrap();
                assert!(!is_new, "a noted name was lost");
            }
            let counted = number(stores.keys(format!("counter {worker}")).load().await.unwrap().as_ref());
            assert!((it.counted..=it.counted + 1).contains(&counted), "{counted} after {}", it.counted);
            revoked.extend(&it.revocations);
            answers += it.answers;
            tokens.end_all(&format!("user {worker}")).await.unwrap();
        }
    }
    let (store, mut after, mut seen) = (stores(&prefix).await.revocations(), None, Vec::new());
    loop {
        let page = store.read(after.take(), Duration::ZERO).await.unwrap();
        let text = format!("{page:?}");
        seen.extend(text.split('#').skip(1).step_by(2).map(|number| number.parse::<usize>().unwrap()));
        let (_, rest) = text.split_once("LogPosition(\"").unwrap();
        after = Some(tower_jwt_auth::LogPosition::new(rest.split_once('"').unwrap().0));
        if !text.contains("has_more: true") {
            break;
        }
    }
    let lost = revoked.iter().filter(|number| !seen.contains(number)).count();
    assert_eq!(lost, 0, "revocations were lost");
    println!("{KILLS} kills of the server, {answers} answers before them: lost 0");
}

/// A process that follows the log is told of nothing, goes on from where it was, and misses nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_goes_on_after_the_server_was_killed() {
    let prefix = prefix();
    let store = stores(&prefix).await.revocations();
    store.append(vec![revocation(1)]).await.unwrap();
    let page = format!("{:?}", store.read(None, Duration::ZERO).await.unwrap());
    let (_, rest) = page.split_once("LogPosition(\"").unwrap();
    let seen = tower_jwt_auth::LogPosition::new(rest.split_once('"').unwrap().0);
    server("kill");
    assert!(store.read(Some(seen.clone()), Duration::ZERO).await.is_err());
    server("start");
    comes("the connection", async || store.append(vec![revocation(2)]).await.is_ok()).await;
    let page = format!("{:?}", store.read(Some(seen), Duration::ZERO).await.unwrap());
    assert!(page.contains("#2#") && !page.contains("#1#") && page.contains("is_restarted: false"), "{page}");
}
