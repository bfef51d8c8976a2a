//! An issuer, its keys, and the policy for its tokens.

use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::checks::{Check, CheckOrigin};
use super::claim_rules::ClaimRule;
use super::header_rules::HeaderRules;
use super::issuer_rule::TenantIssuer;
use super::key_origin::KeyOrigin;
use super::opaque_origin::OpaqueOrigin;
#[cfg(feature = "feeds")]
use super::policy::TokenKind;
use super::principal::Principal;
use super::purpose::Purpose;
use crate::error::{AuthError, ConfigError};
use crate::jose::{Algorithm, AlgorithmSet};
#[cfg(feature = "jwks")]
use crate::keys::{KeyEndpoint, RemoteKeys};
use crate::keys::{KeySet, KeySource, Secret, Static};
use crate::runtime::UnixTime;

/// A trusted issuer: its keys, and the rules for its tokens.
///
/// If you configure a check, every token must pass it: an authority with an audience refuses a token without `aud`. Issuer
/// and audience have no default. Call `any_issuer()` or `any_audience()` to accept all of them. Building the
/// [`Verifier`](crate::Verifier) reports every mistake in the settings.
///
/// ```
/// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
/// use std::time::Duration;
/// use tower_jwt_auth::{Authority, Claims, Secret, Verifier};
///
/// let authority = Authority::hs256(Secret::generate()?)
///     .issuer("https://id.example.com")
///     .audience("orders-api")
///     .leeway(Duration::from_secs(10))
///     .required_claim("tenant");
/// let verifier = Verifier::<Claims>::new(authority)?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "give it to a Verifier"]
pub struct Authority {
    pub(super) keys: KeyOrigin,
    pub(super) issuer: Option<Arc<str>>,
    pub(super) any_issuer: bool,
    /// Of a preset: an issuer for each tenant.
    pub(super) tenant_issuer: Option<TenantIssuer>,
    pub(super) audiences: Vec<String>,
    pub(super) any_audience: bool,
    pub(super) algorithms: Option<AlgorithmSet>,
    pub(super) subject: Option<String>,
    pub(super) rfc9068: bool,
    pub(super) id_token: bool,
    /// Of a feed: its own kind of tokens.
    #[cfg(feature = "feeds")]
    pub(super) of_feed: Option<TokenKind>,
    pub(super) typ: Option<String>,
    pub(super) required: Vec<Arc<str>>,
    pub(super) leeway: Duration,
    pub(super) max_age: Option<Duration>,
    pub(super) roles_at: Option<String>,
    pub(super) only_scopes: Option<HashSet<String>>,
    pub(super) only_roles: Option<HashSet<String>>,
    pub(super) checks: Vec<Check>,
    /// Of a preset.
    pub(super) demands: Vec<(&'static str, ClaimRule)>,
    pub(super) any_of: Vec<&'static [&'static str]>,
    pub(super) audience_may_lack: bool,
    pub(super) header: Option<HeaderRules>,
    pub(super) numeric_ids_as_text: bool,
    /// Of tokens that need no `exp`.
    pub(super) exp_unless_said: Option<UnixTime>,
    /// What another room adds: a check that comes after all others.
    pub(super) last_checks: Vec<Box<dyn CheckOrigin>>,
    /// Of an authority by secret: what it signs with.
    pub(super) hmac: Option<Algorithm>,
    pub(super) has_previous_secret: bool,
    /// Of an authority that asks: about which tokens, and whom.
    pub(super) opaque: Option<OpaqueOrigin>,
    /// Not its tokens count, but what it says about the tokens of others.
    pub(super) signed_answers: bool,
    pub(super) purpose: Purpose,
}

impl Authority {
    /// Tokens signed with HS256 and this secret.
    pub fn hs256(secret: Secret) -> Self {
        Self::hmac(Algorithm::HS256, secret)
    }

    /// Tokens signed with this HMAC algorithm (HS256, HS384 or HS512) and this secret.
    pub fn hmac(algorithm: Algorithm, secret: Secret) -> Self {
        let keys = KeySet::from_secret(algorithm, secret).map(|keys| Arc::new(Static(keys)) as _);
        Self { hmac: Some(algorithm), ..Self::of(KeyOrigin::Source(keys)) }
    }

