//! Checks that the user adds: what the rules cannot say, or another system must be asked.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::principal::Principal;
use crate::crypto::Backend;
use crate::error::{AuthError, ConfigError, Reason};
#[cfg(feature = "jwks")]
use crate::keys::Fetch;
use crate::runtime::deadline::within;
use crate::runtime::{Clock, NowOrLater};

type Checked = Result<(), AuthError>;

/// A check of one authority.
#[derive(Clone)]
pub(crate) struct Check(Arc<Function>);

/// What a check is made of when the verifier is built.
pub(crate) trait CheckOrigin: fmt::Debug + Send + Sync {
    /// The setting that gave it, which is there once.
    fn setting(&self) -> &'static str;

    /// # Errors
    /// If a setting is wrong.
    fn into_check(self: Box<Self>, making: &CheckContext<'_>) -> Result<Check, ConfigError>;
}

/// What such a check is made with.
#[cfg_attr(not(feature = "status-list"), allow(dead_code))]
pub(crate) struct CheckContext<'a> {
    pub(crate) backend: &'a Backend,
    pub(crate) clock: &'a Arc<dyn Clock>,
    /// What fetches, unless the user says otherwise.
    #[cfg(feature = "jwks")]
    pub(crate) fetch: Option<&'a Arc<dyn Fetch>>,
}

type Function = dyn Fn(&Principal) -> NowOrLater<Checked> + Send + Sync;

impl Check {
    pub(super) fn sync(check: impl Fn(&Principal) -> Checked + Send + Sync + 'static) -> Self {
        Self(Arc::new(move |principal| NowOrLater::ready(check(principal))))
    }

    /// A check that answers at once if it can.
    #[cfg(feature = "status-list")]
    pub(crate) fn now_or_later(
        check: impl Fn(&Principal) -> NowOrLater<Checked> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(check))
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
