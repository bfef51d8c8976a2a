//! Token in, proof out.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use super::authorities::{Authorities, SelectedAuthority};
use super::authority::Authority;
use super::builder::VerifierBuilder;
use super::checks;
use super::claims_mismatch::ClaimsMismatch;
use super::claims_type::ClaimsType;
use super::jwt::Jwt;
use super::principal::Registered;
use super::ready_authority::ReadyAuthority;
use super::unresolved::{LookedUp, Unresolved};
use crate::error::{AuthError, ConfigError, Reason};
use crate::jose::{self, ClaimValue, Claims, Compact, Header, Limits, Scratch};
use crate::keys::NoKey;
use crate::runtime::{Clock, NowOrLater};

/// A checked set of authorities, ready to verify tokens into the claims type `C`.
///
/// Cheap to clone, free of HTTP, and usable on its own:
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tower_jwt_auth::{Authority, Claims, Reason, Secret, Verifier};
///
/// let verifier =
///     Verifier::<Claims>::new(Authority::hs256(Secret::generate()?).issuer("shop").audience("api"))?;
/// let refused = verifier.verify("not.a.token").now().unwrap().unwrap_err();
/// assert_eq!(refused.reason(), Reason::MalformedToken);
/// # Ok(()) }
/// ```
pub struct Verifier<C = Claims> {
    core: Arc<Core>,
    claims: PhantomData<fn() -> C>,
}

/// What a verifier is made of, whatever the claims type.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) authorities: Authorities,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) limits: Limits,
    pub(super) check_deadline: Duration,
}

/// How far a token came with what is at hand.
enum Progress<'v, C> {
    Verified(Jwt<C>, SelectedAuthority<'v>),
    Unresolved(Unresolved<'v>),
}

/// The authority whose keys count for a token.
// A box would be an allocation for each good token.
#[allow(clippy::large_enum_variant)]
enum Choice<'v> {
    Authority {
        authority: SelectedAuthority<'v>,
        /// Decoded, if that was needed to choose.
        payload: Option<Scratch>,
        /// The token's `iss`, if it chooses among the keys as well.
        issuer: Option<Box<str>>,
    },
    /// The tenants may know this issuer.
    NotAtHand(Box<str>),
}

// The bounds are those of the functions, not of the block: so rustc names the bound that a claims type does not meet.
impl<C> Verifier<C> {
    /// A verifier for one authority or several, with the defaults for everything else.
    ///
    /// With several, a token's `iss` chooses the authority before any key is looked up.
    ///
    /// # Errors
    /// If a setting is missing, contradicts another, or is out of bounds; the error names it and the remedy.
    pub fn new(authorities: impl IntoIterator<Item = Authority>) -> Result<Self, ConfigError>
    where
        C: ClaimsType,
    {
        Self::builder().authorities(authorities).build()
    }

    /// A verifier with more settings.
    pub fn builder() -> VerifierBuilder<C>
    where
        C: ClaimsType,
    {
        VerifierBuilder::new()
    }

    /// Verifies a token.
    ///
    /// The answer is there at once ([`NowOrLater::now`]) unless keys must be fetched, or an asynchronous check or tenant
    /// is configured. The error is the reason of the refusal.
    pub fn verify(&self, token: &str) -> NowOrLater<Result<Jwt<C>, AuthError>>
    where
        C: ClaimsType,
    {
        self.attempt(token, LookedUp::Nothing)
    }
}

impl<C: ClaimsType> Verifier<C> {
    /// Verifies with what is at hand; if something is missing, asks for it and begins anew.
    fn attempt(&self, token: &str, asked: LookedUp) -> NowOrLater<Result<Jwt<C>, AuthError>> {
        let unresolved = match self.with_keys_at_hand(token) {
            Ok(Progress::Verified(jwt, authority)) => return self.with_checks(jwt, &authority),
            Ok(Progress::Unresolved(unresolved)) => unresolved,
            Err(refused) => return NowOrLater::ready(Err(refused)),
        };
        let Some(next) = asked.and_now(&unresolved) else {
            return NowOrLater::ready(Err(unresolved.refusal()));
        };
        match self.ask_for(&unresolved, token).into_now() {
            Ok(Ok(true)) => self.attempt(token, next),
            Ok(Ok(false)) => NowOrLater::ready(Err(unresolved.refusal())),
            Ok(Err(refused)) => NowOrLater::ready(Err(refused)),
            Err(answer) => {
                let (verifier, token) = (self.clone(), token.to_owned());
                NowOrLater::later(async move {
                    // Nothing new: the token is still judged once more, but nobody is asked again.
                    let next = if answer.await? { next } else { LookedUp::Everything };
                    verifier.attempt(&token, next).await
                })
            }
        }
    }

