//! Checks that the user adds: what the rules cannot say, or another system must be asked.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::principal::Principal;
use crate::error::{AuthError, Reason};
use crate::runtime::NowOrLater;
use crate::runtime::deadline::within;

type Checked = Result<(), AuthError>;

/// A check of one authority.
#[derive(Clone)]
pub(super) struct Check(Arc<Function>);

type Function = dyn Fn(&Principal) -> NowOrLater<Checked> + Send + Sync;

impl Check {
    pub(super) fn sync(check: impl Fn(&Principal) -> Checked + Send + Sync + 'static) -> Self {
        Self(Arc::new(move |principal| NowOrLater::ready(check(principal))))
    }

    pub(super) fn later<F, Fut>(check: F) -> Self
    where
        F: Fn(Principal) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Checked> + Send + 'static,
    {
        Self(Arc::new(move |principal| NowOrLater::later(check(principal.clone()))))
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Check(..)")
    }
}

/// Runs `checks` in their order until one refuses. All must answer within `deadline`, or the token is refused.
pub(super) fn run(checks: &Arc<[Check]>, principal: &Principal, deadline: Duration) -> NowOrLater<Checked> {
    for (done, check) in checks.iter().enumerate() {
        match (check.0)(principal).into_now() {
            Ok(Ok(())) => {}
            Ok(Err(refused)) => return NowOrLater::ready(Err(refused)),
            Err(first) => {
                let (checks, principal) = (Arc::clone(checks), principal.clone());
                let rest = async move {
                    first.await?;
                    for check in checks.iter().skip(done + 1) {
                        (check.0)(&principal).await?;
                    }
                    Ok(())
                };
                return NowOrLater::later(async move {
                    within(deadline, rest).await.unwrap_or_else(|no_answer| {
                        Err(AuthError::new(Reason::RevocationUnavailable).with_source(no_answer))
                    })
                });
            }
        }
    }
    NowOrLater::ready(Ok(()))
}
