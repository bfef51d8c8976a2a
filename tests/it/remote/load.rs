//! Every fault over real sockets, against a real axum server under load.

use std::fmt;
use std::time::Duration;

use axum::{Router, routing::get};
use tokio::net::TcpListener;
use tokio::time::Instant;
use tower_jwt_auth::{
    Authority, Claims, Jwt, JwtAuthLayer, ProviderFault, RemoteKeys, TestProvider, Verifier,
};

use super::token;
use crate::http_client::HttpClient;

async fn serve(verifier: Verifier<Claims>) -> String {
    let me = |user: Jwt| async move { user.sub.clone().unwrap_or_default() };
    let app = Router::new().route("/", get(me)).layer(JwtAuthLayer::new(verifier));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

/// Sends a token, and notes what came of it.
#[derive(Default)]
struct Requests {
    sent: u32,
    refused: u32,
    delayed: u32,
}

impl Requests {
    async fn send(&mut self, client: &HttpClient, url: &str, token: &str) -> u16 {
        let start = Instant::now();
        let answer = client.get(url, &[("authorization", &format!("Bearer {token}"))]).await;
        self.sent += 1;
        self.refused += u32::from(answer.status != 200);
        self.delayed += u32::from(start.elapsed() > Duration::from_millis(50));
        answer.status.as_u16()
    }
}

struct Row {
    fault: String,
    known: Requests,
    new: Requests,
    calls: u64,
    /// How many one fetch may ask for.
    documents: u64,
    seconds: u64,
    recovery: Duration,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fault, known, new, calls, recovery, .. } = self;
        write!(f, "{fault:<24.24} {:>6} {:>8} {:>8} ", known.sent, known.refused, known.delayed)?;
        write!(
            f,
            "{:>6} {:>8} {:>8} {calls:>6} {:>9.1}",
            new.sent,
            new.refused,
            new.delayed,
            recovery.as_secs_f64()
        )
    }
}

fn is_of_discovery(fault: &ProviderFault) -> bool {
    use ProviderFault::{JwksUri, NoJwksUri, WrongIssuer};
    matches!(fault, WrongIssuer | NoJwksUri | JwksUri(_))
}

fn calls(provider: &TestProvider) -> u64 {
    provider.discovery_calls() + provider.jwks_calls()
}

/// A provider, and a verifier that has its keys, by discovery if that is what will fail.
async fn world(fault: &ProviderFault) -> (TestProvider, Verifier<Claims>) {
    let provider = TestProvider::on_loopback().await;
    let bounded = |keys: RemoteKeys| {
        keys.cooldown(Duration::from_secs(5)).fetch_time(Duration::from_secs(1)).wait(Duration::from_secs(1))
    };
    let authority = if is_of_discovery(fault) {
        Authority::oidc(bounded(provider.oidc_keys()))
    } else {
        Authority::jwks(bounded(provider.jwks_keys())).issuer(provider.issuer())
    };
    let authority = authority.audience("test");
    let verifier = Verifier::<Claims>::new(authority).unwrap();
    // On a machine that is busy a second may be too short.
    while verifier.warm().await.is_err() {
        tokio::task::yield_now().await;
    }
    (provider, verifier)
}

