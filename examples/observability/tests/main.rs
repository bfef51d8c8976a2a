//! The service, from outside and without a network but loopback.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod config;
mod files;
mod health;
mod metrics;
mod status;
mod support;
mod traces;
