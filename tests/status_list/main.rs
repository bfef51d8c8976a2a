//! Token Status Lists: what a list says of a token, when lists are fetched, and what happens when they cannot be had.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::needless_pass_by_value)]

mod fetching;
mod http;
mod liars;
mod old_lists;
mod room;
mod settings;
mod statuses;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use ::http::{HeaderMap, Response, StatusCode};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use miniz_oxide::deflate::compress_to_vec_zlib;
use serde_json::{Value, json};
use tower_jwt_auth::{
    AuthError, Authority, Claims, Clock, Fetch, FetchError, Jwt, NowOrLater, Reason, StatusLists, TestClock,
    TestIssuer, UnixTime, Verifier, VerifierBuilder,
};

/// Where lists are, unless a test says otherwise.
const LISTS: &str = "https://status.example.com/lists/";
const LIST: &str = "https://status.example.com/lists/1";

/// An issuer of tokens, the provider of their lists, and the time.
struct World {
    clock: TestClock,
    tokens: TestIssuer,
    lists: TestIssuer,
    provider: Provider,
}

impl World {
    fn new() -> Self {
        // Of whole seconds, so that bounds can be met exactly.
        let clock = TestClock::at(UnixTime::from_secs(TestClock::now().now().as_secs()));
        Self {
            tokens: TestIssuer::new("https://id.example.com")
                .lifetime(Duration::from_secs(30 * 24 * 3600))
                .clock(clock.clone()),
            lists: TestIssuer::new("https://status.example.com").clock(clock.clone()),
            provider: Provider::default(),
            clock,
        }
    }

    fn settings(&self) -> StatusLists {
        StatusLists::keys(self.lists.key_set()).allow(LISTS).fetch(self.provider.clone())
    }

    fn authority(&self, lists: StatusLists) -> Authority {
        self.tokens.authority().status_lists(lists)
    }

    fn builder(&self, lists: StatusLists) -> VerifierBuilder<Claims> {
        Verifier::builder().authority(self.authority(lists)).clock(self.clock.clone())
    }

    fn verifier(&self) -> Verifier<Claims> {
        self.verifier_of(self.settings())
    }

    fn verifier_of(&self, lists: StatusLists) -> Verifier<Claims> {
        self.builder(lists).build().unwrap()
    }

    /// A token whose status is at this index of the list.
    fn token(&self, idx: u64) -> String {
        self.token_of(LIST, idx)
    }

    fn token_of(&self, uri: &str, idx: u64) -> String {
        self.token_with(json!({ "status_list": { "idx": idx, "uri": uri } }))
    }

    fn token_with(&self, status: Value) -> String {
        self.tokens.sign(json!({ "sub": "bob", "status": status }))
    }

    /// The claims of a good list token.
    fn list_claims(&self, bits: u8, statuses: &[u8]) -> Value {
        let lst = BASE64_URL_SAFE_NO_PAD.encode(compress_to_vec_zlib(&packed(bits, statuses), 9));
        let iat = self.clock.now();
        json!({ "sub": LIST, "iat": iat, "status_list": { "bits": bits, "lst": lst },
            "iss": null, "aud": null, "exp": null, "jti": null })
    }

    fn sign_list(&self, claims: Value) -> String {
        self.lists.sign_with(json!({ "typ": "statuslist+jwt" }), claims)
    }

    /// Serves a list with these statuses from now on, with these claims beside the usual ones.
    fn serve_with(&self, bits: u8, statuses: &[u8], more: Value) {
        let mut claims = self.list_claims(bits, statuses);
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let uri = claims["sub"].as_str().unwrap().to_owned();
        self.provider.serve(&uri, Answer::ok(self.sign_list(claims)));
    }

    fn serve(&self, bits: u8, statuses: &[u8]) {
        self.serve_with(bits, statuses, json!({}));
    }

    /// Lets both clocks run, and all that is due on the way.
    async fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }
}

/// The statuses, each in so many bits, from the lowest bits of the first byte on.
fn packed(bits: u8, statuses: &[u8]) -> Vec<u8> {
    let width = usize::from(bits);
    let mut bytes = vec![0; (statuses.len() * width).div_ceil(8)];
    for (index, status) in statuses.iter().enumerate() {
        bytes[index * width / 8] |= status << (index * width % 8);
    }
    bytes
}

async fn verdict(verifier: &Verifier<Claims>, token: &str) -> Result<(), Reason> {
    verifier.verify(token).await.map(drop).map_err(|error| error.reason())
}

async fn refusal(verifier: &Verifier<Claims>, token: &str) -> AuthError {
    let verdict: Result<Jwt<Claims>, _> = verifier.verify(token).await;
    verdict.unwrap_err()
}

/// Without waiting: what a request gets whose list is at hand. `None` if it would have to wait.
fn at_once(verifier: &Verifier<Claims>, token: &str) -> Option<Result<(), Reason>> {
    verifier.verify(token).now().map(|verdict| verdict.map(drop).map_err(|error| error.reason()))
}

/// A provider of lists that is asked without a network.
#[derive(Clone, Debug, Default)]
struct Provider(Arc<Mutex<Script>>);

#[derive(Debug, Default)]
struct Script {
    answers: HashMap<String, Answer>,
    latency: Duration,
    calls: Vec<(String, &'static str, usize)>,
}

/// What the provider does when it is asked for a list.
#[derive(Clone, Debug)]
enum Answer {
    Send(StatusCode, HeaderMap, Bytes),
    Stall,
    HangUp,
    Panic,
}

impl Answer {
    fn ok(body: impl Into<Bytes>) -> Self {
        Self::Send(StatusCode::OK, HeaderMap::new(), body.into())
    }

    fn status(status: u16, headers: &[(&'static str, &str)]) -> Self {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        Self::Send(StatusCode::from_u16(status).unwrap(), headers.collect(), Bytes::new())
    }
}

impl Provider {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap()
    }

    fn serve(&self, uri: &str, answer: Answer) {
        self.script().answers.insert(uri.to_owned(), answer);
    }

    fn latency(&self, latency: Duration) {
        self.script().latency = latency;
    }

    fn calls(&self) -> usize {
        self.script().calls.len()
    }
}

impl Fetch for Provider {
    fn fetch(&self, _: &str, _: usize) -> NowOrLater<Result<Response<Bytes>, FetchError>> {
        panic!("a list is asked for by its media type")
    }

    fn fetch_accepting(
        &self,
        accept: &'static str,
        url: &str,
        max_bytes: usize,
    ) -> NowOrLater<Result<Response<Bytes>, FetchError>> {
        let mut script = self.script();
        script.calls.push((url.to_owned(), accept, max_bytes));
        let (answer, latency) = (script.answers.get(url).cloned(), script.latency);
        drop(script);
        NowOrLater::later(async move {
            if !latency.is_zero() {
                tokio::time::sleep(latency).await;
            }
            match answer.unwrap_or_else(|| Answer::status(404, &[])) {
                Answer::Send(status, headers, body) => {
                    let mut response = Response::new(body);
                    *response.status_mut() = status;
                    *response.headers_mut() = headers;
                    Ok(response)
                }
                Answer::Stall => std::future::pending().await,
                Answer::HangUp => Err(FetchError::new("the connection was closed")),
                Answer::Panic => panic!("the fetcher panics"),
            }
        })
    }
}
