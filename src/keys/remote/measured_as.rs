//! How a source is called where it is measured.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::endpoint::without_query;

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
        Self { name: without_query(url).into(), shared: false }
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

/// A source whose keys are measured, as long as it lives. After a reload two of one name may live for a moment.
#[derive(Debug)]
pub(super) struct Measured(Arc<str>);

static MEASURED: Mutex<BTreeMap<Arc<str>, usize>> = Mutex::new(BTreeMap::new());

impl Measured {
    /// Whether a source of this name is measured.
    pub(super) fn is_known(name: &Arc<str>) -> bool {
        MEASURED.lock().unwrap_or_else(PoisonError::into_inner).contains_key(name)
    }

    pub(super) fn of(name: &Arc<str>) -> Self {
        let mut all = MEASURED.lock().unwrap_or_else(PoisonError::into_inner);
        *all.entry(Arc::clone(name)).or_default() += 1;
        Self(Arc::clone(name))
    }

    /// Whether it was the last of its name.
    pub(super) fn end(self) -> bool {
        let mut all = MEASURED.lock().unwrap_or_else(PoisonError::into_inner);
        let others = all.get(&self.0).map_or(0, |count| count.saturating_sub(1));
        match others {
            0 => drop(all.remove(&self.0)),
            others => drop(all.insert(self.0, others)),
        }
        others == 0
    }
}
