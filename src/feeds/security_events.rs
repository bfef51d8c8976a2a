//! Security Event Tokens by push (RFC 8417, RFC 8935): CAEP and RISC events of the OpenID Shared Signals Framework.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use serde_json::{Map, Value, json};
use tower_service::Service;

use super::answer::{empty, json as json_answer, only_post, try_again};
use super::event_effect::{Effect, SecurityEvent};
use super::intake::{BODY, NotStored, note_refusal, revoke};
use super::subject::Subject;
use super::transmitter::Credentials;
use crate::error::{AuthError, ConfigError, ConfigProblemKind, Problems, Reason};
use crate::revocation::{Revocation, Revocations};
use crate::runtime::{Clock, NowOrLater, SystemClock, UnixTime, trace};
use crate::served::{BodyError, DocumentBody, has_media_type, read_body};
use crate::verify::{Authority, Verifier};

/// Receives Security Event Tokens by push (RFC 8935): a tower service that never fails (feature `feeds`).
///
/// A transmitter of the OpenID Shared Signals Framework posts here what has happened to a user: the session was revoked, the
/// account was closed, a password changed (CAEP, RISC). The access tokens of that session or user are refused from then on.
///
/// The stream is set up at the transmitter, by its management API or its console, which this crate has no client for: give it the
/// URL of this service, the events of [`SecurityEvent`], and the header that it is to send. The authority names the transmitter's
/// issuer and keys, and the `aud` of the stream.
///
/// ```
/// # #[cfg(feature = "jwks")]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use axum::Router;
/// use tower_jwt_auth::{Authority, Revocations, SecurityEvents};
///
/// # let revocations = Revocations::in_memory();
/// # let secret = "Bearer 7c0f1d2a9b3e4f5061728394a5b6c7d8";
/// let transmitter = Authority::jwks("https://id.example.com/jwks.json")
///     .issuer("https://id.example.com")
///     .audience("https://api.example.com/events");
/// let events = SecurityEvents::builder(transmitter, revocations)
///     .authorization(secret) // "Bearer ..", as the stream is told to send it
///     .build()?;
///
/// let app: Router = Router::new().route_service("/security-events", events);
/// # Ok(()) }
/// # #[cfg(not(feature = "jwks"))] fn main() {}
/// ```
///
/// # What an event revokes
///
/// | event | |
/// |---|---|
/// | CAEP `session-revoked`, RISC `sessions-revoked` | the session, if the subject names one; otherwise the user's tokens |
/// | CAEP `credential-change` | the user's tokens, unless a credential was added (`create`) |
/// | CAEP `token-claims-change` | the user's tokens, or the one with this `jti` |
/// | RISC `account-disabled`, `account-purged`, `account-credential-change-required`, `credential-compromise` | the user's tokens |
/// | all others, such as `verification` | nothing; they are acknowledged |
///
/// *The user's tokens* are those with this `iss` and `sub` that were issued before the event: before its `event_timestamp`, otherwise
/// the token's `toe`, otherwise its `iat`. [`only`](SecurityEventsBuilder::only) narrows the table.
///
/// The subject is `sub_id` (RFC 9493), the event's own `subject`, or the claim `sub`. The formats `iss_sub`, `opaque`, `jwt_id`,
/// `aliases` and `complex` are understood. An `opaque` name is taken for a `sub`, and for a `sid` if a session was revoked. Of a
/// complex subject `session` and `user` count: an event about one device is taken for all of them. An event whose subject is of
/// another format, such as `email`, is acknowledged, has no effect, and leaves a warning (feature `tracing`). A subject of another
/// issuer than the transmitter has no effect either, unless [`tokens_of`](SecurityEventsBuilder::tokens_of) names it.
///
/// # What is checked
///
/// `typ` is `secevent+jwt`. `iss`, `aud`, `iat`, `jti` and `events` are required, and the signature is checked as that of every
/// token. `exp` is not needed: what has happened may be told late. The same event twice has the same effect as once, so a `jti`
/// that was seen before is acknowledged.
///
/// # Answers
///
/// | | |
/// |---|---|
/// | 202 | the event is taken, and the store has what it revokes |
/// | 400 | it is refused; JSON with `err` and `description`, codes of RFC 8935 section 2.4 |
/// | 405, 408 | another method than POST; the body took longer than ten seconds |
/// | 503 | there are no keys, or the store failed; the transmitter should try again |
#[derive(Clone, Debug)]
pub struct SecurityEvents(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    verifier: Verifier<EventClaims>,
    revocations: Revocations,
    credentials: Credentials,
    only: BTreeSet<SecurityEvent>,
    /// Empty: the transmitter's own.
    tokens_of: Vec<String>,
    by_subject: bool,
}

