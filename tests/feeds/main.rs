//! Receivers of logouts and of security events, each with its attacks, and what they do to the tokens of a layer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value // `json!` at the call
)]

mod events;
mod logout;
mod support;
mod vectors;
