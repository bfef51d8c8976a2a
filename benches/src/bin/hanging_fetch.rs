//! Tokens with a known key while a fetch of keys hangs, against the same in calm, taking turns in one run.
//!
//! `cargo run --release -p benches --bin hanging_fetch`. Two verifiers, each with a provider on loopback; one provider
//! has answered, the other one took the request for the refresh that was due and never answers. That it hangs is
//! asserted before and after each round.

use std::time::{Duration, Instant};

use axum::{Router, routing::get};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower_jwt_auth::{
    Algorithm, Authority, Claims, Jwt, JwtAuthLayer, ProviderFault, RemoteKeys, TestProvider, Verifier,
};

const ROUNDS: usize = 100;
const PER_ROUND: usize = 200;

#[tokio::main]
async fn main() {
    println!(
        "{ROUNDS} rounds of {PER_ROUND} tokens that take turns; microseconds in calm, while a fetch hangs, ratio"
    );
    println!("{:14} {:>26} {:>26} {:>26}", "", "median", "p99", "p99.9");
    for algorithm in [Algorithm::ES256, Algorithm::RS256] {
        let (calm, hanging) = (World::calm(algorithm).await, World::hanging(algorithm).await);
        let (mut one, mut other) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            calm.verify(&mut one);
            hanging.verify(&mut other);
        }
        report(&format!("{algorithm} verify"), one, other);

        // Another one, so that its fetch does not end meanwhile.
        let hanging = World::hanging(algorithm).await;
        let (mut to_calm, mut to_hanging) = (calm.serve().await, hanging.serve().await);
        let (mut one, mut other) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            calm.ask(&mut to_calm, &mut one).await;
            hanging.ask(&mut to_hanging, &mut other).await;
        }
        report(&format!("{algorithm} axum"), one, other);
    }
}

/// A verifier that has its keys, and a token that it takes.
struct World {
    provider: TestProvider,
    verifier: Verifier<Claims>,
    token: String,
    hangs: bool,
}

impl World {
    async fn calm(algorithm: Algorithm) -> Self {
        Self::new(algorithm, |keys| keys).await
    }

    /// Its refresh is due within a second, and hangs for half a minute.
    async fn hanging(algorithm: Algorithm) -> Self {
        let second = Duration::from_secs(1);
        let soon = move |keys: RemoteKeys| keys.max_age(second..=second).fetch_time(30 * second);
        let mut world = Self::new(algorithm, soon).await;
        world.provider.fails_with(ProviderFault::Stall);
        while world.provider.jwks_calls() < 2 {
            tokio::time::sleep(second / 100).await;
        }
        world.hangs = true;
        world
    }

    async fn new(algorithm: Algorithm, settings: impl Fn(RemoteKeys) -> RemoteKeys) -> Self {
        let provider = TestProvider::on_loopback().await;
        provider.rotate_to(algorithm);
        let authority = Authority::jwks(settings(provider.jwks_keys())).issuer(provider.issuer());
        let verifier = Verifier::new(authority.audience("test")).expect("a verifier");
        verifier.warm().await.expect("the keys are fetched");
        let token = provider.sign(serde_json::json!({ "sub": "248289761001", "scope": "orders:read" }));
        Self { provider, verifier, token, hangs: false }
    }

    /// The provider was asked once more than it answered, and the source waits for it.
    fn assert_fetch(&self) {
        let health = self.verifier.key_health().remove(0);
        let (asked, ended) = (self.provider.jwks_calls(), health.attempts);
        assert_eq!((asked - ended, ended), (u64::from(self.hangs), 1), "fetches under way, and ended");
        assert_eq!(health.next_refresh.is_none(), self.hangs, "{health:?}");
    }

    fn verify(&self, times: &mut Vec<f64>) {
        self.assert_fetch();
        for _ in 0..PER_ROUND {
            let start = now();
            let verdict = self.verifier.verify(&self.token).now();
            times.push(microseconds_since(start));
            assert!(verdict.expect("it need not wait").is_ok());
        }
        self.assert_fetch();
    }

    async fn serve(&self) -> TcpStream {
        let hello = |user: Jwt| async move { user.sub.clone().unwrap_or_default() };
        let app = Router::new().route("/", get(hello)).layer(JwtAuthLayer::new(self.verifier.clone()));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move { axum::serve(listener, app).await });
        let stream = TcpStream::connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("a socket");
        stream
    }

    /// One connection, one request after the other.
    async fn ask(&self, server: &mut TcpStream, times: &mut Vec<f64>) {
        self.assert_fetch();
        let request =
            format!("GET / HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\r\n", self.token);
        let mut answer = [0; 1024];
        for _ in 0..PER_ROUND {
            let start = now();
            server.write_all(request.as_bytes()).await.expect("it is sent");
            let mut length = 0;
            while !answer[..length].ends_with(b"\r\n\r\n248289761001") {
                let read = server.read(&mut answer[length..]).await.expect("it is answered");
                assert!(read > 0, "{}", String::from_utf8_lossy(&answer[..length]));
                length += read;
            }
            times.push(microseconds_since(start));
            assert!(answer.starts_with(b"HTTP/1.1 200"));
        }
        self.assert_fetch();
    }
}

#[allow(clippy::disallowed_methods)] // a measurement reads the clock
fn now() -> Instant {
    Instant::now()
}

#[allow(clippy::disallowed_methods)]
fn microseconds_since(start: Instant) -> f64 {
    start.elapsed().as_nanos() as f64 / 1000.0
}

fn report(what: &str, mut calm: Vec<f64>, mut hanging: Vec<f64>) {
    calm.sort_by(f64::total_cmp);
    hanging.sort_by(f64::total_cmp);
    print!("{what:14}");
    for share in [0.5, 0.99, 0.999] {
        let at = (calm.len() as f64 * share) as usize;
        print!(" {:>9.1} {:>9.1} {:>6.2}", calm[at], hanging[at], hanging[at] / calm[at]);
    }
    println!();
    let (calm, hanging) = (calm[calm.len() / 2], hanging[hanging.len() / 2]);
    assert!(
        hanging < 1.25 * calm,
        "a hanging fetch costs {hanging} us instead of {calm}, or the machine is busy"
    );
}
