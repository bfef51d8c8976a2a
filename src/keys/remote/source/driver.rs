//! The task that does what the state machine says. It ends with the source, or with its runtime.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::super::state::Step;
use super::super::sync::atomic::Ordering;
use super::super::sync::{Handle, timeout};
use super::shared::Inner;
use crate::runtime::trace;

/// Starts the task on the present runtime, if no task runs. Answers whether there is a runtime.
#[cold]
pub(super) fn start(source: &Arc<Inner>) -> bool {
    if source.is_closed() {
        return false;
    }
    let Ok(runtime) = Handle::try_current() else { return false };
    if !source.driven.swap(true, Ordering::AcqRel) {
        let driven = Driven(Arc::downgrade(source));
        let mut task = source.task();
        let handle = runtime.spawn(drive(driven)).abort_handle();
        if source.is_closed() {
            handle.abort();
        }
        *task = Some(handle);
    }
    true
}

/// Says that the task is gone, however it went: with the source, with its runtime, or by a panic of the fetcher.
struct Driven(Weak<Inner>);

impl Drop for Driven {
    fn drop(&mut self) {
        if let Some(source) = self.0.upgrade() {
            source.interrupted(std::thread::panicking());
        }
    }
}

async fn drive(driven: Driven) {
    loop {
        let Some(source) = driven.0.upgrade() else { return };
        let now = source.now();
        let step = source.state().step(now);
        match step {
            Step::Fetch => {
                trace::in_fetch_span(source.measured_name(), source.attempt()).await;
            }
            Step::Drop => source.drop_old_keys(),
            Step::Sleep(until) => {
                // A day is as good as forever, and no timer overflows.
                let pause = until.map_or(Duration::from_secs(86_400), |until| until.saturating_sub(now));
                let wake = Arc::clone(&source.wake);
                drop(source);
                let _ = timeout(pause, wake.notified()).await;
            }
        }
    }
}
