//! Sessions of refresh tokens, and whose they are.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use super::client::AuthenticatedClient;
use crate::refresh::{RefreshToken, RefreshTokens};
use crate::runtime::NowOrLater;
use crate::store::{Session, StoreError};

/// The refresh tokens of a service, and the user's rule for which client may do something with a session.
#[derive(Clone)]
pub(super) struct KnownSessions {
    pub(super) tokens: RefreshTokens,
    rule: Arc<Rule>,
}

type Rule = dyn Fn(AuthenticatedClient, Session) -> NowOrLater<Result<bool, StoreError>> + Send + Sync;

/// A session that the client may know of.
pub(super) struct KnownSession {
    pub(super) session: Session,
    /// The token is the one that is to be exchanged next.
    pub(super) is_current: bool,
}

impl KnownSessions {
    pub(super) fn new<F, Fut>(tokens: RefreshTokens, rule: F) -> Self
    where
        F: Fn(AuthenticatedClient, Session) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<bool, StoreError>> + Send + 'static,
    {
        Self { tokens, rule: Arc::new(move |client, session| NowOrLater::later(rule(client, session))) }
    }

    /// The session of a token, if the rule lets the client know of it.
    pub(super) async fn find(
        &self,
        token: &RefreshToken,
        client: &AuthenticatedClient,
    ) -> Result<Option<KnownSession>, StoreError> {
        let Some((session, is_current)) = self.tokens.look_up(token).await? else { return Ok(None) };
        let may_know = (self.rule)(client.clone(), session.clone()).await?;
        Ok(may_know.then_some(KnownSession { session, is_current }))
    }
}

impl fmt::Debug for KnownSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownSessions").field("tokens", &self.tokens).finish_non_exhaustive()
    }
}