/// Settings of a [`SecurityEvents`].
#[derive(Debug)]
#[must_use = "call build()"]
pub struct SecurityEventsBuilder {
    authorities: Vec<Authority>,
    revocations: Revocations,
    clock: Arc<dyn Clock>,
    authorization: Vec<Hidden>,
    only: Option<BTreeSet<SecurityEvent>>,
    tokens_of: Vec<String>,
    by_subject: bool,
}

/// Not for `Debug`.
struct Hidden(String);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("..")
    }
}

impl SecurityEvents {
    /// A receiver for one transmitter or several.
    ///
    /// # Errors
    /// If a setting of an authority is missing or out of bounds, or is for access tokens alone.
    pub fn new(
        authorities: impl IntoIterator<Item = Authority>,
        revocations: Revocations,
    ) -> Result<Self, ConfigError> {
        Self::builder(authorities, revocations).build()
    }

    /// A receiver with more settings.
    pub fn builder(
        authorities: impl IntoIterator<Item = Authority>,
        revocations: Revocations,
    ) -> SecurityEventsBuilder {
        SecurityEventsBuilder {
            authorities: authorities.into_iter().collect(),
            revocations,
            clock: Arc::new(SystemClock),
            authorization: Vec::new(),
            only: None,
            tokens_of: Vec::new(),
            by_subject: false,
        }
    }
}

impl SecurityEventsBuilder {
    /// Requires this value of the `Authorization` header, compared in constant time: what the stream's `authorization_header`
    /// says, the scheme included, at least 24 characters. Called again, it accepts that value as well, for a change.
    ///
    /// It keeps strangers from causing signature checks. Without it the signature alone counts.
    pub fn authorization(mut self, value: impl Into<String>) -> Self {
        self.authorization.push(Hidden(value.into()));
        self
    }

    /// Lets these events revoke tokens and no others. The rest is acknowledged.
    pub fn only(mut self, events: impl IntoIterator<Item = SecurityEvent>) -> Self {
        self.only = Some(events.into_iter().collect());
        self
    }

    /// Lets the transmitter speak for the tokens of this issuer in place of its own: for a transmitter whose `iss` is not that of
    /// your access tokens. Called again, it adds another.
    ///
    /// A subject then counts if it names one of them. One that names no issuer counts for each.
    pub fn tokens_of(mut self, issuer: impl Into<String>) -> Self {
        self.tokens_of.push(issuer.into());
        self
    }

    /// Revokes by user as well if a revoked session names both: for access tokens that have no `sid`.
    pub const fn by_subject(mut self) -> Self {
        self.by_subject = true;
        self
    }

    /// Reads the time from this clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// As [`SecurityEvents::new`]; or if a value of `authorization` is too short or cannot stand in a header.
    pub fn build(self) -> Result<SecurityEvents, ConfigError> {
        let mut problems = Problems::default();
        if !self.tokens_of.is_empty() && self.authorities.len() > 1 {
            let problem = "it is set, and there are several transmitters: each could revoke the tokens of all these issuers";
            let remedy = "make a receiver for each transmitter, with a path of its own";
            problems.add(ConfigError::new("tokens_of", problem, remedy).of_kind(ConfigProblemKind::Conflict));
        }
        let values: Vec<_> = self.authorization.into_iter().map(|Hidden(value)| value).collect();
        let credentials = problems.take(Credentials::new(&values));
        let authorities = self.authorities.into_iter().map(Authority::for_security_events);
        let verifier = problems.take(Verifier::builder().authorities(authorities).clock(self.clock).build());
        problems.into_result()?;
        let (Some(credentials), Some(verifier)) = (credentials, verifier) else {
            // Each of them that lacks has left a problem.
            return Err(ConfigError::no_backend());
        };
        Ok(SecurityEvents(Arc::new(Inner {
            verifier,
            revocations: self.revocations,
            credentials,
            only: self.only.unwrap_or_else(|| SecurityEvent::ALL.into()),
            tokens_of: self.tokens_of,
            by_subject: self.by_subject,
        })))
    }
}

/// The claims of a Security Event Token (RFC 8417 section 2.2). Policy has judged the others.
#[derive(serde::Deserialize)]
struct EventClaims {
    iss: String,
    sub: Option<String>,
    sub_id: Option<Value>,
    iat: UnixTime,
    /// When it happened.
    toe: Option<UnixTime>,
    events: Map<String, Value>,
}

impl EventClaims {
    fn subject(&self, event: &Value) -> Subject {
        match (&self.sub_id, event.get("subject"), &self.sub) {
            (Some(subject), ..) | (None, Some(subject), _) => Subject::of(subject),
            (None, None, Some(sub)) => Subject::of_claims(&self.iss, sub),
            (None, None, None) => Subject::default(),
        }
    }

