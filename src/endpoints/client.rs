//! Who may use the endpoints: the seam to the user's clients.

use std::fmt;
use std::future::Future;

use zeroize::Zeroizing;

use crate::crypto::sha256;
use crate::runtime::NowOrLater;
use crate::store::StoreError;

/// Authenticates the clients of a [`RevocationEndpoint`](crate::RevocationEndpoint) or an
/// [`IntrospectionEndpoint`](crate::IntrospectionEndpoint) (feature `issuer`).
///
/// A function that takes [`ClientCredentials`] and answers with a future implements it:
///
/// ```
/// use tower_jwt_auth::{AuthenticatedClient, ClientCredentials, StoreError};
///
/// async fn clients(credentials: ClientCredentials) -> Result<Option<AuthenticatedClient>, StoreError> {
///     Ok(match credentials.client_id() {
///         // A confidential client: your table has its secret, or a hash of it.
///         "orders-api" if credentials.has_secret("sesame") => Some(credentials.client().audience("orders")),
///         // A public client: it has no secret, so its name is all that it shows.
///         "web-app" if credentials.is_public() => Some(credentials.client()),
///         _ => None,
///     })
/// }
/// ```
///
/// Limit the tries of a client that guesses secrets: the endpoints do not.
pub trait ClientAuth: Send + Sync + 'static {
    /// The client, if its credentials are good; `None` if they are not, or there is no such client.
    ///
    /// # Errors
    /// If it could not be found out. The endpoint answers with 503.
    fn authenticate(
        &self,
        credentials: ClientCredentials,
    ) -> NowOrLater<Result<Option<AuthenticatedClient>, StoreError>>;
}

impl<F, Fut> ClientAuth for F
where
    F: Fn(ClientCredentials) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Option<AuthenticatedClient>, StoreError>> + Send + 'static,
{
    fn authenticate(
        &self,
        credentials: ClientCredentials,
    ) -> NowOrLater<Result<Option<AuthenticatedClient>, StoreError>> {
        NowOrLater::later(self(credentials))
    }
}

/// What a client showed to authenticate (RFC 6749 section 2.3.1): its id, and its secret unless it is a public client.
///
/// The secret came in a `Basic` header or in the body. It is wiped from memory when dropped, and never shown by `Debug`.
pub struct ClientCredentials {
    id: String,
    secret: Option<Zeroizing<String>>,
}

impl ClientCredentials {
    /// An empty secret is none.
    pub(super) fn new(id: String, secret: Option<Zeroizing<String>>) -> Self {
        Self { id, secret: secret.filter(|secret| !secret.is_empty()) }
    }

    /// The client's name, as it says itself: printable ASCII, never empty.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.id
    }

    /// The secret, for a comparison by a hash of yours, such as Argon2; `None` if the client showed none.
    ///
    /// To compare it with a text, use [`ClientCredentials::has_secret`].
    #[must_use]
    pub fn secret(&self) -> Option<&str> {
        self.secret.as_ref().map(|secret| secret.as_str())
    }

    /// Whether the client showed this secret. How long the comparison takes says nothing of where the two differ.
    ///
    /// An empty secret is nobody's.
    #[must_use]
    pub fn has_secret(&self, expected: &str) -> bool {
        let Some(secret) = self.secret() else { return false };
        match (sha256(secret.as_bytes()), sha256(expected.as_bytes())) {
            (Some(shown), Some(expected)) => shown == expected,
            _ => false,
        }
    }

    /// Whether the client showed no secret. Its name is not proof: anybody may say it.
    #[must_use]
    pub const fn is_public(&self) -> bool {
        self.secret.is_none()
    }

    /// The client, authenticated: call it only when you have found the credentials good.
    #[must_use]
    pub fn client(&self) -> AuthenticatedClient {
        AuthenticatedClient { id: self.id.clone(), audiences: Audiences::Named(Vec::new()) }
    }
}

impl fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCredentials")
            .field("client_id", &self.id)
            .field("is_public", &self.is_public())
            .finish_non_exhaustive()
    }
}

/// A client whose credentials were found good. Only [`ClientCredentials::client`] makes one, so it is the client that asks.
#[derive(Clone, Debug)]
pub struct AuthenticatedClient {
    id: String,
    audiences: Audiences,
}

#[derive(Clone, Debug)]
enum Audiences {
    /// None: the client's own id.
    Named(Vec<String>),
    Any,
}

impl AuthenticatedClient {
    /// The client's name.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// An audience of this resource server: it may see tokens for it. Called again, it adds another one.
    ///
    /// Without any, its audience is its id. Only an [`IntrospectionEndpoint`](crate::IntrospectionEndpoint) asks for it.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        if let Audiences::Named(audiences) = &mut self.audiences {
            audiences.push(audience.into());
        }
        self
    }

    /// Lets this client see tokens for every audience, such as a gateway in front of all services.
    #[must_use]
    pub fn any_audience(mut self) -> Self {
        self.audiences = Audiences::Any;
        self
    }

    /// Whether a token for these audiences is for this client.
    pub(super) fn may_see<'a>(&self, mut audiences: impl Iterator<Item = &'a str>) -> bool {
        match &self.audiences {
            Audiences::Any => true,
            Audiences::Named(own) if own.is_empty() => audiences.any(|audience| audience == self.id),
            Audiences::Named(own) => audiences.any(|audience| own.iter().any(|own| own == audience)),
        }
    }
}
