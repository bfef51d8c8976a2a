//! Which tokens are revoked.

use std::time::Duration;

use crate::runtime::UnixTime;
use crate::store::{RevocationKind, RevocationRecord, millis};

/// Tokens that are to be refused from now on, although they have not expired.
///
/// All four name the issuer, exactly as it stands in `iss`: what one issuer calls `42` is nobody's business at another.
///
/// ```
/// use tower_jwt_auth::{Revocation, UnixTime};
///
/// # let expires_at = UnixTime::from_secs(2_000_000_000);
/// // A token that was stolen.
/// let token = Revocation::token("https://id.example.com", "0b4c9a", expires_at);
/// // A session that was logged out.
/// let session = Revocation::session("https://id.example.com", "sid-7");
/// // A user whose account was closed, on all devices.
/// let user = Revocation::subject("https://id.example.com", "bob");
/// // Everything that was signed before a key leaked.
/// let all = Revocation::issuer("https://id.example.com").issued_before(UnixTime::from_secs(1_700_000_000));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "give it to Revocations::revoke"]
pub struct Revocation {
    kind: RevocationKind,
    issuer: String,
    name: String,
    issued_before: Option<UnixTime>,
    /// When the token expires, if that is known.
    token_expires_at: Option<UnixTime>,
}

/// How far the clocks of issuers, of this process and of others may differ in all, the leeway included.
const CLOCKS: Duration = Duration::from_secs(900);

/// How far `issued_before` may lie ahead: the clock of who says it may be.
const AHEAD: Duration = Duration::from_secs(300);

impl Revocation {
    /// The token with this `jti`, which expires then (`exp`); see [`Principal::revocation`](crate::Principal::revocation).
    pub fn token(issuer: impl Into<String>, jti: impl Into<String>, expires_at: UnixTime) -> Self {
        let token_expires_at = Some(expires_at);
        Self { token_expires_at, ..Self::of(RevocationKind::Token, issuer.into(), jti.into()) }
    }

    /// All tokens with this `sid`: those of one login.
    pub fn session(issuer: impl Into<String>, sid: impl Into<String>) -> Self {
        Self::of(RevocationKind::Session, issuer.into(), sid.into())
    }

    /// All tokens with this `sub` that were issued so far.
    ///
    /// `iat` counts seconds, so a token that is issued in the same second is refused too: a user who is logged out everywhere
    /// and logs in at once may have to wait for the next second.
    pub fn subject(issuer: impl Into<String>, sub: impl Into<String>) -> Self {
        Self::of(RevocationKind::Subject, issuer.into(), sub.into())
    }

    /// All tokens of the issuer that were issued so far.
    pub fn issuer(issuer: impl Into<String>) -> Self {
        Self::of(RevocationKind::Issuer, issuer.into(), String::new())
    }

    fn of(kind: RevocationKind, issuer: String, name: String) -> Self {
        Self { kind, issuer, name, issued_before: None, token_expires_at: None }
    }

    /// Only tokens that were issued before this time, by their `iat`: for a subject or an issuer that is now, unless told.
    ///
    /// The issuer's clock wrote the `iat`: if it may be ahead of yours, add the difference. A time that lies more than five minutes
    /// ahead counts as five minutes ahead.
    pub const fn issued_before(mut self, time: UnixTime) -> Self {
        self.issued_before = Some(time);
        self
    }

    /// What is stored and told to other processes.
    pub(super) fn into_record(self, now: UnixTime, longest_token: Duration) -> RevocationRecord {
        let until_now = matches!(self.kind, RevocationKind::Subject | RevocationKind::Issuer).then_some(now);
        let issued_before = self.issued_before.map(|time| time.min(now.saturating_add(AHEAD)));
        let last_token = now.saturating_add(longest_token);
        let expires_at = self.token_expires_at.map_or(last_token, |expires| expires.max(now).min(last_token));
        RevocationRecord {
            kind: self.kind,
            issuer: self.issuer,
            name: self.name,
            issued_before: issued_before.or(until_now).map(millis::whole),
            expires_at: millis::whole(expires_at.saturating_add(CLOCKS)),
        }
    }
}
