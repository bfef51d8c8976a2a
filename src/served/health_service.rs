//! A readiness probe: whether there are keys to verify with.

use std::convert::Infallible;
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use tower_service::Service;

use crate::keys::KeyHealth;
use crate::revocation::{RevocationHealth, Revocations};
use crate::runtime::NowOrLater;
use crate::served::DocumentBody;
use crate::verify::Verifier;

/// Whether a verifier has its keys, for readiness probes: a tower service that never fails (feature `jwks`).
///
/// GET and HEAD are answered with 200 if every authority whose keys are fetched has some, and with 503 if one has none;
/// other methods with 405. The body is JSON, `{"status":"ok"}`, never cached:
///
/// | `status` | | |
/// |---|---|---|
/// | `ok` | 200 | there are keys |
/// | `stale` | 200 | there are, but one provider fails, and a refresh of its keys is due ([`KeyHealth::is_stale`]) |
/// | `unavailable` | 503 | the tokens of one authority are refused, since it has no keys |
///
/// With revocations ([`VerifierBuilder::revocations`](crate::VerifierBuilder::revocations)) whose view is too old it is `unavailable`
/// if tokens are refused then, and `stale` if they are not.
///
/// Where there are no keys the probe itself asks for them, and waits for one fetch (`RemoteKeys::fetch_time`, 5 seconds unless
/// told) unless there is a back-off; so a server that gets no requests before it is ready becomes ready. Probes cause no more
/// fetches than tokens do. A probe with a shorter time limit is no harm: the fetch goes on, and the next probe sees its keys.
///
/// One source without keys takes the whole server out: keep the keys of each ([`RemoteKeys::keep_in`](crate::RemoteKeys::keep_in),
/// for presets by `remote_keys`), or judge otherwise in a handler of your own over [`Verifier::key_health`]. Tenants do not
/// count. Without keys that are fetched the answer is always `ok`. Do not restart a server for it (a liveness probe): that does not
/// mend the provider.
///
/// ```
/// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
/// use axum::Router;
/// use tower_jwt_auth::{Authority, Claims, JwtAuthLayer, Verifier};
///
/// let keys = "https://id.example.com/jwks.json";
/// let authority = Authority::jwks(keys).issuer("https://id.example.com").audience("api");
/// let verifier = Verifier::<Claims>::new(authority)?;
/// let app: Router = Router::new() // .route(..) what is to be protected
///     .layer(JwtAuthLayer::new(verifier.clone()))
///     .route_service("/health/ready", verifier.health_service());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct HealthService {
    /// Whatever the claims type.
    verifier: Verifier<()>,
    details: bool,
}

impl<C> Verifier<C> {
    /// Whether there are keys, as a service for readiness probes: mount it at a path such as `/health/ready`.
    #[must_use]
    pub fn health_service(&self) -> HealthService {
        HealthService { verifier: self.untyped(), details: false }
    }
}

impl HealthService {
    /// Adds `sources` to the body: what [`KeyHealth`] knows of each source of keys, durations in seconds; and `revocations`: what
    /// [`RevocationHealth`] knows, if there are any.
    ///
    /// It names your providers and what is wrong with them, so mount it where only you can ask.
    #[must_use]
    pub fn with_details(self) -> Self {
        Self { details: true, ..self }
    }

    async fn answer(self, head_only: bool) -> Response<DocumentBody> {
        self.verifier.warm_all().await;
        let health = self.verifier.key_health();
        let revocations = self.verifier.revocations().map(Revocations::health);
        let of_revocations = revocations.as_ref().map(Status::of_revocations);
        let worst = health.iter().map(Status::of).chain(of_revocations).max().unwrap_or(Status::Ok);
        let mut body = json!({ "status": worst.as_str() });
        if self.details
            && let Some(members) = body.as_object_mut()
        {
            members.insert("sources".to_owned(), health.iter().map(details).collect());
            if let Some(revocations) = revocations {
                members.insert("revocations".to_owned(), details_of_revocations(&revocations));
            }
        }
        let body = body.to_string();
        let length = body.len();
        let mut response = Response::new(DocumentBody((!head_only).then(|| body.into())));
        *response.status_mut() = worst.code();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_LENGTH, length.into());
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

/// The worse, the greater.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Status {
    Ok,
    Stale,
    Unavailable,
}

impl Status {
    fn of(health: &KeyHealth) -> Self {
        match (health.is_ready(), health.is_stale()) {
            (false, _) => Self::Unavailable,
            (true, true) => Self::Stale,
            (true, false) => Self::Ok,
        }
    }

    fn of_revocations(health: &RevocationHealth) -> Self {
        match (health.refuses, health.is_stale) {
            (true, _) => Self::Unavailable,
            (false, true) => Self::Stale,
            (false, false) => Self::Ok,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Stale => "stale",
            Self::Unavailable => "unavailable",
        }
    }

    fn code(self) -> StatusCode {
        match self {
            Self::Ok | Self::Stale => StatusCode::OK,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

fn details_of_revocations(health: &RevocationHealth) -> Value {
    json!({
        "status": Status::of_revocations(health).as_str(),
        "entries": health.entries,
        "age_seconds": health.age.map(|age| age.as_secs_f64()),
        "last_error": health.last_error,
        "failures": health.failures,
    })
}

fn details(health: &KeyHealth) -> Value {
    let seconds = |time: Option<Duration>| time.map(|time| time.as_secs());
    json!({
        "url": health.url,
        "status": Status::of(health).as_str(),
        "kids": health.kids,
        "keys": health.keys,
        "age_seconds": seconds(health.age),
        "restored": health.restored,
        "overdue_seconds": seconds(health.overdue),
        "generation": health.generation,
        "last_error": health.last_error,
        "store_error": health.store_error,
        "next_refresh_seconds": seconds(health.next_refresh),
        "failures": health.failures,
        "suppressed_refetches": health.suppressed_refetches,
        "attempts": health.attempts,
    })
}

impl<B> Service<Request<B>> for HealthService {
    type Response = Response<DocumentBody>;
    type Error = Infallible;
    type Future = NowOrLater<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let head_only = match *request.method() {
            Method::GET => false,
            Method::HEAD => true,
            _ => {
                let mut response = Response::new(DocumentBody::default());
                *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
                response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
                return NowOrLater::ready(Ok(response));
            }
        };
        let service = self.clone();
        NowOrLater::later(async move { Ok(service.answer(head_only).await) })
    }
}
