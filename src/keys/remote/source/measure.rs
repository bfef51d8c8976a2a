//! What is measured of a source.

use std::sync::Arc;
use std::time::Duration;

use super::shared::Inner;
use crate::keys::remote::measured_as::Measured;
use crate::keys::remote::sync::lock;
use crate::runtime::metric;

impl Inner {
    pub(super) fn measured_name(&self) -> &Arc<str> {
        &self.settings.measured_as.name
    }

    /// Measures what is at hand.
    pub(super) fn measure(&self) {
        // A recorder is the user's: it must not panic for a second time, nor be called with something locked.
        if !metric::ON || self.settings.measured_as.shared || std::thread::panicking() {
            return;
        }
        let failures = self.state().failures();
        let keys = self.snapshot.load().1.len();
        let fetched_at = *lock(&self.fetched_at);
        {
            let mut measured = lock(&self.measured);
            // What was closed has said its last, and one that has nothing yet does not speak for another of its name.
            let is_silent = measured.is_none() && keys == 0 && Measured::is_known(self.measured_name());
            if self.is_closed() || is_silent {
                return;
            }
            measured.get_or_insert_with(|| Measured::of(self.measured_name()));
        }
        self.gauges(keys, failures);
        if let Some(at) = fetched_at {
            let _seconds = at.since_epoch().as_secs_f64();
            metric::gauge!(metric::KEYS_FETCHED_AT, _seconds, "source" => metric::label(Some(self.measured_name())));
        }
    }

    /// Says that there is nothing any more.
    pub(super) fn measure_the_end(&self) {
        // One that was never measured says nothing, and of two with one name the other goes on.
        let was_last = lock(&self.measured).take().is_some_and(Measured::end);
        if metric::ON && was_last && !std::thread::panicking() {
            self.gauges(0, 0);
        }
    }

    fn gauges(&self, _keys: usize, _failures: u32) {
        metric::gauge!(metric::KEYS, _keys as f64, "source" => metric::label(Some(self.measured_name())));
        let _failures = f64::from(_failures);
        metric::gauge!(metric::KEYS_FAILURES, _failures, "source" => metric::label(Some(self.measured_name())));
    }

    pub(super) fn measure_fetch(&self, _fetched: bool, _took: Duration) {
        let _outcome = if _fetched { "ok" } else { "failed" };
        metric::counter!(
            metric::KEY_FETCHES,
            "source" => metric::label(Some(self.measured_name())),
            "outcome" => _outcome,
        );
        metric::histogram!(
            metric::KEY_FETCH_DURATION, _took.as_secs_f64(),
            "source" => metric::label(Some(self.measured_name())),
            "outcome" => _outcome,
        );
    }

    /// An unknown `kid` for which nothing is fetched.
    pub(super) fn measure_suppressed(&self) {
        metric::counter!(metric::KEYS_SUPPRESSED, "source" => metric::label(Some(self.measured_name())));
    }
}

/// One that waits for keys, as it is measured; it counts until it goes.
pub(super) struct MeasuredWait(Arc<Inner>);

impl MeasuredWait {
    pub(super) fn start(inner: &Arc<Inner>) -> Self {
        metric::gauge_by!(metric::KEYS_WAITING, 1.0, "source" => metric::label(Some(inner.measured_name())));
        Self(Arc::clone(inner))
    }
}

impl Drop for MeasuredWait {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            metric::gauge_by!(metric::KEYS_WAITING, -1.0, "source" => metric::label(Some(self.0.measured_name())));
        }
    }
}
