//! The settings of an introspection endpoint.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::client_auth::ClientAuth;
use super::endpoint::{Endpoint, Inner};
use crate::error::ConfigProblemKind::{Conflict, Missing};
use crate::error::{ConfigError, Problems, shown_url};
#[cfg(feature = "issuer")]
use crate::issuer::{Issuer, IssuerBuilder, IssuerKeys};
use crate::jose::{Claims, Limits};
use crate::keys::{HttpFetch, UrlRules};
use crate::opaque::{Ask, AskedParty, MAX_ANSWER_BYTES, OpaqueTokens};
use crate::runtime::Clock;
use crate::verify::{Authority, Verifier};

/// An introspection endpoint (RFC 7662) that is asked about opaque tokens (feature `introspection`): its URL, and how this service
/// proves who it is.
///
/// Redirects are not followed. An answer has at most 64 KiB. Whatever is not a well-formed answer refuses the request
/// with 503, never with 401: another status than 200, no JSON object, a name that stands twice, an `active` that is no boolean.
///
/// ```
/// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
/// # let secret = "a-secret-of-the-service";
/// use tower_jwt_auth::{Authority, Claims, Introspection, OpaqueTokens, Verifier};
///
/// let endpoint = Introspection::new("https://id.example.com/introspect").client_secret_basic("orders", secret);
/// let authority = Authority::introspection(OpaqueTokens::not_jwts(), endpoint)
///     .issuer("https://id.example.com")
///     .audience("orders-api");
/// let verifier = Verifier::<Claims>::new(authority)?;
/// # Ok(()) }
/// ```
#[must_use = "give it to Authority::introspection"]
pub struct Introspection {
    url: String,
    http: Option<HttpFetch>,
    url_rules: UrlRules,
    auth: Vec<Auth>,
    assertion_audience: Option<String>,
    hint: Option<String>,
    signed_answers: Option<Authority>,
}

/// How the client authenticates, not checked yet.
enum Auth {
    Basic(String, Zeroizing<String>),
    Post(String, Zeroizing<String>),
    #[cfg(feature = "issuer")]
    PrivateKey(IssuerBuilder),
    None,
}

impl Introspection {
    /// The endpoint at this URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            http: None,
            url_rules: UrlRules::set_by("Introspection"),
            auth: Vec::new(),
            assertion_audience: None,
            hint: None,
            signed_answers: None,
        }
    }

    /// Authenticates by a secret in the `Authorization` header (RFC 6749 section 2.3.1).
    pub fn client_secret_basic(mut self, client_id: impl Into<String>, secret: impl Into<String>) -> Self {
        self.auth.push(Auth::Basic(client_id.into(), Zeroizing::new(secret.into())));
        self
    }

    /// Authenticates by a secret in the form.
    pub fn client_secret_post(mut self, client_id: impl Into<String>, secret: impl Into<String>) -> Self {
        self.auth.push(Auth::Post(client_id.into(), Zeroizing::new(secret.into())));
        self
    }

    /// Authenticates by a signed assertion (`private_key_jwt`, RFC 7523; feature `issuer`), made by a
    /// [`SigningKey`](crate::SigningKey), a [`KeyRing`](crate::KeyRing) or a [`Signer`](crate::Signer). With a key made of a
    /// secret it is `client_secret_jwt`.
    ///
    /// Each question has an assertion of its own, with a random `jti`, which lives for 60 seconds. It names the `kid` of the key, so
    /// register `key.key_set().to_public_jwks()` at the server, which has it.
    ///
    /// ```
    /// # #[cfg(feature = "issuer")]
    /// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
    /// use tower_jwt_auth::{Algorithm, Introspection, SigningKey};
    ///
    /// let key = SigningKey::generate(Algorithm::ES256)?; // or from_pem; the server is told its public half
    /// let endpoint = Introspection::new("https://id.example.com/introspect").private_key_jwt("orders", key);
    /// # Ok(()) }
    /// # #[cfg(not(feature = "issuer"))] fn main() {}
    /// ```
    #[cfg(feature = "issuer")]
    pub fn private_key_jwt(mut self, client_id: impl Into<String>, key: impl Into<IssuerKeys>) -> Self {
        let assertions = Issuer::builder(client_id, key).typ("JWT").lifetime(ASSERTION_LIFETIME);
        self.auth.push(Auth::PrivateKey(assertions));
        self
    }

    /// The `aud` of assertions: the URL of the endpoint by default. Some servers want their issuer, or their token endpoint.
    #[cfg(feature = "issuer")]
    pub fn assertion_audience(mut self, audience: impl Into<String>) -> Self {
        self.assertion_audience = Some(audience.into());
        self
    }

    /// Sends no credentials of a client. The endpoint knows this service otherwise: by mutual TLS, or by a bearer token that
    /// [`HttpFetch::builder`] sends, or because nobody else can reach it.
    ///
    /// An endpoint that answers everybody lets everybody try out tokens.
    pub fn no_client_authentication(mut self) -> Self {
        self.auth.push(Auth::None);
        self
    }

    /// Sends this `token_type_hint`, such as `access_token`. It is only a hint: the endpoint may know a token of another kind.
    pub fn token_type_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Demands signed answers (RFC 9701), and takes those alone. `keys` is the authority whose signatures count, and who this service
    /// is to it: `iss` and `aud` are required. Its tokens do not matter here.
    ///
    /// ```
    /// # #[cfg(feature = "oidc")]
    /// # fn main() {
    /// use tower_jwt_auth::{Authority, Introspection};
    ///
    /// let endpoint = Introspection::new("https://id.example.com/introspect")
    ///     .client_secret_basic("orders", "a-secret-of-the-service")
    ///     .signed_answers(Authority::oidc("https://id.example.com").audience("orders"));
    /// # }
    /// # #[cfg(not(feature = "oidc"))] fn main() {}
    /// ```
    ///
    /// An answer counts for five minutes from its `iat`, unless the authority has another [`Authority::max_age`].
    pub fn signed_answers(mut self, keys: Authority) -> Self {
        self.signed_answers = Some(keys);
        self
    }

    /// Asks with this client: certificate authorities, a client certificate, a proxy, headers.
    pub fn http(mut self, http: HttpFetch) -> Self {
        self.http = Some(http);
        self
    }

    /// Allows `http://` for a host that is this very machine, for tests and for a sidecar.
    pub fn insecure_http_on_loopback(mut self) -> Self {
        self.url_rules.http_on_loopback = true;
        self
    }

    /// Allows `http://` for these hosts, each `host` or `host:port` as in the URL. **Every machine on the way can read tokens and
    /// the secret of the client, and can answer that any token is good.**
    pub fn insecure_http_hosts<S: Into<String>>(mut self, hosts: impl IntoIterator<Item = S>) -> Self {
        self.url_rules.http_hosts.extend(hosts.into_iter().map(Into::into));
        self
    }

    fn client_auth(&mut self, clock: &Arc<dyn Clock>) -> Result<ClientAuth, ConfigError> {
        let _ = clock;
        let audience = self.assertion_audience.take();
        if self.auth.len() > 1 {
            let error = ConfigError::new(
                "client authentication",
                "two ways are set",
                "keep one of client_secret_basic, client_secret_post, private_key_jwt and no_client_authentication",
            );
            return Err(error.of_kind(Conflict));
        }
        if audience.is_some() && !self.auth.iter().any(Auth::has_assertions) {
            let remedy = "call private_key_jwt(..) as well, or leave it out";
            return Err(ConfigError::new("assertion_audience", "there are no assertions", remedy));
        }
        match self.auth.pop() {
            None => Err(ConfigError::new(
                "client authentication",
                "it is not set",
                "call client_secret_basic(..), client_secret_post(..) or private_key_jwt(..); or no_client_authentication() if \
                 the endpoint knows this service otherwise",
            )
            .of_kind(Missing)),
            Some(Auth::None) => Ok(ClientAuth::None),
            Some(Auth::Basic(client_id, secret)) => ClientAuth::basic(&client_id, &secret),
            Some(Auth::Post(client_id, secret)) => ClientAuth::post(client_id, secret),
            #[cfg(feature = "issuer")]
            Some(Auth::PrivateKey(assertions)) => {
                let audience = audience.unwrap_or_else(|| self.url.clone());
                let assertions = assertions.audience(audience).clock(Arc::clone(clock)).build();
                assertions.map(ClientAuth::Assertion)
            }
        }
    }
}

