//! The decision: is this token good, and what does it say? Nothing in here knows of HTTP requests.

mod authorities;
mod authority;
mod authority_keys;
mod authority_preset;
mod builder;
mod checks;
#[cfg_attr(not(feature = "oidc"), allow(dead_code))]
mod claim_rules;
mod claims_mismatch;
mod claims_type;
mod explain;
mod glance;
mod header_rules;
mod issuer_rule;
mod jwt;
mod key_origin;
mod lazy_payload;
mod leniency;
mod life;
mod opaque;
mod opaque_authorities;
mod opaque_authority;
mod opaque_origin;
mod permissions;
mod policy;
mod principal;
mod purpose;
mod ready_authority;
mod tenants;
mod token_cache;
mod trail;
mod unresolved;
mod verified_tokens;
mod verifier;
#[cfg(feature = "jwks")]
mod verifier_keys;
#[cfg(not(all(feature = "jwks", feature = "oidc")))]
mod without_features;

pub use authority::Authority;
pub use builder::VerifierBuilder;
pub use claims_type::ClaimsType;
pub use explain::Explanation;
pub use jwt::Jwt;
pub use leniency::Leniency;
pub use principal::Principal;
pub use tenants::Tenants;
pub use token_cache::TokenCache;
pub use verifier::Verifier;

#[cfg(feature = "status-list")]
pub(crate) use checks::{Check, CheckContext, CheckOrigin};
#[cfg(feature = "issuer")]
pub(crate) use purpose::Purpose;
pub(crate) use trail::{Trail, TrailNotes};

#[cfg(feature = "oidc")]
pub(crate) use claim_rules::ClaimRule;
#[cfg(feature = "oidc")]
pub(crate) use header_rules::{HeaderRule, HeaderRules};
#[cfg(feature = "oidc")]
pub(crate) use issuer_rule::TenantIssuer;