/// Load on a server whose provider rotates without a word and fails in this way until a fetch has met the failure.
async fn under_load(fault: ProviderFault, (provider, verifier): (TestProvider, Verifier<Claims>)) -> Row {
    let (start, calls_before) = (Instant::now(), calls(&provider));
    let (url, client) = (serve(verifier.clone()).await, HttpClient::http1());
    let old = token(&provider);
    provider.fails_with(fault.clone());
    let mut failures = 1;
    if is_of_discovery(&fault) {
        // Discovery is asked again only after a failure.
        provider.next_fail_with(1, ProviderFault::Status(500));
        failures += 1;
    }
    provider.rotate();
    let new = token(&provider);
    let (mut row_known, mut row_new) = (Requests::default(), Requests::default());
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    let mut healed: Option<Instant> = None;
    let recovery = loop {
        pace.tick().await;
        row_known.send(&client, &url, &old).await;
        let status = row_new.send(&client, &url, &new).await;
        assert!([200, 401, 503].contains(&status), "{fault:?}: {status}");
        if status == 200 {
            let harmless = matches!(fault, ProviderFault::OddKeys | ProviderFault::DuplicateKid);
            assert_eq!(healed.is_none(), harmless, "{fault:?}: a fetch has met it");
            break healed.map_or(Duration::ZERO, |healed| healed.elapsed());
        }
        // One that was good may have ended since that answer; then there is no error.
        if healed.is_none()
            && verifier.key_health()[0].attempts > failures
            && let Some(error) = verifier.key_health()[0].last_error.clone()
        {
            if is_of_discovery(&fault) {
                assert!(!error.contains("500"), "{fault:?}: {error}");
                assert!(provider.discovery_calls() > 1, "{fault:?}");
            }
            provider.heals();
            healed = Some(Instant::now());
        }
        assert!(start.elapsed() < Duration::from_secs(120), "{fault:?}: it does not recover");
    };
    for _ in 0..20 {
        assert_eq!(row_new.send(&client, &url, &new).await, 200, "{fault:?}");
        row_known.send(&client, &url, &old).await;
    }
    Row {
        fault: format!("{fault:?}"),
        known: row_known,
        new: row_new,
        calls: calls(&provider) - calls_before,
        documents: if is_of_discovery(&fault) { 2 } else { 1 },
        seconds: start.elapsed().as_secs() + 1,
        recovery,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_under_load() {
    use ProviderFault::*;
    let faults = [
        Status(500),
        RetryAfter(429, 2),
        RetryAfter(503, 2),
        Stall,
        HangUp,
        SlowDrip,
        TruncatedBody,
        HugeBody,
        Garbage,
        Redirect,
        EmptySet,
        TooManyKeys,
        OnlyOddKeys,
        OddKeys,
        DuplicateKid,
        WrongIssuer,
        NoJwksUri,
        JwksUri("http://id.example.com/jwks".to_owned()),
    ];
    let mut worlds = Vec::new();
    for fault in faults {
        let world = world(&fault).await;
        worlds.push((fault, world));
    }
    let rows: Vec<_> =
        worlds.into_iter().map(|(fault, world)| tokio::spawn(under_load(fault, world))).collect();
    println!(
        "{:<24} {:>6} {:>8} {:>8} {:>6} {:>8} {:>8} {:>6} {:>9}",
        "fault", "known", "refused", "> 50 ms", "new", "refused", "> 50 ms", "calls", "recovery"
    );
    for row in rows {
        let row = row.await.unwrap();
        println!("{row}");
        assert_eq!(row.known.refused, 0, "{row}");
        assert!(row.calls <= row.documents * (1 + row.seconds.div_ceil(5)), "{row}");
    }
}

/// A fresh server while the provider fails: 503, over the whole way from socket to socket.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_at_a_cold_start() {
    use ProviderFault::*;
    let cases = [
        (Status(500), 503),
        (RetryAfter(429, 2), 503),
        (Stall, 503),
        (HangUp, 503),
        (SlowDrip, 503),
        (TruncatedBody, 503),
        (HugeBody, 503),
        (Garbage, 503),
        (Redirect, 503),
        (EmptySet, 503),
        (TooManyKeys, 503),
        (OnlyOddKeys, 503),
        (WrongIssuer, 503),
        (NoJwksUri, 503),
        (JwksUri("http://id.example.com/jwks.json".to_owned()), 503),
        (OddKeys, 200),
        (DuplicateKid, 200),
    ];
    let rows: Vec<_> = cases
        .into_iter()
        .map(|(fault, expected)| {
            tokio::spawn(async move {
                let provider = TestProvider::on_loopback().await;
                provider.fails_with(fault.clone());
                // Who is refused is refused at the end of the wait; who is not need not wait for it.
                let wait = if expected == 200 { 10 } else { 2 };
                let keys = provider.oidc_keys().wait(Duration::from_secs(wait));
                let url = serve(Verifier::new(Authority::oidc(keys).audience("test")).unwrap()).await;
                let bearer = format!("Bearer {}", token(&provider));
                let client = HttpClient::http1();
                let answer = client.get(&url, &[("authorization", &bearer)]).await;
                assert_eq!(answer.status.as_u16(), expected, "{fault:?}");
                assert_eq!(answer.header("retry-after").is_some(), expected == 503, "{fault:?}");
                assert_eq!(answer.header("www-authenticate"), None);
            })
        })
        .collect();
    for row in rows {
        row.await.unwrap();
    }
}