    /// Takes tokens signed with this secret as well, while the issuer changes over to the one that was given first. For the
    /// authorities of [`Authority::hs256`] and [`Authority::hmac`].
    ///
    /// Take it away when the last token of the old secret has expired: [`Principal::leniencies`] tells which ones still come.
    /// A forged token costs two hashes meanwhile.
    ///
    /// ```
    /// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
    /// # let (new, old) = (tower_jwt_auth::Secret::generate()?, tower_jwt_auth::Secret::generate()?);
    /// use tower_jwt_auth::{Authority, Claims, Verifier};
    ///
    /// let authority = Authority::hs256(new).previous_secret(old).issuer("shop").audience("api");
    /// let verifier = Verifier::<Claims>::new(authority)?;
    /// # Ok(()) }
    /// ```
    pub fn previous_secret(mut self, secret: Secret) -> Self {
        let refused = |problem: &str, remedy: &str| {
            KeyOrigin::Source(Err(ConfigError::new("previous_secret", problem, remedy)))
        };
        self.keys = match (self.keys, self.hmac) {
            (failed @ KeyOrigin::Source(Err(_)), _) => failed,
            (KeyOrigin::Source(Ok(_)), Some(_)) if self.has_previous_secret => {
                refused("it is set twice", "keep the one that tokens are still signed with")
            }
            (KeyOrigin::Source(Ok(source)), Some(algorithm)) => {
                let both = KeySet::from_secret(algorithm, secret).map(|old| source.current().1.merge(&old));
                match both {
                    Ok(both) if both.len() == 1 => refused("it is the same secret", "give the one before"),
                    both => KeyOrigin::Source(both.map(|both| Arc::new(Static(both)) as _)),
                }
            }
            (_, None) => refused(
                "the keys of this authority are no secret",
                "merge key sets, or publish both keys with a `kid` each",
            ),
            #[cfg(feature = "jwks")]
            (KeyOrigin::Remote(..), Some(_)) => refused("secrets are never taken from a URL", "leave it out"),
        };
        self.has_previous_secret = true;
        self
    }

    /// Reads a `sub` or `jti` that is a whole number as the text of its digits, for an issuer that writes numbers against
    /// RFC 7519 sections 4.1.2 and 4.1.7. Unless told, such a token is refused.
    ///
    /// Your claims type gets the text as well, and so do policies and checks: `42` and `"42"` are the same user from then on. See
    /// that they are to your issuer. [`Principal::leniencies`] tells which tokens still have numbers.
    pub fn numeric_ids_as_text(mut self) -> Self {
        self.numeric_ids_as_text = true;
        self
    }

    /// Tokens signed with one of these keys.
    pub fn keys(keys: KeySet) -> Self {
        Self::from_source(Arc::new(Static(keys)))
    }

    /// Tokens signed with a key of the JWK set at this URL, which is fetched when it is first needed, and kept up to
    /// date in the background (feature `jwks`).
    ///
    /// It needs a tokio runtime with the time driver on. Nothing is fetched before the first token; to fail at start
    /// instead, await [`Verifier::warm`](crate::Verifier::warm).
    #[cfg(feature = "jwks")]
    pub fn jwks(keys: impl Into<RemoteKeys>) -> Self {
        Self::of(KeyOrigin::Remote(keys.into(), KeyEndpoint::JwkSet))
    }

    /// Tokens of this issuer, whose discovery document (`/.well-known/openid-configuration`) says where its keys are
    /// (feature `oidc`). The document must name exactly this issuer. `iss` is required, and is the same unless [`Authority::issuer`]
    /// names another one, for providers whose tokens say something else than their document.
    ///
    /// As with [`Authority::jwks`], nothing is fetched before the first token. Plain `http://` is accepted for a loopback
    /// address only, after [`RemoteKeys::insecure_http_on_loopback`].
    ///
    /// ```
    /// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
    /// use tower_jwt_auth::{Authority, Claims, Verifier};
    ///
    /// let verifier = Verifier::<Claims>::new(Authority::oidc("https://id.example.com").audience("api"))?;
    /// # Ok(()) }
    /// ```
    #[cfg(feature = "oidc")]
    pub fn oidc(issuer: impl Into<RemoteKeys>) -> Self {
        let keys = issuer.into();
        let issuer = keys.url().to_owned();
        Self::of(KeyOrigin::Remote(keys, KeyEndpoint::Discovery)).issuer(issuer)
    }

