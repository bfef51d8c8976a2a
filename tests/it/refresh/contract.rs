//! What the trait demands of each store.

use super::*;

#[tokio::test]
async fn stores_keep_their_contract() {
    for store in stores() {
        let world = World::new(Arc::clone(&store));
        let token = world.login().await;
        let old = store.list("bob".to_owned()).await.unwrap().remove(0);
        assert!(store.insert(old.clone()).await.is_err(), "an id is not overwritten");
        world.rotate(&token).await.unwrap();
        let new = store.load(old.id().to_owned()).await.unwrap().unwrap();
        assert_eq!((old.revision(), new.revision()), (0, 1));

        assert!(!store.compare_and_swap(0, old.clone()).await.unwrap(), "the revision has gone on");
        assert!(!store.compare_and_swap(2, old.clone()).await.unwrap(), "nor is it there yet");
        assert!(store.load(old.id().to_owned()).await.unwrap().unwrap() == new);

        assert!(store.load("nothing".to_owned()).await.unwrap().is_none());
        store.remove(vec!["nothing".to_owned(), new.id().to_owned()]).await.unwrap();
        store.remove(vec![]).await.unwrap();
        assert!(!store.compare_and_swap(1, new).await.unwrap(), "what was removed stays removed");
        assert!(store.list("bob".to_owned()).await.unwrap().is_empty());
    }
}
