//! This crate beside others, in one process. See `benches/README.md`.
//!
//! Each line of the output is `part, case, contender, ratio, nanoseconds`, separated by tabs; `benches/report.py` makes the tables
//! and plots of `docs/performance.md` of it.

mod contenders;
mod goodput;
mod grpc;
mod rounds;
mod search;
mod serve;
mod tokens;

use std::cell::RefCell;
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{self as sig, ParsedPublicKey, VerificationAlgorithm};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use contenders::{Contender, Setup, bare, headers, ours, rivals};
use http::HeaderMap;
use rounds::{Case, median};
use tokens::{Algorithm, Keys, refused};
use tokio::runtime::Runtime;

const USAGE: &str =
    "rivals accepted|refused|keys|authorities|cached|threads|goodput|grpc|search [ALGORITHM..]";

fn main() {
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    let _ = jsonwebtoken10::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    let mut arguments = std::env::args().skip(1);
    let part = arguments.next().expect(USAGE);
    if let "serve" | "serve-grpc" = part.as_str() {
        let name = arguments.next().expect("serve NAME ALGORITHM");
        let keys = Keys::new(Algorithm::of_name(&arguments.next().expect("an algorithm")));
        return if part == "serve" { serve::run(&name, &keys) } else { grpc::serve(&name, &keys) };
    }
    let mut algorithms: Vec<Algorithm> = arguments.map(|name| Algorithm::of_name(&name)).collect();
    if algorithms.is_empty() {
        algorithms = if part == "accepted" { Algorithm::ALL.to_vec() } else { vec![Algorithm::RS256] };
    }
    let runtime = contenders::runtime();
    for algorithm in algorithms {
        let keys = Keys::new(algorithm);
        match part.as_str() {
            "accepted" => accepted(&runtime, &keys),
            "refused" => refusals(&runtime, &keys),
            "keys" => many_keys(&runtime, &keys),
            "authorities" => many_authorities(&runtime, &keys),
            "cached" => cached(&runtime, &keys),
            "threads" => threads(&keys),
            "goodput" => goodput::goodput(&runtime, algorithm),
            "grpc" => grpc::measure(&runtime, algorithm),
            "search" => search::worst(&runtime, &keys),
            _ => panic!("{USAGE}"),
        }
    }
}

fn line(part: &str, case: &str, contender: &str, ratio: f64, nanoseconds: f64) {
    println!("{part}\t{case}\t{contender}\t{ratio:.3}\t{nanoseconds:.0}");
}

/// A contender that is sent these headers in turn.
fn case<'a>(
    name: impl Into<String>,
    runtime: &'a Runtime,
    contender: Box<dyn Contender>,
    headers: Vec<HeaderMap>,
) -> Case<'a> {
    let contender = RefCell::new(contender);
    let run = move |calls| contender.borrow_mut().send(runtime, &headers, calls).0;
    Case { name: name.into(), run: Box::new(run) }
}

/// The verification alone, with a key that is parsed before.
fn raw(keys: &Keys, token: &str) -> Case<'static> {
    let jwk = keys.jwk("");
    let bytes = |name: &str| BASE64URL.decode(jwk[name].as_str().unwrap()).unwrap();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (message, signature) = (message.as_bytes().to_vec(), BASE64URL.decode(signature).unwrap());
    let public = |algorithm: &'static dyn VerificationAlgorithm, key: &[u8]| {
        ParsedPublicKey::new(algorithm, key).unwrap()
    };
    let rsa = |parameters: &'static sig::RsaParameters| {
        let components = aws_lc_rs::rsa::PublicKeyComponents { n: bytes("n"), e: bytes("e") };
        components.to_parsed_public_key(parameters).unwrap()
    };
    let ec = |algorithm| public(algorithm, &[vec![4], bytes("x"), bytes("y")].concat());
    let key = match keys.algorithm {
        Algorithm::HS256 => {
            let key = hmac::Key::new(hmac::HMAC_SHA256, &bytes("k"));
            return timed("raw", move || hmac::verify(&key, &message, &signature).unwrap());
        }
        Algorithm::RS256 => rsa(&sig::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::PS256 => rsa(&sig::RSA_PSS_2048_8192_SHA256),
        Algorithm::ES256 => ec(&sig::ECDSA_P256_SHA256_FIXED),
        Algorithm::ES384 => ec(&sig::ECDSA_P384_SHA384_FIXED),
        Algorithm::ES512 => ec(&sig::ECDSA_P521_SHA512_FIXED),
        Algorithm::EdDSA => public(&sig::ED25519, &bytes("x")),
    };
    timed("raw", move || key.verify_sig(&message, &signature).unwrap())
}

