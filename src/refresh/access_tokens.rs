//! The access tokens of a session that has ended.

use std::future::Future;

use crate::revocation::{Revocation, Revocations};
use crate::store::{RefreshRecord, StoreError};

/// Who issues them, and how they are revoked.
#[derive(Debug)]
pub(super) struct AccessTokens {
    pub(super) issuer: String,
    pub(super) revocations: Revocations,
}

impl AccessTokens {
    /// Revokes those of these sessions: in this process when it is called, in the others when that is awaited.
    pub(super) fn revoke(
        &self,
        sessions: &[RefreshRecord],
    ) -> impl Future<Output = Result<(), StoreError>> + Send + use<> {
        let by_sid = |record: &RefreshRecord| Revocation::session(&self.issuer, &record.sid);
        self.revocations.revoke_these(sessions.iter().map(by_sid).collect())
    }
}
