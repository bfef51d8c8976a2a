//! The claim rules of one authority: pure functions of notes and time.

use std::sync::Arc;
use std::time::Duration;

use super::header_rules::HeaderRules;
use super::issuer_rule::IssuerRule;
use super::purpose::Purpose;
use crate::error::{AuthError, Reason};
use crate::jose::{ClaimName, ClaimValue, Padding, RegisteredClaims, same_media_type};
use crate::runtime::UnixTime;

/// The claim rules of one authority.
#[derive(Debug)]
pub(super) struct Policy {
    pub(super) issuer: IssuerRule,
    /// `None`: any, or none at all.
    pub(super) audiences: Option<Vec<String>>,
    pub(super) subject: Option<String>,
    pub(super) kind: TokenKind,
    /// The one `typ` that is accepted, if the kind's own rule is not wanted.
    pub(super) typ: Option<String>,
    pub(super) required: Vec<Arc<str>>,
    pub(super) leeway: Duration,
    pub(super) max_age: Option<Duration>,
    pub(super) audience_elements: usize,
    /// Rules for members of the header that stand for claims.
    pub(super) header: Option<HeaderRules>,
    /// A number in `sub` or `jti` is read as text.
    pub(super) numeric_ids_as_text: bool,
    pub(super) purpose: Purpose,
    /// What counts where there is no `exp`.
    pub(super) exp_unless_said: Option<UnixTime>,
}

/// The kinds of token that an authority can be told to accept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// Access tokens as providers really send them.
    #[default]
    Access,
    /// Access tokens of RFC 9068 and no others.
    Rfc9068,
    /// ID tokens of OpenID Connect.
    Id,
    /// Logout tokens of OpenID Connect Back-Channel Logout.
    #[cfg(feature = "feeds")]
    Logout {
        /// The standard did without `exp` until 2023.
        exp_may_lack: bool,
    },
    /// Security Event Tokens (RFC 8417).
    #[cfg(feature = "feeds")]
    SecurityEvent,
    /// What somebody answers about an opaque access token.
    Opaque,
    /// What an authorization server answers about a token of others, signed (RFC 9701).
    SignedAnswer,
}

impl TokenKind {
    /// Whether it tells of events. No other kind may have `events`.
    const fn tells_of_events(self) -> bool {
        #[cfg(feature = "feeds")]
        return matches!(self, Self::Logout { .. } | Self::SecurityEvent);
        #[cfg(not(feature = "feeds"))]
        false
    }

    /// When a token without `exp` expires, if it may be without.
    #[cfg_attr(not(feature = "feeds"), allow(unused_variables, clippy::unused_self))]
    fn expires_without_exp(self, iat: Option<UnixTime>) -> Option<UnixTime> {
        #[cfg(feature = "feeds")]
        return match (self, iat) {
            (Self::Logout { exp_may_lack: true }, Some(iat)) => Some(iat.saturating_add(LOGOUT_LIFETIME)),
            // What has happened stays true, and may be told late (RFC 8417 section 2.2).
            (Self::SecurityEvent, Some(_)) => Some(UnixTime::LATEST),
            _ => None,
        };
        #[cfg(not(feature = "feeds"))]
        None
    }
}

/// How long a logout token without `exp` is taken: twice what OpenID Connect Back-Channel Logout section 2.4 recommends.
#[cfg(feature = "feeds")]
const LOGOUT_LIFETIME: Duration = Duration::from_secs(240);

/// OpenID Connect Core section 2.
const ID_TOKEN_CLAIMS: [&str; 5] = ["iss", "sub", "aud", "exp", "iat"];

/// OpenID Connect Back-Channel Logout section 2.4, and RFC 8417 section 2.2. `aud` is required by the authority.
#[cfg(feature = "feeds")]
const EVENT_CLAIMS: [&str; 3] = ["iss", "iat", "jti"];

/// RFC 9068 section 2.2.
const RFC_9068_CLAIMS: [&str; 7] = ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"];

