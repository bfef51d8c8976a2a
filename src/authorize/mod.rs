//! Authorization: policies as values, and the layers that enforce them on a verified token.

mod check;
mod decision;
mod methods;
mod require;
mod service;

pub use methods::RequireMethods;
pub use require::{Policy, Require};
pub use service::{Authorize, RequireLayer};
