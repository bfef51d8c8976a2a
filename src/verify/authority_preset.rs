//! What is settled late: where keys are fetched from, and what presets demand in a provider's stead.

use std::sync::Arc;

use super::authority::Authority;
#[cfg(feature = "oidc")]
use super::claim_rules::ClaimRule;
#[cfg(feature = "oidc")]
use super::header_rules::HeaderRules;
#[cfg(feature = "oidc")]
use super::issuer_rule::TenantIssuer;
#[cfg(feature = "jwks")]
use super::key_origin::KeyOrigin;
use crate::error::ConfigError;
#[cfg(feature = "oidc")]
use crate::jose::Algorithm;
#[cfg(feature = "oidc")]
use crate::keys::KeyEndpoint;
#[cfg(feature = "jwks")]
use crate::keys::RemoteKeys;

impl Authority {
    /// The authority of this issuer, which a token named.
    ///
    /// # Errors
    /// If it is that of another issuer, or of several.
    pub(super) fn for_issuer(self, issuer: &Arc<str>) -> Result<Self, ConfigError> {
        if self.any_issuer
            || self.tenant_issuer.is_some()
            || self.issuer.as_ref().is_some_and(|own| own != issuer)
        {
            let problem = format!("the authority for {issuer:?} is that of others");
            return Err(ConfigError::new(
                "tenants",
                problem,
                "return one with this very issuer, or with none",
            ));
        }
        if self.opaque.is_some() {
            let problem = format!("the authority for {issuer:?} asks about tokens, which name no tenant");
            return Err(ConfigError::new("tenants", problem, "add it to the verifier as an authority"));
        }
        Ok(Self { issuer: Some(Arc::clone(issuer)), ..self })
    }
}

#[cfg(feature = "jwks")]
impl Authority {
    /// Changes how the keys are fetched: the client, the cooldown, how long old keys serve, where they are kept (feature
    /// `jwks`). For the
    /// authorities of `jwks`, `oidc` and the module `provider`.
    ///
    /// ```
    /// # #[cfg(feature = "oidc")]
    /// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
    /// use std::time::Duration;
    /// use tower_jwt_auth::{Claims, Verifier, provider};
    ///
    /// let authority = provider::auth0("tenant.eu.auth0.com")
    ///     .audience("https://api.example.com")
    ///     .remote_keys(|keys| keys.cooldown(Duration::from_secs(30)));
    /// let verifier = Verifier::<Claims>::new(authority)?;
    /// # Ok(()) }
    /// # #[cfg(not(feature = "oidc"))] fn main() {}
    /// ```
    ///
    /// Whose keys they are does not change: another URL in [`RemoteKeys::new`], or keys that are at hand already, are a
    /// [`ConfigError`] when the verifier is built. [`RemoteKeys::discovery_url`] and [`RemoteKeys::jwks_url`] say that the same
    /// keys are reached at another address.
    pub fn remote_keys(mut self, change: impl FnOnce(RemoteKeys) -> RemoteKeys) -> Self {
        let refused = |problem| {
            let remedy = "change how keys are fetched, with jwks_url(..) or discovery_url(..) if they are reached at another address";
            KeyOrigin::Source(Err(ConfigError::new("remote_keys", problem, remedy)))
        };
        self.keys = match self.keys {
            KeyOrigin::Remote(keys, found) => {
                let url = keys.url().to_owned();
                match change(keys) {
                    keys if keys.url() == url => KeyOrigin::Remote(keys, found),
                    keys => refused(format!("{:?} stands in place of {url:?}", keys.url())),
                }
            }
            KeyOrigin::Source(Ok(_)) => refused("the keys of this authority are not fetched".to_owned()),
            failed @ KeyOrigin::Source(Err(_)) => failed,
        };
        self
    }

    /// Requires this of the claim at a JSON pointer, before the user's checks.
    #[cfg(feature = "oidc")]
    pub(crate) fn demand(mut self, place: &'static str, demand: ClaimRule) -> Self {
        self.demands.push((place, demand));
        self
    }

    /// Requires one of these claims.
    #[cfg(feature = "oidc")]
    pub(crate) fn require_any(mut self, names: &'static [&'static str]) -> Self {
        self.any_of.push(names);
        self
    }

    /// Requires `aud` only if an audience is named: the provider sends none, and the preset checks what stands in its
    /// place.
    #[cfg(feature = "oidc")]
    pub(crate) fn audience_may_lack(mut self) -> Self {
        self.audience_may_lack = true;
        self
    }

    /// The assertions of a load balancer: keys in PEM at this URL and their `kid`, padded segments, and rules for the header,
    /// where issuer, audience and expiry stand. It has to be the only authority of its verifier.
    #[cfg(feature = "oidc")]
    pub(crate) fn of_load_balancer(keys: RemoteKeys, header: HeaderRules) -> Self {
        let mut authority = Self::of(KeyOrigin::Remote(keys, KeyEndpoint::PemOfKid));
        authority.header = Some(header);
        authority.any_issuer().audience_may_lack().algorithms([Algorithm::ES256])
    }

    /// Takes an issuer for each tenant, and of the keys only those that say they are for it.
    #[cfg(feature = "oidc")]
    pub(crate) fn issuer_of_tenants(mut self, issuer: TenantIssuer) -> Self {
        self.demands.push(("/tid", ClaimRule::TenantOf(issuer.template())));
        self.tenant_issuer = Some(issuer);
        self
    }

    /// An authority that cannot be made; the verifier will say why.
    #[cfg(feature = "oidc")]
    pub(crate) fn failed(error: ConfigError) -> Self {
        Self::of(KeyOrigin::Source(Err(error)))
    }
}