    /// Whether the missing tenant or key is here now, or might be.
    ///
    /// A token may cause a fetch only if all else about it looks right: an attacker who invents a `kid` has to know
    /// the issuer, the audience and the time as well. Nothing of it is believed here. It can only be refused.
    fn ask_for(&self, unresolved: &Unresolved<'_>, token: &str) -> NowOrLater<Result<bool, AuthError>> {
        let (authority, seen) = match unresolved {
            Unresolved::Tenant(issuer) => return self.core.authorities.ask_for(issuer),
            Unresolved::Key(authority, seen) => (authority, *seen),
        };
        let source = authority.keys.source();
        if source.is_remote()
            && let Err(refused) = self.look_through(token, authority)
        {
            return NowOrLater::ready(Err(refused));
        }
        let unavailable = |_| AuthError::from(Reason::KeysUnavailable);
        match source.refresh(seen).into_now() {
            Ok(answer) => NowOrLater::ready(answer.map_err(unavailable)),
            Err(refresh) => NowOrLater::later(async move { refresh.await.map_err(unavailable) }),
        }
    }

    #[cold]
    fn look_through(&self, token: &str, authority: &ReadyAuthority) -> Result<(), AuthError> {
        let payload = decode_payload(Compact::split(token, &self.core.limits)?.payload)?;
        let text = self.text_of(&payload)?;
        let registered_claims =
            jose::skim(text, &authority.policy.required).map_err(|_| Reason::MalformedToken)?;
        authority.policy.check_claims(&registered_claims, self.core.clock.now()).map(drop)
    }

    fn with_checks(&self, jwt: Jwt<C>, authority: &ReadyAuthority) -> NowOrLater<Result<Jwt<C>, AuthError>> {
        if authority.checks.is_empty() {
            return NowOrLater::ready(Ok(jwt));
        }
        let principal = Jwt::principal(&jwt);
        match checks::run(&authority.checks, &principal, self.core.check_deadline).into_now() {
            Ok(Ok(())) => NowOrLater::ready(Ok(jwt)),
            Ok(Err(refused)) => NowOrLater::ready(Err(refused.after_signature())),
            Err(checks) => NowOrLater::later(async move {
                checks.await.map_err(AuthError::after_signature)?;
                Ok(jwt)
            }),
        }
    }

    /// The whole decision but for the user's checks. The order of the steps is part of the defence: nothing is
    /// decoded before its size is known, no key is touched before the header is good, and no claim is believed
    /// before the signature.
    fn with_keys_at_hand(&self, token: &str) -> Result<Progress<'_, C>, AuthError> {
        let limits = &self.core.limits;
        let compact = Compact::split(token, limits)?;
        let header_json = decode_header(compact.header, limits)?;
        let header = Header::read(&header_json, limits)?;
        let algorithm = header.alg.ok_or(Reason::AlgorithmNotAllowed)?;
        let (authority, payload, issuer) = match self.choose_authority(compact.payload)? {
            Choice::Authority { authority, payload, issuer } => (authority, payload, issuer),
            Choice::NotAtHand(issuer) => return Ok(Progress::Unresolved(Unresolved::Tenant(issuer))),
        };
        authority.policy.check_typ(header.typ.as_deref())?;

        let keys = authority.keys.load();
        if !keys.algorithms.contains(algorithm) {
            return match authority.keys.may_come(algorithm) {
                true => Ok(Progress::Unresolved(Unresolved::Key(authority, keys.generation))),
                false if keys.algorithms.is_empty() && !authority.keys.source().is_remote() => {
                    Err(Reason::KeysUnavailable.into())
                }
                false => Err(Reason::AlgorithmNotAllowed.into()),
            };
        }
        let owner = issuer.as_deref().and_then(|issuer| authority.policy.issuer.owner(issuer));
        let candidates = match keys.candidates(header.kid.as_deref(), algorithm, limits.keys_tried, owner) {
            Ok(candidates) => candidates,
            Err(NoKey::Unknown) => {
                return Ok(Progress::Unresolved(Unresolved::Key(authority, keys.generation)));
            }
            Err(NoKey::Ambiguous) => return Err(Reason::UnknownKey.into()),
        };
        if !candidates.iter().any(|key| key.fits(compact.signature)) {
            return Err(Reason::BadSignature.into());
        }
        let signature = jose::decode(compact.signature).ok_or(Reason::MalformedToken)?;
        let message = compact.signing_input.as_bytes();
        if !candidates.iter().any(|key| key.verify(message, &signature)) {
            return Err(Reason::BadSignature.into());
        }

