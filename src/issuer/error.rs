//! Why a token could not be signed.

use std::error::Error;
use std::fmt;

/// A token could not be signed.
///
/// The text is for the log. It names claims, but shows no values and no keys.
pub struct SignError {
    problem: Problem,
    source: Option<Box<dyn Error + Send + Sync>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    NotAnObject,
    Unserializable,
    Overrides(&'static str),
    Duplicate(String),
    BadValue(&'static str),
    LivesTooLong,
    TooLong(usize),
    MustWait,
    NoKey,
    Stale,
    Signer,
}

impl SignError {
    /// What a [`Signer`](crate::Signer) answers when its key cannot be reached, or refuses.
    pub fn signer(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { problem: Problem::Signer, source: Some(cause.into()) }
    }

    pub(super) fn with_source(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(cause.into());
        self
    }
}

impl From<Problem> for SignError {
    fn from(problem: Problem) -> Self {
        Self { problem, source: None }
    }
}

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            Problem::NotAnObject => f.write_str("the claims are not a JSON object"),
            Problem::Unserializable => f.write_str("the claims cannot be written as JSON"),
            Problem::Overrides(name) => write!(
                f,
                "the claims have {name:?}, which the issuer sets; leave it out, or allow it with \
                 IssuerBuilder::overridable"
            ),
            Problem::Duplicate(name) => write!(f, "the claims have {name:?} twice"),
            Problem::BadValue(name) => write!(f, "the claim {name:?} has a value that no verifier would take"),
            Problem::LivesTooLong => {
                f.write_str("the claim \"exp\" is beyond the lifetime that the issuer was built with")
            }
            Problem::TooLong(bytes) => {
                write!(f, "the token would have {bytes} bytes, and verifiers take 16 KiB at most")
            }
            Problem::MustWait => {
                f.write_str("the signing key lives elsewhere and has to be awaited; use sign_async")
            }
            Problem::NoKey => f.write_str("no key of the ring signs at this time; is the clock right?"),
            Problem::Stale => f.write_str(
                "the key ring has not been read for too long, so it may lack a newer key; is its store reachable?",
            ),
            Problem::Signer => match &self.source {
                Some(cause) => write!(f, "the signing key failed: {cause}"),
                None => f.write_str("the signing key failed"),
            },
        }
    }
}

// The same text: it is what `fn main() -> Result<(), Box<dyn Error>>` prints.
impl fmt::Debug for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for SignError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn Error + 'static))
    }
}
