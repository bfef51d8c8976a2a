//! The task that follows the store. It ends with the last handle, or with its runtime.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};

use super::revocations::{Followed, Shared};
use crate::runtime::{NowOrLater, Stopwatch, trace};
use crate::store::{LogPosition, RevocationPage, RevocationRecord, RevocationStore, StoreError};

/// How long a read may wait for something new; less if the view would grow too old meanwhile.
const WAIT: Duration = Duration::from_secs(5);
/// How much longer a read may take: when a whole fleet comes back at once, an engine needs seconds for all of them.
const READ_PATIENCE: Duration = Duration::from_secs(10);
/// How long a write may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The pause between two reads of a store that does not wait.
const PAUSE: Duration = Duration::from_millis(250);
/// The pause after something new, in which more of it gathers: a fleet that reads each of a hundred revocations a second by itself
/// would ask for too much. The first one has arrived by then.
const GATHER: Duration = Duration::from_millis(200);
/// The first pause after a failure, and the last. All of it is drawn by lot: those who failed at the same moment must not come
/// back at the same moment.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// How many records are tried one by one before the log is read again.
const ONE_BY_ONE: usize = 20;
/// About how often each process asks the store to remove what has expired.
const CLEAN_UP: Duration = Duration::from_secs(3600);

/// Starts the task on the present runtime, if there is one.
#[cold]
pub(super) fn start(shared: &Arc<Shared>) {
    let (Ok(runtime), Some(followed)) = (Handle::try_current(), &shared.followed) else { return };
    if !followed.is_running.swap(true, Ordering::AcqRel) {
        runtime.spawn(follow(
            Running(Arc::downgrade(shared)),
            Arc::clone(&followed.store),
            followed.wait(WAIT),
        ));
    }
}

/// Says that the task is gone, however it went.
struct Running(Weak<Shared>);

impl Running {
    fn tell(&self, what: impl FnOnce(&Followed)) {
        if let Some(followed) = self.0.upgrade().as_ref().and_then(|shared| shared.followed.as_ref()) {
            what(followed);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.tell(|followed| followed.is_running.store(false, Ordering::Release));
    }
}

async fn follow(running: Running, store: Arc<dyn RevocationStore>, wait: Duration) {
    let mut position: Option<LogPosition> = None;
    let (mut is_caught_up, mut pause) = (false, BACK_OFF.0);
    let (mut since_clean_up, mut clean_up_after) = (Stopwatch::start(), CLEAN_UP.mul_f64(part()));
    loop {
        let asked = Stopwatch::start();
        // To hear that there is nothing new counts as well: tokens must not be refused while the first read waits for news.
        let wait = if is_caught_up { wait } else { Duration::ZERO };
        let page = read(&*store, position.clone(), wait).await;
        let Some(shared) = running.0.upgrade() else { return };
        match page {
            Ok(page) => {
                let unsent = shared.take_in(&page);
                shared.remove_expired();
                drop(shared);
                let (is_empty, has_more) = (page.records.is_empty(), page.has_more);
                is_caught_up = !has_more;
                position = Some(page.position);
                pause = BACK_OFF.0;
                append_again(&running, &*store, unsent).await;
                match is_empty {
                    _ if has_more => {}
                    false => sleep(GATHER.mul_f64(0.5 + part())).await,
                    true if !wait.is_zero() && asked.elapsed() < PAUSE => {
                        sleep(PAUSE.mul_f64(0.5 + part())).await;
                    }
                    true => {}
                }
            }
            Err(error) => {
                shared.failed(&error);
                drop(shared);
                is_caught_up = false;
                sleep(pause.mul_f64(part())).await;
                pause = (pause * 2).min(BACK_OFF.1);
            }
        }
        if since_clean_up.elapsed() > clean_up_after {
            let Some(shared) = running.0.upgrade() else { return };
            let now = shared.clock.now();
            drop(shared);
            if let Err(_error) = patiently(store.remove_expired(now)).await {
                trace::warn!(error = %_error, "expired revocations cannot be removed");
            }
            (since_clean_up, clean_up_after) = (Stopwatch::start(), CLEAN_UP.mul_f64(0.5 + part()));
        }
    }
}

/// Appends what may not be stored yet; if all of it at once is refused, one by one, because one record may be the reason. A store that
/// hangs is given no more time than it has for one write, because the log has to be read again.
async fn append_again(running: &Running, store: &dyn RevocationStore, unsent: Vec<RevocationRecord>) {
    if unsent.is_empty() {
        return;
    }
    let one_by_one = async {
        let Err(_error) = store.append(unsent.clone()).await else {
            return running.tell(|it| it.is_sent(&unsent));
        };
        trace::warn!(error = %_error, "revocations cannot be appended");
        for record in unsent.iter().take(ONE_BY_ONE) {
            match store.append(vec![record.clone()]).await {
                Ok(()) => running.tell(|it| it.is_sent(std::slice::from_ref(record))),
                Err(_) => running.tell(|it| it.is_refused(record)),
            }
        }
    };
    if timeout(PATIENCE, one_by_one).await.is_err() {
        trace::warn!("revocations cannot be appended in time");
    }
}

async fn read(
    store: &dyn RevocationStore,
    position: Option<LogPosition>,
    wait: Duration,
) -> Result<RevocationPage, StoreError> {
    timeout(wait + READ_PATIENCE, store.read(position, wait))
        .await
        .unwrap_or_else(|late| Err(StoreError::new(late)))
}

pub(super) async fn patiently<T>(answer: NowOrLater<Result<T, StoreError>>) -> Result<T, StoreError> {
    timeout(PATIENCE, answer).await.unwrap_or_else(|late| Err(StoreError::new(late)))
}

/// At random from 0 to 1, so that the processes of a fleet do not do the same at the same time.
fn part() -> f64 {
    let mut bytes = [0; 4];
    match getrandom::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 0.5,
    }
}