/// RFC 9701 section 5.
const SIGNED_ANSWER_CLAIMS: [&str; 3] = ["iss", "aud", "iat"];
const SIGNED_ANSWER_TYPE: &str = "token-introspection+jwt";

/// Marks in an answer about a token that is not for access, or is bound to a key (RFC 9449 section 6.2).
const OTHER_ANSWERS: [&str; 2] = ["dpop", "refresh_token"];

/// Whether a claim `typ` (Keycloak), `token_type` or `type` (widespread web frameworks) marks a token that is not for
/// access.
fn is_other_kind(mark: &str) -> bool {
    const OTHER_KINDS: [&str; 9] = [
        "id",
        "id_token",
        "initialaccesstoken",
        "logout",
        "logout+jwt",
        "offline",
        "refresh",
        "registrationaccesstoken",
        "serialized-id",
    ];
    OTHER_KINDS.iter().any(|kind| kind.eq_ignore_ascii_case(mark))
}

fn refuse(reason: Reason, claim: &'static str) -> Result<(), AuthError> {
    Err(AuthError::new(reason).with_claim(claim))
}

impl Policy {
    /// Judges the header's `typ` (RFC 8725 section 3.11).
    pub(super) fn check_typ(&self, typ: Option<&str>) -> Result<(), AuthError> {
        let is = |accepted: &str| typ.is_some_and(|typ| same_media_type(typ, accepted));
        let good = match (&self.typ, self.kind) {
            (_, TokenKind::SignedAnswer) => is(SIGNED_ANSWER_TYPE),
            (Some(only), _) => is(only),
            (None, TokenKind::Access) => typ.is_none() || is("JWT") || is("at+jwt"),
            (None, TokenKind::Rfc9068) => is("at+jwt"),
            (None, TokenKind::Id) => typ.is_none() || is("JWT"),
            #[cfg(feature = "feeds")]
            (None, TokenKind::Logout { .. }) => typ.is_none() || is("JWT") || is("logout+jwt"),
            #[cfg(feature = "feeds")]
            (None, TokenKind::SecurityEvent) => is("secevent+jwt"),
            (None, TokenKind::Opaque) => false,
        };
        if good { Ok(()) } else { refuse(Reason::WrongType, "typ") }
    }

    /// How segments are written. What has its claims in its header is the load balancer that pads them.
    pub(super) const fn padding(&self) -> Padding {
        if self.header.is_some() { Padding::Required } else { Padding::Refused }
    }

    /// Judges the claims. Gives back `exp`.
    pub(super) fn check_claims(
        &self,
        registered_claims: &RegisteredClaims<'_>,
        now: UnixTime,
    ) -> Result<UnixTime, AuthError> {
        self.check_strings(registered_claims)?;
        self.check_kind(registered_claims)?;
        self.check_issuer(registered_claims)?;
        self.check_audience(registered_claims)?;
        let exp = self.check_times(registered_claims, now)?;
        self.check_subject(registered_claims)?;
        self.check_required(registered_claims)?;
        Ok(exp)
    }

    /// RFC 7519 section 4.1: these are strings wherever they stand.
    fn check_strings(&self, registered_claims: &RegisteredClaims<'_>) -> Result<(), AuthError> {
        for slot in [ClaimName::Iss, ClaimName::Sub, ClaimName::Jti] {
            if !matches!(registered_claims.get(slot), ClaimValue::Absent | ClaimValue::Text(_)) {
                return refuse(Reason::InvalidClaim, slot.name());
            }
        }
        Ok(())
    }

