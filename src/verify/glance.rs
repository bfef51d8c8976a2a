//! A glance at a payload before its signature is checked.
//!
//! It looks for what a good token nearly always says in its plain spelling, and answers only whether a full look is worth
//! its cost. The full look is that of the policy, and it may only refuse: nothing of a payload is believed before the
//! signature. So an expired token, which clients send again and again, costs a tenth of a signature.

use memchr::memmem::Finder;

use super::issuer_rule::IssuerRule;
use super::policy::Policy;
use crate::runtime::UnixTime;

/// The texts that a token of one authority has.
#[derive(Debug)]
pub(super) struct Glance {
    issuer: Option<Finder<'static>>,
    /// Any of these will do.
    audiences: Vec<Finder<'static>>,
    exp: Finder<'static>,
}

impl Glance {
    pub(super) fn new(policy: &Policy) -> Self {
        let issuer = match &policy.issuer {
            IssuerRule::This(issuer) => Some(quoted(issuer)),
            IssuerRule::Any | IssuerRule::OfTenants(_) => None,
        };
        let audiences = policy.audiences.iter().flatten().map(|audience| quoted(audience)).collect();
        Self { issuer, audiences, exp: Finder::new(b"\"exp\":").into_owned() }
    }

    /// Whether something of a good token is missing in its plain spelling, or the token has expired. It may be wrong
    /// either way: the text may stand elsewhere, or be spelled with escapes.
    pub(super) fn doubts(&self, payload: &[u8], policy: &Policy, now: UnixTime) -> bool {
        let lacks = |finder: &Finder<'_>| finder.find(payload).is_none();
        self.issuer.as_ref().is_some_and(lacks)
            || (!self.audiences.is_empty() && self.audiences.iter().all(lacks))
            || self.exp(payload).is_none_or(|exp| now >= exp.saturating_add(policy.leeway))
    }

    /// The first `exp`, if it is a plain number of seconds.
    fn exp(&self, payload: &[u8]) -> Option<UnixTime> {
        let value = payload.get(self.exp.find(payload)? + self.exp.needle().len()..)?.trim_ascii_start();
        let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let whole = matches!(value.get(digits), Some(b',' | b'}' | b' ' | b'\r' | b'\n' | b'\t'));
        let digits = std::str::from_utf8(value.get(..digits)?).ok()?;
        digits.parse().ok().filter(|_| whole).and_then(UnixTime::from_integer)
    }
}

/// Finds this text as a JSON string without needless escapes.
fn quoted(text: &str) -> Finder<'static> {
    Finder::new(serde_json::Value::from(text).to_string().as_bytes()).into_owned()
}
