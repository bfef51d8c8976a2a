//! Enforces a policy around a service.

use std::borrow::Cow;
use std::fmt;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::methods::RequireMethods;
use super::require::Require;
#[cfg(feature = "config")]
use super::routes::RequireRoutes;
use crate::error::AuthError;
use crate::layer::{Answers, Auto, Found, Pass, Reject, ResponseFuture, Verdict, policy_decided};
use crate::runtime::{NowOrLater, trace};
use crate::verify::Principal;

/// A policy as a layer with answers of its own; see [`Require::reject_with`].
#[derive(Clone, Debug)]
#[must_use = "add it to a route or a service"]
pub struct RequireLayer<R = Auto> {
    policy: Choice,
    reject: R,
    /// A layer further out completes the answers.
    provisional: bool,
}

/// Which policy judges a request.
#[derive(Clone, Debug)]
pub(super) enum Choice {
    Always(Require),
    ByMethod(RequireMethods),
    #[cfg(feature = "config")]
    ByRoute(RequireRoutes),
}

impl Require {
    /// The policy as a layer that answers refusals with `reject`; see [`Reject`].
    pub fn reject_with<R>(self, reject: R) -> RequireLayer<R> {
        RequireLayer { policy: Choice::Always(self), reject, provisional: false }
    }
}

impl RequireMethods {
    /// The map as a layer that answers refusals with `reject`; see [`Reject`].
    pub fn reject_with<R>(self, reject: R) -> RequireLayer<R> {
        RequireLayer { policy: Choice::ByMethod(self), reject, provisional: false }
    }
}

impl<S> Layer<S> for Require {
    type Service = Authorize<S>;

    fn layer(&self, inner: S) -> Authorize<S> {
        RequireLayer { policy: Choice::Always(self.clone()), reject: Auto, provisional: true }.layer(inner)
    }
}

impl<S> Layer<S> for RequireMethods {
    type Service = Authorize<S>;

    fn layer(&self, inner: S) -> Authorize<S> {
        RequireLayer { policy: Choice::ByMethod(self.clone()), reject: Auto, provisional: true }.layer(inner)
    }
}

#[cfg(feature = "config")]
impl<S> Layer<S> for RequireRoutes {
    type Service = Authorize<S>;

    fn layer(&self, inner: S) -> Authorize<S> {
        RequireLayer { policy: Choice::ByRoute(self.clone()), reject: Auto, provisional: true }.layer(inner)
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

    fn judge<A>(&self, request: &Request<A>, found: &Found<'_>) -> Verdict {
        let principal: Option<&Principal> = match found.optional_principal() {
            Ok(principal) => principal,
            Err(refused) => return NowOrLater::ready(Err(refused.into())),
        };
        let policy = match &self.layer.policy {
            Choice::Always(policy) => Cow::Borrowed(policy),
            Choice::ByMethod(methods) => Cow::Borrowed(methods.policy_of(request.uri().path())),
            #[cfg(feature = "config")]
            Choice::ByRoute(routes) => routes.policy_of(request.method(), request.uri().path()),
        };
        let signed = principal.is_some();
        let (report_only, measured) = (found.report_only(), found.is_measured());
        let reported =
            report_only.then(|| (Require::clone(&policy), request.method().clone(), request.uri().clone()));
        let verdict = move |decided: Result<(), AuthError>| {
            if measured {
                policy_decided(&decided, report_only);
            }
            match (decided, reported) {
                (Ok(()), _) => Ok(Pass::default()),
                (Err(_refused), Some((_policy, _method, _uri))) => {
                    trace::warn!(
                        policy = %_policy, reason = %_refused.reason(), method = %_method, path = _uri.path(),
                        "report only: a policy would have refused this request"
                    );
                    Ok(Pass::default())
                }
                (Err(refused), None) if signed => Err(refused.after_signature().into()),
                (Err(refused), None) => Err(refused.into()),
            }
        };
        match policy.decide_for(principal).into_now() {
            Ok(decided) => NowOrLater::ready(verdict(decided)),
            Err(later) => NowOrLater::later(async move { verdict(later.await) }),
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
        let found = Found::in_request(request.extensions());
        let answers = Answers::of_policy(found.http_only(), self.layer.provisional);
        let verdict = self.judge(&request, &found);
        ResponseFuture::new(&mut self.inner, &self.layer.reject, answers, request, verdict)
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
