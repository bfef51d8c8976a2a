//! The settings of the cache of verified tokens.

use crate::error::{ConfigError, ConfigProblemKind, Problems};

/// A cache of verified tokens: a token that comes again costs a hash and not a signature.
///
/// It is off unless [`VerifierBuilder::cache`](crate::VerifierBuilder::cache) turns it on. What it changes is time and memory, and
/// no verdict: each hit is judged by the clock, by your checks, and by the keys that serve at that time. A token goes when
/// it expires, when the set of keys changes, or when others need its place.
///
/// Tokens of more than 8 KiB are not kept. Requests with the same token share one value of your claims type, so it should
/// have nothing in it that changes.
///
/// It pays where clients send the same token many times, and the signature is RSA, ECDSA or Ed25519. With HMAC it saves the
/// reading of the claims only.
///
/// ```
/// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
/// # use tower_jwt_auth::{Authority, Claims, Secret, Verifier};
/// # let authority = Authority::hs256(Secret::generate()?).issuer("i").audience("a");
/// use tower_jwt_auth::TokenCache;
///
/// let verifier = Verifier::<Claims>::builder()
///     .authority(authority)
///     .cache(TokenCache::new().entries(50_000).bytes(64 * 1024 * 1024))
///     .build()?;
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "give it to VerifierBuilder::cache"]
pub struct TokenCache {
    pub(super) entries: usize,
    pub(super) bytes: usize,
}

impl TokenCache {
    pub(crate) const MIN_ENTRIES: usize = 32;
    pub(crate) const MAX_ENTRIES: usize = 100_000_000;
    pub(crate) const MIN_BYTES: usize = 64 * 1024;
    pub(crate) const MAX_BYTES: usize = 1 << 40;

    /// At most 10,000 tokens, and 32 MiB.
    pub const fn new() -> Self {
        Self { entries: 10_000, bytes: 32 * 1024 * 1024 }
    }

    /// Tokens at most: 10,000 by default, 32 to 100 million.
    pub const fn entries(mut self, entries: usize) -> Self {
        self.entries = entries;
        self
    }

    /// Bytes at most: 32 MiB by default, 64 KiB to 1 TiB.
    ///
    /// A token counts by the size of its payload and of your claims type. What your claims hold on the heap is not known, so
    /// it is taken to be as long as the payload.
    pub const fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let mut problems = Problems::default();
        for (setting, value, min, max) in [
            ("entries", self.entries, Self::MIN_ENTRIES, Self::MAX_ENTRIES),
            ("bytes", self.bytes, Self::MIN_BYTES, Self::MAX_BYTES),
        ] {
            if !(min..=max).contains(&value) {
                let problem = format!("TokenCache::{setting}({value}) is out of bounds");
                let error = ConfigError::new("cache", problem, format!("use a value from {min} to {max}"));
                problems.add(error.of_kind(ConfigProblemKind::OutOfBounds));
            }
        }
        if crate::crypto::sha256(b"").is_none() {
            let remedy = "turn on the feature aws-lc-rs or rust-crypto, or do not call .cache(..)";
            problems.add(ConfigError::new("cache", "there is no SHA-256 to name its tokens by", remedy));
        }
        problems.into_result()
    }
}

impl Default for TokenCache {
    fn default() -> Self {
        Self::new()
    }
}
