//! Tower middleware that turns a bearer token into typed, verified claims.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "axum")]
mod axum;
mod challenge;
mod claims;
mod crypto;
mod error;
mod jose;
mod keys;
mod layer;
mod limits;
mod now_or_later;
#[cfg(feature = "test-util")]
mod test_util;
mod time;
#[cfg(feature = "tonic")]
mod tonic;
mod trace;
mod verify;

pub use claims::{Audience, Claims};
pub use crypto::Backend;
pub use error::{AuthError, ConfigError, Reason};
pub use jose::Algorithm;
pub use keys::{Key, KeySet, Secret, SkippedKey};
pub use layer::{Auto, JwtAuth, JwtAuthLayer, Refusal, Reject, ResponseFuture};
pub use limits::Limits;
pub use now_or_later::NowOrLater;
#[cfg(feature = "test-util")]
pub use test_util::{TestClock, TestIssuer};
pub use time::{Clock, SystemClock, UnixTime};
pub use verify::{Authority, Explanation, Jwt, Principal, Verifier, VerifierBuilder};
