//! What revocations cost: time for each verified token, and memory for each entry.
//!
//! `cargo run --release -p benches --bin revocations`. Verifiers without revocations and with 0, 1,000 and 1,000,000 entries, and with
//! 1,000,000 sessions alone, take turns on the same tokens, each of which names a session, a token and a subject that is not revoked. A third of the
//! entries is of each kind but the issuer, of which there is one. The tokens come from the cache, so that little else is measured.

#![allow(clippy::disallowed_methods)] // it measures time

use std::hint::black_box;
use std::time::Instant;

use serde_json::json;
use tower_jwt_auth::{
    Claims, Clock, Revocation, Revocations, SystemClock, TestIssuer, TokenCache, UnixTime, Verifier,
};

const ISSUER: &str = "https://id.example.com/realms/shop";
const TOKENS: usize = 512;
const ROUNDS: usize = 301;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let issuer = TestIssuer::new(ISSUER).audience("api");
    let now = SystemClock.now().as_secs();
    let mut random = fastrand::Rng::with_seed(11);
    let tokens: Vec<String> = (0..TOKENS)
        .map(|_| {
            issuer.sign(json!({
                "sub": uuid(&mut random), "sid": uuid(&mut random), "jti": uuid(&mut random),
                "iat": now, "exp": now + 3600, "scope": "openid profile orders:read orders:write",
            }))
        })
        .collect();

    let mut rows = vec![("no revocations".to_owned(), verifier(&issuer, None), 0.0)];
    for (count, of) in
        [(0, ""), (1_000, " of each kind"), (1_000_000, " of each kind"), (1_000_000, ", sessions alone")]
    {
        let revocations = Revocations::in_memory();
        let filled = allocation_counter::measure(|| {
            for page in (0..count).step_by(1000) {
                let names = (page..count.min(page + 1000))
                    .map(|n| revocation(if of.contains("alone") { 3 } else { n }, now, &mut random));
                let mut all = std::pin::pin!(revocations.revoke_all(names));
                let mut context = std::task::Context::from_waker(std::task::Waker::noop());
                assert!(all.as_mut().poll(&mut context).is_ready());
            }
        });
        assert_eq!(revocations.health().entries, count);
        let each = filled.bytes_current as f64 / count.max(1) as f64;
        rows.push((format!("{count} entries{of}"), verifier(&issuer, Some(&revocations)), each));
    }

    for (_, verifier, _) in &rows {
        for token in &tokens {
            assert!(verifier.verify(token).now().unwrap().is_ok());
        }
    }
    let mut times = vec![Vec::with_capacity(ROUNDS); rows.len()];
    for round in 0..ROUNDS {
        for turn in 0..rows.len() {
            let row = (round + turn) % rows.len();
            let begin = Instant::now();
            for token in &tokens {
                let _ = black_box(rows[row].1.verify(black_box(token)).now());
            }
            times[row].push(begin.elapsed().as_nanos() as f64 / TOKENS as f64);
        }
    }
    let medians: Vec<f64> = times.iter_mut().map(|all| median(all)).collect();
    println!("{:32} {:>12} {:>12} {:>16}", "", "ns a token", "ns more", "bytes an entry");
    for ((name, _, bytes), time) in rows.iter().zip(&medians) {
        println!("{name:32} {time:>12.1} {:>12.1} {bytes:>16.1}", time - medians[0]);
    }
}

fn verifier(issuer: &TestIssuer, revocations: Option<&Revocations>) -> Verifier<Claims> {
    let builder = Verifier::builder().authority(issuer.authority()).cache(TokenCache::new());
    match revocations {
        Some(revocations) => builder.revocations(revocations.clone()).build().unwrap(),
        None => builder.build().unwrap(),
    }
}

fn revocation(number: usize, now: u64, random: &mut fastrand::Rng) -> Revocation {
    let name = uuid(random);
    match number {
        0 => Revocation::issuer(ISSUER).issued_before(UnixTime::from_secs(now - 60)),
        _ if number.is_multiple_of(3) => Revocation::session(ISSUER, name),
        _ if number % 3 == 1 => Revocation::token(ISSUER, name, UnixTime::from_secs(now + 3600)),
        _ => Revocation::subject(ISSUER, name),
    }
}

fn uuid(random: &mut fastrand::Rng) -> String {
    let bits = random.u128(..);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        bits as u32,
        (bits >> 32) as u16,
        (bits >> 48) as u16,
        (bits >> 64) as u16,
        (bits >> 80) as u64 & 0xffff_ffff_ffff
    )
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
