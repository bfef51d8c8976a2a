//! A deadline for checks that ask another system: without an answer in time they fail.

use std::fmt;
use std::future::Future;
use std::time::Duration;

/// Why a future has no output.
#[derive(Debug)]
pub(crate) enum NoAnswer {
    /// There is no timer without a runtime, and without a deadline a check that hangs would hang its caller.
    NoRuntime,
    TooLate(Duration),
}

/// The output of `future`, if it is there before the deadline.
pub(crate) async fn within<F: Future>(deadline: Duration, future: F) -> Result<F::Output, NoAnswer> {
    if tokio::runtime::Handle::try_current().is_err() {
        return Err(NoAnswer::NoRuntime);
    }
    tokio::time::timeout(deadline, future).await.map_err(|_| NoAnswer::TooLate(deadline))
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRuntime => f.write_str("an asynchronous check needs a tokio runtime"),
            Self::TooLate(deadline) => write!(f, "the check did not answer within {deadline:?}"),
        }
    }
}

impl std::error::Error for NoAnswer {}
