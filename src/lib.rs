//! Tower middleware that protects axum, tonic and hyper services with JSON Web Tokens: it verifies the bearer token of a
//! request and hands its claims, as your own type, to the handler.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use axum::{Router, routing::get};
//! use serde::Deserialize;
//! use tower_jwt_auth::{Authority, Jwt, JwtAuthLayer, Secret, Verifier};
//!
//! #[derive(Deserialize)]
//! struct User {
//!     sub: String,
//!     name: String,
//! }
//!
//! async fn me(user: Jwt<User>) -> String {
//!     format!("{} is {}", user.sub, user.name)
//! }
//!
//! # let env = "hiOYSjPFTKR9bbBpyQqw2Pn1fjZ0Vb3vXzmIY5K0p1s=";
//! let secret = Secret::from_base64(env)?; // openssl rand -base64 32
//! let verifier = Verifier::<User>::new(Authority::hs256(secret).issuer("shop").audience("api"))?;
//! let app: Router = Router::new().route("/me", get(me)).layer(JwtAuthLayer::new(verifier));
//! # Ok(()) }
//! ```
//!
//! The layer answers a request without a good token with 401 and a challenge (with status 16 if it is a gRPC call). Such a
//! request never reaches the handler.
//!
//! If you have never built a login, start with the [guide](guide/index.html).
//!
//! # The nouns
//!
//! ```text
//! request ──▶ JwtAuthLayer<C> ──▶ Require ──▶ handler, with a Jwt<C>
//!               finds the token     the policy
//!               │                   of a route
//!               ▼
//!             Verifier<C> ──▶ Authority: a trusted issuer, its keys, its rules
//! ```
//!
//! * [`Authority`]: an issuer, its keys, and the rules for its tokens. Two authorities cannot use each other's keys,
//!   audiences or algorithms.
//! * [`Verifier`]: a checked set of authorities. It is cheap to clone, and works without a server.
//! * [`JwtAuthLayer`]: the middleware. [`JwtAuthLayer::optional`] lets a request without a token through. A bad token is
//!   still refused. The token is in the `Authorization` header unless you name another [`TokenSource`].
//! * [`Require`]: a policy, such as "the scope `orders:read`". Use it as a layer around a route or a service, in the signature
//!   of an axum handler ([`Allowed`]), or for one gRPC method ([`RequireMethods`]).
//! * [`Jwt`]: a verified token with its claims, as your type `C`. Only a verifier makes one. [`Principal`] is the same token
//!   without your type: it has methods for the registered claims.
//! * [`KeySet`] and [`Secret`]: the keys that signatures are checked with.
//! * [`Issuer`]: signs tokens and publishes the keys. It uses one [`SigningKey`], or a [`KeyRing`] that rotates.
//! * [`Revocations`]: what is refused before it expires: a token, a session, a user. Each process answers from its own memory.
//! * [`AuthError`] says why a request was refused; its [`Reason`] is a stable code. [`ConfigError`] lists what is wrong with
//!   the configuration, before the first request.
//!
//! # What is checked by default
//!
//! If you configure a check, every token must pass it. The table lists the checks, and in brackets the calls that change
//! them.
//!
//! | | |
//! |---|---|
//! | `alg` | must be in the authority's list, and must be the algorithm of the key; `none` is never accepted |
//! | `kid` | must match a key exactly; if no key has a `kid`, exactly one key must fit the algorithm |
//! | `crit` | a token that has it is refused |
//! | `jwk`, `jku`, `x5u`, `x5c` | ignored: a key is never taken from the token |
//! | `typ` | must be absent, `JWT` or `at+jwt` ([`Authority::typ`], [`Authority::rfc9068`] and [`Authority::id_token`] accept others) |
//! | `exp` | required |
//! | `nbf`, `iat` | not in the future |
//! | `iss` | required, compared exactly ([`Authority::any_issuer`] accepts every one) |
//! | `aud` | required, one of its strings is your audience ([`Authority::any_audience`] accepts every one) |
//! | wrong types, duplicate names | refused |
//! | claims that only ID, refresh or logout tokens have | refused |
//! | `cnf` | refused: the token is bound to a key, and no check of that binding is configured |
//! | size | 16 KiB, before anything is decoded ([`Limits`]) |
//!
//! # Policies
//!
//! ```
//! # async fn list() {}
//! use axum::{Router, routing::get};
//! use tower_jwt_auth::{Allowed, Claims, JwtAuthLayer, Policy, Require, Verifier};
//!
//! struct Admin;
//!
//! impl Policy for Admin {
//!     fn require() -> Require {
//!         Require::role("admin") // the authority says where roles are: `.roles_at("/roles")`
//!     }
//! }
//!
//! async fn purge(admin: Allowed<Admin>) -> String {
//!     format!("purged by {}", admin.subject().unwrap_or_default())
//! }
//!
//! fn app(verifier: Verifier<Claims>) -> Router {
//!     Router::new()
//!         .route("/orders", get(list).route_layer(Require::scope("orders:read")).delete(purge))
//!         .layer(JwtAuthLayer::new(verifier))
//! }
//! ```
//!
//! A caller without the scope gets 403 (or status 7), and the response names the scope. If the `JwtAuthLayer` is missing on a
//! route, the policy there refuses every request with 500. No layer can protect a handler that is outside of it: a handler that takes no `Jwt`,
//! on a router without the layer, is open.
//!
//! # Keys from an identity provider
//!
//! With the feature `oidc` (or `jwks`, for the URL of a key set):
//!
//! ```
//! # #[cfg(feature = "oidc")]
//! # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
//! use tower_jwt_auth::{Authority, Claims, Verifier};
//!
//! let verifier = Verifier::<Claims>::new(Authority::oidc("https://id.example.com").audience("api"))?;
//! # Ok(()) }
//! # #[cfg(not(feature = "oidc"))] fn main() {}
//! ```
//!
//! The verifier fetches nothing before the first token, and that token waits for the keys. `verifier.warm().await?` fetches
//! them at start instead. The verifier then refreshes the keys in the background: a token with a known key never waits, and
//! new keys are found without a restart. While the provider fails, the keys at hand stay in use for six hours.
//! `RemoteKeys::keep_in` stores them, so that they are there after a restart. Without any keys the answer is 503 (or status
//! 14), never 401.
//!
//! The keys must come over `https://`. For a provider on the same machine, `RemoteKeys::insecure_http_on_loopback` allows
//! `http://`.
//! `Verifier::key_health` reports the state of the keys, and `Verifier::health_service` answers readiness probes. The module
//! `provider` has presets for well-known providers. [`Tenants`] is for issuers that are known only at run time.
//!
//! # Opaque tokens and API keys
//!
//! A token that is not a JWT says nothing by itself. [`Authority::opaque`] asks a function of yours, such as a look into a table of API
//! keys. `Authority::introspection` asks an endpoint (RFC 7662; feature `introspection`). The answer is checked like the claims of
//! a JWT, and handlers see the same [`Jwt`]. [`OpaqueTokens`] states which tokens belong to such an authority.
//!
//! # Not supported
//!
//! The layer does not read tokens from form bodies. It refuses encrypted tokens (JWE), nested tokens, unsigned tokens, and
//! tokens in the JSON serialization of RFC 7515.
//!
//! # With tonic
//!
//! The same layer answers gRPC calls with a gRPC status. The first layer of a server is the outermost, so the `JwtAuthLayer`
//! comes before [`RequireMethods`]:
//!
//! ```
//! # #[cfg(feature = "tonic")] mod server {
//! use tonic::{service::Routes, transport::Server};
//! use tower_jwt_auth::{Claims, JwtAuthLayer, Require, RequireMethods, Verifier};
//!
//! async fn serve(services: Routes, verifier: Verifier<Claims>) -> Result<(), Box<dyn std::error::Error>> {
//!     let methods = RequireMethods::deny_unlisted()
//!         .method("/hello.Greeter/SayHello", Require::scope("hello"))
//!         .method("/grpc.health.v1.Health/Check", Require::anyone())
//!         .checked_for(&verifier)?;
//!     let mut server = Server::builder().layer(JwtAuthLayer::new(verifier).optional()).layer(methods);
//!     Ok(server.add_routes(services).serve("[::1]:50051".parse()?).await?)
//! }
//! # }
//! ```
//!
//! In a method, `?` turns a refusal into a `Status`. The layer then adds the challenge to the response.
//!
//! ```
//! # #[cfg(feature = "tonic")] mod example {
//! # use serde::Deserialize;
//! # #[derive(Deserialize)] struct User { name: String }
//! # struct HelloRequest; struct HelloReply { message: String }
//! use tonic::{Request, Response, Status};
//! use tower_jwt_auth::Jwt;
//!
//! async fn say_hello(request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
//!     let user = Jwt::<User>::of(request.extensions())?; // fails closed
//!     Ok(Response::new(HelloReply { message: format!("hello {}", user.name) }))
//! }
//! # }
//! ```
//!
//! # Sign tokens
//!
//! With the feature `issuer`:
//!
//! ```
//! # #[cfg(feature = "issuer")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use axum::Router;
//! use tower_jwt_auth::{AccessTokenClaims, Algorithm, Claims, Issuer, SigningKey, Verifier};
//!
//! let key = SigningKey::generate(Algorithm::ES256)?; // or from_pem, or a KeyRing
//! let issuer = Issuer::builder("https://auth.example.com", key).audience("api").build()?;
//! let token = issuer.sign(&AccessTokenClaims::new("bob", "web-app"))?; // adds iss, aud, iat, exp, jti, kid, typ
//!
//! let verifier = Verifier::<Claims>::new(issuer.authority())?; // follows rotations
//! let app: Router = Router::new().route_service("/.well-known/jwks.json", issuer.jwks_service());
//! # Ok(()) }
//! # #[cfg(not(feature = "issuer"))] fn main() {}
//! ```
//!
//! Clients revoke these tokens at a [`RevocationEndpoint`] (RFC 7009), and resource servers ask about them at an
//! [`IntrospectionEndpoint`] (RFC 7662).
//!
//! # Log users out
//!
//! Give a clone of one [`Revocations`] to the verifier ([`VerifierBuilder::revocations`]) and to the refresh tokens
//! (`RefreshTokensBuilder::revocations`). A session that ends then takes its access tokens with it. Several processes share a store,
//! in Redis or PostgreSQL. [`Principal::ended`] ends an open stream.
//!
//! # In tests
//!
//! With the feature `test-util`, [`TestIssuer`] makes real signatures, and you move the [`TestClock`]. `TestProvider` is an
//! identity provider for tests, in memory or on loopback. Your test tells it when to rotate its keys and when to fail.
//!
//! ```
//! # #[cfg(feature = "test-util")]
//! # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
//! use std::time::Duration;
//! use serde_json::json;
//! use tower_jwt_auth::{Claims, Reason, TestClock, TestIssuer, Verifier};
//!
//! let clock = TestClock::now();
//! let issuer = TestIssuer::new("https://test").clock(clock.clone());
//! let verifier =
//!     Verifier::<Claims>::builder().authority(issuer.authority()).clock(clock.clone()).build()?;
//! let token = issuer.sign(json!({ "sub": "bob" }));
//! assert!(verifier.verify(&token).now().unwrap().is_ok());
//!
//! clock.advance(Duration::from_secs(3600));
//! let refused = verifier.verify(&token).now().unwrap().unwrap_err();
//! assert_eq!(refused.reason(), Reason::Expired);
//! # Ok(()) }
//! # #[cfg(not(feature = "test-util"))] fn main() {}
//! ```
//!
//! # Features
//!
//! | feature | | default |
//! |---|---|---|
//! | `aws-lc-rs` | cryptography by aws-lc-rs; each key is parsed once | yes |
//! | `rust-crypto` | cryptography by the portable RustCrypto provider of `jsonwebtoken` | |
//! | `axum` | [`Jwt`], `Option<Jwt>` and [`Principal`] as extractors | yes |
//! | `introspection` | `Authority::introspection`: opaque tokens, about which an endpoint is asked (RFC 7662, RFC 9701); turns `jwks` on | |
//! | `issuer` | [`Issuer`], [`KeyRing`], refresh tokens, [`RevocationEndpoint`], [`IntrospectionEndpoint`] | |
//! | `jsonwebtoken` | `Backend::jsonwebtoken`, `KeySet::from_jsonwebtoken`: conversions from the types of version 11 | |
//! | `jwks` | `Authority::jwks`: keys from the URL of a JWK set, by `reqwest` and rustls | |
//! | `oidc` | `Authority::oidc`: the same, found by the discovery document of an issuer | |
//! | `config` | [`Config`]: configuration by a TOML file and by environment variables, policies by route, reload ([`ReloadableLayer`]); turns `cookie` and `oidc` on | |
//! | `cookie` | [`TokenSource::cookie`], [`TokenCookie`] | |
//! | `feeds` | [`BackChannelLogout`], [`SecurityEvents`]: a provider logs a user out, or tells that an account was closed | |
//! | `metrics` | `JwtAuthLayer::metrics`, `describe_metrics`: counts and times decisions, fetches of keys and refresh tokens through the `metrics` facade | |
//! | `status-list` | [`StatusLists`]: revocation by Token Status Lists, fetched in the background | |
//! | `tonic` | converts an [`AuthError`] into a `tonic::Status`; a service inside the layer still implements `NamedService`, by which tonic routes to it | |
//! | `test-util` | [`TestIssuer`] and [`TestClock`]; together with `jwks` also `TestProvider`; not for production | |
//! | `tracing` | events: refusals at debug, mistakes in the set-up at error | |
//! | `full` | all of these but `jsonwebtoken`, `rust-crypto` and `test-util` | |
//!
//! Stores for sessions, keys and revocations in PostgreSQL and SQLite are in the crate `tower-jwt-auth-sql`, those in Redis and Valkey in
//! `tower-jwt-auth-redis`.
//!
//! If rustc does not find an item, its feature is off: the documentation of each item names the feature.
//!
//! A feature adds items and never changes what the others do. You may turn on both `aws-lc-rs` and `rust-crypto`: the verifier then uses aws-lc-rs, unless [`VerifierBuilder::backend`] names
//! the other. With neither, building a verifier is a [`ConfigError`].