fn timed(name: &str, mut work: impl FnMut() + 'static) -> Case<'static> {
    let run = move |calls| {
        let start = Instant::now();
        (0..calls).for_each(|_| work());
        start.elapsed()
    };
    Case { name: name.to_owned(), run: Box::new(run) }
}

/// A good token: (contender - bare) / raw.
fn accepted(runtime: &Runtime, keys: &Keys) {
    let token = keys.good();
    let good = || vec![headers(Some(&token))];
    let mut cases = vec![raw(keys, &token), case("bare", runtime, bare(), good())];
    for (name, setup) in [
        ("ours", Setup::default()),
        ("ours, cached", Setup { cache: Some(10_000), ..Setup::default() }),
        ("ours, optional", Setup { optional: true, ..Setup::default() }),
    ] {
        cases.push(case(name, runtime, ours(runtime, keys, 1, setup), good()));
    }
    if !matches!(keys.algorithm, Algorithm::ES512) {
        for (name, mut rival) in rivals(runtime, keys, 1) {
            let (_, status) = rival.send(runtime, &good(), 3);
            if status.is_success() {
                cases.push(case(name, runtime, rival, good()));
            } else {
                eprintln!("{name} answers {status} to a good token with {:?}: left out", keys.algorithm);
            }
        }
    }
    let times = rounds::run(cases);
    for name in times.names() {
        let ratio =
            if matches!(name, "raw" | "bare") { f64::NAN } else { times.ratio(name, Some("bare"), "raw") };
        line("accepted", &keys.algorithm.name(), name, ratio, times.nanoseconds(name));
    }
}

/// What is refused, against the bare service.
fn refusals(runtime: &Runtime, keys: &Keys) {
    for (what, token) in refused(keys) {
        let bad = || vec![headers(token.as_deref())];
        let mut cases = vec![case("bare", runtime, bare(), bad())];
        let mut all = vec![
            ("ours", ours(runtime, keys, 1, Setup::default())),
            (
                "ours, URL",
                ours(runtime, keys, 1, Setup { url: keys.algorithm != Algorithm::HS256, ..Setup::default() }),
            ),
            ("ours, 2 authorities", ours(runtime, keys, 1, Setup { others: 1, ..Setup::default() })),
        ];
        all.extend(rivals(runtime, keys, 1));
        for (name, mut contender) in all {
            // A good token first, so that keys are loaded and headers known.
            contender.send(runtime, &[headers(Some(&keys.good()))], 3);
            let (_, status) = contender.send(runtime, &bad(), 3);
            if status.is_success() {
                eprintln!("{name} answers {status} to: {what}");
            }
            cases.push(case(name, runtime, contender, bad()));
        }
        let good = case(
            "ours, accepted",
            runtime,
            ours(runtime, keys, 1, Setup::default()),
            vec![headers(Some(&keys.good()))],
        );
        cases.push(good);
        let times = rounds::run(cases);
        for name in times.names() {
            line("refused", what, name, times.ratio(name, None, "bare"), times.nanoseconds(name));
        }
    }
}

/// Keys in the set, that of the token the last, against one.
fn many_keys(runtime: &Runtime, keys: &Keys) {
    let counts = [1, 10, 100, 1000];
    let name = |count: usize| format!("{count} keys");
    let cases = counts.map(|count| {
        case(
            name(count),
            runtime,
            ours(runtime, keys, count, Setup::default()),
            vec![headers(Some(&keys.good()))],
        )
    });
    let times = rounds::run(cases.into());
    for count in counts.map(name) {
        line(
            "keys",
            &keys.algorithm.name(),
            &count,
            times.ratio(&count, None, "1 keys"),
            times.nanoseconds(&count),
        );
    }
}

/// Authorities of a verifier, against one.
fn many_authorities(runtime: &Runtime, keys: &Keys) {
    let counts = [1, 2, 4, 16];
    let name = |count: usize| format!("{count} authorities");
    let cases = counts.map(|count| {
        let setup = Setup { others: count - 1, ..Setup::default() };
        case(name(count), runtime, ours(runtime, keys, 1, setup), vec![headers(Some(&keys.good()))])
    });
    let times = rounds::run(cases.into());
    for count in counts.map(name) {
        let ratio = times.ratio(&count, None, "1 authorities");
        line("authorities", &keys.algorithm.name(), &count, ratio, times.nanoseconds(&count));
    }
}

/// Tokens that come again, by the number of tokens that are known and the share of those that come again.
fn cached(runtime: &Runtime, keys: &Keys) {
    let most: usize = std::env::var("ENTRIES").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000);
    for entries in [1, 10_000, 1_000_000].into_iter().filter(|entries| *entries <= most) {
        let known: Vec<HeaderMap> = (0..entries).map(|number| headers(Some(&keys.of_user(number)))).collect();
        let mut cache =
            ours(runtime, keys, 1, Setup { cache: Some(2 * entries.max(1000)), ..Setup::default() });
        cache.send(runtime, &known, 2 * entries as u64);
        let uncached = ours(runtime, keys, 1, Setup::default());
        let mut cases = vec![
            raw(keys, &keys.of_user(0)),
            case("bare", runtime, bare(), known.clone()),
            case("uncached", runtime, uncached, known.clone()),
            case("hit rate 100 %", runtime, cache.another(), shuffled(known.clone())),
        ];
        let uncached = ours(runtime, keys, 1, Setup::default());
        cases.push(stream("uncached, new tokens", runtime, keys, uncached, &known, 0));
        // New tokens that nobody has seen take turns with known ones. They are so many that they are pushed out before
        // they come again.
        for percent in [0, 50, 90] {
            let name = format!("hit rate {percent} %");
            cases.push(stream(&name, runtime, keys, cache.another(), &known, percent));
        }
        let times = rounds::run(cases);
        for name in times.names() {
            let what = format!("{} {entries} tokens", keys.algorithm.name());
            let ratio = if matches!(name, "raw" | "bare") {
                f64::NAN
            } else {
                times.ratio(name, Some("bare"), "raw")
            };
            line("cached", &what, name, ratio, times.nanoseconds(name));
        }
    }
}

