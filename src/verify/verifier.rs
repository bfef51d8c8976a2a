//! Token in, proof out.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::authorities::{Authorities, SelectedAuthority};
use super::authority::Authority;
use super::builder::VerifierBuilder;
use super::checks;
use super::claims_mismatch::ClaimsMismatch;
use super::claims_type::ClaimsType;
use super::jwt::Jwt;
use super::lazy_payload::{LazyPayload, decode};
use super::leniency::{Leniencies, Leniency};
use super::life::Life;
use super::principal::Registered;
use super::ready_authority::ReadyAuthority;
use super::trail::Trail;
use super::unresolved::{LookedUp, Unresolved};
use super::verified_tokens::{FoundBy, VerifiedTokens};
use crate::crypto::PreparedKey;
use crate::error::{AuthError, ConfigError, Reason};
use crate::jose::{self, Claims, Compact, FirstMember, Header, Limits, Padding, RegisteredClaims, Scratch};
use crate::keys::{Candidates, NoKey, PreparedSet};
use crate::revocation::Revocations;
use crate::runtime::{Clock, NowOrLater, UnixTime, trace};

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
    /// The tokens that were found good, if they are kept.
    tokens: Option<Arc<VerifiedTokens<C>>>,
}

/// What a verifier is made of, whatever the claims type.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) authorities: Authorities,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) limits: Limits,
    pub(super) check_deadline: Duration,
    /// What ends tokens, if that is not the clock of the system alone.
    pub(super) life: Option<Arc<Life>>,
}

/// How far a token came with what is at hand.
enum Progress<'v, C> {
    Verified(Jwt<C>, SelectedAuthority<'v>),
    Unresolved(Unresolved<'v>),
}

/// The authority whose keys count for a token.
enum Choice<'v> {
    Authority {
        authority: SelectedAuthority<'v>,
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
        self.attempt(token.as_bytes(), LookedUp::Nothing, None)
    }

    /// Verifies a token whose bytes nobody has judged yet, and notes what was found out about it.
    pub(crate) fn verify_bytes(
        &self,
        token: &[u8],
        trail: Option<&Trail>,
    ) -> NowOrLater<Result<Jwt<C>, AuthError>>
    where
        C: ClaimsType,
    {
        self.attempt(token, LookedUp::Nothing, trail)
    }
}

impl<C: ClaimsType> Verifier<C> {
    /// Verifies with what is at hand; if something is missing, asks for it and begins anew.
    fn attempt(
        &self,
        token: &[u8],
        asked: LookedUp,
        trail: Option<&Trail>,
    ) -> NowOrLater<Result<Jwt<C>, AuthError>> {
        if let Some(opaque) = self.core.authorities.opaque()
            && let Some(position) = opaque.position_of(token, &self.core.limits)
        {
            return self.verify_opaque(position, token, trail);
        }
        let unresolved = match self.with_keys_at_hand(token, trail) {
            Ok(Progress::Verified(jwt, authority)) => return self.with_checks(jwt, &authority),
            Ok(Progress::Unresolved(unresolved)) => unresolved,
            Err(refused) => return NowOrLater::ready(Err(refused)),
        };
        let Some(next) = asked.and_now(&unresolved) else {
            return NowOrLater::ready(Err(unresolved.refusal()));
        };
        match self.ask_for(&unresolved, token).into_now() {
            Ok(Ok(true)) => self.attempt(token, next, trail),
            Ok(Ok(false)) => NowOrLater::ready(Err(unresolved.refusal())),
            Ok(Err(refused)) => NowOrLater::ready(Err(refused)),
            Err(answer) => {
                let (verifier, token, trail) = (self.clone(), token.to_vec(), trail.cloned());
                NowOrLater::later(async move {
                    // Nothing new: the token is still judged once more, but nobody is asked again.
                    let next = if answer.await? { next } else { LookedUp::Everything };
                    verifier.attempt(&token, next, trail.as_ref()).await
                })
            }
        }
    }

