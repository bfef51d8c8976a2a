//! How a source is called where it is measured.

use std::sync::Arc;

/// How measurements and spans call a source.
#[derive(Clone, Debug)]
pub(super) struct MeasuredAs {
    /// As it is configured, but for a query, which may be secret.
    pub(super) name: Arc<str>,
    /// Others have the name, too, so that only what can be added up is measured.
    pub(super) shared: bool,
}

impl MeasuredAs {
    pub(super) fn alone(url: &str) -> Self {
        let name = url.split_once('?').map_or(url, |(place, _)| place);
        Self { name: name.into(), shared: false }
    }

    /// All tenants together: they come and go.
    pub(super) fn tenant() -> Self {
        Self { name: "(tenant)".into(), shared: true }
    }

    /// One of several sources of this name.
    pub(super) fn shared(self) -> Self {
        Self { shared: true, ..self }
    }
}
