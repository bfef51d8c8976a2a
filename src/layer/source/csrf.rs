//! Whether a request with a cookie was started by another site: the Fetch-Metadata check.

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, HeaderName, Method, Uri};

use super::RequestHead;
use crate::error::{AuthError, ConfigError, Reason, shown_url};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// How a cookie source tells requests that another site has started. It is asked only if the cookie is the source.
///
/// ```
/// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
/// use tower_jwt_auth::{Csrf, TokenSource};
///
/// let source = TokenSource::cookie("__Host-token", Csrf::same_origin())?;
/// let source = TokenSource::cookie(
///     "__Host-token",
///     Csrf::same_origin().trust("https://app.example.com")?,
/// )?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Csrf(Option<Vec<String>>);

impl Csrf {
    /// Takes GET, HEAD and OPTIONS from everywhere, everything else only from the same origin, as the browser says
    /// in `Sec-Fetch-Site` or `Origin`.
    ///
    /// A safe method must not change anything in your service. An upgrade counts as unsafe, whatever its method.
    /// A request with neither header is refused where it is unsafe: every browser of today sends one of them.
    ///
    /// `Origin` is compared with the host and port that the request names (`Host`, or `:authority` in HTTP/2), not
    /// with the scheme, which a proxy that ends TLS keeps to itself: send `Strict-Transport-Security`. If your proxy
    /// rewrites `Host`, name the public origin with [`trust`](Self::trust).
    #[must_use]
    pub const fn same_origin() -> Self {
        Self(Some(Vec::new()))
    }

    /// Takes requests of this origin as well, such as `https://app.example.com`.
    ///
    /// # Errors
    /// If it is not scheme, host and port as browsers write it: in small letters, without path and default port.
    pub fn trust(mut self, origin: impl Into<String>) -> Result<Self, ConfigError> {
        let origin = origin.into();
        if !is_origin(&origin) {
            return Err(ConfigError::new(
                "Csrf::trust",
                format!("{:?} is not an origin, so no request would ever match it", shown_url(&origin)),
                "write it as browsers do: https://app.example.com, without slash, path and default port",
            ));
        }
        if let Some(trusted) = &mut self.0 {
            trusted.push(origin);
        }
        Ok(self)
    }

    /// Checks nothing. Say why where you call it: every site can then act with your user's cookie.
    #[must_use]
    pub const fn insecure_none() -> Self {
        Self(None)
    }

    /// Judges a request on a route that no layer with a cookie source covers: a login, a logout, a refresh, a form.
    ///
    /// A login needs the check as well: a site that logs your user in as somebody else reads what they enter.
    ///
    /// ```
    /// # async fn log_in() {}
    /// use axum::{Router, extract::Request, http::StatusCode, middleware::{Next, from_fn}, response::Response, routing::post};
    /// use tower_jwt_auth::Csrf;
    ///
    /// async fn same_origin(request: Request, next: Next) -> Result<Response, StatusCode> {
    ///     Csrf::same_origin().check(&request).map_err(|error| error.reason().status())?;
    ///     Ok(next.run(request).await)
    /// }
    ///
    /// let app: Router = Router::new().route("/login", post(log_in)).layer(from_fn(same_origin));
    /// ```
    ///
    /// # Errors
    /// `cross_site` for a request that must be taken for another site's.
    pub fn check<B>(&self, request: &http::Request<B>) -> Result<(), AuthError> {
        Ok(self.judge(&RequestHead::of(request))?)
    }

    /// # Errors
    /// `cross_site` for a request that must be taken for another site's.
    pub(super) fn judge(&self, request: &RequestHead<'_>) -> Result<(), Reason> {
        let Some(trusted) = &self.0 else { return Ok(()) };
        let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        if safe && !request.is_upgrade() {
            return Ok(());
        }
        let origin = only(request.headers(), &ORIGIN)?;
        if origin.is_some_and(|origin| trusted.iter().any(|one| one == origin)) {
            return Ok(());
        }
        match (only(request.headers(), &SEC_FETCH_SITE)?, origin) {
            (Some("same-origin" | "none"), _) => Ok(()),
            (Some(_), _) | (None, None) => Err(Reason::CrossSite),
            (None, Some(origin)) => {
                let host = match request.uri().authority() {
                    Some(authority) => Some(authority.as_str()),
                    None => only(request.headers(), &HOST)?,
                };
                if host.is_some_and(|host| is_at(origin, host)) { Ok(()) } else { Err(Reason::CrossSite) }
            }
        }
    }
}

