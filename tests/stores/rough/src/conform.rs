//! The conformance suite over one engine.

use std::sync::Arc;

use tower_jwt_auth::conformance::{self, Checked};
use tower_jwt_auth::{
    FileKeyStore, MemoryKeyStore, MemoryRefreshStore, MemoryReplayStore, MemoryRevocationStore,
};

use crate::Failure;
use crate::clock::Ahead;
use crate::engine::{Stores, open};

pub(crate) async fn run(store: &str, url: &str) -> Result<(), Failure> {
    let mut rows = Rows { store, checks: 0 };
    match store {
        "memory" => {
            let sessions = Arc::new(MemoryRefreshStore::new());
            rows.add("RefreshStore", &conformance::refresh_store(async || Arc::clone(&sessions)).await);
            let keys = Arc::new(MemoryKeyStore::new());
            rows.add("KeyStore", &conformance::key_store(async || Arc::clone(&keys)).await);
            let log = MemoryRevocationStore::new();
            rows.add("RevocationStore", &conformance::revocation_store(async || log.clone()).await);
            let names = Arc::new(MemoryReplayStore::new(10_000));
            rows.add("ReplayStore", &conformance::replay_store(async || Arc::clone(&names)).await);
        }
        "file" => {
            let folder = tempfile::tempdir()?;
            let path = folder.path().join("keys.json");
            rows.add("KeyStore", &conformance::key_store(async || FileKeyStore::new(&path)).await);
        }
        _ => {
            // A document of its own for each run: the suite wants one that is not there yet.
            let name = format!("conform-{}", std::process::id());
            let open = async || -> Stores {
                open(url, &name, Ahead(0)).await.unwrap_or_else(|error| panic!("{store}: {error}"))
            };
            rows.add("RefreshStore", &conformance::refresh_store(async || open().await.refresh).await);
            rows.add("KeyStore", &conformance::key_store(async || open().await.keys).await);
            rows.add(
                "RevocationStore",
                &conformance::revocation_store(async || open().await.revocations).await,
            );
            rows.add("ReplayStore", &conformance::replay_store(async || open().await.replays).await);
        }
    }
    println!("{store:10} {:16} {:4} checks", "together", rows.checks);
    Ok(())
}

struct Rows<'s> {
    store: &'s str,
    checks: usize,
}

impl Rows<'_> {
    fn add(&mut self, of: &str, checked: &Checked) {
        println!(
            "{:10} {of:16} {:4} checks of {:2} rules",
            self.store,
            checked.checks(),
            checked.rules().count()
        );
        self.checks += checked.checks();
    }
}
