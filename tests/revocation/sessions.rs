//! A session that ends takes its access tokens with it.

use std::convert::Infallible;

use tower_jwt_auth::{
    MemoryRefreshStore, RefreshError, RefreshToken, RefreshTokens, RefreshTokensBuilder, Session,
};

use super::*;

/// Refresh sessions whose access tokens the verifier of a world judges.
struct Sessions {
    world: World,
    tokens: RefreshTokens,
}

impl Sessions {
    fn new() -> Self {
        Self::with(|builder| builder)
    }

    fn with(settings: impl FnOnce(RefreshTokensBuilder) -> RefreshTokensBuilder) -> Self {
        let world = World::new();
        let builder = RefreshTokens::builder(MemoryRefreshStore::new()).clock(world.clock.clone());
        let tokens = settings(builder.revocations(ISSUER, world.revocations.clone())).build().unwrap();
        Self { world, tokens }
    }

    /// A session with its refresh token and an access token.
    async fn login(&self) -> (Session, RefreshToken, String) {
        let grant = self.tokens.begin("bob").await.unwrap();
        let access = self.world.token(json!({ "sid": grant.session.sid(), "jti": "of-this-session" }));
        assert_eq!(self.world.reason(&access), None);
        (grant.session, grant.token, access)
    }

    async fn rotate(&self, token: &RefreshToken, user: Option<()>) -> Result<RefreshToken, RefreshError> {
        let rotated = self.tokens.rotate(token, async |_| Ok::<_, Infallible>(user)).await;
        rotated.map(|rotated| rotated.token)
    }

    fn is_revoked(&self, access: &str) -> bool {
        self.world.reason(access) == Some(Reason::Revoked)
    }
}

#[tokio::test]
async fn a_logout_ends_them() {
    let all = Sessions::new();
    let [(_, token, access), (_, _, other)] = [all.login().await, all.login().await];
    all.tokens.end(&token).await.unwrap();
    assert!(all.is_revoked(&access));
    assert!(!all.is_revoked(&other), "another device stays logged in");
    // Again, and with what is no token.
    all.tokens.end(&token).await.unwrap();
    all.tokens.end(&RefreshToken::from("nonsense")).await.unwrap();
    assert_eq!(all.world.revocations.health().entries, 1);
}

#[tokio::test]
async fn a_logout_everywhere_ends_all_of_them() {
    let all = Sessions::new();
    let [(.., one), (.., other)] = [all.login().await, all.login().await];
    all.tokens.end_all("bob").await.unwrap();
    assert!(all.is_revoked(&one) && all.is_revoked(&other));
    let (.., again) = all.login().await;
    assert!(!all.is_revoked(&again), "who logs in again in the same second is let in");
}

#[tokio::test]
async fn a_session_that_is_ended_by_name_ends_them() {
    let all = Sessions::new();
    let (session, _, access) = all.login().await;
    assert!(!all.tokens.end_session("eve", session.sid()).await.unwrap());
    assert!(!all.is_revoked(&access), "nobody ends the session of another");
    assert!(all.tokens.end_session("bob", session.sid()).await.unwrap());
    assert!(all.is_revoked(&access));
}

/// The thief of a refresh token has an access token as well.
#[tokio::test]
async fn a_refresh_token_that_was_used_twice_ends_them() {
    let all = Sessions::with(|builder| builder.grace(Duration::ZERO));
    let (_, token, access) = all.login().await;
    all.rotate(&token, Some(())).await.unwrap();
    assert!(!all.is_revoked(&access));
    assert!(matches!(all.rotate(&token, Some(())).await, Err(RefreshError::Reused(_))));
    assert!(all.is_revoked(&access));
}

#[tokio::test]
async fn a_user_who_is_gone_ends_them() {
    let all = Sessions::new();
    let (_, token, access) = all.login().await;
    assert!(matches!(all.rotate(&token, None).await, Err(RefreshError::Invalid)));
    assert!(all.is_revoked(&access));
}

#[tokio::test]
async fn a_session_that_makes_room_ends_them() {
    let all = Sessions::with(|builder| builder.sessions_per_subject(1));
    let (.., first) = all.login().await;
    all.world.clock.advance(SECOND);
    let (.., second) = all.login().await;
    assert!(all.is_revoked(&first) && !all.is_revoked(&second));
}
