//! Stores of [`tower_jwt_auth`] in Redis or Valkey, for services that run as several processes.
//!
//! | store | for | made by |
//! |---|---|---|
//! | [`RedisRefreshStore`] | sessions of `RefreshTokens` | [`RedisStores::refresh`] |
//! | [`RedisKeyStore`] | a `KeyRing`, or kept keys of `RemoteKeys` | [`RedisStores::keys`] |
//! | [`RedisRevocationStore`] | `Revocations` | [`RedisStores::revocations`] |
//! | [`RedisReplayStore`] | names that may be used once | [`RedisStores::replays`] |
//!
//! They use the connection that you have: any [`redis::aio::ConnectionLike`] that can be cloned.
#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing))]

mod answer;
mod check;
mod info;
mod keys;
mod life;
mod link;
mod names;
mod position;
mod record;
mod refresh;
mod replays;
mod revocations;
mod script;
mod stores;

pub use check::RedisProblem;
pub use keys::RedisKeyStore;
pub use refresh::RedisRefreshStore;
pub use replays::RedisReplayStore;
pub use revocations::RedisRevocationStore;
pub use stores::RedisStores;

/// The tests compile the how-to page.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/how-to/redis.md")]
mod how_to {}
