//! Where the keys are: at the URL of a JWK set, or behind a discovery document.

/// How the URL leads to the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyEndpoint {
    /// It is that of the JWK set.
    JwkSet,
    /// It is the issuer, whose discovery document names that of the JWK set.
    Discovery,
}
