//! The keys of a verifier that are fetched: waiting for them, and how they are doing.

use std::sync::Arc;

use super::tenants::KnownTenants;
use super::verifier::Verifier;
use crate::error::ConfigError;
use crate::keys::{KeyHealth, KeySource, Unavailable};
use crate::runtime::NowOrLater;

impl<C> Verifier<C> {
    /// Fetches the keys of all configured authorities that have none yet, to fail at start rather than at the first request.
    ///
    /// Keys that an earlier process kept (`RemoteKeys::keep_in`) are keys: with them it succeeds while the provider is down.
    ///
    /// # Errors
    /// If keys cannot be had: why, and from where. The verifier stays usable, and goes on trying.
    pub async fn warm(&self) -> Result<(), ConfigError> {
        self.warm_but(&[]).await
    }

    /// The same, but keys of these sources may lack.
    ///
    /// # Errors
    /// As for [`Verifier::warm`].
    pub(crate) async fn warm_but(&self, others: &[Arc<dyn KeySource>]) -> Result<(), ConfigError> {
        let is_other = |source: &Arc<dyn KeySource>| others.iter().any(|other| Arc::ptr_eq(other, source));
        let warmed = self.warm_all().await;
        let mut failed = Vec::new();
        for (source, warmed) in self.shared_sources().zip(warmed) {
            if warmed.is_ok() || is_other(&source) {
                continue;
            }
            let health = source.health();
            let url = health.as_ref().map_or("", |health| health.url.as_str());
            let why = health
                .as_ref()
                .and_then(|health| health.last_error.as_deref())
                .unwrap_or("no answer in time, or no tokio runtime to fetch on");
            failed.push(format!("those of {url} cannot be had: {why}"));
        }
        if !failed.is_empty() {
            let remedy = "see that the URL is right and can be reached from here";
            return Err(ConfigError::new("keys", failed.join("; "), remedy));
        }
        for authority in self.core().authorities.configured() {
            if is_other(&authority.keys.shared_source()) {
                continue;
            }
            if let (Some(allowed), true) =
                (authority.keys.allowed(), authority.keys.load().algorithms.is_empty())
                && !authority.keys.source().asks_by_kid()
            {
                let problem =
                    format!("none of {} is for an allowed algorithm ({allowed:?})", authority.policy.issuer);
                return Err(ConfigError::new("algorithms", problem, "allow what the provider signs with"));
            }
        }
        Ok(())
    }

    /// How the keys that are fetched are doing, one entry for each such authority that is configured.
    #[must_use]
    pub fn key_health(&self) -> Vec<KeyHealth> {
        self.key_sources().filter_map(KeySource::health).collect()
    }

    /// How the keys of the tenants that are known just now are doing, in no order.
    #[must_use]
    pub fn tenant_key_health(&self) -> Vec<KeyHealth> {
        let tenants = self.core().authorities.tenants().map(KnownTenants::all).unwrap_or_default();
        tenants.iter().filter_map(|tenant| tenant.authority.keys.source().health()).collect()
    }

    /// Waits until each source has keys or has failed to get them, in the order of `key_sources`.
    pub(crate) async fn warm_all(&self) -> Vec<Result<(), Unavailable>> {
        NowOrLater::all(self.key_sources().map(KeySource::warm)).await
    }

    /// Where the keys of each configured authority come from, to be held.
    pub(crate) fn shared_sources(&self) -> impl Iterator<Item = Arc<dyn KeySource>> {
        self.core().authorities.configured().iter().map(|authority| authority.keys.shared_source())
    }

    /// Where the keys of each configured authority come from.
    fn key_sources(&self) -> impl Iterator<Item = &dyn KeySource> {
        self.core().authorities.configured().iter().map(|authority| authority.keys.source())
    }
}
