//! Documents that a service serves: the keys and metadata of an issuer, and a readiness probe.

mod document_body;
#[cfg(feature = "jwks")]
mod health_service;
#[cfg(feature = "issuer")]
mod well_known;

pub use document_body::DocumentBody;
#[cfg(feature = "jwks")]
pub use health_service::HealthService;
#[cfg(feature = "issuer")]
pub use well_known::{DocumentService, MetadataBuilder};
