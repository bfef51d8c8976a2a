//! The `WWW-Authenticate` values of one layer (RFC 6750 section 3), made once but for those that name a scope.

use std::fmt::Write as _;
use std::sync::LazyLock;

use http::header::{CACHE_CONTROL, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue};

use crate::error::{Challenge, ChallengeParams, ConfigError, Reason};

/// Said when the user names no realm: RFC 6750 wants at least one parameter behind `Bearer`.
const DEFAULT_REALM: &str = "api";

/// The challenges that a layer answers with. Making them in advance keeps a refusal free of formatting.
#[derive(Clone, Debug)]
pub(crate) struct Challenges {
    plain: Prepared,
    invalid_token: Prepared,
    invalid_request: Prepared,
    insufficient_scope: Prepared,
    insufficient_user_authentication: Prepared,
}

/// A challenge, and the headers of the usual answer with it: a copy costs less than putting them together.
#[derive(Clone, Debug)]
struct Prepared {
    challenge: HeaderValue,
    headers: HeaderMap,
}

impl Prepared {
    fn new(challenge: HeaderValue) -> Self {
        let mut headers = no_store();
        headers.insert(WWW_AUTHENTICATE, challenge.clone());
        Self { challenge, headers }
    }
}

/// The headers of an answer without a challenge.
fn no_store() -> HeaderMap {
    HeaderMap::from_iter([(CACHE_CONTROL, HeaderValue::from_static("no-store"))])
}

impl Challenges {
    /// # Errors
    /// If the realm has a character that a quoted string would have to escape: many clients do not unescape.
    pub(crate) fn new(realm: &str) -> Result<Self, ConfigError> {
        if realm.is_empty() || !is_quotable(realm) {
            return Err(ConfigError::new(
                "realm",
                format!("{realm:?} cannot be written into a challenge"),
                "use printable ASCII without quotes and backslashes",
            ));
        }
        Ok(Self::with_quotable(realm))
    }

    fn with_quotable(realm: &str) -> Self {
        Self::of_values(texts(realm).map(|text| value(&text)))
    }

    fn of_values(values: [HeaderValue; 5]) -> Self {
        let [plain, invalid_token, invalid_request, insufficient_scope, insufficient_user_authentication] =
            values.map(Prepared::new);
        Self { plain, invalid_token, invalid_request, insufficient_scope, insufficient_user_authentication }
    }

    /// The challenge for this reason, if one belongs to it, with what would help.
    pub(crate) fn of(&self, reason: Reason, params: Option<&ChallengeParams>) -> Option<HeaderValue> {
        let challenge = &self.prepared(reason)?.challenge;
        Some(match params {
            None => challenge.clone(),
            Some(params) => with_params(challenge, params),
        })
    }

    /// The headers of an answer in HTTP: the challenge, and that nobody stores it.
    pub(crate) fn headers(&self, reason: Reason, params: Option<&ChallengeParams>) -> HeaderMap {
        let Some(prepared) = self.prepared(reason) else { return no_store() };
        let mut headers = prepared.headers.clone();
        if let Some(params) = params {
            headers.insert(WWW_AUTHENTICATE, with_params(&prepared.challenge, params));
        }
        headers
    }

    fn prepared(&self, reason: Reason) -> Option<&Prepared> {
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
        // Of constants, so that copies of the usual challenges count no references.
        static TEXTS: LazyLock<[String; 5]> = LazyLock::new(|| texts(DEFAULT_REALM));
        Self::of_values(TEXTS.each_ref().map(|text| HeaderValue::from_static(text)))
    }
}

/// The challenges of a quotable realm, in the order of the fields of [`Challenges`].
fn texts(realm: &str) -> [String; 5] {
    let plain = format!("Bearer realm=\"{realm}\"");
    let with_code = |reason: Reason| match reason.challenge() {
        Challenge::Error(code) => {
            format!("{plain}, error=\"{code}\", error_description=\"{}\"", reason.public_text())
        }
        Challenge::Plain | Challenge::None => plain.clone(),
    };
    [
        plain.clone(),
        with_code(Reason::BadSignature),
        with_code(Reason::MalformedRequest),
        with_code(Reason::InsufficientScope),
        with_code(Reason::InsufficientUserAuthentication),
    ]
}

fn with_params(challenge: &HeaderValue, params: &ChallengeParams) -> HeaderValue {
    let mut text = challenge.to_str().unwrap_or_default().to_owned();
    for (name, values) in [("scope", &params.scope), ("acr_values", &params.acr_values)] {
        if let Some(values) = values.as_ref().filter(|values| is_quotable(values)) {
            let _ = write!(text, ", {name}=\"{values}\"");
        }
    }
    if let Some(max_age) = params.max_age {
        let _ = write!(text, ", max_age=\"{}\"", max_age.as_secs());
    }
    value(&text)
}

/// RFC 6750 section 3: `%x20-21 / %x23-5B / %x5D-7E`.
pub(crate) fn is_quotable(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, 0x20..=0x21 | 0x23..=0x5B | 0x5D..=0x7E))
}

/// Quotable text is always a header value.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("Bearer"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn text(value: Option<HeaderValue>) -> Option<String> {
        value.map(|value| value.to_str().unwrap().to_owned())
    }

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
            assert_eq!(text(challenges.of(*reason, None)), expected, "{reason}");
        }
    }

    #[test]
    fn parameters_are_told_but_never_escaped() {
        let challenges = Challenges::new("r").unwrap();
        let params = ChallengeParams {
            scope: Some("a b".to_owned()),
            acr_values: Some("gold silver".to_owned()),
            max_age: Some(Duration::from_secs(300)),
        };
        let expected = "Bearer realm=\"r\", error=\"insufficient_scope\", error_description=\"The access token \
            lacks a scope\", scope=\"a b\", acr_values=\"gold silver\", max_age=\"300\"";
        assert_eq!(text(challenges.of(Reason::InsufficientScope, Some(&params))).as_deref(), Some(expected));
        let hostile =
            ChallengeParams { scope: Some("a\", error=\"x".to_owned()), ..ChallengeParams::default() };
        let plain = text(challenges.of(Reason::InsufficientScope, Some(&hostile)));
        assert_eq!(plain, text(challenges.of(Reason::InsufficientScope, None)));
        assert_eq!(challenges.of(Reason::Forbidden, Some(&params)), None);
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
