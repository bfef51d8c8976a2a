//! The service: translates the verifier's verdict into a call or a refusal.

use std::fmt;
use std::task::{Context, Poll};

use http::{Request, Response};
use serde::de::DeserializeOwned;
use tower_service::Service;

use super::bearer;
use super::future::ResponseFuture;
use super::layer::JwtAuthLayer;
use super::reject::{Auto, Refusal, Reject};
use crate::claims::Claims;
use crate::error::{AuthError, Reason};
use crate::now_or_later::NowOrLater;
use crate::trace;
use crate::verify::{Jwt, Slot};

/// A service that only requests with a good token reach. Made by [`JwtAuthLayer`].
pub struct JwtAuth<S, C = Claims, R = Auto> {
    inner: S,
    layer: JwtAuthLayer<C, R>,
}

impl<S, C, R> JwtAuth<S, C, R> {
    pub(super) const fn new(inner: S, layer: JwtAuthLayer<C, R>) -> Self {
        Self { inner, layer }
    }

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
}

/// What is known of a request without waiting.
enum Verdict<C> {
    Pass(Slot),
    Refuse(AuthError),
    Wait(NowOrLater<Result<Jwt<C>, AuthError>>),
}

impl<C, R> JwtAuthLayer<C, R>
where
    C: DeserializeOwned + Send + Sync + 'static,
{
    fn judge<B>(&self, request: &Request<B>) -> Verdict<C> {
        match bearer::token(request.headers()) {
            Err(reason) => Verdict::Refuse(reason.into()),
            Ok(None) if self.settings.optional => {
                Verdict::Pass(Slot::Anonymous(self.settings.challenges.clone()))
            }
            Ok(None) => Verdict::Refuse(Reason::Missing.into()),
            Ok(Some(token)) => match self.verifier.verify(token).now() {
                Ok(Ok(jwt)) => Verdict::Pass(Slot::Verified(Jwt::principal(&jwt))),
                Ok(Err(error)) => Verdict::Refuse(error),
                Err(later) => Verdict::Wait(later),
            },
        }
    }
}

impl<C, R> JwtAuthLayer<C, R> {
    /// The response to a request that is refused; the error stays in its extensions.
    // Without tracing both events are nothing.
    #[cfg_attr(not(feature = "tracing"), allow(clippy::if_same_then_else))]
    pub(super) fn refuse<A, B>(&self, error: AuthError, request: Request<A>) -> Response<B>
    where
        R: Reject<B>,
    {
        let error = error.with_challenges(&self.settings.challenges);
        if error.reason() == Reason::NotConfigured {
            trace::error!(reason = %error.reason(), "request refused");
        } else {
            trace::debug!(reason = %error.reason(), claim = error.claim(), "request refused");
        }
        let (parts, _body) = request.into_parts();
        let refusal = Refusal::new(&error, &parts, &self.settings.challenges, self.settings.http_only);
        let mut response = self.reject.reject(&refusal);
        response.extensions_mut().insert(error);
        response
    }
}

impl<S, C, R, A, B> Service<Request<A>> for JwtAuth<S, C, R>
where
    S: Service<Request<A>, Response = Response<B>> + Clone,
    C: DeserializeOwned + Send + Sync + 'static,
    R: Reject<B> + Clone,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = ResponseFuture<S, C, R, A, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<A>) -> Self::Future {
        // Whatever an outer layer or somebody else left must not be taken for our verdict.
        Slot::clear(request.extensions_mut());
        match self.layer.judge(&request) {
            Verdict::Pass(slot) => {
                slot.put(request.extensions_mut());
                // The very instance that was polled ready.
                ResponseFuture::inner(self.inner.call(request))
            }
            Verdict::Refuse(error) => ResponseFuture::rejected(self.layer.refuse(error, request)),
            Verdict::Wait(verification) => {
                // The instance that was polled ready may hold a permit (of a concurrency limit, say). Replacing
                // it gives that back, so that requests which wait for a verdict use up nothing inside. The clone
                // is polled ready before it is called.
                self.inner = self.inner.clone();
                ResponseFuture::waiting(verification, request, self.inner.clone(), self.layer.clone())
            }
        }
    }
}

impl<S: Clone, C, R: Clone> Clone for JwtAuth<S, C, R> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<S: fmt::Debug, C, R> fmt::Debug for JwtAuth<S, C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtAuth").field("inner", &self.inner).field("layer", &self.layer).finish()
    }
}
