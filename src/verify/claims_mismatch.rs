//! A good token whose claims do not fit the user's type.

use std::fmt;

use crate::error::{AuthError, Reason};

/// Where in the payload the claims type did not fit. Serde's own text could repeat a value.
#[derive(Debug)]
pub(super) struct ClaimsMismatch {
    line: usize,
    column: usize,
    /// A field of the claims type that the token does not have. It is the type's own name, not the token's text.
    missing: Option<String>,
}

impl ClaimsMismatch {
    pub(super) fn of(error: &serde_json::Error) -> Self {
        let text = error.to_string();
        let missing = text.strip_prefix("missing field `").and_then(|rest| rest.split_once('`'));
        let missing = missing.map(|(name, _)| name.to_owned());
        Self { line: error.line(), column: error.column(), missing }
    }

    pub(super) fn refuse(self) -> AuthError {
        match self.missing.clone() {
            Some(name) => AuthError::new(Reason::MissingClaim).with_claim(name).with_source(self),
            None => AuthError::new(Reason::InvalidClaim).with_source(self),
        }
    }
}

impl fmt::Display for ClaimsMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.missing {
            Some(name) => write!(f, "the claims type has a field `{name}`, and the token has no such claim"),
            None => write!(
                f,
                "the claims do not fit the claims type (line {}, column {})",
                self.line, self.column
            ),
        }
    }
}

impl std::error::Error for ClaimsMismatch {}
