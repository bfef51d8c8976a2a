//! Opaque tokens: whom they belong to, who is asked about them and how often, and how an answer is judged.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod answers;
mod asking;
mod client_authentication;
mod endpoint;
mod layer;
mod rules;
mod server;
mod signed_answers;
mod table;
