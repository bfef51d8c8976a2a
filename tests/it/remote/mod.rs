//! Keys from an identity provider: when they are fetched, what happens when they cannot be.

mod discovery;
mod faults;
mod flood;
mod guard;
mod health;
mod health_service;
mod kept;
mod lazy;
mod load;
mod model;
mod outage;
mod private_network;
mod rotation;
mod runtimes;
mod settings;
mod single_flight;
mod span;

use std::time::Duration;

use serde_json::json;
use tower_jwt_auth::{AuthError, Authority, Claims, Jwt, Reason, RemoteKeys, TestProvider, Verifier};

const ISS: &str = "https://id.example.com";

fn provider() -> TestProvider {
    TestProvider::in_memory(ISS)
}

fn of_keys(keys: RemoteKeys, provider: &TestProvider) -> Verifier<Claims> {
    Verifier::new(Authority::jwks(keys).issuer(provider.issuer()).audience("test")).unwrap()
}

/// Keys straight from their URL.
fn jwks(provider: &TestProvider) -> Verifier<Claims> {
    of_keys(provider.jwks_keys(), provider)
}

fn oidc(provider: &TestProvider) -> Verifier<Claims> {
    Verifier::new(Authority::oidc(provider.oidc_keys()).audience("test")).unwrap()
}

fn token(provider: &TestProvider) -> String {
    provider.sign(json!({ "sub": "bob" }))
}

/// A token that is right in all that can be copied: issuer, audience, algorithm, times. The key is not the provider's.
fn copied(provider: &TestProvider, kid: &str) -> String {
    let stranger = tower_jwt_auth::TestIssuer::new(provider.issuer());
    stranger.sign_with(json!({ "kid": kid }), json!({ "sub": "mallory" }))
}

async fn verify(verifier: &Verifier<Claims>, token: &str) -> Result<Jwt<Claims>, AuthError> {
    verifier.verify(token).await
}

async fn accepts(verifier: &Verifier<Claims>, token: &str) -> bool {
    verify(verifier, token).await.is_ok()
}

async fn reason(verifier: &Verifier<Claims>, token: &str) -> Reason {
    verify(verifier, token).await.unwrap_err().reason()
}

/// Without waiting: what a request with a known key gets. `None` if it would have to wait.
fn at_once(verifier: &Verifier<Claims>, token: &str) -> Option<bool> {
    verifier.verify(token).now().map(|verdict| verdict.is_ok())
}

/// Lets tokio's paused clock run, and all that is due on the way.
pub(crate) async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

const HOUR: u64 = 3600;
