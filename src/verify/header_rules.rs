//! What an assertion of a load balancer must say in its header, where it says what other tokens say in claims.

use serde_json::{Map, Value};

use crate::error::{AuthError, Reason};
use crate::runtime::UnixTime;

/// Rules for members of the header that stand for claims. They are under the signature, too. RFC 7519 section 5.3 has
/// such members for encrypted tokens only.
#[derive(Clone, Debug)]
pub(crate) struct HeaderRules {
    pub(crate) members: Vec<HeaderRule>,
}

/// A member that must be one of these strings.
#[derive(Clone, Debug)]
pub(crate) struct HeaderRule {
    pub(crate) name: &'static str,
    pub(crate) one_of: Vec<String>,
    /// Why a token with another one is refused.
    pub(crate) reason: Reason,
}

impl HeaderRules {
    /// When the token expires, by its header, which was read strictly before.
    ///
    /// # Errors
    /// If a member lacks or is another one. Whether the token has expired is judged with its claims.
    pub(super) fn check(&self, header: &[u8]) -> Result<UnixTime, AuthError> {
        let members: Map<String, Value> =
            serde_json::from_slice(header).map_err(|_| Reason::MalformedToken)?;
        let refused = |reason, name: &'static str| AuthError::new(reason).with_claim(name);
        for HeaderRule { name, one_of, reason } in &self.members {
            match members.get(*name) {
                Some(Value::String(text)) if one_of.contains(text) => {}
                None | Some(Value::Null) => return Err(refused(Reason::MissingClaim, name)),
                Some(_) => return Err(refused(*reason, name)),
            }
        }
        let exp = members.get("exp").ok_or_else(|| refused(Reason::MissingClaim, "exp"))?;
        serde_json::from_value(exp.clone()).map_err(|_| refused(Reason::InvalidClaim, "exp"))
    }
}
