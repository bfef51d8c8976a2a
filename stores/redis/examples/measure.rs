//! How long a revocation takes to a reader, how large things are in Redis, and how many calls a second there are: prints a table.
//!
//! `cargo run --release -p tower-jwt-auth-redis --example measure -- redis://127.0.0.1:6379`, with a server of its own: it is emptied.

#![allow(clippy::disallowed_methods, clippy::indexing_slicing)] // it measures

use std::error::Error;
use std::time::{Duration, Instant};

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use serde_json::json;
use tower_jwt_auth::{
    Clock, RefreshTokens, ReplayStore, RevocationRecord, RevocationStore, Session, StoreError, SystemClock,
    UnixTime,
};
use tower_jwt_auth_redis::RedisStores;

type Done<T> = Result<T, Box<dyn Error>>;

const EACH: usize = 10_000;

#[tokio::main]
async fn main() -> Done<()> {
    let url = std::env::args().nth(1).ok_or("the URL of a server that may be emptied")?;
    let client = redis::Client::open(url)?;
    let patient = ConnectionManagerConfig::new().set_response_timeout(Some(Duration::from_secs(7)));
    let connect = async || ConnectionManager::new_with_config(client.clone(), patient.clone()).await;
    let mut raw = connect().await?;
    let polls = RedisStores::new(connect().await?);
    let listens = polls.clone().listening_on(connect().await?, Duration::from_secs(5));
    redis::cmd("FLUSHALL").exec_async(&mut raw).await?;

    for (name, stores) in [("asks every 250 ms", polls.clone()), ("listens", listens)] {
        let times = arrivals(&polls, &stores).await?;
        println!(
            "a reader that {name} learns of a revocation after {:?} (median), {:?} (worst of {})",
            times[times.len() / 2],
            times[times.len() - 1],
            times.len()
        );
    }
    redis::cmd("FLUSHALL").exec_async(&mut raw).await?;

    let tokens = RefreshTokens::builder(polls.refresh()).build()?;
    let load = async |_: Session| Ok::<_, StoreError>(Some(()));
    let before = used(&mut raw).await?;
    let mut grants = Vec::new();
    for number in 0..EACH {
        grants.push(tokens.begin(format!("user {number}")).await?.token);
    }
    println!("a session: {} bytes", (used(&mut raw).await? - before) / EACH);
    let begun = Instant::now();
    let mut workers = Vec::new();
    for grants in grants.chunks(EACH / 50) {
        let (tokens, grants) = (tokens.clone(), grants.to_vec());
        workers.push(tokio::spawn(async move {
            for grant in grants {
                tokens.rotate(&grant, load).await.map_err(|error| error.to_string())?;
            }
            Ok::<_, String>(())
        }));
    }
    for worker in workers {
        worker.await??;
    }
    println!(
        "exchanges of refresh tokens by 50 clients: {:.0} a second",
        EACH as f64 / begun.elapsed().as_secs_f64()
    );

    // Else what ends meanwhile would be counted.
    redis::cmd("FLUSHALL").exec_async(&mut raw).await?;
    let before = used(&mut raw).await?;
    let replays = polls.replays();
    for number in 0..EACH {
        let mut name = [0; 32];
        name[..8].copy_from_slice(&number.to_be_bytes());
        replays.insert_if_absent(name, in_an_hour()).await?;
    }
    println!("a noted name: {} bytes", (used(&mut raw).await? - before) / EACH);

    let before = used(&mut raw).await?;
    let log = polls.revocations();
    for start in (0..EACH).step_by(100) {
        log.append((start..start + 100).map(revocation).collect::<Result<_, _>>()?).await?;
    }
    println!("a revocation: {} bytes", (used(&mut raw).await? - before) / EACH);
    redis::cmd("FLUSHALL").exec_async(&mut raw).await?;
    Ok(())
}

async fn used(raw: &mut ConnectionManager) -> Done<usize> {
    let info: String = redis::cmd("INFO").arg("memory").query_async(raw).await?;
    let line = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
    Ok(line.ok_or("no used_memory")?.trim().parse()?)
}

fn in_an_hour() -> UnixTime {
    SystemClock.now().saturating_add(Duration::from_secs(3600))
}

fn revocation(number: usize) -> Result<RevocationRecord, serde_json::Error> {
    serde_json::from_value(json!({
        "kind": "session", "issuer": "https://id.example.com", "name": format!("{number:032x}"), "issued_before": null,
        "expires_at": in_an_hour().as_secs() * 1000,
    }))
}

/// How long 100 revocations take from the answer to `append` to the reader, in order.
async fn arrivals(writer: &RedisStores, reader: &RedisStores) -> Done<Vec<Duration>> {
    let (told, mut arrived) = tokio::sync::mpsc::unbounded_channel();
    let store = reader.revocations();
    let following = tokio::spawn(async move {
        let mut after = None;
        while let Ok(page) = store.read(after.take(), Duration::from_secs(5)).await {
            let (now, text) = (Instant::now(), format!("{page:?}"));
            if text.contains("issuer: ") && told.send(now).is_err() {
                return;
            }
            let position = text.split_once("LogPosition(\"").and_then(|(_, rest)| rest.split_once('"'));
            after = position.map(|(position, _)| tower_jwt_auth::LogPosition::new(position));
        }
    });
    let mut times = Vec::new();
    // The first one may come with the first page.
    writer.revocations().append(vec![revocation(0)?]).await?;
    arrived.recv().await;
    for number in 0..100 {
        // At any moment of the reader's pause.
        tokio::time::sleep(Duration::from_millis(20 + (number as u64 * 37) % 250)).await;
        writer.revocations().append(vec![revocation(number)?]).await?;
        let appended = Instant::now();
        let read = arrived.recv().await.ok_or("the reader has ended")?;
        times.push(read.saturating_duration_since(appended));
    }
    following.abort();
    times.sort_unstable();
    Ok(times)
}
