//! The layer: settings that every service made by it shares.

use std::fmt;
use std::sync::Arc;

use super::answer::{Answers, Auto, Caching, Challenges, Inside};
use super::decision::{Decision, Watchers};
use super::forward::Forward;
use super::request_checks::RequestChecks;
use super::source::{RequestHead, TokenSource};
use crate::error::{AuthError, ConfigError};
use crate::jose::Claims;
use crate::runtime::trace;
use crate::verify::Verifier;

/// Protects a service: only requests with a good token reach it, with the claims in their extensions.
///
/// It fits any tower service of HTTP requests, whatever the bodies and the error. Refusals are responses, never
/// service errors, and the [`AuthError`](crate::AuthError) is left in the response's extensions.
///
/// # Where to put it
/// * In axum, `.layer(..)` covers the routes that were added before it, and the fallback: an unknown path answers
///   401. `.route_layer(..)` covers the routes only: an unknown path answers 404. What is added after either is not
///   covered: a route, another method of a route, a fallback, `method_not_allowed_fallback`. A nested router without
///   a fallback of its own leaves unknown paths to the router around it, and to the layers there.
/// * No layer can protect a handler that is not inside it. One that takes [`Jwt`](crate::Jwt),
///   [`Principal`](crate::Principal) or [`Allowed`](crate::Allowed), or has a [`Require`](crate::Require) on its
///   route, answers 500 where the layer was forgotten. A handler that takes none of them is open to everybody.
/// * A CORS preflight carries no token, so put tower-http's `CorsLayer` outside, that is, add it *after* this one
///   to an axum router.
///
/// ```
/// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
/// use axum::{Router, routing::get};
/// use tower_jwt_auth::{Authority, Claims, Jwt, JwtAuthLayer, Secret, Verifier};
///
/// let verifier =
///     Verifier::<Claims>::new(Authority::hs256(Secret::generate()?).issuer("shop").audience("api"))?;
/// let app: Router = Router::new()
///     .route("/me", get(|user: Jwt| async move { user.sub.clone().unwrap_or_default() }))
///     .layer(JwtAuthLayer::new(verifier));
/// # Ok(()) }
/// ```
#[must_use = "add it to a service"]
pub struct JwtAuthLayer<C = Claims, R = Auto> {
    pub(super) verifier: Verifier<C>,
    /// One handle, because services are cloned for each request.
    pub(super) settings: Arc<Settings>,
    pub(super) reject: R,
}

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) optional: bool,
    pub(super) expired_is_anonymous: bool,
    pub(super) sources: Vec<TokenSource>,
    pub(super) forward: Forward,
    pub(super) answers: Arc<Answers>,
    /// For a request whose credential is not in `Authorization`.
    pub(super) private_answers: Arc<Answers>,
    pub(super) request_checks: RequestChecks,
    pub(super) watchers: Watchers,
    pub(super) measured: bool,
    pub(super) report_only: bool,
}

impl<C> JwtAuthLayer<C> {
    /// Requires a good token on every request.
    pub fn new(verifier: Verifier<C>) -> Self {
        let settings = Settings {
            optional: false,
            expired_is_anonymous: false,
            sources: vec![TokenSource::bearer()],
            forward: Forward::default(),
            answers: Arc::default(),
            private_answers: Arc::default(),
            request_checks: RequestChecks::default(),
            watchers: Watchers::default(),
            measured: false,
            report_only: false,
        };
        Self { verifier, settings: Arc::new(settings), reject: Auto }
    }
}

impl<C, R> JwtAuthLayer<C, R> {
    #[cfg(feature = "config")]
    pub(crate) const fn verifier(&self) -> &Verifier<C> {
        &self.verifier
    }

    /// Lets requests without a token through as anonymous. A token that is there must still be good.
    ///
    /// A handler takes `Option<Jwt<C>>`, or refuses the anonymous by taking `Jwt<C>`.
    pub fn optional(mut self) -> Self {
        self.settings_mut().optional = true;
        self
    }

    /// Lets requests without a token through as anonymous, and those with an expired one, too: for pages that anybody may
    /// read, where a token of yesterday must not lock its user out.
    ///
    /// A token counts as expired by its `exp` alone: one that is forged as well may pass as anonymous, which is what a request
    /// without a token gets. Every other bad token is still refused. A cookie with the expired token is removed by the answer.
    ///
    /// ```
    /// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
    /// # use tower_jwt_auth::{Authority, Claims, JwtAuthLayer, Secret, Verifier};
    /// # let verifier = Verifier::<Claims>::new(Authority::hs256(Secret::generate()?).issuer("i").audience("a"))?;
    /// let layer = JwtAuthLayer::new(verifier).optional_or_expired();
    /// # Ok(()) }
    /// ```
    pub fn optional_or_expired(mut self) -> Self {
        let settings = self.settings_mut();
        settings.optional = true;
        settings.expired_is_anonymous = true;
        self
    }

