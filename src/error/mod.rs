//! What can go wrong: a refused request ([`AuthError`]), a wrong set-up ([`ConfigError`]). Both are plain values.

mod auth_error;
mod challenge_params;
mod config_error;
mod reason;

pub use auth_error::AuthError;
pub(crate) use challenge_params::ChallengeParams;
pub(crate) use config_error::Problems;
#[cfg(any(feature = "cookie", feature = "jwks"))]
pub(crate) use config_error::shown_url;
pub use config_error::{ConfigError, ConfigProblem, ConfigProblemKind};
pub(crate) use reason::Challenge;
pub use reason::Reason;