fn shuffled(mut headers: Vec<HeaderMap>) -> Vec<HeaderMap> {
    fastrand::Rng::with_seed(7).shuffle(&mut headers);
    headers
}

/// Requests of which so many percent bring a known token.
fn stream<'a>(
    name: &str,
    runtime: &'a Runtime,
    keys: &'a Keys,
    mut contender: Box<dyn Contender>,
    known: &[HeaderMap],
    percent: usize,
) -> Case<'a> {
    let known = shuffled(known.to_vec());
    let (mut fresh, mut turn) = (0, 0);
    let run = move |calls: u64| {
        let batch: Vec<HeaderMap> = (0..calls)
            .map(|_| {
                turn += 1;
                if turn * percent / 100 > (turn - 1) * percent / 100 {
                    known[turn % known.len()].clone()
                } else {
                    fresh += 1;
                    headers(Some(&keys.of_user(100_000_000 * (percent + 1) + fresh)))
                }
            })
            .collect();
        contender.send(runtime, &batch, calls).0
    };
    Case { name: name.to_owned(), run: Box::new(run) }
}

/// Requests per second of two threads over those of one. A pair of runs counts if a loop that shares nothing gained as it should.
fn threads(keys: &Keys) {
    const WINDOW: Duration = Duration::from_millis(60);
    let runtime = contenders::runtime();
    let shared = keys.of_user(0);
    for (name, setup) in
        [("ours", Setup::default()), ("ours, cached", Setup { cache: Some(10_000), ..Setup::default() })]
    {
        let contender = ours(&runtime, keys, 1, setup);
        for own in [false, true] {
            let rate = |threads: usize| -> f64 {
                let workers: Vec<_> = (0..threads)
                    .map(|thread| {
                        let mut contender = contender.another();
                        // A header map of its own, so that the threads share nothing but the layer.
                        let token = if own { keys.of_user(thread) } else { shared.clone() };
                        let tokens = vec![headers(Some(&token))];
                        std::thread::spawn(move || {
                            let runtime = contenders::runtime();
                            contender.send(&runtime, &tokens, 64);
                            let (start, mut calls) = (Instant::now(), 0);
                            while start.elapsed() < WINDOW {
                                contender.send(&runtime, &tokens, 64);
                                calls += 64;
                            }
                            f64::from(calls) / start.elapsed().as_secs_f64()
                        })
                    })
                    .collect();
                workers.into_iter().map(|worker| worker.join().unwrap()).sum()
            };
            let mut gains = Vec::new();
            for _ in 0..200 {
                let before = control();
                let gain = rate(2) / rate(1);
                if before.min(control()) > 1.85 {
                    gains.push(gain);
                }
                if gains.len() == 15 {
                    break;
                }
            }
            let what =
                format!("{}, {}", keys.algorithm.name(), if own { "a token each" } else { "one token" });
            let gain = if gains.is_empty() { f64::NAN } else { median(gains.clone()) };
            line("threads", &what, name, gain, gains.len() as f64);
        }
    }
}

/// What two threads gain that share nothing.
fn control() -> f64 {
    let spin = || {
        let (start, mut value, mut loops) = (Instant::now(), 1_u64, 0);
        while start.elapsed() < Duration::from_millis(5) {
            for _ in 0..1000 {
                value = std::hint::black_box(value.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (value >> 7));
            }
            loops += 1;
        }
        f64::from(loops)
    };
    let one = std::thread::spawn(spin).join().unwrap();
    let two = [std::thread::spawn(spin), std::thread::spawn(spin)];
    two.into_iter().map(|thread| thread.join().unwrap()).sum::<f64>() / one
}
