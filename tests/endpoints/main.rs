//! The endpoints for tokens of our own issuer: revocation (RFC 7009) and introspection (RFC 7662, RFC 9701).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::needless_pass_by_value)] // `json!({ .. })` as an argument

mod clients;
mod introspection;
mod metadata;
mod revocation;
mod support;
