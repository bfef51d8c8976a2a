//! Documents that a service serves: the keys and metadata of an issuer, and a readiness probe.

#[cfg(any(feature = "issuer", feature = "feeds"))]
mod body;
mod document_body;
#[cfg(any(feature = "issuer", feature = "feeds"))]
mod form;
#[cfg(feature = "jwks")]
mod health_service;
#[cfg(feature = "issuer")]
mod well_known;

#[cfg(any(feature = "issuer", feature = "feeds"))]
pub(crate) use body::{BodyError, BodyLimits};
#[cfg(feature = "feeds")]
pub(crate) use body::{has_media_type, read_body};
pub use document_body::DocumentBody;
#[cfg(any(feature = "issuer", feature = "feeds"))]
pub(crate) use form::{Form, FormError};
#[cfg(feature = "jwks")]
pub use health_service::HealthService;
#[cfg(feature = "issuer")]
pub use well_known::{DocumentService, MetadataBuilder};
