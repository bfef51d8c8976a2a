//! Work that blocks its thread, such as that on files.

use crate::now_or_later::NowOrLater;
use crate::store_error::StoreError;

/// What `work` says, from a thread where it may block. Without a runtime there is no such thread and nobody whom it could
/// hold up, so it is done in place.
pub(crate) fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> NowOrLater<Result<T, StoreError>> {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => NowOrLater::later(async move {
            runtime.spawn_blocking(work).await.unwrap_or_else(|stopped| Err(StoreError::new(stopped)))
        }),
        Err(_) => NowOrLater::ready(work()),
    }
}
