//! The one entry that a layer leaves in a request's extensions, and how handlers read it.

use http::Extensions;

use super::layer::Settings;
use crate::error::{AuthError, Reason};
use crate::runtime::trace;
use crate::verify::{Jwt, Principal};

/// What a layer found out about a request. There is one entry whatever the claims type, so an inner layer replaces what
/// an outer one left, and tokens of different verifications never mix.
#[derive(Clone)]
pub(crate) struct Authentication {
    /// `None`: anonymous.
    principal: Option<Principal>,
    /// The layer answers in plain HTTP, and so does a policy inside it.
    http_only: bool,
    /// The layer only reports what it would refuse, and so does a policy inside it.
    report_only: bool,
    /// What policies inside the layer decide is measured.
    measured: bool,
}

impl Authentication {
    pub(super) fn new(principal: Option<Principal>, settings: &Settings) -> Self {
        Self {
            principal,
            http_only: settings.answers.http_only,
            report_only: settings.report_only,
            measured: settings.measured,
        }
    }

    pub(super) const fn is_anonymous(&self) -> bool {
        self.principal.is_none()
    }

    pub(super) fn clear(extensions: &mut Extensions) {
        extensions.remove::<Self>();
    }

    pub(super) fn put(self, extensions: &mut Extensions) {
        extensions.insert(self);
    }
}

/// What was found in the extensions; `None` if no layer has been there.
pub(crate) struct Found<'e>(Option<&'e Authentication>);

impl<'e> Found<'e> {
    pub(crate) fn in_request(extensions: &'e Extensions) -> Self {
        Self(extensions.get())
    }

    /// # Errors
    /// `missing` for an anonymous request, `not_configured` without a layer.
    pub(crate) fn principal(&self) -> Result<&'e Principal, AuthError> {
        self.optional_principal()?.ok_or_else(|| AuthError::new(Reason::Missing))
    }

    /// # Errors
    /// `not_configured` without a layer.
    pub(crate) fn optional_principal(&self) -> Result<Option<&'e Principal>, AuthError> {
        self.0.map(|found| found.principal.as_ref()).ok_or_else(no_layer)
    }

    pub(crate) fn is_measured(&self) -> bool {
        self.0.is_some_and(|found| found.measured)
    }

    pub(crate) fn report_only(&self) -> bool {
        self.0.is_some_and(|found| found.report_only)
    }

    pub(crate) fn http_only(&self) -> bool {
        self.0.is_some_and(|found| found.http_only)
    }
}

fn no_layer() -> AuthError {
    trace::error!(
        "a handler or a policy asks for a verified token, but no JwtAuthLayer is around it; in axum, add \
         .layer(JwtAuthLayer::new(verifier)) after the last route, because it covers only the routes before it; with \
         tonic or a ServiceBuilder, add the JwtAuthLayer before the Require or RequireMethods, because the first layer \
         is the outermost"
    );
    AuthError::new(Reason::NotConfigured)
}

impl<C: Send + Sync + 'static> Jwt<C> {
    /// The verified token of this request.
    ///
    /// # Errors
    /// `missing` if the request is anonymous. `not_configured` if no [`JwtAuthLayer`](crate::JwtAuthLayer) is
    /// around the handler, or the innermost one verifies another claims type.
    pub fn of(extensions: &Extensions) -> Result<Self, AuthError> {
        Found::in_request(extensions).principal().and_then(Self::from_principal)
    }

    /// The verified token of this request, or `None` if it is anonymous.
    ///
    /// # Errors
    /// `not_configured` as in [`Jwt::of`]: a forgotten layer is not an anonymous caller.
    pub fn optional(extensions: &Extensions) -> Result<Option<Self>, AuthError> {
        Found::in_request(extensions).optional_principal()?.map(Self::from_principal).transpose()
    }
}

impl Principal {
    /// The principal of this request.
    ///
    /// # Errors
    /// `missing` if the request is anonymous, `not_configured` if no [`JwtAuthLayer`](crate::JwtAuthLayer) is
    /// around the handler.
    pub fn of(extensions: &Extensions) -> Result<Self, AuthError> {
        Found::in_request(extensions).principal().cloned()
    }

    /// The principal of this request, or `None` if it is anonymous.
    ///
    /// # Errors
    /// `not_configured` if no [`JwtAuthLayer`](crate::JwtAuthLayer) is around the handler.
    pub fn optional(extensions: &Extensions) -> Result<Option<Self>, AuthError> {
        Found::in_request(extensions).optional_principal().map(Option::<&Self>::cloned)
    }
}
