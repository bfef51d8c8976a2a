//! The claims of an access token (RFC 9068).

use serde::{Deserialize, Serialize};

use crate::runtime::UnixTime;

/// The claims of an access token, beside those that the issuer sets (RFC 9068 section 2.2; feature `issuer`).
///
/// Sign it as it is, or within a type of your own:
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use serde::{Deserialize, Serialize};
/// use tower_jwt_auth::{AccessTokenClaims, Algorithm, Issuer, SigningKey, Verifier};
///
/// #[derive(Deserialize, Serialize)]
/// struct Access {
///     #[serde(flatten)]
///     standard: AccessTokenClaims,
///     tenant: String,
/// }
///
/// let key = SigningKey::generate(Algorithm::ES256)?;
/// let issuer = Issuer::builder("https://id.example.com", key).audience("api").build()?;
/// let standard = AccessTokenClaims::new("bob", "web-app").scope("orders:read").roles(["clerk"]);
/// let token = issuer.sign(&Access { standard, tenant: "north".into() })?;
///
/// let verifier = Verifier::<Access>::new(issuer.authority().rfc9068().roles_at("/roles"))?;
/// let access = verifier.verify(&token).now().unwrap()?;
/// assert_eq!((access.standard.sub.as_str(), access.tenant.as_str()), ("bob", "north"));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AccessTokenClaims {
    /// Whom the token speaks for: a user, or the client itself.
    pub sub: String,
    /// The client that the token was issued to (RFC 8693 section 4.3).
    pub client_id: String,
    /// The scopes, separated by spaces (RFC 8693 section 4.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The session: the family of refresh tokens that this token came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// When the user authenticated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<UnixTime>,
    /// How strongly the user authenticated: an authentication context class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    /// By which methods the user authenticated (RFC 8176).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
    /// The user's roles (RFC 7643 section 4.1.2).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// The user's groups (RFC 7643 section 4.1.2).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// The user's entitlements (RFC 7643 section 4.1.2).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entitlements: Vec<String>,
}

impl AccessTokenClaims {
    /// Claims for this subject and client.
    #[must_use]
    pub fn new(subject: impl Into<String>, client_id: impl Into<String>) -> Self {
        Self { sub: subject.into(), client_id: client_id.into(), ..Self::default() }
    }

    /// The same claims with these scopes, separated by spaces.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// The same claims for this session.
    #[must_use]
    pub fn sid(mut self, sid: impl Into<String>) -> Self {
        self.sid = Some(sid.into());
        self
    }

    /// The same claims with this time of authentication.
    #[must_use]
    pub fn auth_time(mut self, time: UnixTime) -> Self {
        self.auth_time = Some(time);
        self
    }

    /// The same claims with these roles.
    #[must_use]
    pub fn roles<S: Into<String>>(mut self, roles: impl IntoIterator<Item = S>) -> Self {
        self.roles = roles.into_iter().map(Into::into).collect();
        self
    }
}
