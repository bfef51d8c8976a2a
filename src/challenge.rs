//! The `WWW-Authenticate` values of one layer, made once (RFC 6750 section 3).

use http::HeaderValue;

use crate::error::{Challenge, ConfigError, Reason};

/// Said when the user names no realm: RFC 6750 wants at least one parameter behind `Bearer`.
const DEFAULT_REALM: &str = "api";

/// The challenges that a layer answers with. Making them in advance keeps a refusal free of formatting.
#[derive(Debug)]
pub(crate) struct Challenges {
    plain: HeaderValue,
    invalid_token: HeaderValue,
    invalid_request: HeaderValue,
    insufficient_scope: HeaderValue,
    insufficient_user_authentication: HeaderValue,
}

impl Challenges {
    /// # Errors
    /// If the realm has a character that a quoted string would have to escape: many clients do not unescape.
    pub(crate) fn new(realm: &str) -> Result<Self, ConfigError> {
        if realm.is_empty() || !realm.bytes().all(is_quotable) {
            return Err(ConfigError::new(
                "realm",
                format!("{realm:?} cannot be written into a challenge"),
                "use printable ASCII without quotes and backslashes",
            ));
        }
        Ok(Self::with_quotable(realm))
    }

    fn with_quotable(realm: &str) -> Self {
        let plain = format!("Bearer realm=\"{realm}\"");
        // Quotable text is always a header value.
        let value =
            |text: &str| HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("Bearer"));
        let with_code = |reason: Reason| match reason.challenge() {
            Challenge::Error(code) => {
                value(&format!("{plain}, error=\"{code}\", error_description=\"{}\"", reason.public_text()))
            }
            Challenge::Plain | Challenge::None => value(&plain),
        };
        Self {
            plain: value(&plain),
            invalid_token: with_code(Reason::BadSignature),
            invalid_request: with_code(Reason::MalformedRequest),
            insufficient_scope: with_code(Reason::InsufficientScope),
            insufficient_user_authentication: with_code(Reason::InsufficientUserAuthentication),
        }
    }

    /// The challenge for this reason, if one belongs to it.
    pub(crate) fn of(&self, reason: Reason) -> Option<&HeaderValue> {
        match reason.challenge() {
            Challenge::None => None,
            Challenge::Plain => Some(&self.plain),
            Challenge::Error("invalid_request") => Some(&self.invalid_request),
            Challenge::Error("insufficient_scope") => Some(&self.insufficient_scope),
            Challenge::Error("insufficient_user_authentication") => {
                Some(&self.insufficient_user_authentication)
            }
            Challenge::Error(_) => Some(&self.invalid_token),
        }
    }
}

impl Default for Challenges {
    fn default() -> Self {
        Self::with_quotable(DEFAULT_REALM)
    }
}

/// RFC 6750 section 3: `%x20-21 / %x23-5B / %x5D-7E`.
const fn is_quotable(byte: u8) -> bool {
    matches!(byte, 0x20..=0x21 | 0x23..=0x5B | 0x5D..=0x7E)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_the_challenge_of_its_row() {
        let challenges = Challenges::default();
        let bearer = "Bearer realm=\"api\"";
        for reason in Reason::all() {
            let expected = match reason.challenge() {
                Challenge::None => None,
                Challenge::Plain => Some(bearer.to_owned()),
                Challenge::Error(code) => Some(format!(
                    "{bearer}, error=\"{code}\", error_description=\"{}\"",
                    reason.public_text()
                )),
            };
            let actual = challenges.of(*reason).map(|value| value.to_str().unwrap().to_owned());
            assert_eq!(actual, expected, "{reason}");
        }
    }

    #[test]
    fn a_realm_that_needs_escaping_is_refused() {
        assert!(Challenges::new("orders api").is_ok());
        for realm in ["", "a\"b", "a\\b", "a\nb", "caf\u{e9}"] {
            let error = Challenges::new(realm).unwrap_err();
            assert_eq!(error.setting(), "realm");
        }
    }
}
