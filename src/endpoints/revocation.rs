//! Token revocation (RFC 7009).

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderMap, Request, Response};
use quick_cache::sync::Cache;
use tower_service::Service;

use super::access_tokens::{AccessTokens, client_of, looks_like_a_jwt};
use super::answer::{Refused, empty};
use super::client::{AuthenticatedClient, ClientAuth};
use super::credentials;
use super::exchange::{answered, authenticated, read_form};
use super::known_session::KnownSessions;
use crate::crypto::sha256;
use crate::error::{ConfigError, ConfigProblemKind};
use crate::issuer::Issuer;
use crate::refresh::{RefreshToken, RefreshTokens};
use crate::revocation::{Revocation, Revocations};
use crate::runtime::{NowOrLater, trace};
use crate::served::{DocumentBody, Form};
use crate::store::{Session, StoreError};
use crate::verify::Purpose;

/// The endpoint where a client revokes a token that it got from our own [`Issuer`] or [`RefreshTokens`]: OAuth 2.0 Token
/// Revocation (RFC 7009), as a tower service that never fails (feature `issuer`).
///
/// It takes a POST of a form with `token`, from a client that [`ClientAuth`] authenticates. A refresh token ends its session, and
/// with it the session's access tokens. An access token is revoked by its `jti`, wherever a verifier has the same
/// [`Revocations`].
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use axum::Router;
/// use tower_jwt_auth::{
///     AccessTokenClaims, Algorithm, AuthenticatedClient, Claims, ClientCredentials, Issuer, JwtAuthLayer,
///     MemoryRefreshStore, RefreshTokens, RevocationEndpoint, Revocations, Session, SigningKey, StoreError, Verifier,
/// };
///
/// async fn clients(credentials: ClientCredentials) -> Result<Option<AuthenticatedClient>, StoreError> {
///     let is_ours = credentials.client_id() == "web-app" && credentials.has_secret("sesame");
///     Ok(is_ours.then(|| credentials.client()))
/// }
///
/// // Whether the session is this client's: here there is one client, so every session is.
/// async fn is_of_client(client: AuthenticatedClient, _: Session) -> Result<bool, StoreError> {
///     Ok(client.id() == "web-app")
/// }
///
/// let key = SigningKey::generate(Algorithm::ES256)?;
/// let issuer = Issuer::builder("https://id.example.com", key).audience("api").build()?;
/// let refresh = RefreshTokens::builder(MemoryRefreshStore::new()).build()?;
/// let revocations = Revocations::in_memory();
///
/// let revocation = RevocationEndpoint::builder(&issuer, clients)
///     .revocations(revocations.clone())
///     .refresh_tokens(refresh, is_of_client)
///     .build()?;
/// let verifier =
///     Verifier::<Claims>::builder().authority(issuer.authority()).revocations(revocations).build()?;
/// let app: Router = Router::new() // .route(..) what is to be protected
///     .layer(JwtAuthLayer::new(verifier))
///     .route_service("/oauth/revoke", revocation);
/// # Ok(()) }
/// ```
///
/// | answer | |
/// |---|---|
/// | 200, no body | the token is revoked; or it is unknown, expired, or was issued to another client. Nobody can tell which |
/// | 400 `invalid_request` | a parameter lacks or is there twice, or the client authenticates in two ways |
/// | 400 `unsupported_token_type` | an access token, without [`revocations`](RevocationEndpointBuilder::revocations); a refresh token, without [`refresh_tokens`](RevocationEndpointBuilder::refresh_tokens) |
/// | 401 `invalid_client` | the client is not authenticated |
/// | 405, 408, 413 | no POST; a body that takes longer than 10 seconds; or has more than 32 KiB |
/// | 503, `Retry-After` | a store, or what your functions ask, is not available: the token may live on |
///
/// `token_type_hint` changes nothing, because the two types cannot be taken for each other. An access token belongs to the client
/// in its claim `client_id`, else `azp`. The services of a browser's client, on another origin, need a CORS layer of yours around
/// this service.
#[derive(Clone)]
pub struct RevocationEndpoint(Arc<Inner>);

struct Inner {
    clients: Arc<dyn ClientAuth>,
    issuer: String,
    access_tokens: Option<(AccessTokens, Revocations)>,
    refresh_tokens: Option<(KnownSessions, Option<Revocations>)>,
    /// Hashes of access tokens whose revocation has been written, so that one who sends the same again does not fill the store.
    written: Cache<[u8; 32], ()>,
}

/// Access tokens whose revocation is remembered as written.
const REMEMBERED: usize = 10_000;

/// The settings of a [`RevocationEndpoint`].
#[must_use = "call build"]
pub struct RevocationEndpointBuilder {
    clients: Arc<dyn ClientAuth>,
    issuer: Issuer,
    revocations: Option<Revocations>,
    refresh_tokens: Option<KnownSessions>,
}

