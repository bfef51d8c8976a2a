//! The service: translates the verifier's verdict into a call or a refusal.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use serde::de::DeserializeOwned;
use tower_service::Service;

use super::bearer;
use super::future::{ResponseFuture, Verdict};
use super::layer::JwtAuthLayer;
use super::reject::{Auto, Reject};
use crate::claims::Claims;
use crate::error::Reason;
use crate::now_or_later::NowOrLater;
use crate::verify::{Jwt, Principal, Slot};

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

impl<C, R> JwtAuthLayer<C, R>
where
    C: DeserializeOwned + Send + Sync + 'static,
{
    fn judge<B>(&self, request: &Request<B>) -> Verdict {
        let token = match bearer::token(request.headers()) {
            Err(reason) => return NowOrLater::ready(Err(reason.into())),
            Ok(None) if self.optional => return NowOrLater::ready(Ok(Some(self.slot(None)))),
            Ok(None) => return NowOrLater::ready(Err(Reason::Missing.into())),
            Ok(Some(token)) => token,
        };
        match self.verifier.verify(token).now() {
            Ok(Ok(jwt)) => NowOrLater::ready(Ok(Some(self.slot(Some(Jwt::principal(&jwt)))))),
            Ok(Err(error)) => NowOrLater::ready(Err(error)),
            Err(later) => {
                let answers = Arc::clone(&self.answers);
                NowOrLater::later(async move {
                    let jwt = later.await?;
                    Ok(Some(Slot::new(Some(Jwt::principal(&jwt)), answers)))
                })
            }
        }
    }

    fn slot(&self, principal: Option<Principal>) -> Slot {
        Slot::new(principal, Arc::clone(&self.answers))
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
    type Future = ResponseFuture<S, R, A, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<A>) -> Self::Future {
        // Whatever an outer layer or somebody else left must not be taken for our verdict.
        Slot::clear(request.extensions_mut());
        let verdict = self.layer.judge(&request);
        ResponseFuture::new(&mut self.inner, &self.layer.reject, &self.layer.answers, request, verdict)
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
