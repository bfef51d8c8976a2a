//! Why a request was refused.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use super::challenge_params::ChallengeParams;
use super::reason::Reason;

/// Why this request was refused.
///
/// It never carries the token, a claim's value, a key or a secret, so it can be logged. Turn it into an answer
/// by returning it from an axum handler, by `?` in a tonic method, or read [`AuthError::reason`].
#[derive(Clone)]
pub struct AuthError {
    reason: Reason,
    claim: Option<Cow<'static, str>>,
    signature_verified: bool,
    source: Option<Arc<dyn Error + Send + Sync>>,
    params: Option<Arc<ChallengeParams>>,
    reported: bool,
}

impl AuthError {
    /// A refusal for this reason.
    #[must_use]
    pub const fn new(reason: Reason) -> Self {
        Self { reason, claim: None, signature_verified: false, source: None, params: None, reported: false }
    }

    /// A refusal for want of these scopes, separated by spaces: all that the operation needs, so that the client
    /// can ask for them at once (RFC 6750 section 3.1).
    #[must_use]
    pub fn insufficient_scope(scope: impl Into<String>) -> Self {
        let params = ChallengeParams { scope: Some(scope.into()), ..ChallengeParams::default() };
        Self::new(Reason::InsufficientScope).with_params(params)
    }

    /// The same refusal, with the name of the claim that caused it.
    #[must_use]
    pub fn with_claim(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.claim = Some(name.into());
        self
    }

    /// The same refusal, with the error behind it, for logs.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(Arc::from(source.into()));
        self
    }

    pub(crate) const fn after_signature(mut self) -> Self {
        self.signature_verified = true;
        self
    }

    /// The same refusal, with what would satisfy the policy that refused.
    pub(crate) fn with_params(mut self, params: ChallengeParams) -> Self {
        self.params = Some(Arc::new(params));
        self
    }

    pub(crate) fn params(&self) -> Option<&ChallengeParams> {
        self.params.as_deref()
    }

    /// The same refusal, which is in the log already.
    #[cfg_attr(not(feature = "axum"), allow(dead_code))]
    pub(crate) const fn reported(mut self) -> Self {
        self.reported = true;
        self
    }

    #[cfg_attr(not(all(feature = "axum", feature = "tracing")), allow(dead_code))]
    pub(crate) const fn is_reported(&self) -> bool {
        self.reported
    }

    /// Why, as a code.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// The name of the claim that caused the refusal, such as `aud`.
    #[must_use]
    pub fn claim(&self) -> Option<&str> {
        self.claim.as_deref()
    }

    /// The scopes that the operation needs, separated by spaces, if that is what was lacking.
    #[must_use]
    pub fn required_scope(&self) -> Option<&str> {
        self.params.as_ref()?.scope.as_deref()
    }

    /// Whether the same request may succeed later without the client changing anything.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self.reason, Reason::KeysUnavailable | Reason::RevocationUnavailable)
    }

    /// Whether the token's signature was found good before it was refused.
    ///
    /// Of an opaque token: whether it was said to be active.
    ///
    /// Worth an alert where it is false for [`Reason::BadSignature`]: somebody is guessing. It is also false where the
    /// claims alone refuse a token, because then an expensive signature is not checked at all.
    #[must_use]
    pub const fn signature_verified(&self) -> bool {
        self.signature_verified
    }
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason.as_str())?;
        match &self.claim {
            Some(name) => write!(f, " ({name})"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthError")
            .field("reason", &self.reason)
            .field("claim", &self.claim)
            .field("signature_verified", &self.signature_verified)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl Error for AuthError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn Error + 'static))
    }
}

impl From<Reason> for AuthError {
    fn from(reason: Reason) -> Self {
        Self::new(reason)
    }
}