    pub(crate) fn from_source(source: Arc<dyn KeySource>) -> Self {
        Self::of(KeyOrigin::Source(Ok(source)))
    }

    pub(super) fn of(keys: KeyOrigin) -> Self {
        Self {
            keys,
            issuer: None,
            any_issuer: false,
            tenant_issuer: None,
            audiences: Vec::new(),
            any_audience: false,
            algorithms: None,
            subject: None,
            rfc9068: false,
            id_token: false,
            #[cfg(feature = "feeds")]
            of_feed: None,
            typ: None,
            required: Vec::new(),
            leeway: Duration::from_secs(30),
            max_age: None,
            roles_at: None,
            only_scopes: None,
            only_roles: None,
            checks: Vec::new(),
            demands: Vec::new(),
            any_of: Vec::new(),
            audience_may_lack: false,
            header: None,
            numeric_ids_as_text: false,
            exp_unless_said: None,
            last_checks: Vec::new(),
            hmac: None,
            has_previous_secret: false,
            opaque: None,
            signed_answers: false,
            purpose: Purpose::default(),
        }
    }

    /// The same authority, for tokens that are judged for somebody else.
    #[cfg(feature = "issuer")]
    pub(crate) fn for_purpose(mut self, purpose: Purpose) -> Self {
        self.purpose = purpose;
        self
    }

