//! Tests of the whole crate from outside, one file per subject.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc
)]

mod keys;
mod oracle;
mod examples;
#[path = "../../examples/greeter/mod.rs"]
mod greeter;
mod http_client;
mod servers;
mod smoke;
mod support;
mod vectors;
