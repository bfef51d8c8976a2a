//! What the client is told beside the error code of a challenge.

use std::time::Duration;

/// The parameters of a challenge: what would satisfy the policy that refused (RFC 6750 section 3, RFC 9470 section 3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ChallengeParams {
    /// All scopes that the operation needs, separated by spaces.
    pub(crate) scope: Option<String>,
    /// Authentication context classes, the preferred one first, separated by spaces.
    pub(crate) acr_values: Option<String>,
    /// The greatest time since the user authenticated.
    pub(crate) max_age: Option<Duration>,
}