        let payload = match payload {
            Some(payload) => payload,
            None => decode_payload(compact.payload).map_err(AuthError::after_signature)?,
        };
        authority.prove();
        let jwt = self.read_claims(&payload, &authority).map_err(AuthError::after_signature)?;
        Ok(Progress::Verified(jwt, authority))
    }

    /// The authority whose keys count. With several, the unverified `iss` may only choose among those that are trusted;
    /// each then demands it again after the signature.
    fn choose_authority(&self, payload: &str) -> Result<Choice<'_>, AuthError> {
        let authorities = &self.core.authorities;
        let only = authorities.only();
        if let Some(only) = only.filter(|only| !only.policy.issuer.shares_keys()) {
            return Ok(Choice::Authority {
                authority: SelectedAuthority::Configured(only),
                payload: None,
                issuer: None,
            });
        }
        let payload = decode_payload(payload)?;
        let (authority, issuer) = {
            let text = self.text_of(&payload)?;
            let registered_claims = jose::skim(text, &[]).map_err(|_| Reason::MalformedToken)?;
            let issuer = match registered_claims.get(jose::ClaimName::Iss) {
                ClaimValue::Text(issuer) => issuer.as_ref(),
                ClaimValue::Absent => return Err(AuthError::new(Reason::MissingClaim).with_claim("iss")),
                _ => return Err(AuthError::new(Reason::InvalidClaim).with_claim("iss")),
            };
            let Some(authority) = authorities.of(issuer) else {
                return Ok(Choice::NotAtHand(issuer.into()));
            };
            let shared = authority.policy.issuer.shares_keys();
            (authority, shared.then(|| issuer.into()))
        };
        Ok(Choice::Authority { authority, payload: Some(payload), issuer })
    }

    fn text_of<'p>(&self, payload: &'p [u8]) -> Result<&'p str, AuthError> {
        let text = std::str::from_utf8(payload).map_err(|_| Reason::MalformedToken)?;
        if !jose::depth_is_within(text, self.core.limits.json_depth) {
            return Err(Reason::MalformedToken.into());
        }
        Ok(text)
    }

    fn read_claims(&self, payload: &[u8], authority: &ReadyAuthority) -> Result<Jwt<C>, AuthError> {
        let text = self.text_of(payload)?;
        let (mut registered_claims, claims) = jose::read_claims::<C>(text, &authority.policy.required)
            .map_err(|jose::Unreadable| Reason::MalformedToken)?;
        // A verdict of the policy says more than "does not fit the type", so it comes first.
        let now = self.core.clock.now();
        let exp = authority.policy.check_claims(&registered_claims, now)?;
        let claims = claims.map_err(|error| ClaimsMismatch::of(&error).refuse())?;
        let leeway = authority.policy.leeway;
        let registered =
            Registered::new(text, &mut registered_claims, &authority.permissions, exp, now, leeway)?;
        Ok(Jwt::of_verified(claims, registered))
    }
}

impl<C> Verifier<C> {
    /// Forgets what [`Tenants`](crate::Tenants) said of this issuer, and its keys: its next token asks again. Name it exactly
    /// as in `iss`; answers whether it was known.
    ///
    /// Call it when you no longer trust a tenant, after your function knows; other processes go on until
    /// [`Tenants::trusted_for`](crate::Tenants::trusted_for) is over.
    #[must_use = "`false`: there was no such tenant, so the name may be wrong"]
    pub fn forget_tenant(&self, issuer: &str) -> bool {
        self.core.authorities.tenants().is_some_and(|tenants| tenants.forget(issuer))
    }

    /// Whether an authority says where its tokens have roles; those of tenants are not known yet.
    pub(crate) fn may_have_roles(&self) -> bool {
        let authorities = &self.core.authorities;
        let names_roles = |authority: &ReadyAuthority| authority.permissions.roles_at.is_some();
        authorities.tenants().is_some() || authorities.configured().iter().any(names_roles)
    }

    /// The same authorities, for a caller that does not need the claims.
    #[cfg(feature = "jwks")]
    pub(crate) fn untyped(&self) -> Verifier<()> {
        Verifier { core: Arc::clone(&self.core), claims: PhantomData }
    }

    pub(super) fn new_of(core: Core) -> Self {
        Self { core: Arc::new(core), claims: PhantomData }
    }

    pub(super) fn core(&self) -> &Core {
        &self.core
    }
}

fn decode_header(encoded: &str, limits: &Limits) -> Result<Scratch, AuthError> {
    // Four characters of base64url are three bytes, so a longer text cannot be a shorter header.
    if encoded.len() > (limits.header_bytes * 4).div_ceil(3) {
        return Err(Reason::MalformedToken.into());
    }
    jose::decode(encoded).ok_or_else(|| Reason::MalformedToken.into())
}

fn decode_payload(encoded: &str) -> Result<Scratch, AuthError> {
    jose::decode(encoded).ok_or_else(|| Reason::MalformedToken.into())
}

// By hand: a derive would ask for `C: Clone`.
impl<C> Clone for Verifier<C> {
    fn clone(&self) -> Self {
        Self { core: Arc::clone(&self.core), claims: PhantomData }
    }
}

impl<C> fmt::Debug for Verifier<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("core", &self.core).finish()
    }
}