    /// A token of another kind, signed with the same key, must not pass for one of this kind.
    fn check_kind(&self, registered_claims: &RegisteredClaims<'_>) -> Result<(), AuthError> {
        let id = self.kind == TokenKind::Id;
        for slot in [ClaimName::AtHash, ClaimName::CHash] {
            if !id && !registered_claims.get(slot).is_absent() {
                return refuse(Reason::WrongType, slot.name());
            }
        }
        let tells_of_events = self.kind.tells_of_events();
        if registered_claims.get(ClaimName::Events).is_absent() == tells_of_events {
            return refuse(Reason::WrongType, "events");
        }
        let token_use = if id { "id" } else { "access" };
        let is_opaque = self.kind == TokenKind::Opaque;
        match registered_claims.get(ClaimName::TokenUse) {
            ClaimValue::Absent => {}
            ClaimValue::Text(text) if text == token_use && !tells_of_events => {}
            ClaimValue::Text(text) if is_opaque && text == "access_token" => {}
            _ => return refuse(Reason::WrongType, "token_use"),
        }
        for slot in [ClaimName::Typ, ClaimName::Type, ClaimName::TokenType] {
            let marks = match registered_claims.get(slot) {
                ClaimValue::Text(mark) => std::slice::from_ref(mark),
                ClaimValue::Texts(marks) => marks.as_slice(),
                _ => &[],
            };
            let accepted = |mark: &str| {
                let mark = mark.to_ascii_lowercase();
                match self.kind {
                    TokenKind::Id => matches!(mark.as_str(), "id" | "id_token"),
                    #[cfg(feature = "feeds")]
                    TokenKind::Logout { .. } => matches!(mark.as_str(), "logout" | "logout+jwt"),
                    _ => false,
                }
            };
            let of_another_answer =
                |mark: &str| is_opaque && OTHER_ANSWERS.iter().any(|other| other.eq_ignore_ascii_case(mark));
            let refused = |mark: &str| is_other_kind(mark) && !accepted(mark) || of_another_answer(mark);
            if marks.iter().any(|mark| refused(mark)) {
                return refuse(Reason::WrongType, slot.name());
            }
        }
        // RFC 7800 section 3.1: the bearer would have to prove a key, and nothing here asks for the proof.
        if self.purpose.refuses_bound_tokens() && !registered_claims.get(ClaimName::Cnf).is_absent() {
            return refuse(Reason::InvalidClaim, "cnf");
        }
        Ok(())
    }

    fn check_issuer(&self, registered_claims: &RegisteredClaims<'_>) -> Result<(), AuthError> {
        match (&self.issuer, registered_claims.get(ClaimName::Iss)) {
            (IssuerRule::Any, _) => Ok(()),
            (_, ClaimValue::Absent) => refuse(Reason::MissingClaim, "iss"),
            (rule, ClaimValue::Text(text)) if rule.takes(text) => Ok(()),
            (rule, ClaimValue::Text(text)) => Err(rule.refuse(text)),
            _ => refuse(Reason::UnknownIssuer, "iss"),
        }
    }

    /// Whole elements only, and no other type than RFC 7519 section 4.1.3 has.
    fn check_audience(&self, registered_claims: &RegisteredClaims<'_>) -> Result<(), AuthError> {
        let accepted = |text: &str| self.audiences.iter().flatten().any(|audience| audience == text);
        let named = match registered_claims.get(ClaimName::Aud) {
            ClaimValue::Absent if self.audiences.is_some() => return refuse(Reason::MissingClaim, "aud"),
            ClaimValue::Absent => return Ok(()),
            ClaimValue::Text(text) => accepted(text),
            ClaimValue::Texts(texts) if texts.len() <= self.audience_elements => {
                texts.iter().any(|text| accepted(text))
            }
            _ => return refuse(Reason::InvalidClaim, "aud"),
        };
        if named || self.audiences.is_none() { Ok(()) } else { refuse(Reason::WrongAudience, "aud") }
    }

