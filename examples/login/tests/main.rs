//! The application as its clients see it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // tests: a failure should stop them

mod api;
mod browser;
mod limits;
mod support;
mod whole;
