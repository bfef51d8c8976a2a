//! Token in, proof out.

use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::authority::{Authority, ReadyAuthority};
use super::builder::VerifierBuilder;
use super::checks;
use super::jwt::Jwt;
use super::principal::Registered;
use crate::claims::Claims;
use crate::error::{AuthError, ConfigError};
use crate::jose::{self, Compact, Header, Note, Scratch};
#[cfg(feature = "jwks")]
use crate::keys::KeySource;
use crate::keys::{Generation, NoKey};
use crate::limits::Limits;
use crate::now_or_later::NowOrLater;
use crate::reason::Reason;
use crate::time::Clock;

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
    pub(super) authorities: Vec<ReadyAuthority>,
    /// Positions in `authorities`.
    pub(super) by_issuer: HashMap<Arc<str>, usize>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) limits: Limits,
    pub(super) check_deadline: Duration,
}

/// How far a token came with the keys at hand.
enum Outcome<'v, C> {
    Verified(Jwt<C>, &'v ReadyAuthority),
    /// The authority has no key of this name; a newer set might.
    NoKey(&'v ReadyAuthority, Generation),
}

impl<C: DeserializeOwned + Send + Sync + 'static> Verifier<C> {
    /// A verifier for one authority or several, with the defaults for everything else.
    ///
    /// With several, a token's `iss` chooses the authority before any key is looked up.
    ///
    /// # Errors
    /// If a setting is missing, contradicts another, or is out of bounds; the error names it and the remedy.
    pub fn new(authorities: impl IntoIterator<Item = Authority>) -> Result<Self, ConfigError> {
        Self::builder().authorities(authorities).build()
    }

    /// A verifier with more settings.
    pub fn builder() -> VerifierBuilder<C> {
        VerifierBuilder::new()
    }

    /// Verifies a token.
    ///
    /// The answer is there at once ([`NowOrLater::now`]) unless keys must be fetched or an asynchronous check is
    /// configured. The error is the reason of the refusal.
    pub fn verify(&self, token: &str) -> NowOrLater<Result<Jwt<C>, AuthError>> {
        match self.with_keys_at_hand(token) {
            Ok(Outcome::Verified(jwt, authority)) => self.with_checks(jwt, authority),
            Ok(Outcome::NoKey(authority, seen)) => match self.ask_for_keys(token, authority, seen).into_now()
            {
                Ok(Ok(true)) => self.with_newer_keys(token),
                Ok(Ok(false)) => NowOrLater::ready(Err(no_key_of(authority))),
                Ok(Err(refused)) => NowOrLater::ready(Err(refused)),
                Err(refresh) => {
                    let (verifier, token) = (self.clone(), token.to_owned());
                    NowOrLater::later(async move {
                        // Whether there is another set or not: the answer is then that of a second try.
                        refresh.await?;
                        verifier.with_newer_keys(&token).await
                    })
                }
            },
            Err(refused) => NowOrLater::ready(Err(refused)),
        }
    }

    /// Whether the source has another set than the one of generation `seen`.
    ///
    /// A token may cause a fetch only if all else about it looks right: who invents a `kid` has to know the issuer, the
    /// audience and the time as well. Nothing of it is believed here, it can only be refused.
    fn ask_for_keys(
        &self,
        token: &str,
        authority: &ReadyAuthority,
        seen: Generation,
    ) -> NowOrLater<Result<bool, AuthError>> {
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
        let notes = jose::skim(text, &authority.policy.required).map_err(|_| Reason::MalformedToken)?;
        authority.policy.check_claims(&notes, self.core.clock.now()).map(drop)
    }

    /// The second and last try, after a refresh.
    fn with_newer_keys(&self, token: &str) -> NowOrLater<Result<Jwt<C>, AuthError>> {
        match self.with_keys_at_hand(token) {
            Ok(Outcome::Verified(jwt, authority)) => self.with_checks(jwt, authority),
            Ok(Outcome::NoKey(authority, _)) => NowOrLater::ready(Err(no_key_of(authority))),
            Err(refused) => NowOrLater::ready(Err(refused)),
        }
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
    fn with_keys_at_hand(&self, token: &str) -> Result<Outcome<'_, C>, AuthError> {
        let limits = &self.core.limits;
        let compact = Compact::split(token, limits)?;
        let header_json = decode_header(compact.header, limits)?;
        let header = Header::read(&header_json, limits)?;
        let algorithm = header.alg.ok_or(Reason::AlgorithmNotAllowed)?;
        let (authority, payload) = self.choose_authority(compact.payload)?;
        authority.policy.check_typ(header.typ.as_deref())?;

        let keys = authority.keys.load();
        if !keys.algorithms.contains(algorithm) {
            return match authority.keys.may_come(algorithm) {
                true => Ok(Outcome::NoKey(authority, keys.generation)),
                false if keys.algorithms.is_empty() && !authority.keys.source().is_remote() => {
                    Err(Reason::KeysUnavailable.into())
                }
                false => Err(Reason::AlgorithmNotAllowed.into()),
            };
        }
        let candidates = match keys.candidates(header.kid.as_deref(), algorithm, limits.keys_tried) {
            Ok(candidates) => candidates,
            Err(NoKey::Unknown) => return Ok(Outcome::NoKey(authority, keys.generation)),
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
        let jwt = self.read_claims(&payload, authority).map_err(AuthError::after_signature)?;
        Ok(Outcome::Verified(jwt, authority))
    }

    /// The authority whose keys count. With several, the unverified `iss` may only choose among those that are
    /// configured; each then demands it again after the signature.
    fn choose_authority(&self, payload: &str) -> Result<(&ReadyAuthority, Option<Scratch>), AuthError> {
        if let [only] = self.core.authorities.as_slice() {
            return Ok((only, None));
        }
        let payload = decode_payload(payload)?;
        let chosen = {
            let text = self.text_of(&payload)?;
            let notes = jose::skim(text, &[]).map_err(|_| Reason::MalformedToken)?;
            match notes.get(jose::Slot::Iss) {
                Note::Text(issuer) => {
                    let position = self.core.by_issuer.get(issuer.as_ref());
                    position.and_then(|position| self.core.authorities.get(*position))
                }
                Note::Absent => return Err(AuthError::new(Reason::MissingClaim).with_claim("iss")),
                _ => return Err(AuthError::new(Reason::InvalidClaim).with_claim("iss")),
            }
        };
        let authority = chosen.ok_or_else(|| AuthError::new(Reason::UnknownIssuer).with_claim("iss"))?;
        Ok((authority, Some(payload)))
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
        let (mut notes, claims) = jose::read_claims::<C>(text, &authority.policy.required)
            .map_err(|jose::Unreadable| Reason::MalformedToken)?;
        // A verdict of the policy says more than "does not fit the type", so it comes first.
        let now = self.core.clock.now();
        let exp = authority.policy.check_claims(&notes, now)?;
        let claims = claims.map_err(|error| Misfit::of(&error).refuse())?;
        let leeway = authority.policy.leeway;
        let registered = Registered::new(text, &mut notes, &authority.grants, exp, now, leeway)?;
        Ok(Jwt::of_verified(claims, registered))
    }
}

#[cfg(feature = "jwks")]
impl<C> Verifier<C> {
    /// Fetches the keys of all authorities that have none yet, to fail at start rather than at the first request.
    ///
    /// # Errors
    /// If keys cannot be had: why, and from where. The verifier stays usable, and goes on trying.
    pub async fn warm(&self) -> Result<(), ConfigError> {
        // All at once: whoever is asked begins before it is awaited.
        let warmed: Vec<_> = self.key_sources().map(|source| (source, source.warm())).collect();
        for (source, warmed) in warmed {
            if warmed.await.is_ok() {
                continue;
            }
            let health = source.health();
            let url = health.as_ref().map_or("", |health| health.url.as_str());
            let why = health
                .as_ref()
                .and_then(|health| health.last_error.as_deref())
                .unwrap_or("no answer in time, or no tokio runtime to fetch on");
            return Err(ConfigError::new(
                "keys",
                format!("those of {url} cannot be had: {why}"),
                "see that the URL is right and can be reached from here",
            ));
        }
        Ok(())
    }

    /// How the keys that are fetched are doing, one entry for each such authority.
    #[must_use]
    pub fn key_health(&self) -> Vec<crate::keys::KeyHealth> {
        self.key_sources().filter_map(KeySource::health).collect()
    }

    /// Where the keys of each authority come from.
    pub(crate) fn key_sources(&self) -> impl Iterator<Item = &dyn KeySource> {
        self.core.authorities.iter().map(|authority| authority.keys.source())
    }

    /// The same authorities, for who does not care for the claims.
    pub(crate) fn untyped(&self) -> Verifier<()> {
        Verifier { core: Arc::clone(&self.core), claims: PhantomData }
    }
}

impl<C> Verifier<C> {
    pub(super) fn new_of(core: Core) -> Self {
        Self { core: Arc::new(core), claims: PhantomData }
    }

    pub(super) fn core(&self) -> &Core {
        &self.core
    }
}

/// Without a single key to verify with the fault is ours.
fn no_key_of(authority: &ReadyAuthority) -> AuthError {
    let none = authority.keys.load().algorithms.is_empty();
    if none { Reason::KeysUnavailable.into() } else { Reason::UnknownKey.into() }
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

/// Where in the payload the claims type did not fit. Serde's own text could repeat a value.
#[derive(Debug)]
struct Misfit {
    line: usize,
    column: usize,
    /// A field of the claims type that the token does not have. It is the type's own name, not the token's text.
    missing: Option<String>,
}

impl Misfit {
    fn of(error: &serde_json::Error) -> Self {
        let text = error.to_string();
        let missing = text.strip_prefix("missing field `").and_then(|rest| rest.split_once('`'));
        let missing = missing.map(|(name, _)| name.to_owned());
        Self { line: error.line(), column: error.column(), missing }
    }

    fn refuse(self) -> AuthError {
        let error = AuthError::new(Reason::InvalidClaim);
        match self.missing.clone() {
            Some(name) => error.with_claim(name).with_source(self),
            None => error.with_source(self),
        }
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.missing {
            Some(name) => write!(f, "the claims type has a field `{name}`, and the token has no such claim"),
            None => write!(
                f,
                "the claims do not fit the claims type (line {}, column {})",
                self.line, self.column
            ),
        }
    }
}

impl std::error::Error for Misfit {}

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
