//! An issuer with both endpoints, and stores that count what they are asked and fail when they are told to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tower::ServiceExt;
use tower_jwt_auth::{
    Algorithm, AuthError, AuthenticatedClient, Claims, ClientCredentials, IntrospectionEndpoint,
    IntrospectionEndpointBuilder, Issuer, Jwt, LogPosition, MemoryRefreshStore, MemoryRevocationStore,
    NowOrLater, RefreshRecord, RefreshStore, RefreshTokens, RevocationEndpoint, RevocationEndpointBuilder,
    RevocationPage, RevocationRecord, RevocationStore, Revocations, Session, SigningKey, StoreError,
    TestClock, UnixTime, Verifier, WhenStale,
};

pub(crate) const ISSUER: &str = "https://id.example.com";

/// How often each operation of the stores was asked for, and which of them fail.
#[derive(Debug, Default)]
pub(crate) struct Book {
    calls: Mutex<BTreeMap<&'static str, usize>>,
    broken: Mutex<Vec<&'static str>>,
}

impl Book {
    pub(crate) fn breaks(&self, operations: &[&'static str]) {
        *self.broken.lock().unwrap() = operations.to_vec();
    }

    /// What was asked since the last time, but for the reading of the log, which goes on in the background.
    pub(crate) fn take(&self) -> Vec<(&'static str, usize)> {
        std::mem::take(&mut *self.calls.lock().unwrap()).into_iter().collect()
    }

    fn note(&self, operation: &'static str) -> Result<(), StoreError> {
        *self.calls.lock().unwrap().entry(operation).or_default() += 1;
        match self.broken.lock().unwrap().contains(&operation) {
            true => Err(StoreError::new(format!("{operation} is broken"))),
            false => Ok(()),
        }
    }
}

#[derive(Debug)]
struct Watched<S>(S, Arc<Book>);

macro_rules! noted {
    ($self:ident, $name:literal, $call:expr) => {
        match $self.1.note($name) {
            Ok(()) => $call,
            Err(error) => NowOrLater::ready(Err(error)),
        }
    };
}

impl RefreshStore for Watched<MemoryRefreshStore> {
    fn insert(&self, record: RefreshRecord) -> NowOrLater<Result<(), StoreError>> {
        self.0.insert(record)
    }

    fn load(&self, id: String) -> NowOrLater<Result<Option<RefreshRecord>, StoreError>> {
        noted!(self, "load", self.0.load(id))
    }

    fn compare_and_swap(&self, expected: u64, new: RefreshRecord) -> NowOrLater<Result<bool, StoreError>> {
        self.0.compare_and_swap(expected, new)
    }

    fn remove(&self, ids: Vec<String>) -> NowOrLater<Result<(), StoreError>> {
        noted!(self, "remove", self.0.remove(ids))
    }

    fn list(&self, subject: String) -> NowOrLater<Result<Vec<RefreshRecord>, StoreError>> {
        self.0.list(subject)
    }

    fn remove_expired(&self, now: UnixTime) -> NowOrLater<Result<(), StoreError>> {
        self.0.remove_expired(now)
    }
}

impl RevocationStore for Watched<MemoryRevocationStore> {
    fn append(&self, records: Vec<RevocationRecord>) -> NowOrLater<Result<(), StoreError>> {
        noted!(self, "append", self.0.append(records))
    }

    fn read(
        &self,
        after: Option<LogPosition>,
        wait: Duration,
    ) -> NowOrLater<Result<RevocationPage, StoreError>> {
        self.0.read(after, wait)
    }

