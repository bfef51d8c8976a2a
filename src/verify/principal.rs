//! What a verified token says to everybody, whatever the claims type.

use std::any::Any;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use smallvec::SmallVec;

use super::leniency::{Leniencies, Leniency};
use super::life::{self, Life};
use super::permissions::Permissions;
use crate::error::{AuthError, Reason};
use crate::jose::{self, ClaimValue, RegisteredClaims};
use crate::revocation::{NameKeys, Revocation, TokenFacts};
use crate::runtime::{UnixTime, trace};

/// The caller, as a verified token describes it: the registered claims, untyped.
///
/// It is another handle on the memory behind [`Jwt`](crate::Jwt), and like that one only a verifier makes it.
/// The pair of [`issuer`](Self::issuer) and [`subject`](Self::subject) identifies the user. A subject alone is not unique.
#[derive(Clone)]
pub struct Principal {
    pub(super) token: Arc<dyn Verified>,
    pub(super) verified_at: UnixTime,
}

/// A verified token of some claims type.
pub(super) trait Verified: Any + Send + Sync {
    fn registered(&self) -> &Registered;

    /// The name of the claims type.
    fn claims_type(&self) -> &'static str;
}

impl Principal {
    /// `iss`: who issued the token. Present whenever the authority names its issuer.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.text(&self.registered().iss)
    }

    /// `sub`: the user or machine that the token is about, by the issuer's name for it.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.text(&self.registered().sub)
    }

    /// `aud`: the services that the token is for.
    pub fn audience(&self) -> impl Iterator<Item = &str> {
        self.registered().aud.iter().map(|text| text.in_payload(&self.registered().payload))
    }

    /// `jti`: the token's own identifier, unique within its issuer.
    #[must_use]
    pub fn token_id(&self) -> Option<&str> {
        self.text(&self.registered().jti)
    }

    /// `sid`: the login that the token belongs to, unique within its issuer (OpenID Connect Front-Channel Logout section 3).
    #[must_use]
    pub fn session_id(&self) -> Option<&str> {
        self.text(&self.registered().sid)
    }

    /// `client_id`: the application that asked for the token (RFC 9068 section 2.2).
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.text(&self.registered().client_id)
    }

    /// `exp`: from when on the token is not accepted. The end of the year 9999 if an opaque token has none.
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.registered().exp
    }

    /// Completes when the token expires, or is revoked: then a stream that it opened (WebSocket, SSE, gRPC) has to end. The output
    /// is the refusal that a new request would get, [`Reason::Expired`] or [`Reason::Revoked`]. It needs a tokio runtime with the time
    /// driver on.
    ///
    /// Revocations are those of the verifier ([`VerifierBuilder::revocations`](crate::VerifierBuilder::revocations)). While their
    /// store is away, a stream goes on.
    ///
    /// ```
    /// # #[cfg(feature = "test-util")]
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # use tower_jwt_auth::{Claims, Jwt, TestIssuer};
    /// # let issuer = TestIssuer::new("https://test").lifetime(std::time::Duration::ZERO);
    /// # let principal = Jwt::principal(&issuer.jwt::<Claims>(serde_json::json!({})));
    /// # async fn next_message() -> Option<String> { std::future::pending().await }
    /// let mut ended = std::pin::pin!(principal.ended());
    /// loop {
    ///     tokio::select! {
    ///         message = next_message() => match message {
    ///             Some(_message) => { /* handle it */ }
    ///             None => break, // the client has gone
    ///         },
    ///         _why = &mut ended => break, // close the stream
    ///     }
    /// }
    /// # }
    /// # #[cfg(not(feature = "test-util"))] fn main() {}
    /// ```
    pub fn ended(&self) -> impl Future<Output = AuthError> + Send + use<> {
        let principal = self.clone();
        life::ended(self.registered().life.clone(), self.expires_at(), move |revocations| {
            revocations.revokes(&principal.registered().facts())
        })
    }

    /// What revokes this token alone, for [`Revocations::revoke`](crate::Revocations::revoke); `None` if it has no `jti`.
    #[must_use]
    pub fn revocation(&self) -> Option<Revocation> {
        let issuer = self.issuer().unwrap_or_default();
        self.token_id().map(|jti| Revocation::token(issuer, jti, self.expires_at()))
    }

    /// `nbf`: until when the token was not accepted.
    #[must_use]
    pub fn not_before(&self) -> Option<UnixTime> {
        self.registered().nbf
    }

    /// `iat`: when the token was issued.
    #[must_use]
    pub fn issued_at(&self) -> Option<UnixTime> {
        self.registered().iat
    }

    /// The scopes: of `scope` or `scp`, a string that is split at spaces or an array that is not.
    ///
    /// If a token has both, `scope` counts. What the authority may not grant is left out.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        let registered = self.registered();
        let (spaced, listed) = match &registered.scope {
            Scope::None => (None, &[][..]),
            Scope::Spaced(text) => (Some(text.in_payload(&registered.payload)), &[][..]),
            Scope::Listed(texts) => (None, &**texts),
        };
        let spaced = spaced.into_iter().flat_map(|text| text.split(' ')).filter(|scope| !scope.is_empty());
        let scopes = spaced.chain(listed.iter().map(|text| text.in_payload(&registered.payload)));
        scopes.filter(|scope| registered.only_scopes.as_ref().is_none_or(|only| only.contains(*scope)))
    }

    /// The roles, at the place that the authority names.
    ///
    /// # Errors
    /// `not_configured` if the authority names no place; see [`Authority::roles_at`](crate::Authority::roles_at).
    pub fn roles(&self) -> Result<impl Iterator<Item = &str>, AuthError> {
        let Some(roles) = &self.registered().roles else {
            trace::error!(
                "a role is asked for, but the authority does not say where its tokens have roles; \
                 call .roles_at(\"/path/of/roles\")"
            );
            return Err(AuthError::new(Reason::NotConfigured));
        };
        Ok(roles.iter().map(|role| &**role))
    }

    /// `auth_time`: when the user authenticated (OpenID Connect Core section 2).
    #[must_use]
    pub fn auth_time(&self) -> Option<UnixTime> {
        self.claim("auth_time")
    }

    /// When the token was verified, by the verifier's clock. With a [`TokenCache`](crate::TokenCache) that is the time of
    /// this request as well.
    #[must_use]
    pub fn verified_at(&self) -> UnixTime {
        self.verified_at
    }

    /// What the token was let off, by an authority that was told to: count them to see who still needs it.
    ///
    /// ```
    /// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
    /// use tower_jwt_auth::{Authority, Principal, Secret};
    ///
    /// let authority = Authority::hs256(Secret::generate()?).issuer("shop").audience("api").numeric_ids_as_text().check(
    ///     |user: &Principal| {
    ///         for leniency in user.leniencies() {
    ///             println!("{leniency:?} for {:?}", user.client_id()); // or a metric
    ///         }
    ///         Ok(())
    ///     },
    /// );
    /// # Ok(()) }
    /// ```
    pub fn leniencies(&self) -> impl Iterator<Item = Leniency> {
        self.registered().leniencies.iter()
    }

    /// Any claim by its name, read as a `T`; `None` if it is absent or of another type.
    ///
    /// For a check that does not know the claims type. The first call finds the places of all claims in the payload, and
    /// later ones look there.
    #[must_use]
    pub fn claim<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_str(self.claim_text(name)?).ok()
    }

    /// The JSON text of a claim, as it stands in the payload.
    pub(crate) fn claim_text(&self, name: &str) -> Option<&str> {
        let registered = self.registered();
        let members = registered.members.get_or_init(|| members_of(&registered.payload));
        let (_, value) = members.iter().find(|(member, _)| member.in_payload(&registered.payload) == name)?;
        Some(value.in_payload(&registered.payload))
    }

    /// Whether the user authenticated at most this long before the token was verified. A time that lies in the
    /// future, but for the authority's leeway, is no answer: it would be fresh for as long as it likes.
    pub(crate) fn authenticated_within(&self, age: Duration) -> bool {
        self.auth_time().is_some_and(|authenticated| {
            self.is_past(authenticated) && self.verified_at().saturating_since(authenticated) <= age
        })
    }

    /// Whether this time had come when the token was verified, but for the authority's leeway.
    pub(super) fn is_past(&self, time: UnixTime) -> bool {
        time <= self.verified_at().saturating_add(self.registered().leeway)
    }

    pub(super) fn payload(&self) -> &str {
        &self.registered().payload
    }

    #[cfg_attr(not(feature = "tracing"), allow(dead_code))]
    pub(super) fn claims_type(&self) -> &'static str {
        self.token.claims_type()
    }

    fn registered(&self) -> &Registered {
        self.token.registered()
    }

    fn text<'t>(&'t self, text: &'t Option<Text>) -> Option<&'t str> {
        self.registered().text(text)
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Principal").field(self.registered()).finish()
    }
}

