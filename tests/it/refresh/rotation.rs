//! Rotation, the honest retry, and what happens to an old token.

use std::error::Error;
use std::io;

use tower_jwt_auth::{Clock, RefreshError, Session};

use super::*;

#[tokio::test]
async fn a_token_is_exchanged_for_another_of_the_same_session() {
    for store in stores() {
        let world = World::new(store);
        let grant = world.tokens.begin("bob").await.unwrap();
        world.clock.advance(Duration::from_secs(600));

        let load = async |session: Session| Ok::<_, Infallible>(Some(session.subject().to_uppercase()));
        let rotated = world.tokens.rotate(&grant.token, load).await.unwrap();
        assert_eq!(rotated.user, "BOB");
        assert_ne!(rotated.token.as_str(), grant.token.as_str());
        assert_eq!(rotated.session.sid(), grant.session.sid());
        assert_eq!(rotated.session.subject(), "bob");
        assert_eq!(rotated.session.created_at(), START);
        assert_eq!(rotated.session.last_used_at(), Clock::now(&world.clock));
        assert_eq!(world.tokens.sessions("bob").await.unwrap(), [rotated.session]);
        world.rotate(&rotated.token).await.unwrap();
    }
}

#[tokio::test]
async fn a_retry_within_the_grace_gets_the_identical_successor_and_changes_nothing() {
    for store in stores() {
        let world = World::new(store);
        let tokens = world.chain(1).await;
        let before = world.tokens.sessions("bob").await.unwrap();
        world.clock.advance(GRACE - MOMENT);
        for _ in 0..3 {
            assert_same(&world.rotate(&tokens[0]).await.unwrap(), &tokens[1]);
        }
        assert_eq!(world.tokens.sessions("bob").await.unwrap(), before, "the grace is not prolonged");
        world.clock.advance(MOMENT);
        assert_reused(world.rotate(&tokens[0]).await);
    }
}

#[tokio::test]
async fn reuse_ends_the_session_and_its_newest_token() {
    for store in stores() {
        let world = World::new(store);
        let other = world.login().await;
        let tokens = world.chain(1).await;
        let sid = world.tokens.sessions("bob").await.unwrap();
        world.clock.advance(GRACE);
        match world.rotate(&tokens[0]).await {
            Err(error @ RefreshError::Reused(_)) => {
                assert!(!error.is_transient());
                let RefreshError::Reused(session) = error else { unreachable!() };
                assert_eq!(session.subject(), "bob");
                assert!(sid.contains(&session));
            }
            other => panic!("{other:?}"),
        }
        for token in &tokens {
            assert_invalid(world.rotate(token).await);
        }
        world.rotate(&other).await.expect("another session of the same user goes on");
    }
}

#[tokio::test]
async fn a_token_of_any_age_is_reuse_however_fast_it_comes() {
    for store in stores() {
        for age in 2..=6 {
            let world = World::new(Arc::clone(&store));
            let tokens = world.chain(6).await;
            // No time has passed: the grace is for the last token only, and ends when its successor is used.
            assert_reused(world.rotate(&tokens[6 - age]).await);
            assert_invalid(world.rotate(&tokens[6]).await);
        }
    }
}

#[tokio::test]
async fn the_thief_comes_first() {
    for store in stores() {
        let world = World::new(store);
        let stolen = world.login().await;
        let of_thief = world.rotate(&stolen).await.unwrap();
        world.clock.advance(GRACE);
        assert_reused(world.rotate(&stolen).await);
        assert_invalid(world.rotate(&of_thief).await);
    }
}

#[tokio::test]
async fn the_victim_comes_first() {
    for store in stores() {
        let world = World::new(store);
        let stolen = world.login().await;
        let of_victim = world.rotate(&stolen).await.unwrap();
        world.clock.advance(GRACE);
        assert_reused(world.rotate(&stolen).await);
        assert_invalid(world.rotate(&of_victim).await);
    }
}

/// The price of the grace, and what ends it.
#[tokio::test]
async fn a_thief_in_step_with_the_client_is_not_found_until_one_of_them_is_late() {
    for store in stores() {
        let world = World::new(store);
        let mut token = world.login().await;
        for _ in 0..100 {
            let of_client = world.rotate(&token).await.unwrap();
            world.clock.advance(GRACE - MOMENT);
            let of_thief = world.rotate(&token).await.unwrap();
            assert_same(&of_client, &of_thief);
            token = of_client;
            world.clock.advance(Duration::from_secs(570));
        }
        let world = World::with(Arc::clone(&world.store), |settings| settings.grace(Duration::ZERO));
        let token = world.login().await;
        world.rotate(&token).await.unwrap();
        assert_reused(world.rotate(&token).await);
    }
}

