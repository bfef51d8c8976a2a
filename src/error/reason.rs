//! Why a request is refused, and the one table of answers.

use std::fmt;

use http::StatusCode;

/// Why a request was refused: a stable code for metrics, logs and tests.
///
/// What the client sees depends on the reason alone; see [`Reason::status`] and [`Reason::grpc_code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The token's `alg` is not one that the authority allows.
    AlgorithmNotAllowed,
    /// No key of the authority made this signature.
    BadSignature,
    /// A browser sent the credential on behalf of another site.
    CrossSite,
    /// The token's `exp` has passed, or it is older than the authority's maximum age.
    Expired,
    /// The token is good, but its bearer may not do this.
    Forbidden,
    /// The token lacks a scope that the route requires.
    InsufficientScope,
    /// The authentication behind the token is too old or too weak (RFC 9470).
    InsufficientUserAuthentication,
    /// Whoever was asked about an opaque token says that it is not active: it has expired, was withdrawn, or is not known.
    Inactive,
    /// A claim has the wrong type or a value that the policy refuses.
    InvalidClaim,
    /// There is no key to verify with, and none to be had just now.
    KeysUnavailable,
    /// The request carries two credentials, or one that is not of the grammar.
    MalformedRequest,
    /// The token is not a compact JWS with a JSON object for header and payload.
    MalformedToken,
    /// The request carries no credential.
    Missing,
    /// A claim that the policy requires is absent.
    MissingClaim,
    /// A mistake in the service's own set-up: a handler that asks for a token on a route without the layer.
    NotConfigured,
    /// The token's `nbf` or `iat` lies in the future.
    NotYetValid,
    /// A check that needs another system could not be made.
    RevocationUnavailable,
    /// The token was withdrawn.
    Revoked,
    /// The token is longer than the limit.
    TokenTooLong,
    /// The token's `iss` is not that of a configured authority.
    UnknownIssuer,
    /// The token's `kid` (or its lack of one) picks no key of the authority.
    UnknownKey,
    /// The token's `aud` does not name this service.
    WrongAudience,
    /// The token is of another kind: an ID token, a refresh token, a logout token.
    WrongType,
}

/// One row of the table of answers.
struct Answer {
    code: &'static str,
    status: StatusCode,
    /// The error code of the challenge: RFC 6750 section 3.1, RFC 9470 section 3.
    challenge: Challenge,
    grpc: i32,
    /// What a client is told in words. The same for every `invalid_token`.
    text: &'static str,
}

/// The challenge that goes with a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// No `WWW-Authenticate` at all.
    None,
    /// A challenge without an error code: nothing was tried.
    Plain,
    /// A challenge with this error code.
    Error(&'static str),
}

impl Reason {
    const ALL: [Self; 23] = [
        Self::AlgorithmNotAllowed,
        Self::BadSignature,
        Self::CrossSite,
        Self::Expired,
        Self::Forbidden,
        Self::Inactive,
        Self::InsufficientScope,
        Self::InsufficientUserAuthentication,
        Self::InvalidClaim,
        Self::KeysUnavailable,
        Self::MalformedRequest,
        Self::MalformedToken,
        Self::Missing,
        Self::MissingClaim,
        Self::NotConfigured,
        Self::NotYetValid,
        Self::RevocationUnavailable,
        Self::Revoked,
        Self::TokenTooLong,
        Self::UnknownIssuer,
        Self::UnknownKey,
        Self::WrongAudience,
        Self::WrongType,
    ];

    /// The one table: reason -> code, HTTP status, challenge, gRPC status, public text.
    const fn answer(self) -> Answer {
        const fn row(
            code: &'static str,
            status: StatusCode,
            challenge: Challenge,
            grpc: i32,
            text: &'static str,
        ) -> Answer {
            Answer { code, status, challenge, grpc, text }
        }
        const fn invalid_token(code: &'static str) -> Answer {
            let text = "The access token is invalid";
            row(code, StatusCode::UNAUTHORIZED, Challenge::Error("invalid_token"), 16, text)
        }
        const fn unavailable(code: &'static str) -> Answer {
            let text = "Authentication is unavailable just now";
            row(code, StatusCode::SERVICE_UNAVAILABLE, Challenge::None, 14, text)
        }
        match self {
            Self::AlgorithmNotAllowed => invalid_token("algorithm_not_allowed"),
            Self::BadSignature => invalid_token("bad_signature"),
            Self::CrossSite => row(
                "cross_site",
                StatusCode::FORBIDDEN,
                Challenge::None,
                7,
                "The request comes from another site",
            ),
            Self::Expired => invalid_token("expired"),
            Self::Forbidden => {
                row("forbidden", StatusCode::FORBIDDEN, Challenge::None, 7, "The request is not permitted")
            }
            Self::InsufficientScope => row(
                "insufficient_scope",
                StatusCode::FORBIDDEN,
                Challenge::Error("insufficient_scope"),
                7,
                "The access token lacks a scope",
            ),
            Self::InsufficientUserAuthentication => row(
                "insufficient_user_authentication",
                StatusCode::UNAUTHORIZED,
                Challenge::Error("insufficient_user_authentication"),
                16,
                "A stronger or more recent authentication is required",
            ),
            Self::Inactive => invalid_token("inactive"),
            Self::InvalidClaim => invalid_token("invalid_claim"),
            Self::KeysUnavailable => unavailable("keys_unavailable"),
            Self::MalformedRequest => row(
                "malformed_request",
                StatusCode::BAD_REQUEST,
                Challenge::Error("invalid_request"),
                16,
                "The request does not carry exactly one well-formed credential",
            ),
            Self::MalformedToken => invalid_token("malformed_token"),
            Self::Missing => row(
                "missing",
                StatusCode::UNAUTHORIZED,
                Challenge::Plain,
                16,
                "The request carries no access token",
            ),
            Self::MissingClaim => invalid_token("missing_claim"),
            Self::NotConfigured => row(
                "not_configured",
                StatusCode::INTERNAL_SERVER_ERROR,
                Challenge::None,
                13,
                "The service is not set up correctly",
            ),
            Self::NotYetValid => invalid_token("not_yet_valid"),
            Self::RevocationUnavailable => unavailable("revocation_unavailable"),
            Self::Revoked => invalid_token("revoked"),
            Self::TokenTooLong => invalid_token("token_too_long"),
            Self::UnknownIssuer => invalid_token("unknown_issuer"),
            Self::UnknownKey => invalid_token("unknown_key"),
            Self::WrongAudience => invalid_token("wrong_audience"),
            Self::WrongType => invalid_token("wrong_type"),
        }
    }