/// The value of a header that may stand once.
fn only<'r>(headers: &'r HeaderMap, name: &HeaderName) -> Result<Option<&'r str>, Reason> {
    let mut lines = headers.get_all(name).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    match (line.to_str(), lines.next()) {
        (Ok(value), None) => Ok(Some(value)),
        _ => Err(Reason::CrossSite),
    }
}

/// Whether `origin` is at this host and port. A browser leaves out the default port, which others may write.
fn is_at(origin: &str, host: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let default_port = match scheme {
        "https" => ":443",
        "http" => ":80",
        _ => "",
    };
    let without_port = host.strip_suffix(default_port).unwrap_or(host);
    [host, without_port].iter().any(|host| !host.is_empty() && authority.eq_ignore_ascii_case(host))
}

fn is_origin(origin: &str) -> bool {
    let Ok(uri) = origin.parse::<Uri>() else { return false };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return false };
    let default_port = match scheme {
        "https" => 443,
        "http" => 80,
        _ => return false,
    };
    authority.port_u16() != Some(default_port)
        && !authority.as_str().contains('@')
        && origin == format!("{scheme}://{authority}").to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn judged(method: Method, headers: &[(&str, &str)]) -> Result<(), Reason> {
        let mut request = Request::builder().method(method).uri("/").header("host", "app.example:8443");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let csrf = Csrf::same_origin().trust("https://friend.example").unwrap();
        csrf.judge(&RequestHead::of(&request.body(()).unwrap()))
    }

    #[test]
    fn safe_methods_pass_unless_they_upgrade() {
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            assert_eq!(judged(method.clone(), &[("sec-fetch-site", "cross-site")]), Ok(()));
            assert_eq!(judged(method, &[("upgrade", "websocket")]), Err(Reason::CrossSite));
        }
        assert_eq!(judged(Method::CONNECT, &[]), Err(Reason::CrossSite));
        let socket = |origin| judged(Method::GET, &[("upgrade", "websocket"), ("origin", origin)]);
        assert_eq!(socket("https://app.example:8443"), Ok(()));
        assert_eq!(socket("https://evil.example"), Err(Reason::CrossSite));
    }

    #[test]
    fn unsafe_methods_need_the_same_origin_or_a_trusted_one() {
        let post = |headers: &[(&str, &str)]| judged(Method::POST, headers);
        for passes in [
            &[("sec-fetch-site", "same-origin")][..],
            &[("sec-fetch-site", "none")],
            &[("origin", "https://app.example:8443")],
            &[("origin", "https://friend.example"), ("sec-fetch-site", "cross-site")],
        ] {
            assert_eq!(post(passes), Ok(()), "{passes:?}");
        }
        for refused in [
            &[][..],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "SAME-ORIGIN")],
            &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "cross-site"), ("origin", "https://app.example:8443")],
            &[("origin", "null")],
            &[("origin", "https://app.example")],
            &[("origin", "https://app.example:8443.evil.example")],
            &[("origin", "https://friend.example"), ("origin", "https://evil.example")],
        ] {
            assert_eq!(post(refused), Err(Reason::CrossSite), "{refused:?}");
        }
    }

    #[test]
    fn a_route_without_a_layer_is_judged_alike() {
        let login = |site| Request::post("/login").header("sec-fetch-site", site).body("{}").unwrap();
        assert!(Csrf::same_origin().check(&login("same-origin")).is_ok());
        let refused = Csrf::same_origin().check(&login("cross-site")).unwrap_err();
        assert_eq!(refused.reason().status(), http::StatusCode::FORBIDDEN);
    }

    #[test]
    fn an_origin_that_would_never_match_is_refused() {
        for wrong in [
            "app.example",
            "https://app.example/",
            "https://app.example/x",
            "https://App.example",
            "https://app.example:443",
            "http://app.example:80",
            "https://u@app.example",
            "null",
            "*",
            "ftp://app.example",
        ] {
            let error = Csrf::same_origin().trust(wrong).unwrap_err().to_string();
            assert!(error.contains(&wrong.replace("u@", "..@")), "{error}");
        }
        assert!(Csrf::same_origin().trust("http://localhost:3000").is_ok());
    }
}
