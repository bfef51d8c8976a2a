//! The task of a list, which does what its schedule says. It ends with the list, or with its runtime.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;

use super::entry::Entry;
use super::schedule::Step;
use super::shared::Shared;
use crate::runtime::trace;

/// Starts the task on the present runtime, if no task runs, or wakes it. Answers whether there is one.
pub(super) fn start(shared: &Arc<Shared>, entry: &Arc<Entry>) -> bool {
    if !entry.is_driven() {
        let Ok(runtime) = Handle::try_current() else { return false };
        if !entry.begin_driving() {
            let driven = Driven { shared: Arc::downgrade(shared), entry: Arc::downgrade(entry) };
            entry.is_driven_by(runtime.spawn(drive(driven)).abort_handle());
        }
    }
    entry.wake.notify_one();
    true
}

/// Says that the task is gone, however it went.
struct Driven {
    shared: Weak<Shared>,
    entry: Weak<Entry>,
}

impl Drop for Driven {
    fn drop(&mut self) {
        if let Some(entry) = self.entry.upgrade() {
            entry.end_driving();
        }
    }
}

async fn drive(driven: Driven) {
    loop {
        let (Some(shared), Some(entry)) = (driven.shared.upgrade(), driven.entry.upgrade()) else { return };
        let now = shared.now();
        match entry.step(now) {
            Step::Fetch => shared.attempt(&entry).await,
            Step::Drop => {
                entry.drop_list();
                trace::error!(
                    uri = entry.place(),
                    "a status list is too old to be believed; its tokens are refused with 503"
                );
            }
            Step::Rest => entry.drop_list(),
            Step::Sleep(until) => {
                // A day is as good as forever, and no timer overflows.
                let pause = until.map_or(Duration::from_secs(86_400), |until| until.saturating_sub(now));
                let wake = Arc::clone(&entry.wake);
                drop((shared, entry));
                let _ = tokio::time::timeout(pause, wake.notified()).await;
            }
        }
    }
}