    /// RFC 7519 sections 4.1.4 to 4.1.6.
    fn check_times(
        &self,
        registered_claims: &RegisteredClaims<'_>,
        now: UnixTime,
    ) -> Result<UnixTime, AuthError> {
        let date = |slot: ClaimName| match registered_claims.get(slot) {
            ClaimValue::Absent => Ok(None),
            ClaimValue::Date(date) => Ok(Some(*date)),
            _ => Err(AuthError::new(Reason::InvalidClaim).with_claim(slot.name())),
        };
        let missing = |slot: ClaimName| AuthError::new(Reason::MissingClaim).with_claim(slot.name());
        let (exp, nbf, iat) = (date(ClaimName::Exp)?, date(ClaimName::Nbf)?, date(ClaimName::Iat)?);
        // If the header says it as well, the earlier counts.
        let exp = exp
            .into_iter()
            .chain(registered_claims.expires())
            .chain(self.latest_expiry())
            .min()
            .or(self.exp_unless_said)
            .or_else(|| self.kind.expires_without_exp(iat))
            .ok_or_else(|| missing(ClaimName::Exp))?;
        self.judge_times((exp, nbf, iat), now)?;
        Ok(exp)
    }

    /// When a token expires that need not say so (RFC 7662 section 2.2, RFC 9701 section 5).
    fn latest_expiry(&self) -> Option<UnixTime> {
        matches!(self.kind, TokenKind::Opaque | TokenKind::SignedAnswer).then_some(UnixTime::LATEST)
    }

    /// Judges `exp`, `nbf` and `iat`. It is asked again each time that a token comes which was found good before.
    pub(super) fn judge_times(
        &self,
        (exp, nbf, iat): (UnixTime, Option<UnixTime>, Option<UnixTime>),
        now: UnixTime,
    ) -> Result<(), AuthError> {
        let missing = |slot: ClaimName| AuthError::new(Reason::MissingClaim).with_claim(slot.name());
        if now >= exp.saturating_add(self.leeway) {
            return Err(AuthError::new(Reason::Expired).with_claim("exp"));
        }
        let latest_start = now.saturating_add(self.leeway);
        for (slot, start) in [(ClaimName::Nbf, nbf), (ClaimName::Iat, iat)] {
            if self.purpose.waits_for_the_start() && start.is_some_and(|start| start > latest_start) {
                return Err(AuthError::new(Reason::NotYetValid).with_claim(slot.name()));
            }
        }
        if let Some(max_age) = self.max_age {
            let iat = iat.ok_or_else(|| missing(ClaimName::Iat))?;
            if now >= iat.saturating_add(max_age).saturating_add(self.leeway) {
                return Err(AuthError::new(Reason::Expired).with_claim("iat"));
            }
        }
        Ok(())
    }

    fn check_subject(&self, registered_claims: &RegisteredClaims<'_>) -> Result<(), AuthError> {
        match (&self.subject, registered_claims.get(ClaimName::Sub)) {
            (None, _) => Ok(()),
            (Some(subject), ClaimValue::Text(text)) if subject == text => Ok(()),
            (Some(_), ClaimValue::Absent) => refuse(Reason::MissingClaim, "sub"),
            (Some(_), _) => refuse(Reason::InvalidClaim, "sub"),
        }
    }

    fn check_required(&self, registered_claims: &RegisteredClaims<'_>) -> Result<(), AuthError> {
        let missing =
            |name: &str| matches!(registered_claims.find(name), ClaimValue::Absent | ClaimValue::Null);
        if let Some(name) = self.required.iter().find(|name| missing(name)) {
            return Err(AuthError::new(Reason::MissingClaim).with_claim(name.to_string()));
        }
        let of_kind: &[&'static str] = match self.kind {
            TokenKind::Access | TokenKind::Opaque => &[],
            TokenKind::SignedAnswer => &SIGNED_ANSWER_CLAIMS,
            TokenKind::Rfc9068 => &RFC_9068_CLAIMS,
            TokenKind::Id => &ID_TOKEN_CLAIMS,
            #[cfg(feature = "feeds")]
            TokenKind::Logout { .. } | TokenKind::SecurityEvent => &EVENT_CLAIMS,
        };
        if let Some(name) = of_kind.iter().find(|name| missing(name)) {
            return refuse(Reason::MissingClaim, name);
        }
        if self.kind == TokenKind::Rfc9068
            && !matches!(registered_claims.get(ClaimName::ClientId), ClaimValue::Text(_))
        {
            return refuse(Reason::InvalidClaim, "client_id");
        }
        Ok(())
    }
}