/// What the grace means for a thief: it delays detection by one rotation.
#[tokio::test]
async fn a_thief_within_the_grace_is_found_at_the_next_rotation() {
    for store in stores() {
        let world = World::new(store);
        let stolen = world.login().await;
        let of_victim = world.rotate(&stolen).await.unwrap();
        let of_thief = world.rotate(&stolen).await.unwrap();
        assert_same(&of_victim, &of_thief);

        world.clock.advance(Duration::from_secs(600));
        let newest = world.rotate(&of_thief).await.unwrap();
        world.clock.advance(Duration::from_secs(600));
        assert_reused(world.rotate(&of_victim).await);
        assert_invalid(world.rotate(&newest).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_at_once_all_get_the_same_successor() {
    for store in stores() {
        let world = World::new(store);
        let mut current = world.login().await;
        for _ in 0..20 {
            let many: Vec<_> = (0..16)
                .map(|_| {
                    let (tokens, token) = (world.tokens.clone(), current.clone());
                    tokio::spawn(async move { rotate(&tokens, &token).await })
                })
                .collect();
            let mut successors = Vec::new();
            for one in many {
                successors.push(one.await.unwrap().unwrap());
            }
            successors.iter().for_each(|successor| assert_same(successor, &successors[0]));
            current = successors.remove(0);
        }
        assert_eq!(world.tokens.sessions("bob").await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn without_grace_a_second_use_is_reuse() {
    for store in stores() {
        let world = World::with(store, |settings| settings.grace(Duration::ZERO));
        let tokens = world.chain(1).await;
        assert_reused(world.rotate(&tokens[0]).await);
    }
}

#[tokio::test]
async fn a_failing_user_database_rotates_nothing() {
    for store in stores() {
        let world = World::new(store);
        let token = world.login().await;
        let before = world.store.list("bob".to_owned()).await.unwrap();
        for _ in 0..3 {
            let load = async |_| Err::<Option<()>, _>(io::Error::other("the database is down"));
            let error = world.tokens.rotate(&token, load).await.unwrap_err();
            assert!(matches!(error, RefreshError::User(_)) && error.is_transient(), "{error:?}");
            assert_eq!(error.source().unwrap().to_string(), "the database is down");
        }
        assert_eq!(world.store.list("bob".to_owned()).await.unwrap(), before);
        world.clock.advance(DAY);
        world.rotate(&token).await.unwrap();
    }
}

#[tokio::test]
async fn a_user_who_is_gone_ends_the_session() {
    for store in stores() {
        let world = World::new(store);
        for retry in [false, true] {
            let token = world.login().await;
            if retry {
                world.rotate(&token).await.unwrap();
            }
            let gone = async |_| Ok::<Option<()>, Infallible>(None);
            assert_invalid(world.tokens.rotate(&token, gone).await);
            assert_invalid(world.rotate(&token).await);
            assert!(world.store.list("bob".to_owned()).await.unwrap().is_empty());
        }
    }
}

/// The user is asked for only for a good token, and once, whether the rotation is a retry or not.
#[tokio::test]
async fn the_user_is_loaded_once_for_a_good_token_and_never_for_a_bad_one() {
    for store in stores() {
        let world = World::new(store);
        let token = world.login().await;
        for _ in 0..2 {
            let load = async |_| Ok::<_, Infallible>(Some("loaded"));
            assert_eq!(world.tokens.rotate(&token, load).await.unwrap().user, "loaded");
        }
        world.clock.advance(GRACE);
        let never = async |_| -> Result<Option<()>, Infallible> { panic!("the user was loaded") };
        assert_reused(world.tokens.rotate(&token, never).await);
        assert_invalid(world.tokens.rotate(&token, never).await);
    }
}

/// A slow user database does not use up the grace: it begins with the exchange.
#[tokio::test]
async fn the_grace_begins_with_the_exchange() {
    for store in stores() {
        let world = World::new(store);
        let token = world.login().await;
        let slow = async |_| {
            world.clock.advance(GRACE);
            Ok::<_, Infallible>(Some(()))
        };
        let successor = world.tokens.rotate(&token, slow).await.unwrap().token;
        world.clock.advance(GRACE - MOMENT);
        assert_same(&world.rotate(&token).await.unwrap(), &successor);
    }
}

/// Between the check and the exchange somebody else exchanged, or logged out.
#[tokio::test]
async fn what_happens_while_the_user_is_loaded_counts() {
    for store in stores() {
        let world = World::new(store);
        let token = world.login().await;
        let mut first = None;
        let meanwhile = async |_| {
            first = Some(world.rotate(&token).await.unwrap());
            Ok::<_, Infallible>(Some(()))
        };
        let second = world.tokens.rotate(&token, meanwhile).await.unwrap().token;
        assert_same(&first.unwrap(), &second);

        let logout = async |_| {
            world.tokens.end(&second).await.unwrap();
            Ok::<_, Infallible>(Some(()))
        };
        assert_invalid(world.tokens.rotate(&second, logout).await);
        assert!(world.tokens.sessions("bob").await.unwrap().is_empty());
    }
}