#[cfg(feature = "issuer")]
const ASSERTION_LIFETIME: std::time::Duration = std::time::Duration::from_secs(60);

impl Auth {
    const fn has_assertions(&self) -> bool {
        match self {
            #[cfg(feature = "issuer")]
            Self::PrivateKey(_) => true,
            Self::Basic(..) | Self::Post(..) | Self::None => false,
        }
    }
}

impl AskedParty for Introspection {
    fn ready(mut self: Box<Self>, clock: &Arc<dyn Clock>) -> Result<Arc<dyn Ask>, ConfigError> {
        let mut problems = Problems::default();
        problems.take(self.url_rules.check_hosts());
        problems.take(self.url_rules.check("introspection", &self.url));
        let auth = problems.take(self.client_auth(clock));
        let signed_by = self.signed_answers.take().map(|keys| {
            Verifier::builder()
                .authority(keys.for_signed_answers()?)
                .clock(Arc::clone(clock))
                .limits(Limits::default().token_bytes(MAX_ANSWER_BYTES))
                .build()
        });
        let signed_by: Option<Option<Verifier<Claims>>> = problems.take(signed_by.transpose());
        let http = problems.take(self.http.take().map_or_else(HttpFetch::new, Ok));
        let (Some(auth), Some(signed_by), Some(http)) = (auth, signed_by, http) else {
            return Err(problems.into_error());
        };
        problems.into_result()?;
        self.url_rules.warn_of(&self.url);
        let shown = shown_url(&self.url);
        Ok(Arc::new(Endpoint(Arc::new(Inner {
            url: self.url,
            shown,
            http,
            auth,
            hint: self.hint,
            signed_by,
        }))))
    }
}

impl Authority {
    /// Tokens that this endpoint is asked about (RFC 7662; feature `introspection`). Its answer is checked like the claims of a JWT:
    /// issuer, audience, times, required claims, your checks, policies.
    ///
    /// The answer may lack `exp`, `iat` and `iss` (RFC 7662 section 2.2); it is then taken to be of this authority's issuer. `aud` may
    /// not be absent: call [`Authority::any_audience`] for a server that names none, and see that it answers `"active": false` about tokens
    /// for others. A server may answer about refresh tokens as well. They are refused where the answer says what they are; if
    /// it does not, demand something that only access tokens have, by [`Authority::required_claim`].
    pub fn introspection(tokens: OpaqueTokens, endpoint: Introspection) -> Self {
        Self::asking(tokens, Box::new(endpoint))
    }
}

// Without what is secret.
impl fmt::Debug for Introspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspection").field("url", &shown_url(&self.url)).finish_non_exhaustive()
    }
}
