//! Middleware: finds the token, asks the verifier, answers refusals.

mod answer;
mod authentication;
mod decision;
mod forward;
mod future;
#[allow(clippy::module_inception)]
mod layer;
mod request_checks;
mod service;
mod source;
mod watch;

pub use answer::{Auto, Problem, Refusal, Reject};
pub use decision::{Decision, Outcome};
pub use forward::RawToken;
pub use future::ResponseFuture;
pub use layer::JwtAuthLayer;
pub use service::JwtAuth;
#[cfg(feature = "cookie")]
pub use source::{Csrf, TokenCookie};
pub use source::{RequestHead, TokenSource, redacted_uri};

pub(crate) use answer::Answers;
#[cfg(feature = "axum")]
pub(crate) use answer::provisional;
pub(crate) use authentication::Found;
pub(crate) use decision::policy_decided;
pub(crate) use future::{Pass, Verdict};