    /// Whether the missing tenant or key is here now, or might be.
    ///
    /// A token may cause a fetch only if all else about it looks right: an attacker who invents a `kid` has to know
    /// the issuer, the audience and the time as well. Nothing of it is believed here. It can only be refused.
    fn ask_for(&self, unresolved: &Unresolved<'_>, token: &[u8]) -> NowOrLater<Result<bool, AuthError>> {
        let (authority, seen, kid) = match unresolved {
            Unresolved::Tenant(issuer) => return self.core.authorities.ask_for(issuer),
            Unresolved::Key(authority, seen, kid) => (authority, *seen, kid.as_deref()),
        };
        let source = authority.keys.source();
        if source.is_quiet(seen) {
            return NowOrLater::ready(Ok(false));
        }
        if source.is_remote()
            && let Err(refused) = self.look_through(token, authority)
        {
            return NowOrLater::ready(Err(refused));
        }
        let unavailable = |_| AuthError::from(Reason::KeysUnavailable);
        match source.refresh(seen, kid).into_now() {
            Ok(answer) => NowOrLater::ready(answer.map_err(unavailable)),
            Err(refresh) => NowOrLater::later(async move { refresh.await.map_err(unavailable) }),
        }
    }

    #[cold]
    fn look_through(&self, token: &[u8], authority: &ReadyAuthority) -> Result<(), AuthError> {
        let compact = Compact::split(token, &self.core.limits, authority.policy.padding())?;
        let (mut of_header, mut scratch) = (Scratch::default(), Scratch::default());
        let expires = match &authority.policy.header {
            Some(rules) => Some(rules.check(decode(compact.header, &mut of_header)?)?),
            None => None,
        };
        let payload = decode(compact.payload, &mut scratch)?;
        self.check_claims(payload, authority, self.core.clock.now(), expires)
    }

    /// What the policy says of a payload whose signature was not checked: it can only be refused.
    fn check_claims(
        &self,
        payload: &[u8],
        authority: &ReadyAuthority,
        now: UnixTime,
        expires: Option<UnixTime>,
    ) -> Result<(), AuthError> {
        let text = self.text_of(payload, authority)?;
        let mut notes = self.bounded_notes(authority).expiring(expires);
        jose::skim(&text, self.core.limits.claims, &mut notes).map_err(|_| Reason::MalformedToken)?;
        authority.policy.check_claims(&notes, now).map(drop)
    }