    /// Up to when tokens are revoked. Where somebody else may have got some meanwhile, or nobody may have any, that is when it was told;
    /// otherwise when it happened, and not after it was told, so that nobody is shut out of the future.
    fn time_of(&self, known: SecurityEvent, event: &Value) -> UnixTime {
        if known.reaches_until_told() {
            return self.iat;
        }
        let timestamp = event.get("event_timestamp");
        let told = timestamp.and_then(|time| serde_json::from_value::<UnixTime>(time.clone()).ok());
        told.or(self.toe).map_or(self.iat, |time| time.min(self.iat))
    }
}

/// Why an event was not taken.
enum Refusal {
    Body(BodyError),
    MediaType,
    NotAdmitted,
    Token(AuthError),
    NotStored,
}

impl Inner {
    async fn receive<B: Body>(&self, head: &Parts, body: B) -> Result<(), Refusal> {
        if !self.credentials.admit(&head.headers) {
            return Err(Refusal::NotAdmitted);
        }
        if !has_media_type(&head.headers, "application/secevent+jwt") {
            return Err(Refusal::MediaType);
        }
        let body = read_body(body, BODY).await.map_err(Refusal::Body)?;
        let token = body.trim_ascii();
        let claims = self.verifier.verify_bytes(token, None).await.map_err(Refusal::Token)?;
        let revocations = self.effect_of(&claims).map_err(Refusal::Token)?;
        if revocations.is_empty() {
            return Ok(());
        }
        revoke(&self.revocations, revocations).await.map_err(|NotStored| Refusal::NotStored)
    }

    fn effect_of(&self, claims: &EventClaims) -> Result<Vec<Revocation>, AuthError> {
        // Each event is an object (RFC 8417 section 2.2).
        if claims.events.is_empty() || !claims.events.values().all(Value::is_object) {
            return Err(AuthError::new(Reason::InvalidClaim).with_claim("events").after_signature());
        }
        let own = [claims.iss.clone()];
        let issuers = if self.tokens_of.is_empty() { &own[..] } else { &self.tokens_of[..] };
        let effect = Effect { issuers, by_subject: self.by_subject };
        let mut revocations = Vec::new();
        for (uri, event) in &claims.events {
            let known = SecurityEvent::of_uri(uri).filter(|known| self.only.contains(known));
            let Some(known) = known.filter(|known| !known.is_harmless(event)) else {
                trace::debug!("a security event without effect");
                continue;
            };
            let subject = claims.subject(event);
            let found = effect.of(known, &subject, claims.time_of(known, event));
            if found.is_empty() {
                trace::warn!(
                    event = ?known,
                    of_unknown_format = subject.has_unknown,
                    "no tokens can be found by the subject of a security event, so it has no effect"
                );
            }
            revocations.extend(found);
        }
        Ok(revocations)
    }
}

impl Refusal {
    /// RFC 8935 section 2.3.
    fn answer(&self) -> Response<DocumentBody> {
        let refused = |code: &str, description: &str| {
            json_answer(StatusCode::BAD_REQUEST, &json!({ "err": code, "description": description }))
        };
        match self {
            Self::Body(BodyError::TooSlow) => empty(StatusCode::REQUEST_TIMEOUT),
            Self::Body(BodyError::TooLarge) => refused("invalid_request", "The body is too large"),
            Self::Body(BodyError::Broken) => refused("invalid_request", "The body is incomplete"),
            Self::MediaType => refused("invalid_request", "The body has to be application/secevent+jwt"),
            Self::NotAdmitted => {
                refused("authentication_failed", "The Authorization header is not that of the stream")
            }
            Self::Token(transient) if transient.is_transient() => try_again(5),
            Self::NotStored => try_again(5),
            Self::Token(error) => {
                note_refusal(error, "security events");
                let (code, description) = match (error.reason(), error.claim()) {
                    (Reason::UnknownIssuer, _) => ("invalid_issuer", "The issuer is not that of the stream"),
                    (Reason::WrongAudience, _) | (Reason::MissingClaim, Some("aud")) => {
                        ("invalid_audience", "The audience is not that of the stream")
                    }
                    (Reason::BadSignature | Reason::UnknownKey | Reason::AlgorithmNotAllowed, _) => {
                        ("invalid_key", "The signature is not by a key of the issuer")
                    }
                    _ => ("invalid_request", "The body is not a valid Security Event Token"),
                };
                refused(code, description)
            }
        }
    }
}

impl<B> Service<Request<B>> for SecurityEvents
where
    B: Body + Send + 'static,
{
    type Response = Response<DocumentBody>;
    type Error = Infallible;
    type Future = NowOrLater<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if *request.method() != Method::POST {
            return NowOrLater::ready(Ok(only_post()));
        }
        let receiver = Arc::clone(&self.0);
        NowOrLater::later(async move {
            let (head, body) = request.into_parts();
            Ok(match receiver.receive(&head, body).await {
                Ok(()) => empty(StatusCode::ACCEPTED),
                Err(refusal) => refusal.answer(),
            })
        })
    }
}
