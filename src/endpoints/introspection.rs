//! Token introspection (RFC 7662), with signed answers (RFC 9701).

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderMap, Request, Response, StatusCode};
use serde_json::{Map, Value};
use tower_service::Service;

use super::accept::{SIGNED, wants_signed};
use super::access_tokens::{AccessTokens, looks_like_a_jwt};
use super::answer::{Refused, document};
use super::client::{AuthenticatedClient, ClientAuth};
use super::exchange::{answered, authenticated, read_form};
use super::known_session::KnownSessions;
use super::{credentials, members};
use crate::error::ConfigError;
use crate::issuer::Issuer;
use crate::refresh::{RefreshToken, RefreshTokens};
use crate::revocation::Revocations;
use crate::runtime::{NowOrLater, trace};
use crate::served::{DocumentBody, Form};
use crate::store::{Session, StoreError};
use crate::verify::{Authority, Purpose};

/// The endpoint where a resource server asks whether a token of our own [`Issuer`] is good: OAuth 2.0 Token Introspection
/// (RFC 7662), as a tower service that never fails (feature `issuer`).
///
/// It takes a POST of a form with `token`, from a resource server that [`ClientAuth`] authenticates by a secret. It answers with
/// what a good token says, and `{"active":false}` for everything else: a token that is expired, revoked, forged, of another kind
/// or for another audience.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use axum::Router;
/// use tower_jwt_auth::{
///     Algorithm, AuthenticatedClient, ClientCredentials, IntrospectionEndpoint, Issuer, Revocations, SigningKey,
///     StoreError,
/// };
///
/// async fn resource_servers(credentials: ClientCredentials) -> Result<Option<AuthenticatedClient>, StoreError> {
///     let is_ours = credentials.client_id() == "orders-service" && credentials.has_secret("sesame");
///     Ok(is_ours.then(|| credentials.client().audience("orders")))
/// }
///
/// let key = SigningKey::generate(Algorithm::ES256)?;
/// let issuer = Issuer::builder("https://id.example.com", key).audience("orders").build()?;
/// let introspection = IntrospectionEndpoint::builder(&issuer, resource_servers)
///     .revocations(Revocations::in_memory()) // the same as in the verifiers
///     .build()?;
/// let app: Router = Router::new().route_service("/oauth/introspect", introspection);
/// # Ok(()) }
/// ```
///
/// | answer | |
/// |---|---|
/// | 200, JSON | `active`, and of a good token `scope`, `client_id`, `token_type`, `exp`, `iat`, `nbf`, `sub`, `aud`, `iss`, `jti`, `cnf`, `acr`, `auth_time` as far as it has them |
/// | 200, JWT | the same, signed, where `Accept` names `application/token-introspection+jwt` (RFC 9701) |
/// | 400 `invalid_request` | a parameter lacks or is there twice, or the client authenticates in two ways |
/// | 401 `invalid_client` | the resource server is not authenticated, or showed no secret |
/// | 405, 408, 413 | no POST; a body that takes longer than 10 seconds; or has more than 32 KiB |
/// | 503, `Retry-After` | it cannot be said now: keys, revocations, a store or what your functions ask is not available |
///
/// A resource server sees tokens for its own audience alone: see [`AuthenticatedClient::audience`]. It must still check the scope, and
/// a `cnf` if there is one: the token is active, but its bearer has to prove that key.
#[derive(Clone)]
pub struct IntrospectionEndpoint(Arc<Inner>);

struct Inner {
    clients: Arc<dyn ClientAuth>,
    issuer: Issuer,
    access_tokens: AccessTokens,
    refresh_tokens: Option<KnownSessions>,
    username: Option<Arc<Username>>,
    claims: Vec<String>,
}

type Username = dyn Fn(String) -> NowOrLater<Result<Option<String>, StoreError>> + Send + Sync;

/// The settings of an [`IntrospectionEndpoint`].
#[must_use = "call build"]
pub struct IntrospectionEndpointBuilder {
    clients: Arc<dyn ClientAuth>,
    issuer: Issuer,
    authority: Option<Authority>,
    revocations: Option<Revocations>,
    refresh_tokens: Option<KnownSessions>,
    username: Option<Arc<Username>>,
    claims: Vec<String>,
}

impl IntrospectionEndpoint {
    /// The settings of an endpoint for the tokens of this issuer.
    pub fn builder(issuer: &Issuer, resource_servers: impl ClientAuth) -> IntrospectionEndpointBuilder {
        IntrospectionEndpointBuilder {
            clients: Arc::new(resource_servers),
            issuer: issuer.clone(),
            authority: None,
            revocations: None,
            refresh_tokens: None,
            username: None,
            claims: Vec::new(),
        }
    }
}

impl IntrospectionEndpointBuilder {
    /// Tokens that were revoked are not active.
    pub fn revocations(mut self, revocations: Revocations) -> Self {
        self.revocations = Some(revocations);
        self
    }

    /// Judges tokens by this authority: [`Issuer::authority`] with rules of yours, such as
    /// [`check_async`](Authority::check_async) that asks whether the user is still active.
    ///
    /// Without it all access tokens of the issuer are good, whatever their audience. An authority that names audiences takes no
    /// others, before the resource server's own audience counts.
    pub fn authority(mut self, authority: Authority) -> Self {
        self.authority = Some(authority);
        self
    }

