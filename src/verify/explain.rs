//! Why a token is refused, in words, for the developer at the desk.

use std::fmt;

use serde_json::{Map, Value};

use super::authorities::SelectedAuthority;
use super::claims_type::ClaimsType;
use super::policy::Policy;
use super::ready_authority::ReadyAuthority;
use super::verifier::Verifier;
use crate::error::{AuthError, Reason};
use crate::jose;
use crate::keys::KeySource;
use crate::revocation::{Revocations, TokenFacts};
use crate::runtime::UnixTime;

/// What [`Verifier::explain`] found: the verdict, what the token says, and the remedy.
///
/// It shows claims and settings. Print it at your desk or in a test; never send it to a client.
#[derive(Clone, Debug)]
pub struct Explanation {
    verdict: Verdict,
    lines: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
enum Verdict {
    Accepted,
    Refused(Reason),
    /// Keys or checks are not at hand.
    Undecided,
}

impl Explanation {
    /// The reason, if the token is refused.
    #[must_use]
    pub const fn refused(&self) -> Option<Reason> {
        match self.verdict {
            Verdict::Refused(reason) => Some(reason),
            Verdict::Accepted | Verdict::Undecided => None,
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.verdict {
            Verdict::Accepted => f.write_str("accepted")?,
            Verdict::Refused(reason) => write!(f, "refused: {reason}")?,
            Verdict::Undecided => f.write_str("undecided: keys or checks are not at hand; await verify()")?,
        }
        self.lines.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

impl<C: ClaimsType> Verifier<C> {
    /// Says in words what this verifier makes of a token: the rule that refuses it, and the remedy.
    ///
    /// ```
    /// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
    /// # #[cfg(feature = "test-util")] {
    /// use tower_jwt_auth::{Claims, TestIssuer, Verifier};
    ///
    /// let issuer = TestIssuer::new("https://test");
    /// let verifier = Verifier::<Claims>::new(issuer.authority())?;
    /// let token = issuer.sign(serde_json::json!({ "aud": "somebody-else" }));
    /// let text = verifier.explain(&token).to_string();
    /// assert!(text.starts_with("refused: wrong_audience"));
    /// assert!(text.contains("somebody-else"));
    /// # }
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn explain(&self, token: &str) -> Explanation {
        let opaque = self.opaque_authority(token.as_bytes());
        let read = match opaque.and_then(|authority| authority.opaque.as_ref()) {
            Some(opaque) => Unverified::of_answer(opaque.asking.claims_at_hand(token).as_deref()),
            None => Unverified::read(token),
        };
        let mut lines = Vec::new();
        if let Some(authority) = opaque {
            lines.push(format!("an opaque token of {}", authority.name));
        }
        if let Some(header) = &read.header {
            lines.push(format!("header: {}", Value::Object(header.clone())));
        }
        if let Some(claims) = &read.claims {
            lines.push(format!("claims: {}", Value::Object(claims.clone())));
        }
        let verdict = match self.verify(token).into_now() {
            Ok(Ok(_)) => Verdict::Accepted,
            Ok(Err(error)) => {
                lines.push(format!("rule: {}", self.rule(&error, &read, opaque)));
                Verdict::Refused(error.reason())
            }
            Err(_later) => {
                match opaque {
                    Some(_) => lines.push("nobody was asked about it yet".to_owned()),
                    None => lines.extend(self.not_at_hand(&read)),
                }
                Verdict::Undecided
            }
        };
        Explanation { verdict, lines }
    }

    /// What would have to be awaited, where that is known.
    fn not_at_hand(&self, read: &Unverified) -> Option<String> {
        let authorities = &self.core().authorities;
        let issuer = read.claim("iss");
        match authorities
            .only()
            .map(SelectedAuthority::Configured)
            .or_else(|| authorities.of(issuer.as_str()?))
        {
            None => Some(
                "the tenants are asked for this issuer by verify(); what they say is in the log".to_owned(),
            ),
            Some(authority) if authority.keys.load().algorithms.is_empty() => {
                Some(format!("there are no keys{}", why_no_keys(authority.keys.source())))
            }
            Some(_) => None,
        }
    }

    /// Whether it is the revocations that refuse the token, and not a check.
    fn revokes(&self, read: &Unverified) -> bool {
        let text = |name| read.claim(name).as_str().map(str::to_owned);
        let (issuer, token_id, session_id, subject) = (text("iss"), text("jti"), text("sid"), text("sub"));
        let time = |name| read.claim(name).as_u64().map(UnixTime::from_secs);
        let facts = TokenFacts {
            issuer: issuer.as_deref().unwrap_or_default(),
            token_id: token_id.as_deref(),
            session_id: session_id.as_deref(),
            subject: subject.as_deref(),
            issued_at: time("iat"),
            expires_at: time("exp").unwrap_or(UnixTime::LATEST),
            keys: None,
        };
        self.revocations().is_some_and(|revocations| revocations.revokes(&facts))
    }

    fn rule(&self, error: &AuthError, read: &Unverified, opaque: Option<&ReadyAuthority>) -> String {
        let core = self.core();
        let issuer = read.claim("iss");
        let issuer = issuer.as_str().unwrap_or_default();
        let authority = match opaque.or_else(|| core.authorities.only()) {
            Some(only) => Some(SelectedAuthority::Configured(only)),
            None => core.authorities.of(issuer),
        };
        let authority = authority.as_deref();
        let claim = error.claim().unwrap_or_default();
        let said = read.claim(claim);
        let expected = |what: &dyn Fn(&Policy) -> String| {
            authority.map_or_else(|| "(no authority chosen)".to_owned(), |authority| what(&authority.policy))
        };
        let now = core.clock.now();
        match error.reason() {
            Reason::TokenTooLong => {
                format!("a token may have {} bytes; raise Limits::token_bytes", core.limits.token_bytes)
            }
            Reason::MalformedToken if opaque.is_some() => {
                "a token has letters, digits and -._~+/ alone, and = at the end (RFC 6750 section 2.1)".to_owned()
            }
            Reason::MalformedToken if read.has_scheme => {
                "it begins with `Bearer `: give the token alone".to_owned()
            }
            Reason::MalformedToken => {
                "a token is three base64url segments without padding, header and payload \
                 JSON objects without duplicate names or names that serde_json keeps for itself, no `crit`, within the limits"
                    .to_owned()
            }
            Reason::AlgorithmNotAllowed => {
                let allowed = authority.map_or_else(
                    || "(no authority chosen)".to_owned(),
                    |authority| match (authority.keys.load().algorithms, authority.keys.allowed()) {
                        (keys, Some(allowed)) if keys.is_empty() => {
                            format!("{allowed:?}, for which there is no key")
                        }
                        (keys, _) => format!("{keys:?}"),
                    },
                );
                format!("`alg` is {}, allowed are {allowed}; see Authority::algorithms", read.header("alg"))
            }
            Reason::UnknownIssuer => {
                let known: Vec<_> =
                    core.authorities.all().map(|one| one.policy.issuer.to_string()).collect();
                let tenants = if core.authorities.tenants().is_some() {
                    ", and the tenants do not know it"
                } else {
                    ""
                };
                let almost = core.authorities.all().filter_map(|one| {
                    let difference = one.policy.issuer.difference(issuer)?;
                    Some(format!("; {difference} ({:?})", one.policy.issuer.to_string()))
                });
                let almost: String = almost.collect();
                format!(
                    "`iss` is {said}, configured are {known:?}{tenants}; a trailing slash counts, and a function that trusts tenants has to say yes{almost}"
                )
            }
            Reason::KeysUnavailable => authority.map_or_else(
                || "the tenants cannot tell who this issuer is; why is in the log".to_owned(),
                |authority| format!("there are no keys{}", why_no_keys(authority.keys.source())),
            ),
            Reason::UnknownKey => {
                let keys = authority.map(|authority| authority.keys.load());
                let kids = keys.as_ref().map(|keys| keys.kids()).unwrap_or_default();
                let count = keys.as_ref().map_or(0, |keys| keys.count());
                format!(
                    "`kid` is {}, the authority has {count} prepared keys with the kids {kids:?}; a kid must match one \
                     exactly (KeySet::with_kid names a key), and without one exactly one key may fit; of keys for several \
                     tenants only those count that say so",
                    read.header("kid")
                )
            }
            Reason::BadSignature => "the signature is of another key, or the token was changed".to_owned(),
            Reason::Expired if claim == "iat" => {
                let (age, leeway) = (
                    expected(&|policy| format!("{:?}", policy.max_age.unwrap_or_default())),
                    expected(&|policy| format!("{:?}", policy.leeway)),
                );
                format!(
                    "`iat` is {said}, the time is {}, the greatest age {age}, the leeway {leeway}; \
                     see Authority::max_age",
                    now.as_secs()
                )
            }
            Reason::Expired | Reason::NotYetValid => {
                let leeway = expected(&|policy| format!("{:?}", policy.leeway));
                format!("`{claim}` is {said}, the time is {}, the leeway {leeway}", now.as_secs())
            }
            Reason::WrongAudience => {
                let audiences =
                    expected(&|policy| format!("{:?}", policy.audiences.as_deref().unwrap_or_default()));
                format!("`aud` is {said}, accepted are {audiences}; see Authority::audience")
            }
            Reason::WrongType if claim == "typ" => format!(
                "the header's `typ` is {} and the claim `typ` is {said}: another kind of token; see Authority::typ, \
                 rfc9068 and id_token",
                read.header("typ")
            ),
            Reason::WrongType => format!("`{claim}` is {said}: the mark of another kind of token"),
            Reason::MissingClaim if std::error::Error::source(error).is_some() => {
                let source = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
                format!("{source} ({})", std::any::type_name::<C>())
            }
            Reason::MissingClaim => format!("the claim `{claim}` is demanded and absent (or null)"),
            Reason::InvalidClaim
                if claim == "sub"
                    && said.is_string()
                    && authority.is_some_and(|authority| authority.policy.subject.is_some()) =>
            {
                let subject =
                    expected(&|policy| format!("{:?}", policy.subject.as_deref().unwrap_or_default()));
                format!("`sub` is {said}, demanded is {subject}")
            }
            Reason::InvalidClaim if matches!(claim, "sub" | "jti") && said.is_number() => format!(
                "`{claim}` is {said}, of a wrong type: it must be a string (RFC 7519 section 4.1). The issuer should mend that, and \
                 Authority::numeric_ids_as_text reads whole numbers meanwhile"
            ),
            Reason::InvalidClaim if claim == "aud" => format!(
                "`aud` is {said}; it must be a string or an array of at most {} strings \
                 (Limits::audience_elements)",
                core.limits.audience_elements
            ),
            Reason::InvalidClaim if claim == "exp" && said.is_number() && self.revocations().is_some() => {
                let longest = self.revocations().map(Revocations::longest_token).unwrap_or_default();
                format!(
                    "the token lives from {} to {said}, longer than {longest:?}, for which revocations are kept; see \
                     RevocationsBuilder::longest_token",
                    read.claim("iat")
                )
            }
            Reason::InvalidClaim if claim == "cnf" => {
                "the token is bound to a key (`cnf`), and no binding is configured".to_owned()
            }
            Reason::InvalidClaim
                if matches!(claim, "exp" | "nbf" | "iat") && said.as_f64() > Some(253_402_300_799.0) =>
            {
                format!("`{claim}` is {said}: seconds are wanted, and these look like milliseconds")
            }
            Reason::InvalidClaim if claim.is_empty() => match std::error::Error::source(error) {
                // For the developer, serde's own text: it may repeat a value.
                Some(source) => {
                    match read.claims.clone().map(|claims| serde_json::from_value::<C>(claims.into())) {
                        Some(Err(misfit)) => format!("{source}: {misfit} ({})", std::any::type_name::<C>()),
                        _ => format!("{source} ({})", std::any::type_name::<C>()),
                    }
                }
                None => "a check of your own refused it".to_owned(),
            },
            Reason::Inactive => "whoever was asked says that it is not active: it has expired, was withdrawn, is not known, or is not for \
                                 this service"
                .to_owned(),
            Reason::InvalidClaim if claim == "status" && cfg!(feature = "status-list") => format!(
                "`status` is {said}: malformed, or it names a list that StatusLists::allow does not, or an index that the \
                 list does not have"
            ),
            Reason::InvalidClaim => format!("`{claim}` is {said}: of a wrong type, or refused by a check"),
            Reason::Revoked if self.revokes(read) => {
                "it was revoked: by its `jti`, `sid` or `sub`, or all tokens of its issuer were".to_owned()
            }
            Reason::RevocationUnavailable if self.revocations().is_some_and(|all| all.health().refuses) => {
                let health = self.revocations().map(Revocations::health);
                let why = health.and_then(|health| health.last_error).map_or_else(String::new, |why| format!(": {why}"));
                format!("what is revoked is not known: the view is older than RevocationsBuilder::max_age{why}")
            }
            Reason::Revoked if claim == "status" => format!("its status list says so: `status` is {said}"),
            Reason::RevocationUnavailable if claim == "status" => {
                std::error::Error::source(error).map(ToString::to_string).unwrap_or_default()
            }
            Reason::RevocationUnavailable if opaque.is_some() => {
                let why = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
                format!("there is no answer about it: {why}")
            }
            _ => "a check of your own refused it, or could not be made".to_owned(),
        }
    }
}

/// Why keys that are fetched are not there.
fn why_no_keys(_source: &dyn KeySource) -> String {
    #[cfg(feature = "jwks")]
    if let Some(health) = _source.health() {
        let why = health.last_error.unwrap_or_else(|| "none has been fetched yet".to_owned());
        return format!(" from {}: {why}", health.url);
    }
    String::new()
}

/// The unverified content of a token.
struct Unverified {
    has_scheme: bool,
    header: Option<Map<String, Value>>,
    claims: Option<Map<String, Value>>,
}

impl Unverified {
    fn read(token: &str) -> Self {
        let mut segments = token.split('.').map(|segment| {
            let bytes = jose::decode_vec(segment.trim_end_matches('='))?;
            serde_json::from_slice(&bytes).ok()
        });
        Self {
            has_scheme: token.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("bearer ")),
            header: segments.next().flatten(),
            claims: segments.next().flatten(),
        }
    }

    /// What was answered about an opaque token, if that is at hand.
    fn of_answer(claims: Option<&str>) -> Self {
        let claims = claims.and_then(|claims| serde_json::from_str(claims).ok());
        Self { has_scheme: false, header: None, claims }
    }

    fn header(&self, name: &str) -> Value {
        self.header.as_ref().and_then(|header| header.get(name)).cloned().unwrap_or_default()
    }

    fn claim(&self, name: &str) -> Value {
        self.claims.as_ref().and_then(|claims| claims.get(name)).cloned().unwrap_or_default()
    }
}
