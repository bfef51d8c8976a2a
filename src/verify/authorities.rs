//! The authorities of a verifier, and which one is that of an issuer.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

use super::issuer_rule::IssuerRule;
use super::opaque_authorities::{OpaqueAuthorities, Position};
use super::ready_authority::ReadyAuthority;
use super::tenants::{KnownTenants, Tenant};
use crate::error::{AuthError, ConfigError, Reason};
use crate::runtime::NowOrLater;

/// The authorities that are configured, and the tenants that are found at run time.
#[derive(Debug, Default)]
pub(super) struct Authorities {
    configured: Vec<ReadyAuthority>,
    /// Positions in `configured`.
    by_issuer: HashMap<Arc<str>, usize>,
    tenants: Option<Arc<KnownTenants>>,
    /// Those that ask about their tokens, if there are any.
    opaque: Option<OpaqueAuthorities>,
}

/// The authority that a token's issuer chose.
pub(super) enum SelectedAuthority<'v> {
    Configured(&'v ReadyAuthority),
    Tenant(Arc<Tenant>),
}

impl Authorities {
    pub(super) fn new(tenants: Option<KnownTenants>) -> Self {
        Self { tenants: tenants.map(Arc::new), ..Self::default() }
    }

    /// # Errors
    /// If there is one with this issuer already, or one that takes the same opaque tokens.
    pub(super) fn add(&mut self, authority: ReadyAuthority) -> Result<(), ConfigError> {
        if authority.opaque.is_some() {
            return self.opaque.get_or_insert_default().add(authority);
        }
        let twice = match &authority.policy.issuer {
            IssuerRule::Any => None,
            IssuerRule::This(issuer) => {
                let before = self.by_issuer.insert(Arc::clone(issuer), self.configured.len());
                before.is_some().then(|| issuer.to_string())
            }
            IssuerRule::OfTenants(tenants) => {
                let same = |other: &ReadyAuthority| match &other.policy.issuer {
                    IssuerRule::OfTenants(other) => other.template() == tenants.template(),
                    _ => false,
                };
                self.configured.iter().any(same).then(|| tenants.template().to_owned())
            }
        };
        if let Some(issuer) = twice {
            return Err(ConfigError::new(
                "issuer",
                format!("two authorities have the issuer {issuer:?}"),
                "make it one: merge their keys into one KeySet, or name both audiences",
            ));
        }
        self.configured.push(authority);
        Ok(())
    }

    #[cfg(feature = "jwks")]
    pub(super) fn configured(&self) -> &[ReadyAuthority] {
        &self.configured
    }

    /// # Errors
    /// If a token may belong to an authority that asks, and to one that has keys.
    pub(super) fn check_rules(&self) -> Result<(), ConfigError> {
        match &self.opaque {
            Some(opaque) if !self.configured.is_empty() || self.tenants.is_some() => {
                opaque.check_beside_jwts()
            }
            _ => Ok(()),
        }
    }

    /// Those that ask about their tokens.
    pub(super) const fn opaque(&self) -> Option<&OpaqueAuthorities> {
        self.opaque.as_ref()
    }

    pub(super) fn opaque_at(&self, position: Position) -> Option<&ReadyAuthority> {
        self.opaque.as_ref()?.get(position)
    }

    /// All that are configured, whether they ask or have keys.
    pub(super) fn all(&self) -> impl Iterator<Item = &ReadyAuthority> {
        self.configured.iter().chain(self.opaque.iter().flat_map(OpaqueAuthorities::all))
    }

    pub(super) fn tenants(&self) -> Option<&KnownTenants> {
        self.tenants.as_deref()
    }

    /// The one authority, if no issuer has to choose.
    pub(super) fn only(&self) -> Option<&ReadyAuthority> {
        match (self.configured.as_slice(), &self.tenants) {
            ([only], None) => Some(only),
            _ => None,
        }
    }

    /// The authority of this issuer, if it is at hand. What is configured comes first.
    pub(super) fn of(&self, issuer: &str) -> Option<SelectedAuthority<'_>> {
        if let Some(position) = self.by_issuer.get(issuer) {
            return self.configured.get(*position).map(SelectedAuthority::Configured);
        }
        let takes = |authority: &&ReadyAuthority| match &authority.policy.issuer {
            IssuerRule::OfTenants(_) => authority.policy.issuer.takes(issuer),
            IssuerRule::Any | IssuerRule::This(_) => false,
        };
        if let Some(authority) = self.configured.iter().find(takes) {
            return Some(SelectedAuthority::Configured(authority));
        }
        self.tenants.as_ref()?.find(issuer).map(SelectedAuthority::Tenant)
    }

    /// Asks the tenants for an issuer that is not at hand. Answers whether it is now.
    ///
    /// # Errors
    /// If it is not trusted, or that cannot be told.
    pub(super) fn ask_for(&self, issuer: &str) -> NowOrLater<Result<bool, AuthError>> {
        match &self.tenants {
            Some(tenants) => tenants.ask(issuer),
            None => {
                let near = self.configured.iter().map(|authority| &authority.policy.issuer);
                let near = near.filter(|rule| rule.difference(issuer).is_some());
                let unknown = || AuthError::new(Reason::UnknownIssuer).with_claim("iss");
                NowOrLater::ready(Err(near.last().map_or_else(unknown, |rule| rule.refuse(issuer))))
            }
        }
    }
}

impl SelectedAuthority<'_> {
    /// A signature of this authority was good.
    pub(super) fn prove(&self) {
        if let Self::Tenant(tenant) = self {
            tenant.prove();
        }
    }
}

impl Deref for SelectedAuthority<'_> {
    type Target = ReadyAuthority;

    fn deref(&self) -> &ReadyAuthority {
        match self {
            Self::Configured(authority) => authority,
            Self::Tenant(tenant) => &tenant.authority,
        }
    }
}
