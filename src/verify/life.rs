//! What ends a token that was accepted: time, or its revocation.

use std::sync::Arc;

use crate::error::{AuthError, Reason};
use crate::revocation::Revocations;
use crate::runtime::{Clock, SystemClock, UnixTime};

/// Of the verifier that accepted it.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) revocations: Option<Revocations>,
}

/// Waits for the end of a token.
pub(super) async fn ended(
    life: Option<Arc<Life>>,
    expires_at: UnixTime,
    is_revoked: impl Fn(&Revocations) -> bool + Send,
) -> AuthError {
    let life = life.as_deref();
    let now = life.map_or_else(|| SystemClock.now(), |life| life.clock.now());
    let expired = tokio::time::sleep(expires_at.saturating_since(now));
    let Some(revocations) = life.and_then(|life| life.revocations.as_ref()) else {
        expired.await;
        return Reason::Expired.into();
    };
    let mut expired = std::pin::pin!(expired);
    let mut changes = revocations.changes();
    loop {
        // Before the look: what is revoked after it is seen as a change.
        changes.mark_unchanged();
        if is_revoked(revocations) {
            return Reason::Revoked.into();
        }
        let mut changed = std::pin::pin!(changes.changed());
        let is_over = std::future::poll_fn(|context| {
            use std::future::Future;
            use std::task::Poll;

            if expired.as_mut().poll(context).is_ready() {
                return Poll::Ready(true);
            }
            changed.as_mut().poll(context).map(|_| false)
        });
        if is_over.await {
            return Reason::Expired.into();
        }
    }
}
