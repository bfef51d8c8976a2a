//! Why a key cannot be used.

/// Why a key cannot be used. Never shows key bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyError(pub(crate) String);

impl KeyError {
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}