    /// Every reason there is, for tests and for metrics that want their labels in advance.
    #[must_use]
    pub const fn all() -> &'static [Self] {
        &Self::ALL
    }

    /// The stable code of this reason, such as `expired`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.answer().code
    }

    /// The HTTP status of the refusal (RFC 6750 section 3.1).
    #[must_use]
    pub const fn status(self) -> StatusCode {
        self.answer().status
    }

    /// The gRPC status of the refusal: 16 unauthenticated, 7 permission denied, 14 unavailable, 13 internal.
    #[must_use]
    pub const fn grpc_code(self) -> i32 {
        self.answer().grpc
    }

    /// What the client is told in words; the same for every bad token.
    #[must_use]
    pub const fn public_text(self) -> &'static str {
        self.answer().text
    }

    /// The code that the client is told: the OAuth error code of the challenge (RFC 6750 section 3.1, RFC 9470 section
    /// 3), the same for every bad token, or [`Reason::as_str`] where a refusal has none.
    ///
    /// ```
    /// use tower_jwt_auth::Reason;
    ///
    /// assert_eq!(Reason::Expired.public_code(), "invalid_token");
    /// assert_eq!(Reason::Missing.public_code(), "missing");
    /// ```
    #[must_use]
    pub const fn public_code(self) -> &'static str {
        match self.challenge() {
            Challenge::Error(code) => code,
            Challenge::Plain | Challenge::None => self.as_str(),
        }
    }

    pub(crate) const fn challenge(self) -> Challenge {
        self.answer().challenge
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_answers() {
        // Handwritten, from RFC 6750, RFC 9470 and the gRPC status codes.
        let expected = [
            ("algorithm_not_allowed", 401, Challenge::Error("invalid_token"), 16),
            ("bad_signature", 401, Challenge::Error("invalid_token"), 16),
            ("cross_site", 403, Challenge::None, 7),
            ("expired", 401, Challenge::Error("invalid_token"), 16),
            ("forbidden", 403, Challenge::None, 7),
            ("inactive", 401, Challenge::Error("invalid_token"), 16),
            ("insufficient_scope", 403, Challenge::Error("insufficient_scope"), 7),
            (
                "insufficient_user_authentication",
                401,
                Challenge::Error("insufficient_user_authentication"),
                16,
            ),
            ("invalid_claim", 401, Challenge::Error("invalid_token"), 16),
            ("keys_unavailable", 503, Challenge::None, 14),
            ("malformed_request", 400, Challenge::Error("invalid_request"), 16),
            ("malformed_token", 401, Challenge::Error("invalid_token"), 16),
            ("missing", 401, Challenge::Plain, 16),
            ("missing_claim", 401, Challenge::Error("invalid_token"), 16),
            ("not_configured", 500, Challenge::None, 13),
            ("not_yet_valid", 401, Challenge::Error("invalid_token"), 16),
            ("revocation_unavailable", 503, Challenge::None, 14),
            ("revoked", 401, Challenge::Error("invalid_token"), 16),
            ("token_too_long", 401, Challenge::Error("invalid_token"), 16),
            ("unknown_issuer", 401, Challenge::Error("invalid_token"), 16),
            ("unknown_key", 401, Challenge::Error("invalid_token"), 16),
            ("wrong_audience", 401, Challenge::Error("invalid_token"), 16),
            ("wrong_type", 401, Challenge::Error("invalid_token"), 16),
        ];
        let actual: Vec<_> = Reason::all()
            .iter()
            .map(|r| (r.as_str(), r.status().as_u16(), r.challenge(), r.grpc_code()))
            .collect();
        assert_eq!(actual, expected);
    }

    #[test]
    fn all_bad_tokens_read_the_same() {
        let texts: std::collections::BTreeSet<_> = Reason::all()
            .iter()
            .filter(|r| r.challenge() == Challenge::Error("invalid_token"))
            .map(|r| r.public_text())
            .collect();
        assert_eq!(texts.len(), 1);
    }
}
