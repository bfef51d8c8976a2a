//! A deadline for the user's own questions to other systems: they fail closed.

use std::future::Future;
use std::time::Duration;

use crate::error::AuthError;
use crate::reason::Reason;

/// What `future` says, or `revocation_unavailable` if it does not say it in time.
pub(crate) async fn within<T>(
    deadline: Duration,
    future: impl Future<Output = Result<T, AuthError>>,
) -> Result<T, AuthError> {
    let unavailable = AuthError::new(Reason::RevocationUnavailable);
    // Without a runtime there is no timer, and without a deadline a question that hangs would hang its caller.
    if tokio::runtime::Handle::try_current().is_err() {
        return Err(unavailable.with_source("an asynchronous check needs a tokio runtime"));
    }
    match tokio::time::timeout(deadline, future).await {
        Ok(answer) => answer,
        Err(elapsed) => Err(unavailable.with_source(elapsed)),
    }
}
