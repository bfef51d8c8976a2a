//! Refresh tokens: opaque, rotated at each use.
//!
//! `token` knows bytes and hashes, `rules` judge (pure functions of a record, a token and the time), `tokens` puts
//! both together with a store.

mod access_tokens;
mod builder;
mod error;
mod rules;
mod token;
mod tokens;

pub use self::builder::RefreshTokensBuilder;
pub use self::error::RefreshError;
pub use self::token::RefreshToken;
pub use self::tokens::{Grant, RefreshTokens, Rotated};
