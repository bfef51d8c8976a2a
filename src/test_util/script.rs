//! What a scripted provider is, and what it will do wrong.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use serde_json::{Value, json};

use super::TestIssuer;
use super::fault::{Document, ProviderFault, Reply};
use crate::keys::KeySet;

/// What the provider is, and what it will do wrong.
pub(super) struct Script {
    pub(super) base: String,
    pub(super) state: Mutex<State>,
}

pub(super) struct State {
    pub(super) issuer: TestIssuer,
    /// Announced: published, but not signing yet.
    pub(super) next: Option<TestIssuer>,
    pub(super) next_faults: VecDeque<ProviderFault>,
    pub(super) fault: Option<ProviderFault>,
    pub(super) cache_control: Option<HeaderValue>,
    pub(super) latency: Duration,
    pub(super) discovery_calls: u64,
    pub(super) jwks_calls: u64,
}

impl State {
    pub(super) fn sign_with_key_of(&mut self, next: TestIssuer) {
        self.issuer.key = next.key;
        let set = self.issuer.key.key_set().merge(&self.issuer.set);
        self.issuer.publish(set);
    }

    pub(super) fn published(&self) -> KeySet {
        match &self.next {
            Some(next) => self.issuer.set.clone().merge(&next.set),
            None => self.issuer.set.clone(),
        }
    }
}

impl Script {
    pub(super) fn new(base: String) -> Self {
        let state = State {
            issuer: TestIssuer::new(base.as_str()),
            next: None,
            next_faults: VecDeque::new(),
            fault: None,
            cache_control: None,
            latency: Duration::ZERO,
            discovery_calls: 0,
            jwks_calls: 0,
        };
        Self { base, state: Mutex::new(state) }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The issuer without slashes at its end: what paths are appended to.
    pub(super) fn root(&self) -> &str {
        self.base.trim_end_matches('/')
    }

    /// One request, counted; the answer as it will be, after the latency.
    pub(super) async fn call(&self, path: &str) -> Reply {
        let (reply, latency) = self.reply(path);
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        reply
    }

    pub(super) fn reply(&self, path: &str) -> (Reply, Duration) {
        let mut guard = self.state();
        let state = &mut *guard;
        let (path, moved) = path.strip_prefix("/moved").map_or((path, false), |path| (path, true));
        let (document, mut content): (_, Value) = match path {
            "/.well-known/openid-configuration" => {
                state.discovery_calls += 1;
                let jwks_uri = format!("{}/jwks.json", self.root());
                (Document::Discovery, json!({ "issuer": self.base, "jwks_uri": jwks_uri }))
            }
            "/jwks.json" => {
                state.jwks_calls += 1;
                let set = state.published().to_public_jwks();
                (Document::Jwks, serde_json::from_str(&set).unwrap_or_default())
            }
            _ => return (Reply::not_found(), state.latency),
        };
        let first = state.next_faults.iter().position(|fault| fault.strikes(document));
        let fault = first.and_then(|first| state.next_faults.remove(first)).or_else(|| state.fault.clone());
        let fault = fault.filter(|fault| !moved && fault.strikes(document));
        if let Some(fault) = &fault {
            fault.spoil(&mut content, state.issuer.kid());
        }
        let good = Reply::document(content.to_string(), state.cache_control.as_ref());
        (fault.map_or(good.clone(), |fault| fault.answer(path, good)), state.latency)
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").field("issuer", &self.base).finish_non_exhaustive()
    }
}
