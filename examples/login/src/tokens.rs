//! The tokens: who signs them, what they say, how they are checked, and in which cookies browsers keep them.

use std::error::Error;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tower_jwt_auth::{
    AccessTokenClaims, Clock, Csrf, DocumentService, Issuer, JwtAuthLayer, KeyRing, RefreshToken,
    RefreshTokens, Revocations, Session, TokenCookie, TokenSource, UnixTime, Verifier, WhenStale,
};

use crate::db::AuthStores;
use crate::error::AppError;
use crate::users::User;

/// The name of this API, as it stands in `aud`.
const AUDIENCE: &str = "login-api";
/// The name of the application that tokens are for, as it stands in `client_id`: there is one.
const CLIENT: &str = "login";
/// The `__Host-` prefix: browsers take such a cookie over https (or from localhost) only, and from this very host.
pub const ACCESS_COOKIE: &str = "__Host-access";
/// Sent with every request to this host, and looked at by three routes.
pub const REFRESH_COOKIE: &str = "__Host-refresh";

/// What access tokens say of their user: the claims of RFC 9068, and one of our own. The issuer adds `iss`, `aud`, `iat`,
/// `exp` and `jti`.
#[derive(Debug, Serialize, Deserialize)]
pub struct AccessClaims {
    /// `sub`, the user's id; `sid`, the session, which a logout ends; `roles`, what the user may do.
    #[serde(flatten)]
    pub standard: AccessTokenClaims,
    /// The user's name, to be shown.
    pub preferred_username: String,
}

/// Both tokens of a login or a refresh.
#[derive(Debug)]
pub struct Pair {
    /// The access token.
    pub access: String,
    /// How long it lives.
    pub lifetime: Duration,
    /// The token that is exchanged for the next pair.
    pub refresh: RefreshToken,
    /// Whose session it is.
    pub session: Session,
}

/// Signs, checks and rotates.
#[derive(Debug)]
pub struct Tokens {
    /// The keys, which rotate by themselves.
    pub keys: KeyRing,
    /// Signs access tokens, and publishes the keys.
    pub issuer: Issuer,
    /// Keeps the sessions.
    pub refresh: RefreshTokens,
    /// Where a browser keeps the access token.
    pub access_cookie: TokenCookie,
    /// Where a browser keeps the refresh token.
    pub refresh_cookie: TokenCookie,
    /// Tells others where the keys are.
    pub discovery: DocumentService,
    verifier: Verifier<AccessClaims>,
    sources: [TokenSource; 2],
    lifetime: Duration,
}

impl Tokens {
    /// Opens keys and sessions in the stores, or makes them. `url` is where the application is reached, and the issuer's name.
    ///
    /// # Errors
    /// If a store cannot be used or a setting is wrong.
    pub async fn open(
        stores: AuthStores,
        url: &str,
        lifetime: Duration,
        clock: impl Clock + Clone,
    ) -> Result<Self, Box<dyn Error>> {
        let keys = KeyRing::builder(stores.keys).clock(clock.clone()).open().await?;
        let issuer = Issuer::builder(url, keys.clone())
            .audience(AUDIENCE)
            .lifetime(lifetime)
            .clock(clock.clone())
            .build()?;
        // A session that ends takes its access tokens with it, in each process. Nobody gets in while that is not known.
        let revocations = Revocations::builder()
            .store(stores.revocations)
            .max_age(Duration::from_secs(30), WhenStale::Refuse)
            .clock(clock.clone())
            .build()?;
        let known = tokio::time::timeout(Duration::from_secs(10), revocations.ready()).await;
        known.map_err(|_| {
            let why = revocations.health().last_error.unwrap_or_default();
            format!("the store of revocations does not answer: {why}")
        })?;
        let refresh = RefreshTokens::builder(stores.sessions)
            .revocations(url, revocations.clone())
            .clock(clock.clone())
            .build()?;
        let access_cookie = TokenCookie::new(ACCESS_COOKIE)?.same_site_strict();
        let authority = issuer.authority().rfc9068().roles_at("/roles");
        Ok(Self {
            verifier: Verifier::builder()
                .authority(authority)
                .revocations(revocations)
                .clock(clock)
                .build()?,
            sources: [TokenSource::bearer(), access_cookie.source(Csrf::same_origin().trust(url)?)],
            access_cookie,
            refresh_cookie: TokenCookie::new(REFRESH_COOKIE)?.same_site_strict(),
            discovery: issuer.metadata().build()?,
            keys,
            issuer,
            refresh,
            lifetime,
        })
    }

    /// Lets in who has a good access token, in the header or in the cookie.
    pub fn layer(&self) -> JwtAuthLayer<AccessClaims> {
        JwtAuthLayer::new(self.verifier.clone()).token_from(self.sources.clone())
    }

    /// Begins a session of `user`, who has logged in.
    ///
    /// # Errors
    /// If the session cannot be stored or the token not be signed.
    pub async fn begin(&self, user: &User) -> Result<Pair, AppError> {
        let grant = self.refresh.begin(&user.id).await?;
        self.pair(user, grant.session, grant.token)
    }

    /// The next pair, for `user` as the database has it now.
    ///
    /// # Errors
    /// If the token cannot be signed.
    pub fn pair(&self, user: &User, session: Session, refresh: RefreshToken) -> Result<Pair, AppError> {
        let standard = AccessTokenClaims::new(&user.id, CLIENT)
            .sid(session.sid())
            .auth_time(UnixTime::from_secs(session.created_at().as_secs()))
            .roles(user.roles.iter().map(|role| role.as_str()));
        let claims = AccessClaims { standard, preferred_username: user.username.clone() };
        Ok(Pair { access: self.issuer.sign(&claims)?, lifetime: self.lifetime, refresh, session })
    }
}
