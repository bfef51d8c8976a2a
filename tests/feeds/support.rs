//! A provider, an API that trusts it, and what is sent to a receiver.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{Method, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tower::{Service, ServiceExt};
use tower_jwt_auth::{
    Claims, Clock, DocumentBody, LogPosition, NowOrLater, Reason, RevocationPage, RevocationRecord,
    RevocationStore, Revocations, StoreError, TestClock, TestIssuer, UnixTime, Verifier, WhenStale,
};

pub(crate) const ISSUER: &str = "https://id.example.com";
/// The audience of logout tokens and events; that of access tokens is `api`.
pub(crate) const CLIENT: &str = "client-7";

/// A provider, and an API that takes its access tokens.
pub(crate) struct World {
    pub(crate) clock: TestClock,
    /// Signs for the client.
    pub(crate) provider: TestIssuer,
    pub(crate) revocations: Revocations,
    api: Verifier<Claims>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Revocations::in_memory())
    }

    pub(crate) fn with(revocations: Revocations) -> Self {
        let clock = TestClock::now();
        let provider = TestIssuer::new(ISSUER).audience(CLIENT).clock(clock.clone());
        let authority = provider.authority().audience("api");
        let api =
            Verifier::builder().authority(authority).clock(clock.clone()).revocations(revocations.clone());
        Self { api: api.build().unwrap(), clock, provider, revocations }
    }

    /// An access token of now.
    pub(crate) fn access_token(&self, claims: Value) -> String {
        let mut all = json!({ "aud": "api" });
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        self.provider.sign(all)
    }

    /// What the API says to it.
    pub(crate) async fn refusal(&self, token: &str) -> Option<Reason> {
        self.api.verify(token).await.err().map(|refused| refused.reason())
    }

    pub(crate) fn now(&self) -> u64 {
        self.clock.now().as_secs()
    }

    pub(crate) fn later(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

/// An answer, read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn empty(status: u16) -> Self {
        Self { status: StatusCode::from_u16(status).unwrap(), body: Value::Null }
    }
}

pub(crate) async fn send<S, B>(service: &S, request: Request<B>) -> Answer
where
    S: Service<Request<B>, Response = Response<DocumentBody>, Error = Infallible> + Clone,
{
    let response = service.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
    let status = response.status();
    let has_json = response.headers().get(CONTENT_TYPE).is_some_and(|value| value == "application/json");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(has_json, !body.is_empty());
    Answer {
        status,
        body: if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() },
    }
}

pub(crate) fn post(media_type: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let request = Request::builder().method(Method::POST).header(CONTENT_TYPE, media_type);
    request.body(Full::new(body.into())).unwrap()
}

/// A body that begins and never ends.
pub(crate) struct Stalled(pub(crate) Option<&'static str>);

impl Body for Stalled {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.0.take() {
            Some(text) => Poll::Ready(Some(Ok(Frame::data(text.into())))),
            None => Poll::Pending,
        }
    }
}

/// A store that can be read, and not written.
#[derive(Debug)]
pub(crate) struct Down;

impl RevocationStore for Down {
    fn append(&self, _: Vec<RevocationRecord>) -> NowOrLater<Result<(), StoreError>> {
        NowOrLater::ready(Err(StoreError::new("the store is down")))
    }

    fn read(&self, _: Option<LogPosition>, _: Duration) -> NowOrLater<Result<RevocationPage, StoreError>> {
        NowOrLater::ready(Ok(RevocationPage::new(Vec::new(), LogPosition::new("0"))))
    }

    fn remove_expired(&self, _: UnixTime) -> NowOrLater<Result<(), StoreError>> {
        NowOrLater::ready(Ok(()))
    }
}

/// A store whose writes hang.
#[derive(Debug)]
pub(crate) struct Hanging;

impl RevocationStore for Hanging {
    fn append(&self, _: Vec<RevocationRecord>) -> NowOrLater<Result<(), StoreError>> {
        NowOrLater::later(std::future::pending())
    }

    fn read(
        &self,
        after: Option<LogPosition>,
        wait: Duration,
    ) -> NowOrLater<Result<RevocationPage, StoreError>> {
        Down.read(after, wait)
    }

    fn remove_expired(&self, now: UnixTime) -> NowOrLater<Result<(), StoreError>> {
        Down.remove_expired(now)
    }
}

pub(crate) fn following(store: impl RevocationStore) -> Revocations {
    Revocations::builder().store(store).max_age(Duration::from_secs(60), WhenStale::ServeOn).build().unwrap()
}
