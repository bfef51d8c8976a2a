//! Checks a verifier's settings.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use super::authorities::Authorities;
use super::authority::Authority;
use super::claims_type::ClaimsType;
use super::life::Life;
use super::ready_authority::BuildContext;
use super::tenants::{KnownTenants, Tenants};
use super::token_cache::TokenCache;
use super::verified_tokens::VerifiedTokens;
use super::verifier::{Core, Verifier};
use crate::crypto::Backend;
use crate::error::{ConfigError, ConfigProblemKind, Problems};
use crate::jose::{Claims, Limits};
use crate::revocation::Revocations;
use crate::runtime::{Clock, SystemClock};

/// Settings of a [`Verifier`] beyond its authorities: the clock, limits, backend.
///
/// ```
/// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
/// use tower_jwt_auth::{Authority, Claims, Limits, Secret, Verifier};
///
/// let verifier = Verifier::<Claims>::builder()
///     .authority(Authority::hs256(Secret::generate()?).issuer("shop").audience("api"))
///     .limits(Limits::default().token_bytes(4096))
///     .build()?;
/// # Ok(()) }
/// ```
#[must_use = "call build()"]
pub struct VerifierBuilder<C = Claims> {
    authorities: Vec<Authority>,
    tenants: Vec<Tenants>,
    /// `None`: that of the system.
    clock: Option<Arc<dyn Clock>>,
    revocations: Option<Revocations>,
    limits: Limits,
    backend: Option<Backend>,
    check_deadline: Duration,
    cache: Option<TokenCache>,
    #[cfg(feature = "config")]
    earlier: Option<Verifier<C>>,
    claims: PhantomData<fn() -> C>,
}

const MAX_CHECK_DEADLINE: Duration = Duration::from_secs(5);

impl<C: ClaimsType> VerifierBuilder<C> {
    pub(super) fn new() -> Self {
        Self {
            authorities: Vec::new(),
            tenants: Vec::new(),
            clock: None,
            revocations: None,
            limits: Limits::default(),
            backend: None,
            check_deadline: Duration::from_millis(500),
            cache: None,
            #[cfg(feature = "config")]
            earlier: None,
            claims: PhantomData,
        }
    }

    /// Adds an authority.
    pub fn authority(mut self, authority: Authority) -> Self {
        self.authorities.push(authority);
        self
    }

    /// Adds several authorities.
    pub fn authorities(mut self, authorities: impl IntoIterator<Item = Authority>) -> Self {
        self.authorities.extend(authorities);
        self
    }

    /// Trusts issuers that are only known at run time, beside the authorities; those are looked at first.
    pub fn tenants(mut self, tenants: Tenants) -> Self {
        self.tenants.push(tenants);
        self
    }

    /// Reads the time from this clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Refuses tokens that were revoked. Several verifiers may share one handle.
    ///
    /// From then on a token must have `iat`, and live no longer than
    /// [`longest_token`](crate::RevocationsBuilder::longest_token).
    pub fn revocations(mut self, revocations: Revocations) -> Self {
        self.revocations = Some(revocations);
        self
    }

    /// Bounds what a token may cost.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Overrules the choice of backend.
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = Some(backend);
        self
    }

    /// Keeps tokens that were found good, so that they cost no signature when they come again. Off by default: see
    /// [`TokenCache`] for what it changes.
    pub fn cache(mut self, cache: TokenCache) -> Self {
        self.cache = Some(cache);
        self
    }

    /// How long asynchronous checks may take together: 500 milliseconds by default, at most 5 seconds. A check that takes longer
    /// refuses the request with [`Reason::RevocationUnavailable`](crate::Reason::RevocationUnavailable), which is 503.
    pub fn check_deadline(mut self, deadline: Duration) -> Self {
        self.check_deadline = deadline;
        self
    }

    /// Takes over the keys of this verifier that come from the same sources.
    #[cfg(feature = "config")]
    pub(crate) fn keys_of(mut self, earlier: Verifier<C>) -> Self {
        self.earlier = Some(earlier);
        self
    }

    /// Checks everything and prepares the keys.
    ///
    /// # Errors
    /// If settings are missing, contradict each other, or are out of bounds. The error lists all of them, each with its
    /// remedy.
    pub fn build(self) -> Result<Verifier<C>, ConfigError> {
        let mut problems = Problems::default();
        problems.take(self.limits.check());
        if self.check_deadline.is_zero() || self.check_deadline > MAX_CHECK_DEADLINE {
            problems.add(
                ConfigError::new(
                    "check_deadline",
                    format!("{:?} is out of bounds", self.check_deadline),
                    "use more than 0 and at most 5 seconds",
                )
                .of_kind(ConfigProblemKind::OutOfBounds),
            );
        }
        if self.tenants.len() > 1 {
            let remedy = "call it once, with one function that knows them all";
            problems.add(
                ConfigError::new("tenants", "it is set twice", remedy).of_kind(ConfigProblemKind::Conflict),
            );
        }
        if self.authorities.is_empty() && self.tenants.is_empty() {
            problems.add(
                ConfigError::new("authority", "there is none", "add an Authority")
                    .of_kind(ConfigProblemKind::Missing),
            );
        }
        let several = self.authorities.len() > 1 || !self.tenants.is_empty();
        if several && self.authorities.iter().any(Authority::wants_any_issuer) {
            problems.add(
                ConfigError::new(
                    "any_issuer",
                    "one of several authorities takes any issuer",
                    "name each one's issuer: it is what chooses the keys",
                )
                .of_kind(ConfigProblemKind::Conflict),
            );
        }
        let Some(backend) = self.backend.or_else(Backend::preferred) else {
            // Nothing can be prepared without one.
            problems.add(ConfigError::no_backend());
            return Err(problems.into_error());
        };
        let life = (self.clock.is_some() || self.revocations.is_some()).then_some(());
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock));
        let life = life.map(|()| Arc::new(Life { clock: Arc::clone(&clock), revocations: self.revocations }));
        let making = BuildContext {
            backend: &backend,
            limits: &self.limits,
            clock: &clock,
            #[cfg(feature = "jwks")]
            fetch: None,
            earlier: &[],
        };
        let tenants =
            self.tenants.into_iter().next().map(|tenants| {
                KnownTenants::new(tenants, &backend, self.limits, &clock, self.check_deadline)
            });
        let mut authorities = Authorities::new(problems.take(tenants.transpose()).flatten());
        #[cfg(feature = "config")]
        let earlier =
            self.earlier.as_ref().map_or(&[][..], |earlier| earlier.core().authorities.configured());
        for authority in self.authorities {
            #[cfg(feature = "config")]
            let making = match authority.keys.are_configured() {
                true => BuildContext { earlier, ..making },
                false => making,
            };
            if let Some(authority) = problems.take(authority.build(&making)) {
                problems.take(authorities.add(authority));
            }
        }
        problems.take(authorities.check_rules());
        let tokens = problems.take(self.cache.map(VerifiedTokens::new).transpose()).flatten();
        problems.into_result()?;
        let Self { limits, check_deadline, .. } = self;
        let core = Core { authorities, clock, limits, check_deadline, life };
        Ok(Verifier::new_of(core, tokens))
    }
}

impl<C> fmt::Debug for VerifierBuilder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifierBuilder")
            .field("authorities", &self.authorities)
            .field("tenants", &self.tenants)
            .field("limits", &self.limits)
            .field("backend", &self.backend)
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}