#![cfg_attr(docsrs, feature(doc_cfg))]

mod authorize;
#[cfg(feature = "axum")]
mod axum;
#[cfg(feature = "config")]
mod config;
mod crypto;
#[cfg(feature = "issuer")]
mod endpoints;
mod error;
#[cfg(feature = "feeds")]
mod feeds;
#[cfg(any(doc, doctest))]
pub mod guide;
#[cfg(feature = "introspection")]
mod introspection;
#[cfg(feature = "issuer")]
mod issuer;
mod jose;
mod keys;
mod layer;
mod opaque;
#[cfg(feature = "oidc")]
pub mod provider;
#[cfg(feature = "issuer")]
mod refresh;
mod revocation;
mod runtime;
#[cfg(any(feature = "issuer", feature = "feeds", feature = "jwks"))]
mod served;
#[cfg(feature = "status-list")]
mod status;
mod store;
#[cfg(feature = "test-util")]
mod test_util;
#[cfg(feature = "tonic")]
mod tonic;
mod verify;

#[cfg(feature = "axum")]
pub use self::axum::Allowed;
#[cfg(feature = "config")]
pub use authorize::RequireRoutes;
pub use authorize::{Authorize, Policy, Require, RequireLayer, RequireMethods};
#[cfg(feature = "config")]
pub use config::{Config, ReloadableAuth, ReloadableLayer};
pub use crypto::Backend;
#[cfg(feature = "issuer")]
pub use endpoints::{
    AuthenticatedClient, ClientAuth, ClientCredentials, IntrospectionEndpoint, IntrospectionEndpointBuilder,
    RevocationEndpoint, RevocationEndpointBuilder,
};
pub use error::{AuthError, ConfigError, ConfigProblem, ConfigProblemKind, Reason};
#[cfg(feature = "feeds")]
pub use feeds::{
    BackChannelLogout, BackChannelLogoutBuilder, SecurityEvent, SecurityEvents, SecurityEventsBuilder,
};
#[cfg(feature = "introspection")]
pub use introspection::Introspection;
#[cfg(feature = "issuer")]
pub use issuer::{
    AccessTokenClaims, Issuer, IssuerBuilder, IssuerKeys, KeyRing, KeyRingBuilder, KeyState, KeyStatus,
    SignError, Signer, SigningKey,
};
pub use jose::{Algorithm, Audience, Claims, Limits};
#[cfg(feature = "jwks")]
pub use keys::{Fetch, FetchError, HttpFetch, HttpFetchBuilder, KeyHealth, RemoteKeys};
pub use keys::{Key, KeySet, Secret, SkippedKey};
pub use layer::{
    Auto, Decision, JwtAuth, JwtAuthLayer, Outcome, Problem, RawToken, Refusal, Reject, RequestHead,
    ResponseFuture, TokenSource, redacted_uri,
};
#[cfg(feature = "cookie")]
pub use layer::{Csrf, TokenCookie};
pub use opaque::{OpaqueToken, OpaqueTokens};
#[cfg(feature = "issuer")]
pub use refresh::{Grant, RefreshError, RefreshToken, RefreshTokens, RefreshTokensBuilder, Rotated};
pub use revocation::{Revocation, RevocationHealth, Revocations, RevocationsBuilder, WhenStale};
#[cfg(feature = "metrics")]
pub use runtime::describe_metrics;
pub use runtime::{Clock, NowOrLater, SystemClock, UnixTime};
#[cfg(any(feature = "issuer", feature = "feeds", feature = "jwks"))]
pub use served::DocumentBody;
#[cfg(feature = "jwks")]
pub use served::HealthService;
#[cfg(feature = "issuer")]
pub use served::{DocumentService, MetadataBuilder};
#[cfg(feature = "status-list")]
pub use status::StatusLists;
#[cfg(any(feature = "issuer", feature = "jwks"))]
pub use store::{FileKeyStore, KeyDocument, KeyStore, MemoryKeyStore};
pub use store::{
    LogPosition, MemoryReplayStore, MemoryRevocationStore, ReplayStore, RevocationPage, RevocationRecord,
    RevocationStore, StoreError,
};
#[cfg(feature = "issuer")]
pub use store::{MemoryRefreshStore, RefreshRecord, RefreshStore, Session};
#[cfg(all(feature = "test-util", feature = "jwks"))]
pub use test_util::{ProviderFault, TestProvider};
#[cfg(feature = "test-util")]
pub use test_util::{TestClock, TestIssuer, conformance};
pub use verify::{
    Authority, ClaimsType, Explanation, Jwt, Leniency, Principal, Tenants, TokenCache, Verifier,
    VerifierBuilder,
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The tests compile the how-to pages.
#[cfg(doctest)]
macro_rules! how_to {
    ($($page:ident)*) => {$(
        #[doc = include_str!(concat!("../docs/how-to/", stringify!($page), ".md"))]
        mod $page {}
    )*};
}

#[cfg(doctest)]
mod how_to {
    how_to!(
        answers claims configure cookies grpc issuers issuing keys logouts opaque operating policies proxies revoking rules
        sources start stores testing
    );
}
