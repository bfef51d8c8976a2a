//! Tests of the whole crate from outside, one file per subject.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc
)]

mod advisories;
mod policy;
mod smoke;
mod support;
