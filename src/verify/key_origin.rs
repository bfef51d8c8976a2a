//! Where the keys of an authority come from.

use std::sync::Arc;

use crate::error::ConfigError;
use crate::keys::KeySource;
#[cfg(feature = "jwks")]
use crate::keys::{Fetch, KeyEndpoint, RemoteKeys};
#[cfg(feature = "jwks")]
use crate::runtime::Clock;

/// Where the keys come from; a source that fetches is made last, so that its settings can still change.
#[derive(Debug)]
pub(super) enum KeyOrigin {
    Source(Result<Arc<dyn KeySource>, ConfigError>),
    #[cfg(feature = "jwks")]
    Remote(RemoteKeys, KeyEndpoint),
}

impl KeyOrigin {
    /// What tells their source from others, if they are fetched.
    pub(super) fn identity(&self) -> Option<String> {
        match self {
            Self::Source(_) => None,
            #[cfg(feature = "jwks")]
            Self::Remote(keys, endpoint) => Some(keys.identity(*endpoint)),
        }
    }

    /// The source; it fetches by `fetch` unless the user has set a way.
    #[cfg(feature = "jwks")]
    pub(super) fn into_source(
        self,
        fetch: Option<&Arc<dyn Fetch>>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Arc<dyn KeySource>, ConfigError> {
        match self {
            Self::Source(source) => source,
            Self::Remote(keys, endpoint) => keys.into_source(endpoint, fetch, clock),
        }
    }

    /// The source.
    #[cfg(not(feature = "jwks"))]
    pub(super) fn into_source(self) -> Result<Arc<dyn KeySource>, ConfigError> {
        match self {
            Self::Source(source) => source,
        }
    }
}