/// The registered claims of a token, most of them as places in its payload: the payload is the only memory that
/// they need.
pub(super) struct Registered {
    payload: Box<str>,
    /// The names and the raw values of all members, once somebody has asked for a claim by its name.
    members: OnceLock<Box<[(Text, Text)]>>,
    iss: Option<Text>,
    sub: Option<Text>,
    aud: SmallVec<[Text; 2]>,
    jti: Option<Text>,
    client_id: Option<Text>,
    sid: Option<Text>,
    scope: Scope,
    exp: UnixTime,
    nbf: Option<UnixTime>,
    iat: Option<UnixTime>,
    /// How far the clock of the issuer may be ahead.
    leeway: Duration,
    roles: Option<Vec<Box<str>>>,
    only_scopes: Option<Arc<HashSet<String>>>,
    leniencies: Leniencies,
    /// `None`: nothing is revoked, and the time is that of the system.
    life: Option<Arc<Life>>,
    revocation_keys: NameKeys,
}

impl fmt::Debug for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |text: &Option<Text>| text.as_ref().map(|text| text.in_payload(&self.payload).to_owned());
        f.debug_struct("Token")
            .field("issuer", &text(&self.iss))
            .field("subject", &text(&self.sub))
            .field("expires_at", &self.exp)
            .finish_non_exhaustive()
    }
}

