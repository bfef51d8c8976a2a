//! OpenID Connect Back-Channel Logout 1.0: the provider says who was logged out.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use serde::de::{Deserialize, Deserializer, IgnoredAny};
use serde_json::{Map, Value, json};
use tower_service::Service;

use super::answer::{empty, json as json_answer, only_post, try_again};
use super::intake::{BODY, NotStored, note_refusal, revoke};
use crate::error::{AuthError, ConfigError, Reason};
use crate::revocation::{Revocation, Revocations};
use crate::runtime::{Clock, NowOrLater, SystemClock, UnixTime};
use crate::served::{BodyError, DocumentBody, Form, FormError};
use crate::verify::{Authority, Verifier};

/// Receives OpenID Connect back-channel logouts: a tower service that never fails (feature `feeds`).
///
/// When a user logs out at the provider, it posts a *logout token* here, and the access tokens of that session are refused from
/// then on. Name the URL of this service at the provider as the client's `backchannel_logout_uri`, and give it an authority whose
/// audience is the **client id**: the logout token is addressed to the client, not to the API.
///
/// ```
/// # #[cfg(feature = "oidc")]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use axum::{Router, routing::get};
/// use tower_jwt_auth::{Authority, BackChannelLogout, Claims, JwtAuthLayer, Revocations, Verifier};
///
/// let revocations = Revocations::in_memory(); // several processes: Revocations::builder().store(store)
/// let verifier = Verifier::<Claims>::builder()
///     .authority(Authority::oidc("https://id.example.com").audience("api"))
///     .revocations(revocations.clone())
///     .build()?;
/// let logout =
///     BackChannelLogout::new(Authority::oidc("https://id.example.com").audience("client-7"), revocations)?;
///
/// let app: Router = Router::new()
///     .route("/orders", get(async || "your orders"))
///     .layer(JwtAuthLayer::new(verifier))
///     .route_service("/backchannel-logout", logout); // outside of the layer: the provider has no access token
/// # Ok(()) }
/// # #[cfg(not(feature = "oidc"))] fn main() {}
/// ```
///
/// # What a logout revokes
///
/// | the logout token has | |
/// |---|---|
/// | `sid` | all tokens with this `iss` and `sid` |
/// | `sub`, but no `sid` | all tokens with this `iss` and `sub` that were issued before it: the user is logged out everywhere |
/// | both, with [`by_subject`](BackChannelLogoutBuilder::by_subject) | both |
///
/// Look at an access token of your provider. If it has no `sid`, a logout by `sid` reaches none of them: have the provider add
/// it, or call [`by_subject`](BackChannelLogoutBuilder::by_subject).
///
/// # What is checked
///
/// The rules of section 2.6 of the standard: the signature, by an algorithm that the authority allows; `iss`, `aud`, `exp`, `iat`;
/// a `jti`; `events` with the member of back-channel logout; a `sid` or a `sub`; and no `nonce`, so that no ID token is taken for a
/// logout token. `typ` is `logout+jwt`, `JWT` or absent; to require the first, call
/// [`Authority::typ("logout+jwt")`](Authority::typ). A verifier of your API never takes a logout token for an access token.
///
/// A logout token that comes twice has the same effect as once, so a `jti` that was seen before is not refused: the session is
/// over already, and a later login has another `sid` and a later `iat`.
///
/// # Answers
///
/// | | |
/// |---|---|
/// | 200 | the tokens are revoked, and the store has it |
/// | 400 | the request or the token is refused; JSON with `error` and `error_description` |
/// | 405, 408 | another method than POST; the body took longer than ten seconds |
/// | 503 | there are no keys, or the store failed; the provider should try again |
///
/// Nothing is cached (`Cache-Control: no-store`). Everybody can send requests here, and each may cost a signature check: limit their
/// rate as that of other public endpoints.
#[derive(Clone, Debug)]
pub struct BackChannelLogout(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    verifier: Verifier<LogoutClaims>,
    revocations: Revocations,
    by_subject: bool,
}

/// Settings of a [`BackChannelLogout`].
#[derive(Debug)]
#[must_use = "call build()"]
pub struct BackChannelLogoutBuilder {
    authorities: Vec<Authority>,
    revocations: Revocations,
    clock: Arc<dyn Clock>,
    by_subject: bool,
    exp_may_lack: bool,
}

impl BackChannelLogout {
    /// A receiver for one provider or several, each an authority whose audience is the client id there.
    ///
    /// # Errors
    /// If a setting of an authority is missing or out of bounds, or is for access tokens alone, such as
    /// [`Authority::rfc9068`].
    pub fn new(
        authorities: impl IntoIterator<Item = Authority>,
        revocations: Revocations,
    ) -> Result<Self, ConfigError> {
        Self::builder(authorities, revocations).build()
    }

    /// A receiver with more settings.
    pub fn builder(
        authorities: impl IntoIterator<Item = Authority>,
        revocations: Revocations,
    ) -> BackChannelLogoutBuilder {
        BackChannelLogoutBuilder {
            authorities: authorities.into_iter().collect(),
            revocations,
            clock: Arc::new(SystemClock),
            by_subject: false,
            exp_may_lack: false,
        }
    }
}

