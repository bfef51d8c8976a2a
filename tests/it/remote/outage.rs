//! An outage of ten minutes with a restart in its middle, and a token every second.

use tower_jwt_auth::FileKeyStore;

use super::kept::World;
use super::{accepts, pass};

const MINUTE: u64 = 60;

#[tokio::test(start_paused = true)]
async fn ten_minutes_without_the_provider_and_a_restart_refuse_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let world = World::of(FileKeyStore::new(directory.path().join("id.example.com.json")));
    let mut process = world.start();
    let (mut sent, mut refused) = (0, 0);
    println!("{:<24} {:>5} {:>8} {:>6}", "", "sent", "refused", "calls");
    for (what, minutes, is_down, restarts) in [
        ("before", 20, false, false),
        ("outage", 5, true, false),
        ("outage, after a restart", 5, true, true),
        ("after", 20, false, false),
    ] {
        match is_down {
            true => world.goes_down(),
            false => world.provider.heals(),
        }
        if restarts {
            drop(process);
            process = world.start();
        }
        let calls = || world.provider.discovery_calls() + world.provider.jwks_calls();
        let (calls_before, sent_before, refused_before) = (calls(), sent, refused);
        for _ in 0..minutes * MINUTE {
            sent += 1;
            refused += u32::from(!accepts(&process, &world.token()).await);
            pass(1).await;
        }
        let (sent, refused) = (sent - sent_before, refused - refused_before);
        println!("{what:<24} {sent:>5} {refused:>8} {:>6}", calls() - calls_before);
    }
    assert_eq!((sent, refused), (50 * 60, 0));
    let health = process.key_health().remove(0);
    assert!(!health.restored && health.store_error.is_none() && health.last_error.is_none(), "{health:?}");
}
