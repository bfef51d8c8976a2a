//! The payload of a token, which several steps read.

use crate::error::{AuthError, Reason};
use crate::jose::{self, Compact, Scratch};
use crate::runtime::UnixTime;

/// A payload that is decoded when it is needed first, and once.
#[derive(Default)]
pub(super) struct LazyPayload {
    /// When the token expires by its header, if the authority has rules for that.
    pub(super) expires: Option<UnixTime>,
    scratch: Option<Scratch>,
    length: usize,
}

impl LazyPayload {
    pub(super) fn decoded(&mut self, compact: &Compact<'_>) -> Result<&[u8], AuthError> {
        if self.scratch.is_none() {
            let scratch = self.scratch.insert(Scratch::default());
            let decoded = decode(compact.payload, scratch).map(<[u8]>::len);
            // What cannot be decoded must not be taken for an empty payload later.
            self.length = decoded.inspect_err(|_| self.scratch = None)?;
        }
        Ok(self.scratch.as_ref().map(|scratch| scratch.decoded(self.length)).unwrap_or_default())
    }
}

/// Decodes a segment of a token.
pub(super) fn decode<'s>(encoded: &[u8], scratch: &'s mut Scratch) -> Result<&'s [u8], AuthError> {
    jose::decode(encoded, scratch).ok_or_else(|| Reason::MalformedToken.into())
}
