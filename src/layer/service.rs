//! The service: translates the verifier's verdict into a call or a refusal.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderValue, Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::answer::{Auto, Refused, Reject};
use super::authentication::Authentication;
use super::forward::RawToken;
use super::future::{Pass, ResponseFuture, Verdict};
use super::layer::{JwtAuthLayer, Settings};
use super::source::{self, Credential, RequestHead};
use super::watch::Watch;
use crate::error::{AuthError, Reason};
use crate::jose::Claims;
use crate::runtime::NowOrLater;
use crate::verify::{ClaimsType, Jwt};

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
    C: ClaimsType,
{
    fn judge(
        &self,
        found: Result<Option<Credential<'_>>, Refused>,
        mut watch: Option<Box<Watch>>,
    ) -> Verdict {
        let settled = |verdict, watch| NowOrLater::ready(settle(verdict, &self.settings, watch));
        let found = match found {
            Err(refused) => return settled(Err(refused), watch),
            Ok(None) if self.settings.optional => {
                return settled(Ok(Pass::anonymous(&self.settings, None)), watch);
            }
            Ok(None) => return settled(Err(Reason::Missing.into()), watch),
            Ok(Some(found)) => found,
        };
        if let Some(watch) = &mut watch {
            watch.source = Some(found.source);
        }
        let kept = self.settings.forward.keep_token.then(|| RawToken::new(&found.token));
        let trail = watch.as_ref().map(|watch| &watch.trail);
        match self.verifier.verify_bytes(&found.token, trail).into_now() {
            Ok(verified) => settled(admit(verified, &self.settings, kept, found.clear_cookie), watch),
            Err(later) => {
                let (settings, clear_cookie) = (Arc::clone(&self.settings), found.clear_cookie);
                NowOrLater::later(async move {
                    settle(admit(later.await, &settings, kept, clear_cookie), &settings, watch)
                })
            }
        }
    }
}

impl Pass {
    fn anonymous(settings: &Settings, set_cookie: Option<HeaderValue>) -> Self {
        let authentication = Authentication::new(None, settings);
        Self { authentication: Some(authentication), forwarded: None, set_cookie }
    }
}

/// What becomes of a request with this verdict on its token.
fn admit<C: Send + Sync + 'static>(
    verified: Result<Jwt<C>, AuthError>,
    settings: &Settings,
    kept: Option<RawToken>,
    clear_cookie: Option<HeaderValue>,
) -> Result<Pass, Refused> {
    let admitted = verified.and_then(|jwt| {
        let principal = jwt.into_principal();
        let forwarded = settings.forward.of(&principal, kept).map_err(AuthError::after_signature)?;
        let authentication = Authentication::new(Some(principal), settings);
        Ok(Pass { authentication: Some(authentication), forwarded, set_cookie: None })
    });
    match admitted {
        Err(error) if settings.expired_is_anonymous && has_expired(&error) => {
            Ok(Pass::anonymous(settings, clear_cookie))
        }
        Err(error) => {
            let set_cookie = clear_cookie.filter(|_| is_dead_everywhere(&error));
            Err(Refused { set_cookie, ..error.into() })
        }
        Ok(pass) => Ok(pass),
    }
}

/// The verdict as it is, unless somebody watches or the layer only reports.
#[inline]
fn settle(
    verdict: Result<Pass, Refused>,
    settings: &Settings,
    watch: Option<Box<Watch>>,
) -> Result<Pass, Refused> {
    match watch {
        None => verdict,
        Some(mut watch) => watched(verdict, settings, &mut watch),
    }
}

/// Tells those who watch, and lets a refused request pass if the layer only reports: then there always is a watch.
#[inline(never)]
fn watched(verdict: Result<Pass, Refused>, settings: &Settings, watch: &mut Watch) -> Result<Pass, Refused> {
    watch.ended(&verdict);
    match verdict {
        Err(_) if settings.report_only => Ok(Pass::anonymous(settings, None)),
        Err(refused) => Err(Refused { notes: watch.notes_for_the_log(), ..refused }),
        verdict => verdict,
    }
}

fn has_expired(error: &AuthError) -> bool {
    error.reason() == Reason::Expired && error.claim() == Some("exp")
}

/// Whether a token can never be good again, here or elsewhere, so that its cookie is better gone. What one route's
/// policy refuses may be fine for the next one.
fn is_dead_everywhere(error: &AuthError) -> bool {
    match error.reason() {
        Reason::BadSignature | Reason::MalformedToken | Reason::Revoked => true,
        Reason::Expired => has_expired(error),
        _ => false,
    }
}

impl<S, C, R, A, B> Service<Request<A>> for JwtAuth<S, C, R>
where
    S: Service<Request<A>, Response = Response<B>> + Clone,
    C: ClaimsType,
    R: Reject<B> + Clone,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = ResponseFuture<S, R, A, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<A>) -> Self::Future {
        // What an outer layer or somebody else left must not be taken for our verdict.
        Authentication::clear(request.extensions_mut());
        let settings = &self.layer.settings;
        let head = RequestHead::of(&request);
        let watch = Watch::start(settings, &head);
        let found = match settings.request_checks.run(&head) {
            Ok(()) => source::find(&settings.sources, &head),
            Err(refused) => Err(refused.into()),
        };
        let elsewhere = matches!(&found, Ok(Some(found)) if found.elsewhere);
        let verdict = self.layer.judge(found, watch);
        settings.forward.clean(&settings.sources, &mut request);
        let answers = if elsewhere { &settings.private_answers } else { &settings.answers };
        ResponseFuture::new(&mut self.inner, &self.layer.reject, answers, request, verdict)
    }
}

// `S: Clone` is needed by the service. It stands here too, so that rustc names it where the layer is added.
impl<S: Clone, C, R: Clone> Layer<S> for JwtAuthLayer<C, R> {
    type Service = JwtAuth<S, C, R>;

    fn layer(&self, inner: S) -> Self::Service {
        JwtAuth::new(inner, self.clone())
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
