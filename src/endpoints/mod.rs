//! Endpoints for the tokens of our own issuer: revocation (RFC 7009) and introspection (RFC 7662).
//!
//! `credentials` finds out how a client authenticates, `client` is the seam to the user's clients, and each endpoint is a file
//! with its builder.

mod accept;
mod access_tokens;
mod answer;
mod client;
mod credentials;
mod exchange;
mod introspection;
mod known_session;
mod members;
mod revocation;

pub use client::{AuthenticatedClient, ClientAuth, ClientCredentials};
pub use introspection::{IntrospectionEndpoint, IntrospectionEndpointBuilder};
pub use revocation::{RevocationEndpoint, RevocationEndpointBuilder};
