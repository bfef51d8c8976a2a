//! The service: translates the verifier's verdict into a call or a refusal.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderValue, Request, Response};
use serde::de::DeserializeOwned;
use tower_service::Service;

use super::forward::RawToken;
use super::future::{Manner, Pass, ResponseFuture, Verdict};
use super::layer::{JwtAuthLayer, Settings};
use super::reject::{Auto, Reject};
use super::source::{self, Found, RequestHead};
use crate::claims::Claims;
use crate::error::AuthError;
use crate::now_or_later::NowOrLater;
use crate::reason::Reason;
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

impl<C, R> JwtAuthLayer<C, R>
where
    C: DeserializeOwned + Send + Sync + 'static,
{
    fn judge(&self, found: Result<Option<Found<'_>>, AuthError>) -> Verdict {
        let found = match found {
            Err(error) => return NowOrLater::ready(Err(error)),
            Ok(None) if self.settings.optional => {
                let slot = Slot::new(None, Arc::clone(&self.settings.answers));
                return NowOrLater::ready(Ok(Pass { slot: Some(slot), forwarded: None }));
            }
            Ok(None) => return NowOrLater::ready(Err(Reason::Missing.into())),
            Ok(Some(found)) => found,
        };
        let kept = self.settings.forward.keep_token.then(|| RawToken::new(&found.token));
        match self.verifier.verify(&found.token).into_now() {
            Ok(verified) => NowOrLater::ready(admit(verified, &self.settings, kept, found.clear_cookie)),
            Err(later) => {
                let (settings, clear_cookie) = (Arc::clone(&self.settings), found.clear_cookie);
                NowOrLater::later(async move { admit(later.await, &settings, kept, clear_cookie) })
            }
        }
    }
}

/// What becomes of a request with this verdict on its token.
fn admit<C: Send + Sync + 'static>(
    verified: Result<Jwt<C>, AuthError>,
    settings: &Settings,
    kept: Option<RawToken>,
    clear_cookie: Option<HeaderValue>,
) -> Result<Pass, AuthError> {
    let admitted = verified.and_then(|jwt| {
        let principal = Jwt::principal(&jwt);
        let forwarded = settings.forward.of(&principal, kept).map_err(AuthError::after_signature)?;
        Ok(Pass { slot: Some(Slot::new(Some(principal), Arc::clone(&settings.answers))), forwarded })
    });
    admitted.map_err(|error| match clear_cookie {
        Some(clear) if is_dead_everywhere(&error) => error.with_cookie(clear),
        _ => error,
    })
}

/// Whether a token can never be good again, here or elsewhere, so that its cookie is better gone. What one route's
/// policy refuses may be fine for the next one.
fn is_dead_everywhere(error: &AuthError) -> bool {
    match error.reason() {
        Reason::BadSignature | Reason::MalformedToken | Reason::Revoked => true,
        Reason::Expired => error.claim() == Some("exp"),
        _ => false,
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
        let settings = &self.layer.settings;
        let found = source::find(&settings.sources, &RequestHead::of(&request));
        let elsewhere = matches!(&found, Ok(Some(found)) if found.elsewhere);
        let verdict = self.layer.judge(found);
        settings.forward.clean(&settings.sources, &mut request);
        let manner = Manner { answers: &settings.answers, caching: settings.caching.for_request(elsewhere) };
        ResponseFuture::new(&mut self.inner, &self.layer.reject, manner, request, verdict)
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
