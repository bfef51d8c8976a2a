//! Without persistence: a server that was killed comes back empty.

use std::time::Duration;

use serde_json::json;
use tower_jwt_auth::{
    Claims, Clock, Reason, RefreshError, RefreshTokens, Revocation, RevocationStore, Revocations, Session,
    StoreError, SystemClock, TestIssuer, Verifier, WhenStale,
};
use tower_jwt_auth_redis::RedisStores;

use super::{comes, prefix, server, stores};

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_gone_and_nobody_is_let_in() {
    let prefix = prefix();
    let tokens = RefreshTokens::builder(stores(&prefix).await.refresh()).build().unwrap();
    let load = async |_: Session| Ok::<_, StoreError>(Some(()));
    let mut all = Vec::new();
    for user in 0..20 {
        let first = tokens.begin(format!("user {user}")).await.unwrap();
        let second = tokens.rotate(&first.token, load).await.unwrap();
        all.extend([(first.token, first.session), (second.token, second.session)]);
    }
    server("kill");
    for (token, session) in &all {
        assert!(
            matches!(tokens.rotate(token, load).await, Err(RefreshError::Unavailable(_))),
            "no answer is no verdict"
        );
        assert!(tokens.is_live(session.subject(), session.sid()).await.is_err());
    }
    server("start");
    comes("the connection", async || tokens.sessions("user 0").await.is_ok()).await;
    let mut let_in = 0;
    for (token, session) in &all {
        let_in += usize::from(!matches!(tokens.rotate(token, load).await, Err(RefreshError::Invalid)));
        let_in += usize::from(tokens.is_live(session.subject(), session.sid()).await.unwrap());
    }
    assert_eq!(let_in, 0);
    println!("{} tokens after the server came back empty: let in 0", all.len());
    // And a new login works.
    let grant = tokens.begin("user 0").await.unwrap();
    tokens.rotate(&grant.token, load).await.unwrap();
}

fn revocations(stores: &RedisStores) -> Revocations {
    let builder = Revocations::builder().store(stores.revocations());
    builder.max_age(Duration::from_secs(3600), WhenStale::Refuse).build().unwrap()
}

fn verifier(issuer: &TestIssuer, revocations: &Revocations) -> Verifier<Claims> {
    Verifier::builder().authority(issuer.authority()).revocations(revocations.clone()).build().unwrap()
}

fn reason(verifier: &Verifier<Claims>, token: &str) -> Option<Reason> {
    verifier.verify(token).now().unwrap().err().map(|refused| refused.reason())
}

/// Both ways of waiting. The process that revoked appends it again, so a process that starts later knows it too.
#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_outlives_the_log() {
    for listens in [false, true] {
        let prefix = prefix();
        let issuer = TestIssuer::new("https://id.example.com").audience("api");
        let now = SystemClock.now().as_secs();
        let token = issuer.sign(json!({ "sub": "bob", "jti": "t1", "iat": now, "exp": now + 3600 }));
        let other = issuer.sign(json!({ "sub": "eve", "jti": "t2", "iat": now, "exp": now + 3600 }));
        let open = async || {
            let stores = stores(&prefix).await;
            match listens {
                true => stores.listening_on(super::manager().await, Duration::from_millis(400)),
                false => stores,
            }
        };
        let (here, there) = (revocations(&open().await), revocations(&open().await));
        let (judge_here, judge_there) = (verifier(&issuer, &here), verifier(&issuer, &there));
        here.ready().await;
        there.ready().await;
        let exp = tower_jwt_auth::UnixTime::from_secs(now + 3600);
        here.revoke(Revocation::token("https://id.example.com", "t1", exp)).await.unwrap();
        comes("the revocation", async || reason(&judge_there, &token) == Some(Reason::Revoked)).await;

        server("kill");
        assert_eq!(reason(&judge_there, &token), Some(Reason::Revoked), "what is known stays known");
        server("start");
        // The reader sees that the log is another one, and the one that revoked says it again.
        comes("the revocation in the new log", async || {
            let page = stores(&prefix).await.revocations().read(None, Duration::ZERO).await;
            page.is_ok_and(|page| format!("{page:?}").contains("issuer: "))
        })
        .await;
        let later = revocations(&open().await);
        later.ready().await;
        let judge_later = verifier(&issuer, &later);
        comes("the revocation in a new process", async || {
            reason(&judge_later, &token) == Some(Reason::Revoked)
        })
        .await;
        for judge in [&judge_here, &judge_there, &judge_later] {
            assert_eq!(reason(judge, &token), Some(Reason::Revoked));
            assert_eq!(reason(judge, &other), None);
        }
    }
}
