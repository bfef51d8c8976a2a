//! Which URLs may be fetched from, and tokens sent to.

use http::Uri;
use http::uri::Authority;

use crate::error::{ConfigError, Problems, shown_url};
use crate::runtime::trace;

/// Which URLs may be asked: those of https, and those of plain http that the user has named.
#[derive(Clone, Debug)]
pub(crate) struct UrlRules {
    /// The type whose setters change them, to be named in a remedy.
    set_by: &'static str,
    pub(crate) http_on_loopback: bool,
    /// `host` or `host:port`, as URLs have it.
    pub(crate) http_hosts: Vec<String>,
}

impl UrlRules {
    /// Rules that are changed by the setters of this type: https alone until then.
    pub(crate) const fn set_by(set_by: &'static str) -> Self {
        Self { set_by, http_on_loopback: false, http_hosts: Vec::new() }
    }

    /// # Errors
    /// If something stands among the hosts that is none.
    pub(crate) fn check_hosts(&self) -> Result<(), ConfigError> {
        let mut problems = Problems::default();
        for host in &self.http_hosts {
            let is_host = host
                .parse::<Authority>()
                .is_ok_and(|parsed| !parsed.host().is_empty() && parsed.as_str() == host);
            if !is_host || host.contains(['@', '*']) || host.ends_with(':') {
                let remedy =
                    "name the host as in the URL, with its port if there is one, such as keycloak:8080";
                let problem = format!("{:?} is not a host", shown_url(host));
                problems.add(ConfigError::new("insecure_http_hosts", problem, remedy));
            }
        }
        problems.into_result()
    }

    /// # Errors
    /// If a URL is not https (or http of a host that was named), or holds credentials.
    pub(crate) fn check(&self, setting: &'static str, url: &str) -> Result<(), ConfigError> {
        let refused = |problem: &str, remedy: &str| {
            ConfigError::new(setting, format!("{:?} {problem}", shown_url(url)), remedy)
        };
        let uri: Uri =
            url.parse().map_err(|_| refused("is not a URL", "use one such as https://id.example.com"))?;
        let authority = uri.authority().filter(|authority| !authority.host().is_empty());
        let authority = authority.ok_or_else(|| refused("has no host", "begin with https://"))?;
        if authority.as_str().contains('@') {
            // Not said with the URL: it has a password in it.
            let remedy = "put them into a header (HttpFetch::builder)";
            return Err(ConfigError::new(setting, "it holds credentials", remedy));
        }
        if url.contains('#') {
            return Err(refused("has a fragment", "leave it out"));
        }
        match uri.scheme_str() {
            Some("https") => Ok(()),
            Some("http") if self.allows_http(authority) => Ok(()),
            Some("http") if is_loopback(authority.host()) => {
                let remedy =
                    format!("for tests on one machine call {}::insecure_http_on_loopback()", self.set_by);
                Err(refused("is not https", &remedy))
            }
            Some("http") => Err(refused(
                "is not https",
                &format!(
                    "use https; if nobody else can be on the way, call {}::insecure_http_hosts([\"{authority}\"])",
                    self.set_by
                ),
            )),
            _ => Err(refused("is not https", "a machine on the way could answer in its stead; use https")),
        }
    }

    /// Logs that a URL is of plain http, outside of this machine.
    pub(crate) fn warn_of(&self, url: &str) {
        let Ok(uri) = url.parse::<Uri>() else { return };
        if uri.scheme_str() == Some("http") && !uri.host().is_some_and(is_loopback) {
            trace::warn!(
                url,
                "plain http: a machine on the way can answer in its stead, with keys of its own"
            );
        }
    }

    fn allows_http(&self, authority: &Authority) -> bool {
        let named = self.http_hosts.iter().any(|host| host.eq_ignore_ascii_case(authority.as_str()));
        named || (self.http_on_loopback && is_loopback(authority.host()))
    }
}

fn is_loopback(host: &str) -> bool {
    matches!(host, "localhost" | "[::1]")
        || host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}
