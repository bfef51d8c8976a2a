//! Services, checks and requests for the tests of the layer.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{Request, Response};
use serde_json::json;
use tokio::sync::Semaphore;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_jwt_auth::{
    Algorithm, AuthError, Authority, Claims, JwtAuthLayer, Principal, Reason, Reject, TestIssuer, Verifier,
};

use crate::support::{User, World};

/// A world whose tokens cost little to sign.
pub(crate) fn quick_world() -> World {
    World::with_algorithm(Algorithm::HS256)
}

/// A request with this value of `Authorization`, or with none.
pub(crate) fn request_with(authorization: Option<&str>) -> Request<()> {
    let mut request = Request::new(());
    if let Some(value) = authorization {
        request.headers_mut().insert(AUTHORIZATION, value.parse().unwrap());
    }
    request
}

/// A request by this subject.
pub(crate) fn request_of(issuer: &TestIssuer, subject: &str) -> Request<()> {
    issuer.request(json!({ "sub": subject })).body(()).unwrap()
}

/// Why the request was refused; `None` if it was not.
pub(crate) fn reason_of<B>(response: &Response<B>) -> Option<Reason> {
    response.extensions().get::<AuthError>().map(AuthError::reason)
}

/// Polls once, whatever comes of it.
pub(crate) async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

/// Drops the future after this many polls, with a tenth of a second after each. Answers whether it was ready by then: who
/// calls this with 0, 1, 2 and so on until it was has hung up wherever the future waits.
pub(crate) async fn hangs_up_after<F: Future>(polls: usize, future: F) -> bool {
    let mut future = std::pin::pin!(future);
    for _ in 0..polls {
        if poll_once(future.as_mut()).await.is_ready() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    false
}

/// Waits until the service is ready.
pub(crate) async fn ready<S: Service<Request<()>>>(service: &mut S) -> Result<(), S::Error> {
    poll_fn(|cx| service.poll_ready(cx)).await
}

/// Answers with the subject that the layer found.
pub(crate) async fn whoami<B>(request: Request<B>) -> Result<Response<String>, Infallible> {
    let principal = Principal::of(request.extensions()).unwrap();
    Ok(Response::new(principal.subject().unwrap_or_default().to_owned()))
}

/// Makes verification wait: the subjects `slow` and `mallory` have to pass a gate, and `mallory` is refused
/// behind it.
#[derive(Clone)]
pub(crate) struct Gate(Arc<Semaphore>);

impl Gate {
    pub(crate) fn closed() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    /// Lets this many through, now or later.
    pub(crate) fn open(&self, count: usize) {
        self.0.add_permits(count);
    }

    /// Puts the gate before an authority.
    pub(crate) fn guard(&self, authority: Authority) -> Authority {
        let gate = Arc::clone(&self.0);
        authority.check_async(move |principal: Principal| {
            let gate = Arc::clone(&gate);
            async move {
                match principal.subject() {
                    Some("slow") => gate.acquire().await.unwrap().forget(),
                    Some("mallory") => {
                        gate.acquire().await.unwrap().forget();
                        return Err(AuthError::new(Reason::Revoked));
                    }
                    _ => {}
                }
                Ok(())
            }
        })
    }

    /// A verifier that waits at this gate.
    pub(crate) fn verifier(&self, world: &World) -> Verifier<User> {
        Verifier::builder()
            .authority(self.guard(world.issuer.authority()))
            .clock(world.clock.clone())
            .check_deadline(Duration::from_secs(5))
            .build()
            .unwrap()
    }
}

/// A verifier that never waits, for a claims type that is not `Clone`.
pub(crate) fn verifier(world: &World) -> Verifier<User> {
    Verifier::builder().authority(world.issuer.authority()).clock(world.clock.clone()).build().unwrap()
}

/// Panics when an instance is called that was not itself polled ready. A clone is another instance.
#[derive(Debug)]
pub(crate) struct Strict<S> {
    inner: S,
    ready: bool,
    /// How many times it was cloned on the way here.
    pub(crate) generation: u32,
}

impl<S> Strict<S> {
    pub(crate) const fn new(inner: S) -> Self {
        Self { inner, ready: false, generation: 0 }
    }
}

impl<S: Clone> Clone for Strict<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), ready: false, generation: self.generation + 1 }
    }
}

impl<S: Service<Request<A>>, A> Service<Request<A>> for Strict<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        ready!(self.inner.poll_ready(cx))?;
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<A>) -> S::Future {
        assert!(std::mem::take(&mut self.ready), "called without having been polled ready");
        self.inner.call(request)
    }
}

/// The answer of a service behind this layer that says `yes` to whom it does not refuse.
pub(crate) async fn answer<C, R>(layer: &JwtAuthLayer<C, R>, request: Request<()>) -> Response<String>
where
    C: serde::de::DeserializeOwned + Send + Sync + 'static,
    R: Reject<String> + Clone,
{
    let yes = service_fn(|_| async { Ok::<_, Infallible>(Response::new("yes".to_owned())) });
    layer.layer(yes).oneshot(request).await.unwrap()
}

/// A request with this token.
pub(crate) fn bearer(token: &str) -> Request<()> {
    request_with(Some(&format!("Bearer {token}")))
}

/// The world's authority with a check that refuses for the reason that the claim `why` names.
pub(crate) fn with_reasons(world: &World) -> JwtAuthLayer {
    let authority = world.issuer.authority().check(|principal: &Principal| {
        let why = principal.claim::<String>("why");
        match Reason::all().iter().find(|reason| Some(reason.as_str()) == why.as_deref()) {
            Some(reason) => Err(AuthError::new(*reason)),
            None => Ok(()),
        }
    });
    layer_for(world, authority)
}

/// A layer that trusts this authority at the time of this world.
pub(crate) fn layer_for(world: &World, authority: Authority) -> JwtAuthLayer {
    JwtAuthLayer::new(
        Verifier::<Claims>::builder().authority(authority).clock(world.clock.clone()).build().unwrap(),
    )
}
