//! Refresh tokens: opaque, rotated at each use.
//!
//! `token` knows bytes and hashes, `record` judges (pure functions of a record, a token and the time), `tokens` puts
//! both together with a store.

mod builder;
mod error;
mod record;
mod store;
mod token;
mod tokens;

pub use self::builder::RefreshTokensBuilder;
pub use self::error::RefreshError;
pub use self::record::{RefreshRecord, Session};
#[cfg(feature = "sqlite")]
pub use self::store::SqliteRefreshStore;
pub use self::store::{MemoryRefreshStore, RefreshStore};
pub use self::token::RefreshToken;
pub use self::tokens::{Grant, RefreshTokens, Rotated};
