//! What both receivers do alike: bounds of a request, and what becomes of a token that was judged.

use std::time::Duration;

use crate::error::AuthError;
use crate::revocation::{Revocation, Revocations};
use crate::runtime::deadline::within;
use crate::runtime::trace;
use crate::served::BodyLimits;

/// Twice the longest token that a verifier takes, and ten seconds for all of it.
pub(super) const BODY: BodyLimits = BodyLimits { bytes: 32 * 1024, deadline: Duration::from_secs(10) };

/// How long the store may take: npm's `oidc-provider` waits for an answer for 2.5 seconds.
const STORE_DEADLINE: Duration = Duration::from_secs(2);

/// The revocations are not stored, so other processes may not know of them.
pub(super) struct NotStored;

/// Revokes all or none.
pub(super) async fn revoke(revocations: &Revocations, what: Vec<Revocation>) -> Result<(), NotStored> {
    match within(STORE_DEADLINE, revocations.revoke_all(what)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_error)) => {
            trace::warn!(error = %_error, "a revocation that was received cannot be stored");
            Err(NotStored)
        }
        Err(_late) => {
            trace::warn!(error = %_late, "a revocation that was received cannot be stored");
            Err(NotStored)
        }
    }
}

/// Notes a refusal. One after the signature is a mistake in the settings of one side; before it, anybody may have sent it.
#[cfg_attr(not(feature = "tracing"), allow(clippy::if_same_then_else, unused_variables))]
pub(super) fn note_refusal(refused: &AuthError, feed: &'static str) {
    if refused.signature_verified() {
        trace::warn!(reason = %refused, feed, "an event of the provider was refused");
    } else {
        trace::debug!(reason = %refused, feed, "an event was refused");
    }
}
