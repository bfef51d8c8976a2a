//! Enforces a policy around a service.

use std::fmt;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::methods::RequireMethods;
use super::require::Require;
use crate::error::AuthError;
use crate::layer::{Auto, Caching, Manner, Pass, Reject, ResponseFuture, Verdict};
use crate::now_or_later::NowOrLater;
use crate::verify::Slot;

/// A policy as a layer with answers of its own; see [`Require::reject_with`].
#[derive(Clone, Debug)]
#[must_use = "add it to a route or a service"]
pub struct RequireLayer<R = Auto> {
    policy: Choice,
    reject: R,
}

/// Which policy judges a request.
#[derive(Clone, Debug)]
pub(super) enum Choice {
    Always(Require),
    ByMethod(RequireMethods),
}

impl Require {
    /// The policy as a layer that answers refusals with `reject`; see [`Reject`].
    pub fn reject_with<R>(self, reject: R) -> RequireLayer<R> {
        RequireLayer { policy: Choice::Always(self), reject }
    }
}

impl RequireMethods {
    /// The map as a layer that answers refusals with `reject`; see [`Reject`].
    pub fn reject_with<R>(self, reject: R) -> RequireLayer<R> {
        RequireLayer { policy: Choice::ByMethod(self), reject }
    }
}

impl<S> Layer<S> for Require {
    type Service = Authorize<S>;

    fn layer(&self, inner: S) -> Authorize<S> {
        self.clone().reject_with(Auto).layer(inner)
    }
}

impl<S> Layer<S> for RequireMethods {
    type Service = Authorize<S>;

    fn layer(&self, inner: S) -> Authorize<S> {
        self.clone().reject_with(Auto).layer(inner)
    }
}

impl<S, R: Clone> Layer<S> for RequireLayer<R> {
    type Service = Authorize<S, R>;

    fn layer(&self, inner: S) -> Authorize<S, R> {
        Authorize { inner, layer: self.clone() }
    }
}

/// A service that only callers who satisfy a policy reach. Made by [`Require`] and
/// [`RequireMethods`](crate::RequireMethods).
#[derive(Clone)]
pub struct Authorize<S, R = Auto> {
    inner: S,
    layer: RequireLayer<R>,
}

impl<S, R> Authorize<S, R> {
    /// The service inside.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The service inside, to be changed.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The service inside, without its protection.
    pub fn into_inner(self) -> S {
        self.inner
    }

    fn judge<A>(&self, request: &Request<A>) -> Verdict {
        let principal = match Slot::of(request.extensions()).principal() {
            Ok(principal) => principal,
            Err(refused) => return NowOrLater::ready(Err(refused)),
        };
        let decided = match &self.layer.policy {
            Choice::Always(policy) => policy.decide(principal),
            Choice::ByMethod(methods) => methods.decide(request.uri().path(), principal),
        };
        let after_signature = |judged: Result<(), AuthError>| match judged {
            Ok(()) => Ok(Pass::default()),
            Err(refused) => Err(refused.after_signature()),
        };
        match decided.into_now() {
            Ok(judged) => NowOrLater::ready(after_signature(judged)),
            Err(later) => NowOrLater::later(async move { after_signature(later.await) }),
        }
    }
}

impl<S, R, A, B> Service<Request<A>> for Authorize<S, R>
where
    S: Service<Request<A>, Response = Response<B>> + Clone,
    R: Reject<B> + Clone,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = ResponseFuture<S, R, A, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let verdict = self.judge(&request);
        let answers = Slot::of(request.extensions()).answers().clone();
        let manner = Manner { answers: &answers, caching: Caching::default() };
        ResponseFuture::new(&mut self.inner, &self.layer.reject, manner, request, verdict)
    }
}

impl<S: fmt::Debug, R> fmt::Debug for Authorize<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorize")
            .field("inner", &self.inner)
            .field("policy", &self.layer.policy)
            .finish_non_exhaustive()
    }
}
