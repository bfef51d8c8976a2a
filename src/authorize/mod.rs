//! Authorization: policies as values, and the layers that enforce them on a verified token.

mod check;
mod decision;
mod methods;
mod require;
#[cfg(feature = "config")]
mod routes;
mod service;

pub use methods::RequireMethods;
pub use require::{Policy, Require};
#[cfg(feature = "config")]
pub use routes::RequireRoutes;
#[cfg(feature = "config")]
pub(crate) use routes::Route;
pub use service::{Authorize, RequireLayer};
