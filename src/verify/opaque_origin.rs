//! Where the claims of opaque tokens come from: which tokens, and who is asked about them.

use std::sync::Arc;

use crate::error::ConfigError;
use crate::jose::Limits;
use crate::opaque::{AskedParty, Asking, OpaqueTokens, Rule};
use crate::runtime::Clock;

/// Which tokens, and who is asked about them.
#[derive(Debug)]
pub(super) struct OpaqueOrigin {
    pub(super) tokens: OpaqueTokens,
    pub(super) asked: Box<dyn AskedParty>,
}

/// The same, checked.
#[derive(Debug)]
pub(super) struct ReadyOpaque {
    pub(super) rule: Rule,
    pub(super) asking: Asking,
}

impl OpaqueOrigin {
    /// # Errors
    /// If a setting cannot be used. `issuer` is whose tokens they are.
    pub(super) fn build(
        self,
        limits: &Limits,
        clock: &Arc<dyn Clock>,
        issuer: Option<Arc<str>>,
    ) -> Result<ReadyOpaque, ConfigError> {
        let (rule, ask) = (self.tokens.rule.clone(), self.asked.ready(clock)?);
        let asking = Asking::new(self.tokens, ask, *limits, issuer, Arc::clone(clock))?;
        Ok(ReadyOpaque { rule, asking })
    }
}
