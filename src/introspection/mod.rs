//! Introspection (RFC 7662): an authorization server is asked about each opaque token.

mod client_auth;
mod endpoint;
mod settings;

pub use settings::Introspection;
