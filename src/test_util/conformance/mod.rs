//! What every store must do, as a test (feature `test-util`).
//!
//! Each function runs the rules of one trait, and their edges, against a store of yours: [`refresh_store`], [`key_store`],
//! [`revocation_store`], [`replay_store`]. A broken rule is a panic whose text is that rule. What comes back says how much was
//! checked.
//!
//! The stores of this crate are tested by the same functions. Call each in a test of its own:
//!
//! ```
//! use std::sync::Arc;
//! use tower_jwt_auth::{MemoryRefreshStore, conformance};
//!
//! #[tokio::main] // in your crate: #[tokio::test(flavor = "multi_thread")]
//! async fn main() {
//!     let store = Arc::new(MemoryRefreshStore::new()); // most stores of yours connect in the closure
//!     let checked = conformance::refresh_store(async || Arc::clone(&store)).await;
//!     println!("{checked}"); // 324 checks of 30 rules
//! }
//! ```
//!
//! The closure opens **another handle on the same store** each time it is called, as another process would: a connection of its
//! own, if there are connections. What one handle has written the other must see.
//!
//! # Time
//!
//! The runtime needs tokio's timers, and they must not be paused. Several threads find more. Nothing is measured: calls that have
//! to exclude each other are made at the same moment in many rounds, so a store that breaks a rule only now and then may pass
//! once. Run it against the real engine.
//!
//! Where a record has to vanish, a store may go by the time that it is given, or by the clock of its engine. The suite finds out
//! which: in the second case it waits a few seconds, and the clock of the engine may differ from that of the test by a few
//! seconds at most.
//!
//! # When the engine is away
//!
//! `.._out_of_reach` asks a store whose engine is away: give it the address of a port on which nobody listens.
//! [`revocation_store_that_is_emptied`] is for engines that can come back empty.
//!
//! # What it cannot find
//!
//! Whether what was answered survives a crash of the machine, a fail-over, or a kill in the middle of a call. `tests/stores/run` in
//! the repository does some of that to the stores that come with the crate.

mod checked;
mod key_store;
mod refresh_store;
mod replay_store;
mod revocation_store;

pub use self::checked::Checked;
pub use self::key_store::{key_store, key_store_out_of_reach};
pub use self::refresh_store::{refresh_store, refresh_store_out_of_reach};
pub use self::replay_store::{replay_store, replay_store_out_of_reach};
pub use self::revocation_store::lasting::revocation_store_that_is_emptied;
pub use self::revocation_store::{revocation_store, revocation_store_out_of_reach};