    /// Looks for the token in these places instead of the `Authorization` header; a request that has it in two of
    /// them is refused.
    ///
    /// Caches keep the answer to a request with `Authorization` from others by themselves (RFC 9111 section 3.5), but
    /// know nothing of other places. So if a cookie or another header is among the sources, all answers say so in
    /// `Vary`; and if the token was not in `Authorization`, an answer without `Cache-Control` gets `private`. What the
    /// inner service says in `Cache-Control` is left as it is: with `public` there, a shared cache would give one
    /// user's answer to others. For a source of your own, add the `Vary` that only you know.
    pub fn token_from(mut self, sources: impl IntoIterator<Item = TokenSource>) -> Self {
        let settings = self.settings_mut();
        settings.sources = sources.into_iter().collect();
        let caching = Caching::of(settings.sources.iter().filter_map(TokenSource::own_header));
        self.change_answers(|answers| answers.caching = caching);
        self
    }

    /// Takes the credential out of requests before the inner service sees them: for gateways, so that a token goes
    /// no further than its audience. What a source of your own reads stays: only you know where it is.
    pub fn remove_credential(mut self) -> Self {
        self.settings_mut().forward.remove_credential = true;
        self
    }

    /// Hands a claim to the inner service as a header, for gateways: `.claim_header("x-user-id", "sub")?`.
    ///
    /// Every inbound copy of the header is removed first, of anonymous requests too, and with underscores in its
    /// name. Strings, numbers and booleans are written as they are, an array of strings joined by commas; a token
    /// whose claim cannot be written so in ASCII is refused. A claim that is absent or null has no header.
    ///
    /// # Errors
    /// If the name is not that of a header, has an underscore, has a meaning in HTTP, or is set already.
    pub fn claim_header(
        mut self,
        header: impl AsRef<str>,
        claim: impl Into<String>,
    ) -> Result<Self, ConfigError> {
        self.settings_mut().forward.add_claim(header.as_ref(), claim.into())?;
        Ok(self)
    }

    /// Keeps the text of verified tokens for handlers that ask for [`RawToken`](crate::RawToken).
    pub fn keep_raw_token(mut self) -> Self {
        self.settings_mut().forward.keep_token = true;
        self
    }

    /// Answers in plain HTTP whatever the request looks like.
    ///
    /// Needed behind a proxy that asks this service for permission (nginx `auth_request`, Traefik forward-auth):
    /// a refusal in gRPC is HTTP 200, which such a proxy takes for a yes.
    pub fn http_only(mut self) -> Self {
        self.change_answers(|answers| answers.http_only = true);
        self
    }

    /// Names the realm in challenges (RFC 9110 section 11.5): `api` by default.
    ///
    /// # Errors
    /// If it is empty or has a character that would need escaping.
    pub fn realm(mut self, realm: impl AsRef<str>) -> Result<Self, ConfigError> {
        let challenges = Challenges::new(realm.as_ref())?;
        self.change_answers(|answers| answers.challenges = challenges);
        Ok(self)
    }

    /// Answers refusals with `reject`, a type of yours or a function; see [`Reject`](crate::Reject).
    ///
    /// It answers every refusal inside the layer as well: those of extractors, of handlers that return an
    /// [`AuthError`](crate::AuthError), of tonic methods, and of a [`Require`](crate::Require) without a `reject_with`
    /// of its own. For that the layer copies the method, target and headers of each request.
    pub fn reject_with<Q>(mut self, reject: Q) -> JwtAuthLayer<C, Q> {
        self.change_answers(|answers| answers.inside = Inside::Everything);
        JwtAuthLayer { verifier: self.verifier, settings: self.settings, reject }
    }

