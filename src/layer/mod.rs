//! Middleware: finds the token, asks the verifier, answers refusals.

mod bearer;
mod future;
mod grpc;
#[allow(clippy::module_inception)]
mod layer;
mod reject;
mod service;

pub use future::ResponseFuture;
pub use layer::JwtAuthLayer;
pub use reject::{Auto, Refusal, Reject};
pub use service::JwtAuth;

pub(crate) use future::Verdict;
