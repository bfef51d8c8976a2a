//! A cookie (RFC 6265), and the check that the request was not started by another site.

use std::borrow::Cow;
use std::fmt;

use cookie::{Cookie, CookieBuilder, Expiration, SameSite, time};
use http::header::{COOKIE, InvalidHeaderValue};
use http::{HeaderMap, HeaderValue};

use super::authorization::{is_token_char, is_token68};
use super::csrf::Csrf;
use super::{Credential, RequestHead};
use crate::error::{ConfigError, Reason};
use crate::layer::answer::Refused;

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
        let clear = removal(&name, "/", SameSite::Lax).map_err(|_| refused())?;
        Ok(Self { name, csrf, clear })
    }

    /// With a removal of one's own, for a cookie of another path.
    pub(super) fn with_removal(name: String, csrf: Csrf, clear: HeaderValue) -> Self {
        Self { name, csrf, clear }
    }

    pub(super) fn find<'r>(&self, request: &RequestHead<'r>) -> Result<Option<Credential<'r>>, Refused> {
        let token = match values(request.headers(), &self.name).as_slice() {
            [] => return Ok(None),
            [one] => readable(one),
            // Another path or domain has set the same name: there is no telling whose token is whose.
            _ => return Err(Reason::MalformedRequest.into()),
        };
        let token = token.ok_or_else(|| Refused {
            set_cookie: Some(self.clear.clone()),
            ..Reason::MalformedRequest.into()
        })?;
        let clear_cookie = Some(self.clear.clone());
        Ok(Some(Credential {
            token: Cow::Borrowed(token.as_bytes()),
            source: "cookie",
            clear_cookie,
            elsewhere: true,
        }))
    }

    /// # Errors
    /// `cross_site` for a request that must be taken for another site's.
    pub(super) fn check(&self, request: &RequestHead<'_>) -> Result<(), Reason> {
        self.csrf.judge(request)
    }

    /// Leaves all other cookies.
    pub(super) fn remove(&self, headers: &mut HeaderMap) {
        let lines: Vec<HeaderValue> = headers.get_all(COOKIE).iter().cloned().collect();
        headers.remove(COOKIE);
        for line in lines {
            let others: Vec<&[u8]> = cookies(&line)
                .filter(|cookie| !cookie.is_empty() && value_of(cookie, &self.name).is_none())
                .collect();
            if let Some(value) =
                HeaderValue::from_bytes(&others.join(&b"; "[..])).ok().filter(|value| !value.is_empty())
            {
                headers.append(COOKIE, value);
            }
        }
    }
}

/// The token of the cookie of this name; `None` if it is absent, stands twice, or is none.
pub(super) fn only_token<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    match values(headers, name).as_slice() {
        [one] => readable(one),
        _ => None,
    }
}

/// Other cookies may be any bytes; only ours has to be readable.
fn readable(value: &[u8]) -> Option<&str> {
    std::str::from_utf8(value).ok().filter(|token| is_token68(token))
}

/// The values of all cookies of this name.
fn values<'h>(headers: &'h HeaderMap, name: &str) -> Vec<&'h [u8]> {
    let lines = headers.get_all(COOKIE).iter();
    lines.flat_map(cookies).filter_map(|cookie| value_of(cookie, name)).collect()
}

/// The value, if the cookie is of this name.
fn value_of<'c>(cookie: &'c [u8], name: &str) -> Option<&'c [u8]> {
    let mut halves = cookie.splitn(2, |byte| *byte == b'=');
    let (found, value) = (halves.next()?, halves.next()?);
    (found.trim_ascii() == name.as_bytes()).then(|| value.trim_ascii())
}

/// What stands between the semicolons of a line, whatever it is.
fn cookies(line: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    line.as_bytes().split(|byte| *byte == b';').map(<[u8]>::trim_ascii)
}

/// The value of a `Set-Cookie` header that removes the cookie of this name and path.
///
/// # Errors
/// If name or path cannot stand in a header.
pub(super) fn removal(
    name: &str,
    path: &str,
    same_site: SameSite,
) -> Result<HeaderValue, InvalidHeaderValue> {
    let long_ago = Expiration::from(time::OffsetDateTime::UNIX_EPOCH);
    header_value(protected(name, "", path, same_site).max_age(time::Duration::ZERO).expires(long_ago))
}

/// A cookie with the attributes that every cookie with a token has.
pub(super) fn protected<'c>(
    name: &'c str,
    value: &'c str,
    path: &'c str,
    same_site: SameSite,
) -> CookieBuilder<'c> {
    Cookie::build((name, value)).path(path).secure(true).http_only(true).same_site(same_site)
}

pub(super) fn header_value(cookie: CookieBuilder<'_>) -> Result<HeaderValue, InvalidHeaderValue> {
    HeaderValue::try_from(cookie.build().to_string())
}

impl fmt::Debug for CookieSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cookie({}, {:?})", self.name, self.csrf)
    }
}
