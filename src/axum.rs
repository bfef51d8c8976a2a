//! Extractors for axum handlers.

use axum_core::body::Body;
use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;

use crate::error::AuthError;
use crate::verify::{Jwt, Principal};

/// The answer of [`JwtAuthLayer`](crate::JwtAuthLayer): status, challenge, no body.
impl IntoResponse for AuthError {
    fn into_response(self) -> Response {
        let mut response = self.answers().http(&self, Body::empty());
        response.extensions_mut().insert(self);
        response
    }
}

/// Refuses the anonymous with 401, and a route without the layer with 500.
impl<S: Sync, C: Send + Sync + 'static> FromRequestParts<S> for Jwt<C> {
    type Rejection = AuthError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AuthError> {
        Self::of(&parts.extensions)
    }
}

/// `None` for the anonymous of an optional layer; refuses a route without the layer with 500.
impl<S: Sync, C: Send + Sync + 'static> OptionalFromRequestParts<S> for Jwt<C> {
    type Rejection = AuthError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, AuthError> {
        Self::optional(&parts.extensions)
    }
}

/// Refuses the anonymous with 401, and a route without the layer with 500.
impl<S: Sync> FromRequestParts<S> for Principal {
    type Rejection = AuthError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AuthError> {
        Self::of(&parts.extensions)
    }
}

/// `None` for the anonymous of an optional layer; refuses a route without the layer with 500.
impl<S: Sync> OptionalFromRequestParts<S> for Principal {
    type Rejection = AuthError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, AuthError> {
        Self::optional(&parts.extensions)
    }
}