enum Scope {
    None,
    Spaced(Text),
    Listed(Box<[Text]>),
}

impl Registered {
    /// `exp`, `nbf` and `iat`.
    pub(super) fn times(&self) -> (UnixTime, Option<UnixTime>, Option<UnixTime>) {
        (self.exp, self.nbf, self.iat)
    }

    /// The same, and what the token was let off.
    pub(super) const fn with_leniencies(mut self, leniencies: Leniencies) -> Self {
        self.leniencies = leniencies;
        self
    }

    /// The same, and what ends it.
    pub(super) fn with_life(mut self, life: Option<&Arc<Life>>) -> Self {
        self.life = life.cloned();
        self
    }

    /// What revocations are asked about.
    pub(super) fn facts(&self) -> TokenFacts<'_> {
        TokenFacts {
            issuer: self.text(&self.iss).unwrap_or_default(),
            token_id: self.text(&self.jti),
            session_id: self.text(&self.sid),
            subject: self.text(&self.sub),
            issued_at: self.iat,
            expires_at: self.exp,
            // Of the revocations in its `life`, which are those of its verifier.
            keys: Some(&self.revocation_keys),
        }
    }

    fn text<'t>(&'t self, text: &'t Option<Text>) -> Option<&'t str> {
        text.as_ref().map(|text| text.in_payload(&self.payload))
    }

    pub(super) fn payload_bytes(&self) -> usize {
        self.payload.len()
    }

    /// Keeps what was noted of a payload that satisfied its policy; `exp` is what the policy found.
    ///
    /// # Errors
    /// If the place of the roles holds something else.
    pub(super) fn new(
        payload: &str,
        registered_claims: &mut RegisteredClaims<'_>,
        permissions: &Permissions,
        exp: UnixTime,
        leeway: Duration,
    ) -> Result<Self, AuthError> {
        let text = |note: ClaimValue<'_>| match note {
            ClaimValue::Text(text) => Some(Text::new(&text, payload)),
            _ => None,
        };
        let date = |note: &ClaimValue<'_>| match note {
            ClaimValue::Date(date) => Some(*date),
            _ => None,
        };
        let aud = match registered_claims.take(jose::ClaimName::Aud) {
            ClaimValue::Text(one) => [Text::new(&one, payload)].into_iter().collect(),
            ClaimValue::Texts(several) => several.iter().map(|one| Text::new(one, payload)).collect(),
            _ => SmallVec::new(),
        };
        let scope = match (
            registered_claims.take(jose::ClaimName::Scope),
            registered_claims.take(jose::ClaimName::Scp),
        ) {
            (ClaimValue::Absent, note) | (note, _) => match note {
                ClaimValue::Text(text) => Scope::Spaced(Text::new(&text, payload)),
                ClaimValue::Texts(texts) => {
                    Scope::Listed(texts.iter().map(|one| Text::new(one, payload)).collect())
                }
                _ => Scope::None,
            },
        };
        Ok(Self {
            iss: text(registered_claims.take(jose::ClaimName::Iss)),
            sub: text(registered_claims.take(jose::ClaimName::Sub)),
            aud,
            jti: text(registered_claims.take(jose::ClaimName::Jti)),
            client_id: text(registered_claims.take(jose::ClaimName::ClientId)),
            sid: text(registered_claims.take(jose::ClaimName::Sid)),
            scope,
            exp,
            nbf: date(registered_claims.get(jose::ClaimName::Nbf)),
            iat: date(registered_claims.get(jose::ClaimName::Iat)),
            leeway,
            roles: permissions.roles(payload)?,
            only_scopes: permissions.only_scopes.clone(),
            payload: payload.into(),
            members: OnceLock::new(),
            leniencies: Leniencies::default(),
            life: None,
            revocation_keys: NameKeys::new(),
        })
    }
}

/// The places of the members of a payload that was read before, so it is an object without duplicates.
fn members_of(payload: &str) -> Box<[(Text, Text)]> {
    let members: HashMap<Cow<'_, str>, &RawValue> = serde_json::from_str(payload).unwrap_or_default();
    members.iter().map(|(name, value)| (Text::new(name, payload), Text::new(value.get(), payload))).collect()
}

/// A string of the payload: a place in it, or its own copy if it had escapes.
enum Text {
    Place { start: u32, length: u32 },
    Own(Box<str>),
}

impl Text {
    fn new(text: &str, payload: &str) -> Self {
        let start = (text.as_ptr() as usize).wrapping_sub(payload.as_ptr() as usize);
        // A copy lies outside of the payload, and then so does its start.
        let inside = start.checked_add(text.len()).is_some_and(|end| end <= payload.len());
        match (inside, u32::try_from(start), u32::try_from(text.len())) {
            (true, Ok(start), Ok(length)) => Self::Place { start, length },
            _ => Self::Own(text.into()),
        }
    }

    fn in_payload<'t>(&'t self, payload: &'t str) -> &'t str {
        match self {
            Self::Place { start, length } => {
                let start = *start as usize;
                payload.get(start..start + *length as usize).unwrap_or_default()
            }
            Self::Own(text) => text,
        }
    }
}
