//! Which `iss` an authority takes.

use std::fmt;
use std::sync::Arc;

use crate::error::{AuthError, Reason};
use crate::jose::{IssuerDifference, is_guid};
use crate::keys::KeyOwner;

/// Which `iss` an authority takes.
#[derive(Clone, Debug)]
pub(super) enum IssuerRule {
    /// Any, or none at all.
    Any,
    This(Arc<str>),
    /// One for each tenant of a provider.
    #[cfg_attr(not(feature = "oidc"), allow(dead_code))]
    OfTenants(TenantIssuer),
}

/// An issuer with the tenant's GUID in the middle, and which tenants are trusted.
#[derive(Clone)]
pub(crate) struct TenantIssuer {
    /// With [`PLACEHOLDER`] where the tenant stands.
    template: &'static str,
    trusts: Trusts,
}

/// What is asked of each tenant's GUID.
type Trusts = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// As Microsoft writes it, in discovery documents and in keys.
const PLACEHOLDER: &str = "{tenantid}";

impl IssuerRule {
    /// Whether this `iss` is taken.
    pub(super) fn takes(&self, issuer: &str) -> bool {
        match self {
            Self::Any => true,
            Self::This(this) => **this == *issuer,
            Self::OfTenants(tenants) => tenants.takes(issuer),
        }
    }

    /// The refusal of an `iss` that is not taken. If it is almost the right one, the source of the error says how they
    /// differ, for the log.
    pub(super) fn refuse(&self, issuer: &str) -> AuthError {
        let refused = AuthError::new(Reason::UnknownIssuer).with_claim("iss");
        match self.difference(issuer) {
            Some(difference) => refused.with_source(difference),
            None => refused,
        }
    }

    /// How an `iss` differs from the one that is taken, if that is easily overlooked.
    pub(super) fn difference(&self, issuer: &str) -> Option<IssuerDifference> {
        match self {
            Self::This(this) => IssuerDifference::between(issuer, this),
            Self::Any | Self::OfTenants(_) => None,
        }
    }

    /// Whether one set has keys for several issuers.
    pub(super) const fn shares_keys(&self) -> bool {
        matches!(self, Self::OfTenants(_))
    }

    /// What keys must say of their issuer, where one set has keys for several.
    pub(super) fn owner<'a>(&self, issuer: &'a str) -> Option<KeyOwner<'a>> {
        match self {
            Self::OfTenants(tenants) => Some(KeyOwner { issuer, template: tenants.template }),
            Self::Any | Self::This(_) => None,
        }
    }
}

impl fmt::Display for IssuerRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "(any)",
            Self::This(issuer) => issuer,
            Self::OfTenants(tenants) => tenants.template,
        })
    }
}

impl TenantIssuer {
    #[cfg(feature = "oidc")]
    pub(crate) fn new(template: &'static str, trusts: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self { template, trusts: Arc::new(trusts) }
    }

    pub(super) const fn template(&self) -> &'static str {
        self.template
    }

    fn takes(&self, issuer: &str) -> bool {
        tenant_of(issuer, self.template).is_some_and(|tenant| (self.trusts)(tenant))
    }
}

/// The tenant's GUID in an issuer that was made of `template`.
pub(super) fn tenant_of<'i>(issuer: &'i str, template: &str) -> Option<&'i str> {
    let (before, after) = template.split_once(PLACEHOLDER)?;
    let tenant = issuer.strip_prefix(before)?.strip_suffix(after)?;
    is_guid(tenant).then_some(tenant)
}

impl fmt::Debug for TenantIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TenantIssuer({:?})", self.template)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = "https://login.example.com/{tenantid}/v2.0";

    #[test]
    fn a_tenant_is_a_guid_in_the_very_place() {
        let tenant = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
        let of = |issuer: &str| tenant_of(issuer, TEMPLATE).map(str::to_owned);
        assert_eq!(of(&format!("https://login.example.com/{tenant}/v2.0")).as_deref(), Some(tenant));
        for refused in [
            format!("https://login.example.com/{tenant}/v2.0/"),
            format!("https://login.example.com/{tenant}"),
            format!("https://login.example.com//{tenant}/v2.0"),
            format!("https://login.example.com/{}/v2.0", tenant.to_uppercase()),
            format!("https://login.example.com/{tenant}/evil/v2.0"),
            format!("https://login.example.com.evil/{tenant}/v2.0"),
            format!("http://login.example.com/{tenant}/v2.0"),
            "https://login.example.com/{tenantid}/v2.0".to_owned(),
            "https://login.example.com/common/v2.0".to_owned(),
            "https://login.example.com//v2.0".to_owned(),
            "https://login.example.com/v2.0".to_owned(),
            String::new(),
        ] {
            assert_eq!(of(&refused), None, "{refused}");
        }
    }
}