    /// Answers for refresh tokens as well. `may_see` says whether a resource server may know of a session.
    ///
    /// Only the token that is to be exchanged next is active. Asking changes nothing: a spent token does not end its session
    /// here.
    pub fn refresh_tokens<F, Fut>(mut self, refresh_tokens: RefreshTokens, may_see: F) -> Self
    where
        F: Fn(AuthenticatedClient, Session) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<bool, StoreError>> + Send + 'static,
    {
        self.refresh_tokens = Some(KnownSessions::new(refresh_tokens, may_see));
        self
    }

    /// Adds `username`: a name for people, of the user with this `sub`. `None` leaves it out.
    pub fn username<F, Fut>(mut self, of_subject: F) -> Self
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Option<String>, StoreError>> + Send + 'static,
    {
        self.username = Some(Arc::new(move |subject| NowOrLater::later(of_subject(subject))));
        self
    }

    /// Adds a claim of the access token to the answer, such as `roles` or `sid`. Call it for each.
    pub fn claim(mut self, name: impl Into<String>) -> Self {
        self.claims.push(name.into());
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// If a claim is named that the answer has anyway, or the authority's settings are wrong.
    pub fn build(self) -> Result<IntrospectionEndpoint, ConfigError> {
        let Self { clients, issuer, authority, revocations, refresh_tokens, username, claims } = self;
        if let Some(name) = claims.iter().find(|name| members::NAMES.contains(&name.as_str())) {
            let problem = format!("{name:?} is a member of each answer");
            return Err(ConfigError::new("claim", problem, "leave it out"));
        }
        let authority = authority.unwrap_or_else(|| issuer.authority_for_any_audience());
        let access_tokens =
            AccessTokens::new(&issuer, authority.for_purpose(Purpose::Introspection), revocations)?;
        let inner = Inner { clients, issuer, access_tokens, refresh_tokens, username, claims };
        Ok(IntrospectionEndpoint(Arc::new(inner)))
    }
}

impl IntrospectionEndpoint {
    async fn introspect(&self, headers: &HeaderMap, form: &Form) -> Result<Response<DocumentBody>, Refused> {
        // A name that anybody may say is not enough to look into tokens (RFC 7662 section 2.1).
        let credentials = credentials::presented(headers, form)?;
        if credentials.is_public() {
            return Err(Refused::InvalidClient);
        }
        let client = authenticated(&*self.0.clients, credentials).await?;
        form.optional("token_type_hint")?;
        let token = RefreshToken::from(form.required("token")?);
        let members = if looks_like_a_jwt(token.as_str()) {
            self.0.access_token(token.as_str(), &client).await?
        } else {
            self.0.refresh_token(&token, &client).await?
        };
        let members = members.unwrap_or_else(members::inactive);
        match wants_signed(headers) {
            true => self.0.signed(&client, members).await,
            false => Ok(document(StatusCode::OK, "application/json", Value::Object(members).to_string())),
        }
    }
}

type Members = Option<Map<String, Value>>;

impl Inner {
    async fn access_token(&self, token: &str, client: &AuthenticatedClient) -> Result<Members, Refused> {
        let Some(principal) = self.access_tokens.verify(token).await? else { return Ok(None) };
        // A key that cannot be read is one that nobody will ask for.
        let is_unreadable = |confirmation: Value| !confirmation.is_object();
        if !client.may_see(principal.audience()) || principal.claim("cnf").is_some_and(is_unreadable) {
            return Ok(None);
        }
        let username = self.username_of(principal.subject()).await?;
        Ok(Some(members::of_access_token(&principal, username, &self.claims)))
    }

    async fn refresh_token(
        &self,
        token: &RefreshToken,
        client: &AuthenticatedClient,
    ) -> Result<Members, Refused> {
        let Some(sessions) = &self.refresh_tokens else { return Ok(None) };
        let known = sessions.find(token, client).await?.filter(|known| known.is_current);
        let Some(known) = known else { return Ok(None) };
        let username = self.username_of(Some(known.session.subject())).await?;
        Ok(Some(members::of_session(&known.session, self.issuer.issuer(), username)))
    }

    async fn username_of(&self, subject: Option<&str>) -> Result<Option<String>, StoreError> {
        match (&self.username, subject) {
            (Some(username), Some(subject)) => username(subject.to_owned()).await,
            _ => Ok(None),
        }
    }

    async fn signed(
        &self,
        client: &AuthenticatedClient,
        members: Map<String, Value>,
    ) -> Result<Response<DocumentBody>, Refused> {
        let claims = members::signed(self.issuer.issuer(), client.id(), self.issuer.time().now(), &members);
        match self.issuer.sign_as("token-introspection+jwt", &claims).await {
            Ok(token) => Ok(document(StatusCode::OK, SIGNED, token)),
            Err(_error) => {
                trace::error!(error = %_error, "an introspection cannot be signed, so it is answered with 503");
                Err(Refused::Unavailable)
            }
        }
    }
}

impl<B> Service<Request<B>> for IntrospectionEndpoint
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
            endpoint.introspect(&headers, &form).await
        })
    }
}

impl fmt::Debug for IntrospectionEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntrospectionEndpoint")
            .field("issuer", &self.0.issuer.issuer())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for IntrospectionEndpointBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntrospectionEndpointBuilder").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
