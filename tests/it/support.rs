//! What several subjects need.

use std::cell::RefCell;
use std::io;
use std::sync::Once;

use serde::Deserialize;
use tower_jwt_auth::{Algorithm, AuthError, Claims, Jwt, TestClock, TestIssuer, Verifier};
use tracing_subscriber::filter::LevelFilter;

/// A claims type as users write it.
#[derive(Debug, Deserialize, PartialEq)]
pub(crate) struct User {
    pub(crate) sub: String,
    #[serde(default)]
    pub(crate) name: String,
}

/// So many bytes that look random, always the same: a secret.
pub(crate) fn secret_bytes(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(next).collect()
}

/// Every algorithm that the backend of this build has.
pub(crate) fn algorithms() -> Vec<Algorithm> {
    use Algorithm::*;
    let mut all =
        vec![HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA, Ed25519];
    if cfg!(feature = "aws-lc-rs") {
        all.push(ES512);
    }
    all
}

/// An issuer with a clock that stands still, and a verifier that trusts it.
pub(crate) struct World {
    pub(crate) issuer: TestIssuer,
    pub(crate) clock: TestClock,
    pub(crate) verifier: Verifier<Claims>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_algorithm(Algorithm::ES256)
    }

    pub(crate) fn with_algorithm(algorithm: Algorithm) -> Self {
        let clock = TestClock::now();
        let issuer = TestIssuer::with_algorithm("https://id.example.com", algorithm)
            .audience("api")
            .clock(clock.clone());
        let verifier =
            Verifier::builder().authority(issuer.authority()).clock(clock.clone()).build().unwrap();
        Self { issuer, clock, verifier }
    }
}

/// Verifies without waiting: everything that these tests configure is in memory.
pub(crate) fn verify<C>(verifier: &Verifier<C>, token: &str) -> Result<Jwt<C>, AuthError>
where
    C: serde::de::DeserializeOwned + Send + Sync + 'static,
{
    verifier.verify(token).now().expect("nothing to wait for")
}

/// The stable code of the refusal, and the claim behind it.
pub(crate) fn refusal<C>(verifier: &Verifier<C>, token: &str) -> (&'static str, Option<String>)
where
    C: serde::de::DeserializeOwned + Send + Sync + 'static,
{
    match verify(verifier, token) {
        Ok(_) => ("accepted", None),
        Err(error) => (error.reason().as_str(), error.claim().map(str::to_owned)),
    }
}

/// All that this thread logs while `work` runs, from `level` upwards.
///
/// One subscriber for the whole process: with one for each test, a callsite that another thread reaches first may be
/// taken for disabled.
pub(crate) async fn logged(level: LevelFilter, work: impl Future<Output = ()>) -> String {
    thread_local! {
        static LOG: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
    }
    static SUBSCRIBER: Once = Once::new();

    struct Log;

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            LOG.with_borrow_mut(|log| log.as_mut().map(|log| log.extend_from_slice(bytes)));
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    SUBSCRIBER.call_once(|| {
        let subscriber = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_ansi(false);
        subscriber.without_time().with_writer(|| Log).init();
    });
    LOG.set(Some(Vec::new()));
    work.await;
    let text = String::from_utf8(LOG.take().unwrap()).unwrap();
    let is_loud = |line: &&str| {
        let found = line.split_whitespace().next().and_then(|word| word.parse::<LevelFilter>().ok());
        // What has no level of its own is a forged line, and always kept.
        found.is_none_or(|found| found <= level)
    };
    text.lines().filter(is_loud).collect::<Vec<_>>().join("\n")
}
