//! When tokens and sessions end, to the millisecond; and settings that make no sense.

use tower_jwt_auth::{ConfigError, MemoryRefreshStore, RefreshError, RefreshTokensBuilder};

use super::*;

#[tokio::test]
async fn an_unused_token_expires_and_use_prolongs_it() {
    for store in stores() {
        let world = World::new(store);
        let token = world.login().await;
        world.clock.advance(14 * DAY - MOMENT);
        let token = world.rotate(&token).await.unwrap();
        world.clock.advance(14 * DAY - MOMENT);
        let token = world.rotate(&token).await.unwrap();
        assert_eq!(world.tokens.sessions("bob").await.unwrap().len(), 1);

        world.clock.advance(14 * DAY);
        assert!(world.tokens.sessions("bob").await.unwrap().is_empty());
        assert_invalid(world.rotate(&token).await);
    }
}

#[tokio::test]
async fn the_idle_edge() {
    for store in stores() {
        let world = World::new(store);
        let token = world.login().await;
        world.clock.advance(14 * DAY);
        assert_invalid(world.rotate(&token).await);
    }
}

#[tokio::test]
async fn a_session_ends_however_often_it_is_used() {
    for store in stores() {
        let world = World::new(store);
        let grant = world.tokens.begin("bob").await.unwrap();
        assert_eq!(grant.session.ends_at(), START.saturating_add(30 * DAY));
        let mut token = grant.token;
        for _ in 0..29 {
            world.clock.advance(DAY);
            token = world.rotate(&token).await.unwrap();
        }
        let session = world.tokens.sessions("bob").await.unwrap().remove(0);
        assert_eq!(session.expires_at(), session.ends_at(), "a token does not outlive its session");
        world.clock.advance(DAY - MOMENT);
        assert!(world.tokens.is_live("bob", session.sid()).await.unwrap());
        let last = world.rotate(&token).await.unwrap();
        world.clock.advance(MOMENT);
        assert!(!world.tokens.is_live("bob", session.sid()).await.unwrap());
        assert_invalid(world.rotate(&last).await);
        // Nor does the grace prolong it.
        assert_invalid(world.rotate(&token).await);
    }
}

#[tokio::test]
async fn an_expired_session_is_not_reported_as_reuse() {
    for store in stores() {
        let world = World::new(store);
        let tokens = world.chain(1).await;
        world.clock.advance(30 * DAY);
        assert_invalid(world.rotate(&tokens[0]).await);
    }
}

#[tokio::test]
async fn what_has_expired_is_removed_and_nothing_else() {
    for store in stores() {
        let world = World::new(store);
        let old = world.login().await;
        world.clock.advance(DAY);
        let tokens = world.chain(1).await;
        world.clock.advance(13 * DAY - MOMENT);
        world.tokens.remove_expired().await.unwrap();
        assert_eq!(world.store.list("bob".to_owned()).await.unwrap().len(), 2);
        world.clock.advance(MOMENT);
        world.tokens.remove_expired().await.unwrap();
        assert_eq!(world.store.list("bob".to_owned()).await.unwrap().len(), 1);
        assert_invalid(world.rotate(&old).await);
        world.rotate(&tokens[1]).await.unwrap();
    }
}

/// After the grace the sealed successor is deleted; the old token is then still known as used.
#[tokio::test]
async fn the_sealed_successor_is_removed_after_the_grace() {
    for store in stores() {
        let world = World::new(store);
        let tokens = world.chain(1).await;
        let record = async || world.store.list("bob".to_owned()).await.unwrap().remove(0);
        world.clock.advance(GRACE - MOMENT);
        world.tokens.remove_expired().await.unwrap();
        assert_eq!(record().await.retry_until(), Some(START.saturating_add(GRACE)));
        assert_same(&world.rotate(&tokens[0]).await.unwrap(), &tokens[1]);

        world.clock.advance(MOMENT);
        world.tokens.remove_expired().await.unwrap();
        let purged = record().await;
        assert_eq!(purged.retry_until(), None);
        assert!(!serde_json::to_string(&purged).unwrap().contains("sealed"));
        let newest = world.rotate(&tokens[1]).await.expect("the current token is as good as before");
        assert_reused(world.rotate(&tokens[0]).await);
        assert_invalid(world.rotate(&newest).await);
    }
}

#[test]
fn settings_out_of_bounds_are_refused() {
    type Change = fn(RefreshTokensBuilder) -> RefreshTokensBuilder;
    let refused = |change: Change| -> ConfigError {
        change(RefreshTokens::builder(MemoryRefreshStore::new())).build().unwrap_err()
    };
    let cases: [(&str, Change); 8] = [
        ("idle", |s| s.idle(Duration::ZERO)),
        ("idle", |s| s.idle(31 * DAY)),
        ("idle", |s| s.absolute(13 * DAY)),
        ("absolute", |s| s.absolute(3651 * DAY)),
        ("grace", |s| s.grace(Duration::from_millis(60_001))),
        ("grace", |s| s.idle(Duration::from_secs(10))),
        ("sessions_per_subject", |s| s.sessions_per_subject(0)),
        ("sessions_per_subject", |s| s.sessions_per_subject(1001)),
    ];
    for (setting, change) in cases {
        assert_eq!(refused(change).setting(), setting);
    }
    let widest = RefreshTokens::builder(MemoryRefreshStore::new()).grace(Duration::from_secs(60));
    widest.idle(3650 * DAY).absolute(3650 * DAY).sessions_per_subject(1000).build().unwrap();
    let narrowest = RefreshTokens::builder(MemoryRefreshStore::new()).grace(Duration::ZERO);
    narrowest.idle(Duration::from_secs(1)).absolute(Duration::from_secs(1)).build().unwrap();
}

#[test]
fn only_what_may_pass_is_transient() {
    use tower_jwt_auth::StoreError;
    assert!(!RefreshError::Invalid.is_transient());
    assert!(RefreshError::from(StoreError::new("x")).is_transient());
    assert!(RefreshError::User("x".into()).is_transient());
}