impl RevocationEndpoint {
    /// The settings of an endpoint for the tokens of this issuer.
    pub fn builder(issuer: &Issuer, clients: impl ClientAuth) -> RevocationEndpointBuilder {
        RevocationEndpointBuilder {
            clients: Arc::new(clients),
            issuer: issuer.clone(),
            revocations: None,
            refresh_tokens: None,
        }
    }
}

impl RevocationEndpointBuilder {
    /// Access tokens can be revoked, alone and with their session. Verifiers that have the same `revocations` refuse them.
    pub fn revocations(mut self, revocations: Revocations) -> Self {
        self.revocations = Some(revocations);
        self
    }

    /// Refresh tokens can be revoked. `is_of_client` says whether a session was begun for this client: a client must not end
    /// the session of another one.
    ///
    /// Access tokens end with the session if their claim `sid` is [`Session::sid`].
    pub fn refresh_tokens<F, Fut>(mut self, refresh_tokens: RefreshTokens, is_of_client: F) -> Self
    where
        F: Fn(AuthenticatedClient, Session) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<bool, StoreError>> + Send + 'static,
    {
        self.refresh_tokens = Some(KnownSessions::new(refresh_tokens, is_of_client));
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// If neither access tokens nor refresh tokens can be revoked, or the issuer's tokens cannot be verified here.
    pub fn build(self) -> Result<RevocationEndpoint, ConfigError> {
        let Self { clients, issuer, revocations, refresh_tokens } = self;
        if revocations.is_none() && refresh_tokens.is_none() {
            let remedy = "call .revocations(..), .refresh_tokens(..) or both";
            return Err(ConfigError::new("RevocationEndpoint", "no token can be revoked", remedy)
                .of_kind(ConfigProblemKind::Missing));
        }
        // Not by the revocations themselves: one that was written here alone has to be written again.
        let authority = issuer.authority_for_any_audience().for_purpose(Purpose::Revocation);
        let verifier = AccessTokens::new(&issuer, authority, None)?;
        Ok(RevocationEndpoint(Arc::new(Inner {
            clients,
            issuer: issuer.issuer().to_owned(),
            refresh_tokens: refresh_tokens.map(|sessions| (sessions, revocations.clone())),
            access_tokens: revocations.map(|revocations| (verifier, revocations)),
            written: Cache::new(REMEMBERED),
        })))
    }
}

impl RevocationEndpoint {
    async fn revoke(&self, headers: &HeaderMap, form: &Form) -> Result<Response<DocumentBody>, Refused> {
        let client = authenticated(&*self.0.clients, credentials::presented(headers, form)?).await?;
        // Whatever it says, but once.
        form.optional("token_type_hint")?;
        let token = RefreshToken::from(form.required("token")?);
        if looks_like_a_jwt(token.as_str()) {
            self.0.revoke_access_token(token.as_str(), &client).await?;
        } else {
            self.0.end_session(&token, &client).await?;
        }
        Ok(empty())
    }
}

impl Inner {
    async fn revoke_access_token(&self, token: &str, client: &AuthenticatedClient) -> Result<(), Refused> {
        let (verifier, revocations) = self.access_tokens.as_ref().ok_or(Refused::UnsupportedTokenType)?;
        let Some(principal) = verifier.verify(token).await? else { return Ok(()) };
        if client_of(&principal).as_deref() != Some(client.id()) {
            return Ok(());
        }
        // The client's own token, so it may know. An issuer of ours gives each token a `jti`.
        let revocation = principal.revocation().ok_or(Refused::UnsupportedTokenType)?;
        let hash = sha256(token.as_bytes());
        if hash.is_some_and(|hash| self.written.get(&hash).is_some()) {
            return Ok(());
        }
        revocations.revoke(revocation).await?;
        trace::debug!(client = client.id(), "a client revoked an access token");
        if let Some(hash) = hash {
            self.written.insert(hash, ());
        }
        Ok(())
    }

    async fn end_session(&self, token: &RefreshToken, client: &AuthenticatedClient) -> Result<(), Refused> {
        let (sessions, revocations) = self.refresh_tokens.as_ref().ok_or(Refused::UnsupportedTokenType)?;
        let Some(known) = sessions.find(token, client).await? else { return Ok(()) };
        // First: once the session is gone, a second try would not find its access tokens.
        if let Some(revocations) = revocations {
            revocations.revoke(Revocation::session(&self.issuer, known.session.sid())).await?;
        }
        sessions.tokens.end(token).await?;
        trace::debug!(client = client.id(), sid = known.session.sid(), "a client ended its session");
        Ok(())
    }
}

impl<B> Service<Request<B>> for RevocationEndpoint
where
    B: http_body::Body + Send + 'static,
{
    type Response = Response<DocumentBody>;
    type Error = Infallible;
    type Future = NowOrLater<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let endpoint = self.clone();
        answered(async move {
            let (headers, form) = read_form(request).await?;
            endpoint.revoke(&headers, &form).await
        })
    }
}

impl fmt::Debug for RevocationEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationEndpoint").field("issuer", &self.0.issuer).finish_non_exhaustive()
    }
}

impl fmt::Debug for RevocationEndpointBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationEndpointBuilder").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