impl BackChannelLogoutBuilder {
    /// Revokes by `sub` as well if the logout token has both: for a provider whose access tokens have no `sid`.
    ///
    /// A user who logs out on one device then has to get new tokens on all of them.
    pub const fn by_subject(mut self) -> Self {
        self.by_subject = true;
        self
    }

    /// Takes logout tokens without `exp` for four minutes after their `iat`: for a provider that does as the standard was before
    /// its errata of 2023.
    pub const fn exp_may_lack(mut self) -> Self {
        self.exp_may_lack = true;
        self
    }

    /// Reads the time from this clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// As [`BackChannelLogout::new`].
    pub fn build(self) -> Result<BackChannelLogout, ConfigError> {
        let authorities =
            self.authorities.into_iter().map(|authority| authority.for_logout_tokens(self.exp_may_lack));
        let verifier = Verifier::builder().authorities(authorities).clock(self.clock).build()?;
        let inner = Inner { verifier, revocations: self.revocations, by_subject: self.by_subject };
        Ok(BackChannelLogout(Arc::new(inner)))
    }
}

/// The claims of a logout token, section 2.4. Policy has judged the others.
#[derive(serde::Deserialize)]
struct LogoutClaims {
    iss: String,
    sub: Option<String>,
    sid: Option<String>,
    iat: UnixTime,
    events: Map<String, Value>,
    #[serde(default)]
    nonce: Presence,
}

/// Whether a claim is there, whatever its value.
#[derive(Default)]
struct Presence(bool);

impl<'de> Deserialize<'de> for Presence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self(true))
    }
}

/// Section 2.4.
const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

impl LogoutClaims {
    /// What is revoked, section 2.7; or the claim that is wrong.
    fn revocations(&self, by_subject: bool) -> Result<Vec<Revocation>, &'static str> {
        if self.nonce.0 {
            return Err("nonce");
        }
        if !self.events.get(LOGOUT_EVENT).is_some_and(Value::is_object) {
            return Err("events");
        }
        let session = self.sid.as_deref().map(|sid| Revocation::session(&*self.iss, sid));
        let subject =
            self.sub.as_deref().map(|sub| Revocation::subject(&*self.iss, sub).issued_before(self.iat));
        match (&self.sid, &self.sub) {
            (Some(sid), _) if sid.is_empty() => Err("sid"),
            (_, Some(sub)) if sub.is_empty() => Err("sub"),
            (None, None) => Err("sid"),
            (Some(_), _) if !by_subject => Ok(session.into_iter().collect()),
            _ => Ok(session.into_iter().chain(subject).collect()),
        }
    }
}

/// Why a logout was not carried out.
enum Refusal {
    Form(FormError),
    Token(AuthError),
    NotStored,
}

impl Inner {
    async fn receive<B: Body>(&self, head: &Parts, body: B) -> Result<(), Refusal> {
        let form = Form::read(&head.headers, body, BODY).await.map_err(Refusal::Form)?;
        let token = form.required("logout_token").map_err(Refusal::Form)?;
        let logout = self.verifier.verify(&token).await.map_err(Refusal::Token)?;
        let revocations = logout.revocations(self.by_subject).map_err(|claim| {
            let reason = if claim == "nonce" { Reason::WrongType } else { Reason::InvalidClaim };
            Refusal::Token(AuthError::new(reason).with_claim(claim).after_signature())
        })?;
        revoke(&self.revocations, revocations).await.map_err(|NotStored| Refusal::NotStored)
    }
}

impl Refusal {
    /// Section 2.8. What it says in words depends on nothing that the provider did not send.
    fn answer(&self) -> Response<DocumentBody> {
        let invalid = |description: &str| {
            let body = json!({ "error": "invalid_request", "error_description": description });
            json_answer(StatusCode::BAD_REQUEST, &body)
        };
        match self {
            Self::Form(FormError::Body(BodyError::TooSlow)) => empty(StatusCode::REQUEST_TIMEOUT),
            Self::Form(FormError::Body(BodyError::TooLarge)) => invalid("The body is too large"),
            Self::Form(FormError::Body(BodyError::Broken)) => invalid("The body is incomplete"),
            Self::Form(FormError::MediaType) => {
                invalid("The body has to be application/x-www-form-urlencoded")
            }
            Self::Form(FormError::Missing(_)) => invalid("There is no logout_token"),
            Self::Form(FormError::Repeated(_)) => invalid("There is more than one logout_token"),
            Self::Token(refused) if refused.is_transient() => try_again(5),
            Self::Token(refused) => {
                note_refusal(refused, "back-channel logout");
                invalid("The logout token is invalid")
            }
            Self::NotStored => try_again(5),
        }
    }
}

impl<B> Service<Request<B>> for BackChannelLogout
where
    B: Body + Send + 'static,
{
    type Response = Response<DocumentBody>;
    type Error = Infallible;
    type Future = NowOrLater<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if *request.method() != Method::POST {
            return NowOrLater::ready(Ok(only_post()));
        }
        let receiver = Arc::clone(&self.0);
        NowOrLater::later(async move {
            let (head, body) = request.into_parts();
            Ok(match receiver.receive(&head, body).await {
                Ok(()) => empty(StatusCode::OK),
                Err(refusal) => refusal.answer(),
            })
        })
    }
}
