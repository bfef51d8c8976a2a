//! Measurements through the `metrics` facade if that feature is on, nothing otherwise. Labels are codes and what is
//! configured, never what a client sends. `docs/reference/metrics.md` has the same table, and a test holds the two together.

#![allow(dead_code, unused_imports, unused_macros)] // each feature uses its own

/// Whether anything is measured.
pub(crate) const ON: bool = cfg!(feature = "metrics");

macro_rules! names {
    ($($constant:ident $name:literal $kind:ident $unit:ident $meaning:literal)*) => {
        $(
        pub(crate) const $constant: &str = $name;)*

        /// Gives names, units and meanings to the recorder of the [`metrics`](https://docs.rs/metrics) facade. Call it once,
        /// after the recorder was installed; an exporter then writes them beside the values. Feature `metrics`.
        #[cfg(feature = "metrics")]
        pub fn describe_metrics() {
            $(names!(@describe $kind $name $unit $meaning);)*
        }
    };
    (@describe counter $name:literal $unit:ident $meaning:literal) => {
        ::metrics::describe_counter!($name, ::metrics::Unit::$unit, $meaning)
    };
    (@describe gauge $name:literal $unit:ident $meaning:literal) => {
        ::metrics::describe_gauge!($name, ::metrics::Unit::$unit, $meaning)
    };
    (@describe histogram $name:literal $unit:ident $meaning:literal) => {
        ::metrics::describe_histogram!($name, ::metrics::Unit::$unit, $meaning)
    };
}

names! {
    DECISIONS "jwt_auth.decisions" counter Count "Requests that a layer decided about"
    DECISION_DURATION "jwt_auth.decision.duration" histogram Seconds "How long a decision took, with the wait for keys"
    POLICY_DECISIONS "jwt_auth.policy.decisions" counter Count "Requests that a policy decided about"
    KEY_FETCHES "jwt_auth.keys.fetches" counter Count "Attempts to fetch keys"
    KEY_FETCH_DURATION "jwt_auth.keys.fetch.duration" histogram Seconds "How long an attempt to fetch keys took"
    KEYS "jwt_auth.keys.count" gauge Count "Keys at hand"
    KEYS_FETCHED_AT "jwt_auth.keys.fetched_at" gauge Seconds "When keys were fetched last, in seconds since 1970"
    KEYS_FAILURES "jwt_auth.keys.failures" gauge Count "Attempts that failed since the last good one"
    KEYS_SUPPRESSED "jwt_auth.keys.suppressed" counter Count "Unknown key ids for which nothing was fetched, to spare the provider"
    KEYS_WAITING "jwt_auth.keys.waiting" gauge Count "Requests and warm-ups that wait for keys"
    REVOCATIONS "jwt_auth.revocations.count" gauge Count "Revocations in memory"
    REVOCATIONS_READ_AT "jwt_auth.revocations.read_at" gauge Seconds "When the store said last that this process has all revocations, in seconds since 1970"
    REVOCATIONS_FAILURES "jwt_auth.revocations.failures" gauge Count "Reads of the store of revocations that failed since the last good one"
    STATUS_LIST_FETCHES "jwt_auth.status_lists.fetches" counter Count "Attempts to fetch a status list"
    REFRESH_ROTATIONS "jwt_auth.refresh.rotations" counter Count "Refresh tokens that were exchanged"
    REFRESH_REUSED "jwt_auth.refresh.reused" counter Count "Refresh tokens that were used again, so that their session ended"
}

/// A text that is shared with the configuration, as a label.
#[cfg(feature = "metrics")]
pub(crate) fn label(text: Option<&std::sync::Arc<str>>) -> ::metrics::SharedString {
    text.map_or_else(
        || "none".into(),
        |text| ::metrics::SharedString::from_shared(std::sync::Arc::clone(text)),
    )
}

#[cfg(not(feature = "metrics"))]
pub(crate) fn label(_: Option<&std::sync::Arc<str>>) {}

#[cfg(feature = "metrics")]
mod to_the_facade {
    macro_rules! counter {
        ($name:expr $(, $label:literal => $value:expr)* $(,)?) => {
            ::metrics::counter!($name $(, $label => $value)*).increment(1)
        };
    }
    macro_rules! gauge {
        ($name:expr, $number:expr $(, $label:literal => $value:expr)* $(,)?) => {
            ::metrics::gauge!($name $(, $label => $value)*).set($number)
        };
    }
    macro_rules! gauge_by {
        ($name:expr, $number:expr $(, $label:literal => $value:expr)* $(,)?) => {
            ::metrics::gauge!($name $(, $label => $value)*).increment($number)
        };
    }
    macro_rules! histogram {
        ($name:expr, $number:expr $(, $label:literal => $value:expr)* $(,)?) => {
            ::metrics::histogram!($name $(, $label => $value)*).record($number)
        };
    }
    pub(crate) use {counter, gauge, gauge_by, histogram};
}
#[cfg(feature = "metrics")]
pub(crate) use to_the_facade::*;

#[cfg(not(feature = "metrics"))]
mod to_nobody {
    /// Never runs, but the compiler sees what is used.
    macro_rules! counter {
        ($name:expr $(, $label:literal => $value:expr)* $(,)?) => {
            if $crate::runtime::metric::ON {
                let _ = ($name, $($value,)*);
            }
        };
    }
    macro_rules! gauge {
        ($name:expr, $number:expr $(, $label:literal => $value:expr)* $(,)?) => {
            if $crate::runtime::metric::ON {
                let _ = ($name, $number, $($value,)*);
            }
        };
    }
    pub(crate) use {counter, gauge, gauge as gauge_by, gauge as histogram};
}
#[cfg(not(feature = "metrics"))]
pub(crate) use to_nobody::*;
