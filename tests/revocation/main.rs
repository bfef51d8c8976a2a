//! Tokens that are refused before they expire: the rules, the store that processes follow, and what ends with a token.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::needless_pass_by_value)]

mod ended;
mod follower;
mod rules;
mod sessions;

use std::time::Duration;

use serde_json::{Value, json};
use tower_jwt_auth::{
    AuthError, Claims, Clock, Jwt, Reason, Revocations, RevocationsBuilder, TestClock, TestIssuer,
    TokenCache, UnixTime, Verifier,
};

const ISSUER: &str = "https://id.example.com";
const START: UnixTime = UnixTime::from_secs(1_800_000_000);
const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);

/// An issuer, a verifier and revocations with one clock, which stands still.
struct World {
    clock: TestClock,
    issuer: TestIssuer,
    revocations: Revocations,
    verifier: Verifier<Claims>,
}

impl World {
    fn new() -> Self {
        Self::with(|builder| builder)
    }

    fn with(settings: impl FnOnce(RevocationsBuilder) -> RevocationsBuilder) -> Self {
        let clock = TestClock::at(START);
        Self::at(clock, settings)
    }

    fn at(clock: TestClock, settings: impl FnOnce(RevocationsBuilder) -> RevocationsBuilder) -> Self {
        let issuer = TestIssuer::new(ISSUER).audience("api").clock(clock.clone());
        let revocations = settings(Revocations::builder().clock(clock.clone())).build().unwrap();
        let verifier = verifier(&issuer, &clock, &revocations);
        Self { clock, issuer, revocations, verifier }
    }

    /// A token that was issued now, and lives an hour.
    fn token(&self, claims: Value) -> String {
        let now = self.clock.now().as_secs();
        let mut all = json!({ "sub": "bob", "sid": "s1", "jti": "t1", "iat": now, "exp": now + 3600 });
        for (name, value) in claims.as_object().unwrap() {
            all[name] = value.clone();
        }
        self.issuer.sign(all)
    }

    fn verify(&self, token: &str) -> Result<Jwt, AuthError> {
        self.verifier.verify(token).now().expect("nothing to wait for")
    }

    fn reason(&self, token: &str) -> Option<Reason> {
        self.verify(token).err().map(|refused| refused.reason())
    }
}

fn verifier(issuer: &TestIssuer, clock: &TestClock, revocations: &Revocations) -> Verifier<Claims> {
    let builder = Verifier::builder().authority(issuer.authority()).clock(clock.clone());
    builder.revocations(revocations.clone()).build().unwrap()
}

fn cached(world: &World) -> Verifier<Claims> {
    let builder = Verifier::builder().authority(world.issuer.authority()).clock(world.clock.clone());
    builder.revocations(world.revocations.clone()).cache(TokenCache::new()).build().unwrap()
}