    /// Notes that an attacker cannot make long.
    fn bounded_notes<'a>(&self, authority: &'a ReadyAuthority) -> RegisteredClaims<'a> {
        RegisteredClaims::new(&authority.policy.required)
            .with_elements_at_most(self.core.limits.audience_elements)
    }

    /// The same of a payload that cannot cost much. What is dear to read is left to the signature.
    #[cold]
    fn check_claims_early(
        &self,
        payload: &[u8],
        authority: &ReadyAuthority,
        now: UnixTime,
        expires: Option<UnixTime>,
    ) -> Result<(), AuthError> {
        let Ok(text) = self.text_of(payload, authority) else { return Ok(()) };
        let mut notes = self.bounded_notes(authority).expiring(expires);
        let most = self.core.limits.claims.min(CLAIMS_READ_EARLY);
        match jose::skim(&text, most, &mut notes) {
            Ok(()) => authority.policy.check_claims(&notes, now).map(drop),
            Err(jose::Unreadable) => Ok(()),
        }
    }

    pub(super) fn with_checks(
        &self,
        jwt: Jwt<C>,
        authority: &ReadyAuthority,
    ) -> NowOrLater<Result<Jwt<C>, AuthError>> {
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
    /// decoded before its size is known, no key is touched before the header is good, no claim is believed before the
    /// signature, and what is cheap to refuse is refused before the signature.
    fn with_keys_at_hand(&self, token: &[u8], trail: Option<&Trail>) -> Result<Progress<'_, C>, AuthError> {
        let limits = &self.core.limits;
        let only = self.core.authorities.only();
        if let (Some(trail), Some(only)) = (trail, only) {
            trail.authority(&SelectedAuthority::Configured(only));
        }
        let padding = only.map_or(Padding::Refused, |only| only.policy.padding());
        let compact = Compact::split(token, limits, padding)?;
        let only = only.filter(|only| !only.policy.issuer.shares_keys());
        // A header that was seen under a good signature has nothing new to say, if no `iss` has to be read first, and no claim
        // stands in it.
        let recalled = only.filter(|only| only.policy.header.is_none());
        if let Some(only) = recalled {
            let keys = only.keys.load();
            if let Some(candidates) = keys.recall(compact.header) {
                let authority = SelectedAuthority::Configured(only);
                if let Some(trail) = trail
                    && let Some((algorithm, key_hash)) = keys.recalled(compact.header)
                {
                    trail.algorithm(Some(algorithm));
                    trail.key_hash(key_hash);
                }
                return self.with_candidates(
                    &compact,
                    &candidates,
                    authority,
                    &mut LazyPayload::default(),
                    trail,
                );
            }
        }
        if !jose::begins_an_object(compact.header) {
            return Err(Reason::MalformedToken.into());
        }
        let mut scratch = Scratch::default();
        let header_json = decode(compact.header, &mut scratch)?;
        let header = Header::read(header_json, limits)?;
        if let Some(trail) = trail {
            trail.algorithm(header.alg);
        }
        let algorithm = header.alg.ok_or(Reason::AlgorithmNotAllowed)?;
        let mut payload = LazyPayload::default();
        let (authority, issuer) = match self.choose_authority(only, &compact, &mut payload)? {
            Choice::Authority { authority, issuer } => (authority, issuer),
            Choice::NotAtHand(issuer) => return Ok(Progress::Unresolved(Unresolved::Tenant(issuer))),
        };
        if let Some(trail) = trail {
            trail.authority(&authority);
        }
        authority.policy.check_typ(header.typ.as_deref())?;
        if let Some(rules) = &authority.policy.header {
            payload.expires = Some(rules.check(header_json)?);
        }

        let keys = authority.keys.load();
        if !keys.algorithms.contains(algorithm) {
            return match authority.keys.may_come(algorithm) {
                true => Ok(Progress::Unresolved(unresolved_key(authority, &keys, &header))),
                false if keys.algorithms.is_empty() && !authority.keys.source().is_remote() => {
                    Err(Reason::KeysUnavailable.into())
                }
                false => Err(Reason::AlgorithmNotAllowed.into()),
            };
        }
        let owner = issuer.as_deref().and_then(|issuer| authority.policy.issuer.owner(issuer));
        let most = limits.keys_tried.max(if authority.has_previous_secret { 2 } else { 1 });
        let candidates = match keys.candidates(header.kid.as_deref(), algorithm, most, owner) {
            Ok(candidates) => candidates,
            Err(NoKey::Unknown) => {
                return Ok(Progress::Unresolved(unresolved_key(authority, &keys, &header)));
            }
            Err(NoKey::Ambiguous) => return Err(Reason::UnknownKey.into()),
        };
        if let Some(trail) = trail {
            trail.key_hash(keys.key_hash(header.kid.as_deref()));
        }
        let progress = self.with_candidates(&compact, &candidates, authority, &mut payload, trail)?;
        // After the signature: nothing of the header but its own members has been read so far.
        if jose::has_private_name(header_json) {
            return Err(AuthError::from(Reason::MalformedToken).after_signature());
        }
        if recalled.is_some() {
            keys.remember(compact.header, algorithm, header.kid.as_deref(), &candidates);
        }
        Ok(progress)
    }

    /// The verdict, when the keys are known that the token may have been signed with.
    fn with_candidates<'v>(
        &self,
        compact: &Compact<'_>,
        candidates: &Candidates<'_>,
        authority: SelectedAuthority<'v>,
        payload: &mut LazyPayload,
        trail: Option<&Trail>,
    ) -> Result<Progress<'v, C>, AuthError> {
        if !candidates.iter().any(|key| key.fits(compact.signature)) {
            return Err(Reason::BadSignature.into());
        }
        let now = self.core.clock.now();
        let tokens = self.tokens.as_ref().filter(|_| compact.token.len() <= LONGEST_KEPT);
        let named = tokens.and_then(|tokens| Some((tokens, VerifiedTokens::<C>::name(compact.token)?)));
        let Some((tokens, name)) = named else {
            let jwt = self.verify_signature(compact, candidates, &authority, payload, now)?;
            self.judge_life(&jwt)?;
            return Ok(Progress::Verified(jwt, authority));
        };
        let found_by = FoundBy { authority: authority.id, generation: candidates.generation() };
        let known = tokens.get(&name, found_by);
        if let Some(trail) = trail {
            trail.change(|notes| notes.was_cached = Some(known.is_some()));
        }
        let jwt = match known {
            Some(jwt) => jwt,
            None => tokens.verify(name, found_by, || {
                self.verify_signature(compact, candidates, &authority, payload, now)
            })?,
        };
        // Whoever verified it, this request is judged by its own time.
        if let Err(refused) = authority.policy.judge_times(jwt.registered().times(), now) {
            tokens.remove(&name);
            return Err(refused.after_signature());
        }
        self.judge_life(&jwt)?;
        Ok(Progress::Verified(jwt.verified_again(now), authority))
    }

    /// Refuses a token that was revoked.
    fn judge_life(&self, jwt: &Jwt<C>) -> Result<(), AuthError> {
        match self.revocations() {
            Some(revocations) => {
                revocations.judge(&jwt.registered().facts()).map_err(AuthError::after_signature)
            }
            None => Ok(()),
        }
    }

    /// The signature, and then the claims.
    fn verify_signature(
        &self,
        compact: &Compact<'_>,
        candidates: &Candidates<'_>,
        authority: &SelectedAuthority<'_>,
        payload: &mut LazyPayload,
        now: UnixTime,
    ) -> Result<Jwt<C>, AuthError> {
        if !jose::begins_an_object(compact.payload) {
            return Err(Reason::MalformedToken.into());
        }
        // Hashing costs less than a look.
        let is_expensive = candidates.iter().any(|key| !key.is_symmetric());
        if is_expensive && compact.payload.len() <= LOOKED_AT_EARLY {
            let expires = payload.expires;
            let payload = payload.decoded(compact)?;
            if authority.glance.doubts(payload, &authority.policy, now) {
                self.check_claims_early(payload, authority, now, expires)?;
            }
        }
        let mut scratch = Scratch::default();
        let signature = decode(compact.signature, &mut scratch)?;
        let fits = |key: &PreparedKey| key.verify(compact.signing_input, signature);
        let position = candidates.iter().position(fits).ok_or(Reason::BadSignature)?;
        authority.prove();
        let expires = payload.expires;
        let payload = payload.decoded(compact).map_err(AuthError::after_signature)?;
        let mut leniencies = Leniencies::default();
        if position > 0 && authority.has_previous_secret {
            leniencies.add(Leniency::PreviousSecret);
        }
        let jwt = self.read_claims(payload, authority, now, expires, leniencies);
        jwt.map_err(AuthError::after_signature)
    }

    /// The authority whose keys count. With several, the unverified `iss` may only choose among those that are trusted;
    /// each then demands it again after the signature.
    fn choose_authority<'v>(
        &'v self,
        only: Option<&'v ReadyAuthority>,
        compact: &Compact<'_>,
        payload: &mut LazyPayload,
    ) -> Result<Choice<'v>, AuthError> {
        let authorities = &self.core.authorities;
        if let Some(only) = only {
            return Ok(Choice::Authority { authority: SelectedAuthority::Configured(only), issuer: None });
        }
        if !jose::begins_an_object(compact.payload) {
            return Err(Reason::MalformedToken.into());
        }
        let refused = |reason| Err(AuthError::new(reason).with_claim("iss"));
        let issuer = match jose::first_member(payload.decoded(compact)?, "iss", self.core.limits.claims) {
            FirstMember::Text(issuer) => issuer,
            FirstMember::Absent => return refused(Reason::MissingClaim),
            FirstMember::Other => return refused(Reason::InvalidClaim),
            FirstMember::Unreadable => return Err(Reason::MalformedToken.into()),
        };
        let Some(authority) = authorities.of(&issuer) else {
            return Ok(Choice::NotAtHand(issuer.into()));
        };
        let shared = authority.policy.issuer.shares_keys();
        Ok(Choice::Authority { authority, issuer: shared.then(|| issuer.into()) })
    }

    /// The text that all claims are read from.
    fn text_of<'p>(&self, payload: &'p [u8], authority: &ReadyAuthority) -> Result<Cow<'p, str>, AuthError> {
        let text = std::str::from_utf8(payload).map_err(|_| Reason::MalformedToken)?;
        if !jose::depth_is_within(text, self.core.limits.json_depth) {
            return Err(Reason::MalformedToken.into());
        }
        Ok(match authority.policy.numeric_ids_as_text {
            true => jose::with_numeric_ids_as_text(text),
            false => Cow::Borrowed(text),
        })
    }

    pub(super) fn read_claims(
        &self,
        payload: &[u8],
        authority: &ReadyAuthority,
        now: UnixTime,
        expires: Option<UnixTime>,
        mut leniencies: Leniencies,
    ) -> Result<Jwt<C>, AuthError> {
        if jose::has_private_name(payload) {
            return Err(Reason::MalformedToken.into());
        }
        let text = self.text_of(payload, authority)?;
        if matches!(text, Cow::Owned(_)) {
            leniencies.add(Leniency::NumericId);
        }
        let mut notes = RegisteredClaims::new(&authority.policy.required).expiring(expires);
        let claims = jose::read_claims::<C>(&text, self.core.limits.claims, &mut notes)
            .map_err(|jose::Unreadable| Reason::MalformedToken)?;
        // A verdict of the policy says more than "does not fit the type", so it comes first.
        let exp = authority.policy.check_claims(&notes, now)?;
        let claims = claims.map_err(|error| ClaimsMismatch::of(&error).refuse())?;
        let leeway = authority.policy.leeway;
        let registered = Registered::new(&text, &mut notes, &authority.permissions, exp, leeway)?;
        for _leniency in leniencies.iter() {
            trace::debug!(leniency = _leniency.name(), "a token of yesterday was accepted");
        }
        Ok(Jwt::of_verified(
            claims,
            registered.with_leniencies(leniencies).with_life(self.core.life.as_ref()),
            now,
        ))
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

    /// The authorities that say nothing about the roles of their tokens; those of tenants are not known yet.
    pub(crate) fn without_roles(&self) -> impl Iterator<Item = &str> {
        let says_nothing = |authority: &&ReadyAuthority| {
            authority.permissions.roles_at.is_none() && !authority.permissions.grants_no_roles()
        };
        self.core.authorities.all().filter(says_nothing).map(|authority| &*authority.name)
    }

    /// The same authorities, for a caller that does not need the claims.
    #[cfg(feature = "jwks")]
    pub(crate) fn untyped(&self) -> Verifier<()> {
        Verifier { core: Arc::clone(&self.core), tokens: None }
    }

    pub(super) fn new_of(core: Core, tokens: Option<VerifiedTokens<C>>) -> Self {
        Self { core: Arc::new(core), tokens: tokens.map(Arc::new) }
    }

    pub(crate) fn revocations(&self) -> Option<&Revocations> {
        self.core.life.as_ref()?.revocations.as_ref()
    }

    pub(super) fn core(&self) -> &Core {
        &self.core
    }
}

fn unresolved_key<'v>(
    authority: SelectedAuthority<'v>,
    keys: &PreparedSet,
    header: &Header<'_>,
) -> Unresolved<'v> {
    let asks_by_kid = authority.keys.source().asks_by_kid();
    let kid = header.kid.as_deref().filter(|_| asks_by_kid).map(Into::into);
    Unresolved::Key(authority, keys.generation, kid)
}

/// Characters of a payload that is looked at before its signature is checked. With a longer one the look would cost as
/// much as the signature.
const LOOKED_AT_EARLY: usize = 3072;

/// Members that are read for that look.
const CLAIMS_READ_EARLY: usize = 64;

/// Bytes of a token that is kept. To hash a longer one would cost as much as some signatures.
const LONGEST_KEPT: usize = 8192;

// By hand: a derive would ask for `C: Clone`.
impl<C> Clone for Verifier<C> {
    fn clone(&self) -> Self {
        Self { core: Arc::clone(&self.core), tokens: self.tokens.clone() }
    }
}

impl<C> fmt::Debug for Verifier<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("core", &self.core).field("tokens", &self.tokens).finish()
    }
}
