//! Setting and clearing the cookie that holds a token.

use std::time::Duration;

use cookie::{SameSite, time};
use http::{HeaderMap, HeaderValue};

use super::authorization::{is_token_char, is_token68};
use super::cookie::{CookieSource, header_value, only_token, protected, removal};
use super::csrf::Csrf;
use super::token_source::{Kind, TokenSource};
use crate::error::ConfigError;

/// Bytes of name and value together above which browsers drop a cookie without a word (draft of RFC 6265bis, section 5.7).
const MAX_BYTES: usize = 4096;

/// Days that a cookie lives at most in a browser (draft of RFC 6265bis, section 5.5).
const MAX_DAYS: i64 = 400;

/// The cookie that holds a token (feature `cookie`): makes the `Set-Cookie` values of a login, a refresh and a logout.
///
/// It is always `Secure` and `HttpOnly`, never has a `Domain`, and is `SameSite=Lax` for all paths by default
/// otherwise. [`TokenCookie::source`] reads it again.
///
/// ```
/// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
/// use std::time::Duration;
/// use tower_jwt_auth::{Csrf, TokenCookie};
///
/// let cookie = TokenCookie::new("__Host-access")?;
/// let source = cookie.source(Csrf::same_origin()); // for `JwtAuthLayer::token_from`
/// # let token = "a.b.c";
/// let login = cookie.set(token, Duration::from_secs(300))?; // a `Set-Cookie` value
/// let logout = cookie.clear(); // another one
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct TokenCookie {
    name: String,
    path: String,
    same_site: SameSite,
}

impl TokenCookie {
    /// The cookie of this name, which begins with `__Host-` or `__Secure-`: browsers take such a cookie only over TLS,
    /// and with `__Host-` from this very host only, so that no sub-domain can plant another one.
    ///
    /// # Errors
    /// If the name has no such prefix, spelled so, or cannot be that of a cookie.
    pub fn new(name: impl Into<String>) -> Result<Self, ConfigError> {
        let name = name.into();
        let rest = name.strip_prefix("__Host-").or_else(|| name.strip_prefix("__Secure-"));
        if rest.is_some_and(|rest| !rest.is_empty()) && name.bytes().all(is_token_char) {
            return Ok(Self { name, path: "/".to_owned(), same_site: SameSite::Lax });
        }
        Err(ConfigError::new(
            "TokenCookie::new",
            format!("{name:?} does not make browsers protect the cookie"),
            "use a name such as __Host-access, or __Secure-refresh if it is for one path only",
        ))
    }

    /// Never sent with requests that another site starts, not even when a link there is followed
    /// (`SameSite=Strict`): for refresh tokens, and for applications that nobody enters through a link.
    #[must_use]
    pub const fn same_site_strict(mut self) -> Self {
        self.same_site = SameSite::Strict;
        self
    }

    /// Sent with every request that another site starts (`SameSite=None`), as an application needs that is shown
    /// within other sites. Say why where you call it: then only [`Csrf`] keeps those sites from acting for your user.
    #[must_use]
    pub const fn insecure_same_site_none(mut self) -> Self {
        self.same_site = SameSite::None;
        self
    }

    /// Sent to this path and what is below it only, such as `/auth/refresh`; to all paths by default.
    ///
    /// # Errors
    /// If it does not begin with a slash, has a character that a path must not have, or the name begins with
    /// `__Host-`: browsers take such a cookie for the path `/` only.
    pub fn path(mut self, path: impl Into<String>) -> Result<Self, ConfigError> {
        let path = path.into();
        let refused = |remedy| {
            Err(ConfigError::new("TokenCookie::path", format!("{path:?} would not be taken"), remedy))
        };
        let legal = |byte: u8| byte.is_ascii_graphic() && byte != b';';
        // A longer attribute is passed over (draft of RFC 6265bis, section 5.6), and the cookie would count elsewhere.
        if !path.starts_with('/') || !path.bytes().all(legal) || path.len() > 1024 {
            return refused(
                "begin with a slash, percent-encode what is not visible ASCII, 1,024 bytes at most",
            );
        }
        if path != "/" && self.name.starts_with("__Host-") {
            return refused("give the cookie a name that begins with __Secure-");
        }
        self.path = path;
        Ok(self)
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where a layer finds the token again. A token that is dead is cleared with the attributes of this cookie; see
    /// [`TokenSource::cookie`] for the rest.
    #[must_use]
    pub fn source(&self, csrf: Csrf) -> TokenSource {
        TokenSource(Kind::Cookie(CookieSource::with_removal(self.name.clone(), csrf, self.clear()).into()))
    }

    /// The token in the cookie of a request, where no layer reads it: a refresh token, at the routes that refresh and log
    /// out. `None` if the cookie is absent, stands twice, or holds what no token is.
    ///
    /// It does not ask whether another site started the request: make such a cookie
    /// [`same_site_strict`](Self::same_site_strict), and let these routes change nothing else.
    ///
    /// ```
    /// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
    /// use http::{HeaderMap, HeaderValue, header::COOKIE};
    /// use tower_jwt_auth::TokenCookie;
    ///
    /// let cookie = TokenCookie::new("__Host-refresh")?.same_site_strict();
    /// let headers = HeaderMap::from_iter([(COOKIE, HeaderValue::from_static("__Host-refresh=abc; theme=dark"))]);
    /// assert_eq!(cookie.get(&headers), Some("abc"));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn get<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        only_token(headers, &self.name)
    }

    /// The value of a `Set-Cookie` header that stores `token` for `max_age`, which is best the token's own lifetime.
    /// Whole seconds count, and at most 400 days, which is as long as browsers keep a cookie. The value is marked
    /// sensitive, so `Debug` does not show it.
    ///
    /// # Errors
    /// If the token has other characters than RFC 6750 section 2.1 allows it, if name and token together are longer
    /// than 4,096 bytes, which browsers drop without a word, or if `max_age` is less than a second, which would clear
    /// the cookie. The text does not show the token.
    pub fn set(&self, token: &str, max_age: Duration) -> Result<HeaderValue, ConfigError> {
        let refused = |problem: String, remedy: &str| ConfigError::new("TokenCookie::set", problem, remedy);
        let not_a_token = || {
            refused(
                "the token has characters that no token has".to_owned(),
                "hand over the compact form of a JWT, or base64url",
            )
        };
        if !is_token68(token) {
            return Err(not_a_token());
        }
        let length = self.name.len() + token.len();
        if length > MAX_BYTES {
            let problem = format!("name and token have {length} bytes, browsers drop more than {MAX_BYTES}");
            return Err(refused(problem, "leave claims out of the token, or look them up by its `sub`"));
        }
        let seconds = i64::try_from(max_age.as_secs()).unwrap_or(i64::MAX);
        if seconds == 0 {
            let problem = format!("a lifetime of {max_age:?} would clear the cookie");
            return Err(refused(problem, "give at least a second, or use clear()"));
        }
        let max_age = time::Duration::seconds(seconds).min(time::Duration::days(MAX_DAYS));
        let cookie = protected(&self.name, token, &self.path, self.same_site).max_age(max_age);
        let mut value = header_value(cookie).map_err(|_| not_a_token())?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// The value of a `Set-Cookie` header that removes the cookie.
    #[must_use]
    pub fn clear(&self) -> HeaderValue {
        // Name and path were checked, so this is never empty; browsers would pass over it if it were.
        removal(&self.name, &self.path, self.same_site).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}