    /// Adds a check of the request, made before the token is looked for. It can refuse, and nothing else: a request that it
    /// lets go on is judged like any other. For a check of a verified token see [`Authority::check`](crate::Authority::check).
    ///
    /// ```
    /// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
    /// # use tower_jwt_auth::{Authority, Claims, JwtAuthLayer, Secret, Verifier};
    /// # let verifier = Verifier::<Claims>::new(Authority::hs256(Secret::generate()?).issuer("i").audience("a"))?;
    /// use tower_jwt_auth::{AuthError, Reason, RequestHead};
    ///
    /// let layer = JwtAuthLayer::new(verifier).check_request(|request: &RequestHead<'_>| {
    ///     match request.headers().contains_key("x-internal") {
    ///         true => Err(AuthError::new(Reason::Forbidden)),
    ///         false => Ok(()),
    ///     }
    /// });
    /// # Ok(()) }
    /// ```
    pub fn check_request<F>(mut self, check: F) -> Self
    where
        F: Fn(&RequestHead<'_>) -> Result<(), AuthError> + Send + Sync + 'static,
    {
        self.settings_mut().request_checks.add(check);
        self
    }

    /// Calls `watcher` with a [`Decision`] for each request, once it is decided whether the request passes: for metrics,
    /// audits and tests of your own. It runs before the request goes on, so it should be quick. Called again, it adds another one.
    ///
    /// ```
    /// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
    /// # use tower_jwt_auth::{Authority, Claims, JwtAuthLayer, Secret, Verifier};
    /// # let verifier = Verifier::<Claims>::new(Authority::hs256(Secret::generate()?).issuer("i").audience("a"))?;
    /// use tower_jwt_auth::Decision;
    ///
    /// let layer = JwtAuthLayer::new(verifier).on_decision(|decision: &Decision| println!("{decision:?}"));
    /// # Ok(()) }
    /// ```
    pub fn on_decision<F>(mut self, watcher: F) -> Self
    where
        F: Fn(&Decision) + Send + Sync + 'static,
    {
        self.settings_mut().watchers.add(watcher);
        self
    }

    /// Measures every decision through the [`metrics`](https://docs.rs/metrics) facade (feature `metrics`): how many there are, by
    /// outcome, reason, authority, algorithm and use of the cache, and how long they take; and what each
    /// [`Require`](crate::Require) inside the layer decides. The names are in `docs/reference/metrics.md`.
    ///
    /// The labels are codes and what you configured, so no client can make up new ones. Keys and refresh tokens are measured
    /// whenever the feature is on; they are off the path of a request.
    #[cfg(feature = "metrics")]
    pub fn metrics(mut self) -> Self {
        self.settings_mut().measured = true;
        self
    }

    /// Refuses nothing by itself: a request that would be refused passes as anonymous, and is reported by a warning in the log, by
    /// [`JwtAuthLayer::on_decision`] and in the metrics. A [`Require`](crate::Require) inside the layer lets everybody pass as well,
    /// and reports by a warning and in the metrics. The warnings have method and path, and nothing of the client: see "Say who would be
    /// locked out" in `docs/how-to/start.md`.
    ///
    /// **It protects nothing.** It is for the days in which a service that was open gets its layer, to see who would be locked
    /// out. A good token is put into the request as ever; of a refused one nothing is. What asks for a token still refuses the
    /// anonymous: [`Jwt`](crate::Jwt), [`Principal`](crate::Principal), [`Allowed`](crate::Allowed) and
    /// [`RawToken`](crate::RawToken) in a handler, so take `Option<Jwt>` meanwhile. [`JwtAuthLayer::remove_credential`] and
    /// [`JwtAuthLayer::claim_header`] do what they always do, and a request still waits for keys and checks.
    pub fn insecure_report_only(mut self) -> Self {
        trace::warn!("a JwtAuthLayer only reports what it would refuse: it protects nothing");
        self.settings_mut().report_only = true;
        self
    }

    fn change_answers(&mut self, change: impl FnOnce(&mut Answers)) {
        let settings = self.settings_mut();
        let mut answers = Answers::clone(&settings.answers);
        change(&mut answers);
        let caching = answers.caching.for_request(true);
        settings.private_answers = Arc::new(Answers { caching, ..answers.clone() });
        settings.answers = Arc::new(answers);
    }

    fn settings_mut(&mut self) -> &mut Settings {
        Arc::make_mut(&mut self.settings)
    }
}

// By hand: a derive would ask for `C: Clone`.
impl<C, R: Clone> Clone for JwtAuthLayer<C, R> {
    fn clone(&self) -> Self {
        Self {
            verifier: self.verifier.clone(),
            settings: Arc::clone(&self.settings),
            reject: self.reject.clone(),
        }
    }
}

impl<C, R> fmt::Debug for JwtAuthLayer<C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtAuthLayer")
            .field("verifier", &self.verifier)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
