//! Extractors for axum handlers.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use axum_core::body::Body;
use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;

use crate::authorize::Policy;
use crate::error::AuthError;
use crate::layer::{Answers, Found, RawToken, provisional};
use crate::runtime::trace;
use crate::verify::{Jwt, Principal};

/// Status, challenge, no body. A [`JwtAuthLayer`](crate::JwtAuthLayer) around the handler completes the answer: it adds its
/// own challenge, or answers anew if it was told to by `reject_with`.
impl IntoResponse for AuthError {
    fn into_response(self) -> Response {
        if !self.is_reported() {
            trace::debug!(
                reason = %self.reason(), claim = self.claim(), why = std::error::Error::source(&self).map(trace::display),
                "request refused"
            );
        }
        let mut response = Answers::defaults().http(&self, Body::empty());
        provisional(response.extensions_mut(), self);
        response
    }
}

/// Says in the log which request an extractor refuses.
fn reported(parts: &Parts) -> impl Fn(AuthError) -> AuthError {
    move |error| {
        let _parts = parts;
        trace::debug!(
            reason = %error.reason(), claim = error.claim(), method = %_parts.method, path = _parts.uri.path(),
            "request refused"
        );
        error.reported()
    }
}

/// Refuses the anonymous with 401, and a route without the layer with 500.
impl<S: Sync, C: Send + Sync + 'static> FromRequestParts<S> for Jwt<C> {
    type Rejection = AuthError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AuthError> {
        Self::of(&parts.extensions).map_err(reported(parts))
    }
}

/// `None` for the anonymous of an optional layer; refuses a route without the layer with 500.
impl<S: Sync, C: Send + Sync + 'static> OptionalFromRequestParts<S> for Jwt<C> {
    type Rejection = AuthError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, AuthError> {
        Self::optional(&parts.extensions).map_err(reported(parts))
    }
}

/// Refuses the anonymous with 401, and a route without the layer with 500.
impl<S: Sync> FromRequestParts<S> for Principal {
    type Rejection = AuthError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AuthError> {
        Self::of(&parts.extensions).map_err(reported(parts))
    }
}

/// `None` for the anonymous of an optional layer; refuses a route without the layer with 500.
impl<S: Sync> OptionalFromRequestParts<S> for Principal {
    type Rejection = AuthError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, AuthError> {
        Self::optional(&parts.extensions).map_err(reported(parts))
    }
}

/// Refuses a route whose layer does not keep the token with 500.
impl<S: Sync> FromRequestParts<S> for RawToken {
    type Rejection = AuthError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AuthError> {
        Self::of(&parts.extensions).map_err(reported(parts))
    }
}

/// Proof that the caller satisfies the policy `P`, to be written in a handler's signature. It derefs to the
/// [`Principal`].
///
/// ```
/// use tower_jwt_auth::{Allowed, Policy, Require};
///
/// struct Admin;
///
/// impl Policy for Admin {
///     fn require() -> Require {
///         Require::role("admin")
///     }
/// }
///
/// async fn delete_everything(admin: Allowed<Admin>) -> String {
///     format!("done, {}", admin.subject().unwrap_or_default())
/// }
/// ```
pub struct Allowed<P> {
    principal: Principal,
    policy: PhantomData<fn() -> P>,
}

/// Refuses who does not satisfy the policy as [`Require`](crate::Require) does.
impl<S: Sync, P: Policy> FromRequestParts<S> for Allowed<P> {
    type Rejection = AuthError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AuthError> {
        let found = Found::in_request(&parts.extensions).principal();
        let principal = found.cloned().map_err(reported(parts))?;
        let decided = P::require().decide(&principal).await;
        decided.map_err(AuthError::after_signature).map_err(reported(parts))?;
        Ok(Self { principal, policy: PhantomData })
    }
}

impl<P> Deref for Allowed<P> {
    type Target = Principal;

    fn deref(&self) -> &Principal {
        &self.principal
    }
}

// By hand: derives would ask for `P: Clone` and `P: Debug`.
impl<P> Clone for Allowed<P> {
    fn clone(&self) -> Self {
        Self { principal: self.principal.clone(), policy: PhantomData }
    }
}

impl<P> fmt::Debug for Allowed<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Allowed").field(&self.principal).finish()
    }
}
