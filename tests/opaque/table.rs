//! A function that is asked about tokens, and counts.

use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tower_jwt_auth::{
    Authority, Claims, Jwt, OpaqueToken, OpaqueTokens, Reason, TestClock, UnixTime, Verifier,
};

pub(crate) const ISSUER: &str = "https://shop.example.com";

/// Answers with the same claims about every token that does not begin with `bad`.
#[derive(Clone, Default)]
pub(crate) struct Table(Arc<Rows>);

#[derive(Default)]
struct Rows {
    claims: Mutex<Option<Value>>,
    calls: AtomicUsize,
    asked: Mutex<Vec<String>>,
}

impl Table {
    pub(crate) fn of(claims: Value) -> Self {
        let table = Self::default();
        table.says(Some(claims));
        table
    }

    pub(crate) fn says(&self, claims: Option<Value>) {
        *self.0.claims.lock().unwrap() = claims;
    }

    pub(crate) fn calls(&self) -> usize {
        self.0.calls.load(Ordering::SeqCst)
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.0.asked.lock().unwrap().clone()
    }

    pub(crate) fn look_up(&self, token: &OpaqueToken) -> Option<Value> {
        self.0.calls.fetch_add(1, Ordering::SeqCst);
        self.0.asked.lock().unwrap().push(token.as_str().to_owned());
        self.0.claims.lock().unwrap().clone().filter(|_| !token.as_str().starts_with("bad"))
    }

    /// An authority that asks it at once.
    pub(crate) fn authority(&self, tokens: OpaqueTokens) -> Authority {
        let table = self.clone();
        Authority::opaque(tokens, move |token| {
            let found = table.look_up(&token);
            async move { Ok::<_, Box<dyn Error + Send + Sync>>(found) }
        })
        .issuer(ISSUER)
    }
}

pub(crate) const NOW: u64 = 1_800_000_000;

pub(crate) fn clock() -> TestClock {
    TestClock::at(UnixTime::from_secs(NOW))
}

pub(crate) fn verifier(authority: Authority, clock: &TestClock) -> Verifier<Claims> {
    Verifier::builder().authority(authority).clock(clock.clone()).build().unwrap()
}

/// `Ok`, or the reason and the claim of the refusal.
pub(crate) async fn verdict(
    verifier: &Verifier<Claims>,
    token: &str,
) -> Result<Jwt<Claims>, (Reason, Option<String>)> {
    verifier.verify(token).await.map_err(|error| (error.reason(), error.claim().map(str::to_owned)))
}

pub(crate) async fn reason(verifier: &Verifier<Claims>, token: &str) -> Option<Reason> {
    verdict(verifier, token).await.err().map(|(reason, _)| reason)
}

/// The claims of a caller, for an authority that takes any audience.
pub(crate) fn bob() -> Value {
    json!({ "sub": "bob", "scope": "orders:read" })
}
