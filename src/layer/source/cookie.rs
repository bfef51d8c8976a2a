//! A cookie (RFC 6265), and the check that the request was not started by another site.

use std::borrow::Cow;
use std::fmt;

use cookie::{Cookie, SameSite};
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

use super::authorization::{is_token_char, is_token68};
use super::csrf::Csrf;
use super::{Found, RequestHead};
use crate::error::{AuthError, ConfigError};
use crate::reason::Reason;

pub(super) struct CookieSource {
    name: String,
    csrf: Csrf,
    clear: HeaderValue,
}

impl CookieSource {
    pub(super) fn new(name: String, csrf: Csrf) -> Result<Self, ConfigError> {
        let refused = || {
            ConfigError::new(
                "TokenSource::cookie",
                format!("{name:?} is not the name of a cookie"),
                "use letters, digits, hyphens and underscores, such as __Host-token",
            )
        };
        if name.is_empty() || !name.bytes().all(is_token_char) {
            return Err(refused());
        }
        let mut clear = Cookie::build((name.as_str(), "")).path("/").secure(true).http_only(true).build();
        clear.set_same_site(SameSite::Lax);
        clear.make_removal();
        let clear = HeaderValue::try_from(clear.to_string()).map_err(|_| refused())?;
        Ok(Self { name, csrf, clear })
    }

    pub(super) fn find<'r>(&self, request: &RequestHead<'r>) -> Result<Option<Found<'r>>, AuthError> {
        let mut values = Vec::new();
        for line in request.headers().get_all(COOKIE) {
            // Other cookies may be anything; only ours has to be readable.
            let text = line.to_str().map_err(|_| Reason::MalformedRequest)?;
            values.extend(pairs(text).filter(|(name, _)| *name == self.name).map(|(_, value)| value));
        }
        let token = match values.as_slice() {
            [] => return Ok(None),
            [one] => *one,
            // Another path or domain has set the same name: there is no telling whose token is whose.
            _ => return Err(Reason::MalformedRequest.into()),
        };
        self.csrf.check(request)?;
        let refused = || AuthError::new(Reason::MalformedRequest).with_cookie(self.clear.clone());
        if !is_token68(token) {
            return Err(refused());
        }
        Ok(Some(Found { token: Cow::Borrowed(token), clear_cookie: Some(self.clear.clone()) }))
    }

    /// Leaves all other cookies.
    pub(super) fn remove(&self, headers: &mut HeaderMap) {
        let lines: Vec<HeaderValue> = headers.get_all(COOKIE).iter().cloned().collect();
        headers.remove(COOKIE);
        for line in lines {
            let Ok(text) = line.to_str() else { continue };
            let others: Vec<String> = pairs(text)
                .filter(|(name, _)| *name != self.name)
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            if let Some(value) =
                HeaderValue::try_from(others.join("; ")).ok().filter(|value| !value.is_empty())
            {
                headers.append(COOKIE, value);
            }
        }
    }
}

/// Names and values; what has no `=` is no cookie of ours.
fn pairs(line: &str) -> impl Iterator<Item = (&str, &str)> {
    line.split(';').filter_map(|pair| pair.split_once('=')).map(|(name, value)| (name.trim(), value.trim()))
}

impl fmt::Debug for CookieSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cookie({}, {:?})", self.name, self.csrf)
    }
}
