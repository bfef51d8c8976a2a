//! Middleware: finds the token, asks the verifier, answers refusals.

mod forward;
mod future;
mod grpc;
#[allow(clippy::module_inception)]
mod layer;
mod problem;
mod reject;
mod service;
mod source;

pub use forward::RawToken;
pub use future::ResponseFuture;
pub use layer::JwtAuthLayer;
pub use problem::Problem;
pub use reject::{Auto, Refusal, Reject};
pub use service::JwtAuth;
#[cfg(feature = "cookie")]
pub use source::{Csrf, TokenCookie};
pub use source::{RequestHead, TokenSource, redacted_uri};

pub(crate) use future::{Pass, Verdict};
