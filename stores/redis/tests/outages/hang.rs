//! A server that is halted, and connections that it cuts.

use std::time::Duration;

use tower_jwt_auth::{
    KeyDocument, KeyStore, RefreshError, RefreshTokens, ReplayStore, RevocationStore, Session, StoreError,
};

use super::{comes, in_an_hour, manager, prefix, server, stores};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_is_an_error_and_no_verdict() {
    let stores = stores(&prefix()).await;
    let tokens = RefreshTokens::builder(stores.refresh()).build().unwrap();
    let load = async |_: Session| Ok::<_, StoreError>(Some(()));
    let grant = tokens.begin("bob").await.unwrap();
    let keys = stores.keys("k");
    assert!(keys.compare_and_swap(None, KeyDocument::from_bytes(vec![1])).await.unwrap());

    server("halt");
    let all = async {
        assert!(matches!(tokens.rotate(&grant.token, load).await, Err(RefreshError::Unavailable(_))));
        assert!(tokens.sessions("bob").await.is_err());
        assert!(tokens.end(&grant.token).await.is_err());
        assert!(keys.load().await.is_err());
        assert!(stores.replays().insert_if_absent([0; 32], in_an_hour()).await.is_err());
        assert!(stores.revocations().read(None, Duration::from_secs(60)).await.is_err());
        assert!(stores.check().await.is_err());
    };
    // Each has its deadline. This one is no measurement: without deadlines it would be for ever.
    tokio::time::timeout(Duration::from_secs(60), all).await.unwrap();
    server("go");

    comes("the connection", async || keys.load().await.is_ok()).await;
    assert_eq!(keys.load().await.unwrap().unwrap().as_bytes(), [1]);
    // The logout was sent, and not answered: whether it was done is not known, so it is done again.
    tokens.end(&grant.token).await.unwrap();
    assert!(matches!(tokens.rotate(&grant.token, load).await, Err(RefreshError::Invalid)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_cut_is_made_anew() {
    let stores = stores(&prefix()).await;
    let tokens = RefreshTokens::builder(stores.refresh()).build().unwrap();
    let load = async |_: Session| Ok::<_, StoreError>(Some(()));
    let mut token = tokens.begin("bob").await.unwrap().token;
    let (mut cuts, mut errors) = (0, 0);
    for _ in 0..20 {
        let mut raw = manager().await;
        redis::cmd("CLIENT")
            .arg(&["KILL", "TYPE", "normal", "SKIPME", "yes"])
            .query_async::<redis::Value>(&mut raw)
            .await
            .unwrap();
        cuts += 1;
        // The client tries again with the same token, and is never locked out.
        let mut next = None;
        comes("a successor", async || match tokens.rotate(&token, load).await {
            Ok(rotated) => {
                next = Some(rotated.token);
                true
            }
            Err(RefreshError::Unavailable(_)) => {
                errors += 1;
                false
            }
            Err(other) => panic!("{other:?}"),
        })
        .await;
        token = next.unwrap();
    }
    println!("{cuts} cuts, {errors} answers that failed, sessions lost 0");
}
