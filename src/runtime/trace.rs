//! Events through `tracing` if that feature is on, nothing otherwise. Fields are codes, never tokens or claims.

#[cfg(feature = "tracing")]
pub(crate) use tracing::{debug, error, field::display, info, warn};

#[cfg(not(feature = "tracing"))]
mod nothing {
    macro_rules! nothing {
        ($($anything:tt)*) => {
            ()
        };
    }
    pub(crate) use {nothing as debug, nothing as error, nothing as info, nothing as warn};
}
#[cfg(not(feature = "tracing"))]
pub(crate) use nothing::{debug, error, info, warn};

/// Whether anybody listens to the events of decisions.
pub(crate) fn debug_is_on() -> bool {
    #[cfg(feature = "tracing")]
    return tracing::enabled!(target: "tower_jwt_auth::layer::decision", tracing::Level::DEBUG);
    #[cfg(not(feature = "tracing"))]
    false
}

/// A future within a span that names the source, so that a fetcher's own events and requests belong to it.
#[cfg(feature = "jwks")]
pub(crate) async fn in_fetch_span<F: Future>(_source: &str, fetch: F) -> F::Output {
    #[cfg(feature = "tracing")]
    let fetch = tracing::Instrument::instrument(fetch, tracing::info_span!("fetch_keys", source = _source));
    fetch.await
}
