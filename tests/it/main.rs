//! Tests of the whole crate from outside, one file per subject.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc
)]

mod advisories;
mod answers;
mod authorization;
mod completion;
mod compose;
mod config;
mod config_problems;
mod coverage;
mod decisions;
mod docs;
mod examples;
mod extensions;
mod forward;
mod generic;
#[path = "../../examples/greeter/mod.rs"]
mod greeter;
mod grpc_service;
mod guide;
mod http_client;
mod issuer;
mod key_store;
mod keys;
mod metrics;
mod oracle;
mod policy;
mod presets;
mod problem;
mod readiness;
mod refresh;
mod reject;
mod remote;
mod servers;
mod services;
mod smoke;
mod sources;
mod structure;
mod support;
mod tenants;
mod tls;
mod token_cache;
mod vectors;
mod withdrawn_keys;
