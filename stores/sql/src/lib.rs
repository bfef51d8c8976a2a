#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(any(feature = "postgres", feature = "__sqlite"))]
mod log;
mod migration;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(any(feature = "postgres", feature = "__sqlite"))]
mod shared;
#[cfg(feature = "__sqlite")]
mod sqlite;

pub use migration::Migration;
#[cfg(feature = "postgres")]
pub use postgres::{
    PostgresKeyStore, PostgresRefreshStore, PostgresReplayStore, PostgresRevocationStore, PostgresStores,
};
#[cfg(feature = "__sqlite")]
pub use sqlite::{
    SqliteKeyStore, SqliteRefreshStore, SqliteReplayStore, SqliteRevocationStore, SqliteStores,
};
