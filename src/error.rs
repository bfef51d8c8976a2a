//! What can go wrong: [`AuthError`] per request, [`ConfigError`] at start.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use http::HeaderValue;

use crate::answer::Answers;
use crate::challenge::Demand;
use crate::reason::Reason;

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
    demand: Option<Arc<Demand>>,
    answers: Option<Arc<Answers>>,
    set_cookie: Option<HeaderValue>,
}

impl AuthError {
    /// A refusal for this reason.
    #[must_use]
    pub const fn new(reason: Reason) -> Self {
        Self {
            reason,
            claim: None,
            signature_verified: false,
            source: None,
            demand: None,
            answers: None,
            set_cookie: None,
        }
    }

    /// A refusal for want of these scopes, separated by spaces: all that the operation needs, so that the client
    /// can ask for them at once (RFC 6750 section 3.1).
    #[must_use]
    pub fn insufficient_scope(scope: impl Into<String>) -> Self {
        let demand = Demand { scope: Some(scope.into()), ..Demand::default() };
        Self::new(Reason::InsufficientScope).with_demand(demand)
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

    /// Remembers what would satisfy the policy that refused.
    pub(crate) fn with_demand(mut self, demand: Demand) -> Self {
        self.demand = Some(Arc::new(demand));
        self
    }

    pub(crate) fn demand(&self) -> Option<&Demand> {
        self.demand.as_deref()
    }

    /// Remembers the `Set-Cookie` that the answer is to carry.
    pub(crate) fn with_cookie(mut self, set_cookie: HeaderValue) -> Self {
        self.set_cookie = Some(set_cookie);
        self
    }

    pub(crate) fn set_cookie(&self) -> Option<&HeaderValue> {
        self.set_cookie.as_ref()
    }

    /// Remembers how the layer answers, so that every later rendering is the same.
    pub(crate) fn with_answers(mut self, answers: &Arc<Answers>) -> Self {
        self.answers.get_or_insert_with(|| Arc::clone(answers));
        self
    }

    pub(crate) fn answers(&self) -> &Arc<Answers> {
        self.answers.as_ref().unwrap_or_else(|| Answers::defaults())
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
        self.demand.as_ref()?.scope.as_deref()
    }

    /// Whether the same request may succeed later without the client changing anything.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self.reason, Reason::KeysUnavailable | Reason::RevocationUnavailable)
    }

    /// Whether the token's signature was found good before it was refused.
    ///
    /// Worth an alert where it is false for tokens of a known key: somebody is guessing.
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

/// A mistake in the set-up, found before the first request.
///
/// The text names the setting, what is wrong with it, and what to do; it shows the value unless that is secret.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigError {
    setting: Cow<'static, str>,
    problem: String,
    remedy: String,
}

impl ConfigError {
    pub(crate) fn new(
        setting: impl Into<Cow<'static, str>>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { setting: setting.into(), problem: problem.into(), remedy: remedy.into() }
    }

    pub(crate) fn no_backend() -> Self {
        Self::new(
            "backend",
            "no cryptography is compiled in",
            "turn on the feature aws-lc-rs or rust-crypto, or hand a Backend to the builder",
        )
    }

    /// The setting that is wrong, such as `audience`.
    #[must_use]
    pub fn setting(&self) -> &str {
        &self.setting
    }

    /// What would mend it, in words.
    #[must_use]
    pub fn remedy(&self) -> &str {
        &self.remedy
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.setting, self.problem, self.remedy)
    }
}

// The same text: it is what `fn main() -> Result<(), Box<dyn Error>>` prints.
impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for ConfigError {}
