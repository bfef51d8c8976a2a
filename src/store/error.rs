//! What a store of keys or of refresh tokens says when it cannot answer.

use std::error::Error;
use std::fmt;

/// A store could not be read or written.
///
/// Its text is for the log: it may name files and hosts, and must not hold keys or tokens.
pub struct StoreError(Box<dyn Error + Send + Sync>);

impl StoreError {
    /// A failure with this cause.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

// The same text: it is what `fn main() -> Result<(), Box<dyn Error>>` prints.
impl fmt::Debug for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}
