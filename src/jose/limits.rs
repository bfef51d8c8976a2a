//! Every size and count that an outsider can grow, in one place.

use crate::error::{ConfigError, ConfigProblemKind, Problems};

/// Upper bounds on what a token may cost before it is refused.
///
/// Set them with [`VerifierBuilder::limits`](crate::VerifierBuilder::limits). Values outside their bounds are
/// a [`ConfigError`] when the verifier is built.
///
/// ```
/// use tower_jwt_auth::Limits;
///
/// let limits = Limits::default().token_bytes(8 * 1024);
/// assert_eq!(limits, Limits::default().token_bytes(8192));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub(crate) token_bytes: usize,
    pub(crate) header_bytes: usize,
    pub(crate) kid_bytes: usize,
    pub(crate) json_depth: usize,
    pub(crate) claims: usize,
    pub(crate) audience_elements: usize,
    pub(crate) keys_tried: usize,
    /// The upper bound of `token_bytes`.
    most_token_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            token_bytes: 16 * 1024,
            header_bytes: 2 * 1024,
            kid_bytes: 256,
            json_depth: 32,
            claims: 128,
            audience_elements: 32,
            keys_tried: 1,
            most_token_bytes: 1024 * 1024,
        }
    }
}

impl Limits {
    /// Bytes of the whole encoded token: 16 KiB by default, 256 to 1 MiB.
    #[must_use]
    pub const fn token_bytes(mut self, bytes: usize) -> Self {
        self.token_bytes = bytes;
        self
    }

    /// Bytes of the decoded header: 2 KiB by default, 64 to 64 KiB.
    #[must_use]
    pub const fn header_bytes(mut self, bytes: usize) -> Self {
        self.header_bytes = bytes;
        self
    }

    /// Bytes of the header's `kid`: 256 by default, 1 to 2,048.
    #[must_use]
    pub const fn kid_bytes(mut self, bytes: usize) -> Self {
        self.kid_bytes = bytes;
        self
    }

    /// Nesting of the payload's JSON, the outermost object counted: 32 by default, 1 to 64.
    #[must_use]
    pub const fn json_depth(mut self, levels: usize) -> Self {
        self.json_depth = levels;
        self
    }

    /// Members of the payload's object: 128 by default, 1 to 4,096.
    ///
    /// Each costs a look for duplicates before the token is refused or accepted.
    #[must_use]
    pub const fn claims(mut self, members: usize) -> Self {
        self.claims = members;
        self
    }

    /// Elements of an `aud` array: 32 by default, 1 to 1,024.
    #[must_use]
    pub const fn audience_elements(mut self, elements: usize) -> Self {
        self.audience_elements = elements;
        self
    }

    /// Keys that are tried for a token whose `kid` does not choose one: 1 by default, 1 to 4.
    ///
    /// Each further key costs a whole signature check per refusal. Keys that share the `kid` are tried up to 4 anyway.
    #[must_use]
    pub const fn keys_tried(mut self, keys: usize) -> Self {
        self.keys_tried = keys;
        self
    }

    /// For tokens that this service fetches: they may be as long as this, whatever the bound is for those of clients.
    #[cfg(feature = "status-list")]
    pub(crate) const fn fetched_token_bytes(mut self, bytes: usize) -> Self {
        self.token_bytes = bytes;
        self.most_token_bytes = bytes;
        self
    }

    /// Characters of the encoded header: a longer one cannot be that of a header within its limit.
    pub(crate) const fn header_characters(&self) -> usize {
        (self.header_bytes * 4).div_ceil(3)
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let mut problems = Problems::default();
        for (setting, value, min, max) in [
            ("token_bytes", self.token_bytes, 256, self.most_token_bytes),
            ("header_bytes", self.header_bytes, 64, 64 * 1024),
            ("kid_bytes", self.kid_bytes, 1, 2048),
            ("json_depth", self.json_depth, 1, 64),
            ("claims", self.claims, 1, 4096),
            ("audience_elements", self.audience_elements, 1, 1024),
            ("keys_tried", self.keys_tried, 1, 4),
        ] {
            if !(min..=max).contains(&value) {
                let problem = format!("the limit {value} is out of bounds");
                let error = ConfigError::new(setting, problem, format!("use a value from {min} to {max}"));
                problems.add(error.of_kind(ConfigProblemKind::OutOfBounds));
            }
        }
        problems.into_result()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_checked_and_named() {
        assert!(Limits::default().check().is_ok());
        assert!(Limits::default().keys_tried(4).check().is_ok());
        let error = Limits::default().keys_tried(5).check().unwrap_err().to_string();
        assert!(error.contains("keys_tried") && error.contains('5') && error.contains("1 to 4"), "{error}");
        assert!(Limits::default().json_depth(0).check().is_err());
        assert!(Limits::default().token_bytes(usize::MAX).check().is_err());
    }
}
