//! The access tokens of a session that has ended.

use crate::revocation::{Revocation, Revocations};
use crate::store::{RefreshRecord, StoreError};

/// Who issues them, and how they are revoked.
#[derive(Debug)]
pub(super) struct AccessTokens {
    pub(super) issuer: String,
    pub(super) revocations: Revocations,
}

impl AccessTokens {
    /// Revokes those of these sessions.
    pub(super) async fn revoke(&self, sessions: &[RefreshRecord]) -> Result<(), StoreError> {
        let by_sid = |record: &RefreshRecord| Revocation::session(&self.issuer, &record.sid);
        self.revocations.revoke_all(sessions.iter().map(by_sid)).await
    }
}