    /// Requires this `iss`, compared exactly: a trailing slash counts.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into().into());
        self
    }

    /// Takes any `iss`, or none. Only for a verifier with this one authority.
    pub fn any_issuer(mut self) -> Self {
        self.any_issuer = true;
        self
    }

    /// Requires that `aud` names this audience, as a whole element. Called again, it accepts that one as well.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Takes any `aud`, or none: a token that was meant for another service will do.
    pub fn any_audience(mut self) -> Self {
        self.any_audience = true;
        self
    }

    /// Allows these algorithms and no others.
    ///
    /// Unless told, each key verifies the algorithm that it names, and a key that names none that of its type:
    /// RS256, ES256, ES384, ES512, Ed25519 or HS256.
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = Some(algorithms.into_iter().collect());
        self
    }

    /// How far the clocks of issuer and verifier may differ: 30 seconds by default, at most 300.
    ///
    /// Each second keeps a token alive that much longer.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// Requires `iat`, and refuses a token that was issued longer ago than this, whatever its `exp`.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Requires this `sub`.
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Requires that this claim is present and not null. `exp` is always required.
    pub fn required_claim(mut self, claim: impl Into<String>) -> Self {
        self.required.push(claim.into().into());
        self
    }

    /// Requires this media type in the header's `typ`, compared as RFC 7515 section 4.1.9 says.
    ///
    /// Unless told, `typ` may be absent, `JWT` or `at+jwt`.
    pub fn typ(mut self, media_type: impl Into<String>) -> Self {
        self.typ = Some(media_type.into());
        self
    }

    /// Requires access tokens of RFC 9068: `typ` of `at+jwt`, and the claims of its section 2.2.
    pub fn rfc9068(mut self) -> Self {
        self.rfc9068 = true;
        self
    }

    /// Accepts ID tokens of OpenID Connect instead of access tokens, and requires the claims of an ID token.
    ///
    /// An ID token tells a client who logged in; an API should not take it for permission.
    pub fn id_token(mut self) -> Self {
        self.id_token = true;
        self
    }

    /// Says where the tokens of this authority have roles: a JSON pointer (RFC 6901) to a string, an array of
    /// strings, or an object whose keys are the roles (but for those that are `false` or `null`).
    ///
    /// There is no default: `/realm_access/roles` and `/resource_access/my-api/roles` are different things.
    pub fn roles_at(mut self, pointer: impl Into<String>) -> Self {
        self.roles_at = Some(pointer.into());
        self
    }

    /// Lets this authority grant these scopes and no others, whatever its tokens say. Others are not seen at all, by
    /// `Require::not` either.
    pub fn only_scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.only_scopes = Some(scopes.into_iter().map(Into::into).collect());
        self
    }

    /// Lets this authority grant these roles and no others, whatever its tokens say. Others are not seen at all, by
    /// `Require::not` either. With an empty list its tokens have no roles, and it needs no [`Authority::roles_at`].
    pub fn only_roles<S: Into<String>>(mut self, roles: impl IntoIterator<Item = S>) -> Self {
        self.only_roles = Some(roles.into_iter().map(Into::into).collect());
        self
    }

    /// Adds a check of your own, run after all others for a token that is good so far.
    ///
    /// ```
    /// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
    /// use tower_jwt_auth::{AuthError, Authority, Principal, Reason, Secret};
    ///
    /// let authority = Authority::hs256(Secret::generate()?).issuer("shop").audience("api").check(
    ///     |principal: &Principal| match principal.claim::<String>("hd").as_deref() {
    ///         Some("example.com") => Ok(()),
    ///         _ => Err(AuthError::new(Reason::InvalidClaim).with_claim("hd")),
    ///     },
    /// );
    /// # Ok(()) }
    /// ```
    pub fn check<F>(mut self, check: F) -> Self
    where
        F: Fn(&Principal) -> Result<(), AuthError> + Send + Sync + 'static,
    {
        self.checks.push(Check::sync(check));
        self
    }

    /// Adds a check of your own that has to wait, such as a look into a deny-list. It needs a tokio runtime with the
    /// time driver on, as `#[tokio::main]` has it.
    ///
    /// If it does not answer within the verifier's deadline, the request is refused with 503.
    ///
    /// ```
    /// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
    /// # async fn is_denied(_: &str) -> std::io::Result<bool> { Ok(false) }
    /// use tower_jwt_auth::{AuthError, Authority, Principal, Reason, Secret};
    ///
    /// let authority = Authority::hs256(Secret::generate()?)
    ///     .issuer("shop")
    ///     .audience("api")
    ///     .required_claim("jti")
    ///     .check_async(|principal: Principal| async move {
    ///         let id = principal.token_id().unwrap_or_default();
    ///         match is_denied(id).await {
    ///             Ok(false) => Ok(()),
    ///             Ok(true) => Err(AuthError::new(Reason::Revoked)),
    ///             Err(error) => Err(AuthError::new(Reason::RevocationUnavailable).with_source(error)),
    ///         }
    ///     });
    /// # Ok(()) }
    /// ```
    pub fn check_async<F, Fut>(mut self, check: F) -> Self
    where
        F: Fn(Principal) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), AuthError>> + Send + 'static,
    {
        self.checks.push(Check::later(check));
        self
    }

    /// Adds a check that comes after all others, for a token that is good but for it.
    #[cfg(feature = "status-list")]
    pub(crate) fn last_check(mut self, origin: impl CheckOrigin + 'static) -> Self {
        self.last_checks.push(Box::new(origin));
        self
    }

    /// Takes back the issuer, which came with the keys.
    #[cfg(all(feature = "oidc", feature = "status-list"))]
    pub(crate) fn no_issuer(mut self) -> Self {
        self.issuer = None;
        self
    }

    /// Takes tokens without `exp`, as if they had the latest that there is.
    #[cfg(feature = "status-list")]
    pub(crate) const fn exp_may_lack(mut self) -> Self {
        self.exp_unless_said = Some(UnixTime::LATEST);
        self
    }

    /// Takes logout tokens, and nothing else.
    #[cfg(feature = "feeds")]
    pub(crate) fn for_logout_tokens(mut self, exp_may_lack: bool) -> Self {
        self.of_feed = Some(TokenKind::Logout { exp_may_lack });
        self
    }

    /// Takes Security Event Tokens, and nothing else.
    #[cfg(feature = "feeds")]
    pub(crate) fn for_security_events(mut self) -> Self {
        self.of_feed = Some(TokenKind::SecurityEvent);
        self
    }

    pub(super) fn wants_any_issuer(&self) -> bool {
        self.any_issuer
    }
}

/// One authority is a list of one: `Verifier::new(authority)`.
impl IntoIterator for Authority {
    type Item = Self;
    type IntoIter = std::iter::Once<Self>;

    fn into_iter(self) -> Self::IntoIter {
        std::iter::once(self)
    }
}
