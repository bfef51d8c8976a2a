//! Logout, here and everywhere, and the list of sessions.

use super::*;

#[tokio::test]
async fn logout_ends_the_session_and_may_be_repeated() {
    for store in stores() {
        let world = World::new(store);
        let (tokens, other) = (world.chain(2).await, world.login().await);
        for _ in 0..2 {
            world.tokens.end(&tokens[2]).await.unwrap();
        }
        for token in &tokens {
            assert_invalid(world.rotate(token).await);
        }
        world.rotate(&other).await.expect("the other session goes on");
    }
}

/// Whoever has an old token has it from the session: a logout with it must not leave the session open.
#[tokio::test]
async fn logout_works_with_an_old_token() {
    for store in stores() {
        let world = World::new(store);
        let tokens = world.chain(3).await;
        world.tokens.end(&tokens[0]).await.unwrap();
        assert_invalid(world.rotate(&tokens[3]).await);
    }
}

#[tokio::test]
async fn logout_with_garbage_ends_nothing() {
    for store in stores() {
        let world = World::new(store);
        let token = world.login().await;
        for garbage in ["", "x", &token.as_str()[1..], &"A".repeat(64), &"A".repeat(100_000)] {
            world.tokens.end(&RefreshToken::from(garbage)).await.unwrap();
        }
        world.rotate(&token).await.unwrap();
    }
}

#[tokio::test]
async fn logout_everywhere_is_everywhere_and_only_for_one() {
    for store in stores() {
        let world = World::new(store);
        let bobs = [world.login().await, world.login().await, world.login().await];
        let eve = world.tokens.begin("bob' OR '1'='1").await.unwrap().token;
        world.tokens.end_all("bob").await.unwrap();
        for token in &bobs {
            assert_invalid(world.rotate(token).await);
        }
        assert!(world.tokens.sessions("bob").await.unwrap().is_empty());
        world.rotate(&eve).await.unwrap();
        world.tokens.end_all("nobody").await.unwrap();
    }
}

#[tokio::test]
async fn sessions_are_listed_and_ended_by_name_by_their_owner_only() {
    for store in stores() {
        let world = World::new(store);
        let first = world.tokens.begin("bob").await.unwrap();
        world.clock.advance(DAY);
        let second = world.tokens.begin("bob").await.unwrap();
        let sids = async || -> Vec<String> {
            let sessions = world.tokens.sessions("bob").await.unwrap();
            sessions.iter().map(|session| session.sid().to_owned()).collect()
        };
        assert_eq!(sids().await, [second.session.sid(), first.session.sid()]);
        world.clock.advance(DAY);
        world.rotate(&first.token).await.unwrap();
        assert_eq!(sids().await, [first.session.sid(), second.session.sid()], "the last used one is first");

        assert!(!world.tokens.end_session("eve", first.session.sid()).await.unwrap());
        assert!(!world.tokens.is_live("eve", first.session.sid()).await.unwrap());
        assert!(world.tokens.is_live("bob", first.session.sid()).await.unwrap());
        assert!(world.tokens.end_session("bob", first.session.sid()).await.unwrap());
        assert!(!world.tokens.end_session("bob", first.session.sid()).await.unwrap());
        assert!(!world.tokens.is_live("bob", first.session.sid()).await.unwrap());
        assert_eq!(sids().await, [second.session.sid()]);
    }
}

#[tokio::test]
async fn beyond_the_number_of_sessions_the_one_unused_for_longest_ends() {
    for store in stores() {
        let world = World::with(store, |settings| settings.sessions_per_subject(3));
        let mut tokens = Vec::new();
        for _ in 0..3 {
            world.clock.advance(DAY);
            tokens.push(world.login().await);
        }
        world.clock.advance(DAY);
        tokens[0] = world.rotate(&tokens[0]).await.unwrap();
        let other = world.tokens.begin("eve").await.unwrap().token;
        world.clock.advance(DAY);
        tokens.push(world.login().await);

        assert_invalid(world.rotate(&tokens[1]).await);
        assert_eq!(world.tokens.sessions("bob").await.unwrap().len(), 3);
        for token in [&tokens[0], &tokens[2], &tokens[3], &other] {
            world.rotate(token).await.unwrap();
        }
    }
}

/// One that has expired makes room before one that lives.
#[tokio::test]
async fn dead_sessions_make_room_first() {
    for store in stores() {
        let world = World::with(store, |settings| settings.sessions_per_subject(2).absolute(20 * DAY));
        let dying = world.login().await;
        world.clock.advance(13 * DAY);
        let living = world.login().await;
        world.clock.advance(DAY / 2);
        // Used later than the other, but at its end first.
        world.rotate(&dying).await.unwrap();
        world.clock.advance(7 * DAY);
        world.login().await;
        world.rotate(&living).await.unwrap();
    }
}

#[tokio::test]
async fn logins_at_once_do_not_undo_each_other() {
    for store in stores() {
        let world = World::with(store, |settings| settings.sessions_per_subject(2));
        let many: Vec<_> = (0..16)
            .map(|_| {
                let tokens = world.tokens.clone();
                tokio::spawn(async move { tokens.begin("bob").await.unwrap() })
            })
            .collect();
        for one in many {
            one.await.unwrap();
        }
        // Nobody's own login is undone, so there may be one more for a while.
        assert!((2..=3).contains(&world.tokens.sessions("bob").await.unwrap().len()));
        world.clock.advance(MOMENT);
        let token = world.login().await;
        assert_eq!(world.tokens.sessions("bob").await.unwrap().len(), 2);
        world.rotate(&token).await.unwrap();
    }
}

#[tokio::test]
async fn a_login_counts_although_the_clock_was_set_back() {
    for store in stores() {
        let world = World::with(store, |settings| settings.sessions_per_subject(1));
        world.login().await;
        world.clock.set(START.saturating_sub(DAY));
        let token = world.login().await;
        world.rotate(&token).await.unwrap();
    }
}