    fn remove_expired(&self, now: UnixTime) -> NowOrLater<Result<(), StoreError>> {
        self.0.remove_expired(now)
    }
}

/// The clients that the tests know.
pub(crate) async fn clients(
    credentials: ClientCredentials,
) -> Result<Option<AuthenticatedClient>, StoreError> {
    Ok(match credentials.client_id() {
        "web-app" if credentials.has_secret("sesame") => Some(credentials.client()),
        "other" if credentials.has_secret("open") => Some(credentials.client()),
        // Whatever the secret is: what is refused all the same was refused before.
        "lax" | "web-app\r\n" if !credentials.is_public() => Some(credentials.client()),
        "odd: %+" if credentials.has_secret("a b+c%d&e=f") => Some(credentials.client()),
        "spa" if credentials.is_public() => Some(credentials.client()),
        "orders" if credentials.has_secret("orders secret") => Some(credentials.client()),
        "shelf" if credentials.has_secret("shelf secret") => {
            Some(credentials.client().audience("books").audience("films"))
        }
        "gateway" if credentials.has_secret("gateway secret") => Some(credentials.client().any_audience()),
        "broken" => return Err(StoreError::new("the table of clients is away")),
        _ => None,
    })
}

/// The sessions of subjects that begin with the client's name are the client's.
async fn is_of_client(client: AuthenticatedClient, session: Session) -> Result<bool, StoreError> {
    match session.subject() {
        "broken" => Err(StoreError::new("the table of sessions is away")),
        "hangs" => std::future::pending().await,
        subject => Ok(subject.starts_with(client.id())),
    }
}

pub(crate) struct World {
    pub(crate) issuer: Issuer,
    pub(crate) clock: TestClock,
    pub(crate) refresh: RefreshTokens,
    pub(crate) revocations: Revocations,
    pub(crate) book: Arc<Book>,
    /// What resource servers use.
    pub(crate) verifier: Verifier<Claims>,
    /// What another process uses, which shares the store alone.
    pub(crate) elsewhere: Verifier<Claims>,
    pub(crate) other_revocations: Revocations,
}

impl World {
    pub(crate) fn new() -> Self {
        let (clock, book) = (TestClock::now(), Arc::new(Book::default()));
        let key = SigningKey::generate(Algorithm::ES256).unwrap();
        let issuer = Issuer::builder(ISSUER, key)
            .audience("orders")
            .overridable("aud")
            .overridable("exp")
            .overridable("iat")
            .overridable("jti")
            .clock(clock.clone())
            .build()
            .unwrap();
        let store = Watched(MemoryRefreshStore::new(), Arc::clone(&book));
        let refresh = RefreshTokens::builder(store).clock(clock.clone()).build().unwrap();
        let log = Arc::new(Watched(MemoryRevocationStore::new(), Arc::clone(&book)));
        let plane = || {
            let builder = Revocations::builder().store(Arc::clone(&log)).clock(clock.clone());
            builder.max_age(Duration::from_secs(3600), WhenStale::ServeOn).build().unwrap()
        };
        let (revocations, other_revocations) = (plane(), plane());
        let verifier = |revocations: &Revocations| {
            Verifier::<Claims>::builder()
                .authority(issuer.authority())
                .clock(clock.clone())
                .revocations(revocations.clone())
                .build()
                .unwrap()
        };
        let (verifier, elsewhere) = (verifier(&revocations), verifier(&other_revocations));
        Self { issuer, clock, refresh, revocations, book, verifier, elsewhere, other_revocations }
    }

    pub(crate) fn revocation(&self) -> RevocationEndpointBuilder {
        RevocationEndpoint::builder(&self.issuer, clients)
    }

    /// For both kinds of tokens.
    pub(crate) fn revocation_endpoint(&self) -> RevocationEndpoint {
        let builder = self.revocation().revocations(self.revocations.clone());
        builder.refresh_tokens(self.refresh.clone(), is_of_client).build().unwrap()
    }

    pub(crate) fn introspection(&self) -> IntrospectionEndpointBuilder {
        IntrospectionEndpoint::builder(&self.issuer, clients)
            .revocations(self.revocations.clone())
            .refresh_tokens(self.refresh.clone(), is_of_client)
    }

    /// An access token of bob's for this client, with further claims.
    pub(crate) fn token(&self, client: &str, more: Value) -> String {
        let mut claims = json!({ "sub": "bob", "client_id": client });
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        self.issuer.sign(&claims).unwrap()
    }

    pub(crate) fn verify(&self, token: &str) -> Result<Jwt, AuthError> {
        self.verifier.verify(token).now().unwrap()
    }

    pub(crate) fn refusal(&self, token: &str) -> Option<&'static str> {
        self.verify(token).err().map(|error| error.reason().as_str())
    }

    /// Whether the token can be exchanged.
    pub(crate) async fn can_rotate(&self, token: &tower_jwt_auth::RefreshToken) -> bool {
        let load = |_| std::future::ready(Ok::<_, StoreError>(Some(())));
        self.refresh.rotate(token, load).await.is_ok()
    }
}

/// An answer, read to its end.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The status and the code of an error.
    pub(crate) fn error(&self) -> (u16, String) {
        (self.status.as_u16(), self.json()["error"].as_str().unwrap().to_owned())
    }

    pub(crate) fn is_empty_ok(&self) -> bool {
        self.status == StatusCode::OK && self.body.is_empty() && self.header("cache-control") == "no-store"
    }
}

pub(crate) async fn call<S, B>(endpoint: &S, request: Request<B>) -> Answer
where
    S: tower::Service<Request<B>, Response = http::Response<tower_jwt_auth::DocumentBody>> + Clone,
    S::Error: std::fmt::Debug,
{
    let response = endpoint.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: head.status, headers: head.headers, body }
}

/// A POST of a form, with the text as it is.
pub(crate) fn post(form: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::builder()
        .method(Method::POST)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Full::new(form.into()))
        .unwrap()
}

/// The same, from a client that authenticates by `Basic`.
pub(crate) fn post_as(client: &str, form: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let mut request = post(form);
    let value = format!("Basic {}", BASE64_STANDARD.encode(client));
    request.headers_mut().insert(AUTHORIZATION, value.parse().unwrap());
    request
}
