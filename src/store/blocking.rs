//! Work that blocks its thread, such as that on files.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::StoreError;
use crate::runtime::NowOrLater;

/// The output of `work`, from a thread where it may block, when it is its turn. Without a runtime there is no such thread, and
/// no task that it could hold up, so it is done in place.
///
/// The turn ends with the work, not with the caller that waits for it. So work that hangs holds one thread, and not one for
/// each caller that gives up and asks again.
pub(crate) fn in_turn<T: Send + 'static>(
    turn: &Arc<Semaphore>,
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> NowOrLater<Result<T, StoreError>> {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return NowOrLater::ready(work()) };
    let turn = Arc::clone(turn);
    NowOrLater::later(async move {
        let permit = turn.acquire_owned().await.map_err(StoreError::new)?;
        let work = move || {
            let _permit = permit;
            work()
        };
        runtime.spawn_blocking(work).await.unwrap_or_else(|stopped| Err(StoreError::new(stopped)))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    /// A caller that gives up and asks again takes no further thread.
    #[tokio::test]
    async fn work_that_hangs_holds_one_thread() {
        let (turn, started) = (Arc::new(Semaphore::new(1)), Arc::new(AtomicUsize::new(0)));
        let (release, hangs) = mpsc::channel::<()>();
        let (tell, running) = tokio::sync::oneshot::channel();
        let count = Arc::clone(&started);
        let first = tokio::spawn(in_turn(&turn, move || {
            count.fetch_add(1, Ordering::SeqCst);
            let _ = tell.send(());
            let _ = hangs.recv();
            Ok(())
        }));
        running.await.unwrap();
        first.abort();
        for _ in 0..10 {
            let count = Arc::clone(&started);
            let given_up = tokio::spawn(in_turn(&turn, move || {
                count.fetch_add(1, Ordering::SeqCst);
                Ok(())
            }));
            tokio::task::yield_now().await;
            given_up.abort();
            assert!(given_up.await.unwrap_err().is_cancelled());
        }
        assert_eq!(started.load(Ordering::SeqCst), 1);
        drop(release);
        assert_eq!(in_turn(&turn, || Ok(7)).await.unwrap(), 7);
    }
}
