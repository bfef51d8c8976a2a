//! Identity providers: an [`Authority`] for each, with everything set that its tokens need (feature `oidc`).
//!
//! ```
//! # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
//! use tower_jwt_auth::{Claims, Verifier, provider};
//!
//! let authority = provider::auth0("tenant.eu.auth0.com").audience("https://api.example.com");
//! let verifier = Verifier::<Claims>::new(authority)?; // keys are fetched with the first token
//! # Ok(()) }
//! ```
//!
//! A preset sets the issuer, the algorithms, the claims that tell an access token from the provider's other tokens, and
//! the place of roles. Scopes are read from `scope` and `scp` everywhere. What is returned is an ordinary authority:
//! its setters work as ever ([`Authority::roles_at`] moves the place of roles, [`Authority::check`] adds a rule). The
//! audience is yours to set wherever the table has no other word.
//!
//! | provider | function | takes | `aud` | roles |
//! |---|---|---|---|---|
//! | Auth0 | [`auth0`] | access tokens | yours | `permissions` |
//! | Microsoft Entra ID | [`entra`], [`entra_v1`], [`entra_multi_tenant`] | access tokens of one tenant, or of those you trust | yours | `roles` |
//! | Microsoft Entra External ID | [`entra_external_id`] | access tokens of one tenant | yours | `roles` |
//! | Azure AD B2C | [`azure_ad_b2c`] | access tokens of one policy | yours | `roles` |
//! | AD FS | [`adfs`] | access tokens | yours | none |
//! | Keycloak | [`keycloak`] | access tokens | yours | of the realm, or of one client |
//! | Okta | [`okta`] | access tokens | yours | `groups` |
//! | Amazon Cognito | [`cognito`] | access tokens of your clients | if you name one | `cognito:groups` |
//! | Google | [`google`], [`google_workspace`] | ID tokens | your client | none |
//! | Firebase | [`firebase`], [`firebase_tenant`] | ID tokens | the project | none |
//! | Supabase | [`supabase`] | access tokens of users who are not anonymous | `authenticated` | `app_metadata.roles` |
//! | Clerk | [`clerk`] | session tokens of your origins | if you name one | `o.rol` |
//! | Zitadel | [`zitadel`] | access tokens of one project | the project | of the project |
//! | Ory Hydra | [`ory`] | access tokens | yours | `ext.roles` |
//! | authentik | [`authentik`] | access tokens of one application | its client | `groups` |
//! | Authelia | [`authelia`] | access tokens of RFC 9068 | yours | none |
//! | Dex | [`dex`] | ID tokens | your client | `groups` |
//! | GitHub Actions | [`github_actions`] | jobs of one owner | yours | none |
//! | GitLab CI | [`gitlab_ci`] | jobs of one namespace | yours | none |
//! | Kubernetes | [`kubernetes`], [`kubernetes_in_cluster`] | service accounts of one namespace | yours | none |
//! | SPIFFE | [`spiffe`] | JWT-SVIDs of one trust domain | yours | none |
//! | AWS load balancer | [`aws_alb`] | users of your balancers and client | none | none |
//! | Google IAP | [`google_iap`] | users of one backend | its resource | none |
//! | Azure App Service | [`azure_app_service`] | ID tokens of one tenant | your client | none |
//! | Cloudflare Access | [`cloudflare_access`] | one application | its tag | none |
//!
//! An argument that is not what it should be (a URL for a host, a name for an id) is a
//! [`ConfigError`](crate::ConfigError) when the verifier is built.

mod arguments;
mod login;
mod proxy;
mod table;
mod users;
mod workload;

pub use login::{
    KeycloakRoles, adfs, auth0, authelia, authentik, azure_ad_b2c, entra, entra_external_id,
    entra_multi_tenant, entra_v1, keycloak, okta, ory, zitadel,
};
pub use proxy::{aws_alb, azure_app_service, cloudflare_access, google_iap};
pub use users::{clerk, cognito, dex, firebase, firebase_tenant, google, google_workspace, supabase};
pub use workload::{Pod, github_actions, gitlab_ci, kubernetes, kubernetes_in_cluster, spiffe};

#[cfg(doc)]
use crate::verify::Authority;
