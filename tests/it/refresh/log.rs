//! What is said in the log.

use tracing_subscriber::filter::LevelFilter;

use super::*;
use crate::support::logged;

#[tokio::test]
async fn reuse_is_in_the_log_without_the_token() {
    let world = World::new(Arc::new(MemoryRefreshStore::new()));
    let tokens = world.chain(2).await;
    let sid = world.tokens.sessions("bob").await.unwrap()[0].sid().to_owned();
    let quiet = logged(LevelFilter::WARN, async { drop(world.rotate(&tokens[2]).await) }).await;
    assert_eq!(quiet, "");
    let text = logged(LevelFilter::WARN, async { drop(world.rotate(&tokens[0]).await) }).await;
    assert!(text.contains("WARN") && text.contains("used again") && text.contains(&sid), "{text}");
    assert!(!text.contains(&tokens[0].as_str()[..21]) && !text.contains(&tokens[0].as_str()[22..]), "{text}");
}
