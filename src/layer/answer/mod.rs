//! Answers to refused requests: HTTP and gRPC, by default and by the user's own function.

mod caching;
mod challenge;
mod completion;
mod grpc;
mod head;
mod problem;
mod provisional;
mod reject;

pub use problem::Problem;
pub use reject::{Auto, Refusal, Reject};

pub(super) use caching::Caching;
pub(super) use challenge::Challenges;
pub(super) use completion::Completion;
pub(crate) use head::Answers;
pub(super) use head::Inside;
#[cfg(feature = "axum")]
pub(crate) use provisional::provisional;
pub(crate) use reject::{Refused, refuse};
