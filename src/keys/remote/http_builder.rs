//! The settings of a client for private networks.

use std::path::PathBuf;

use http::header::{HeaderName, HeaderValue};
use reqwest::{Certificate, ClientBuilder, Identity, Proxy, Url};

use super::http::HttpFetch;
use super::http_credentials::{Credentials, origin_of};
use crate::error::ConfigProblemKind::Conflict;
use crate::error::{ConfigError, Problems};

/// The settings of an [`HttpFetch`] for a private network (feature `jwks`). Redirects are never followed.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tower_jwt_auth::{HttpFetch, RemoteKeys};
///
/// let fetch = HttpFetch::builder()
///     .root_certificates(std::fs::read("/etc/shop/ca.pem")?)
///     .bearer_token_file("https://id.internal:8443", "/run/secrets/id-token")
///     .build()?;
/// let keys = RemoteKeys::new("https://id.internal:8443").fetch(fetch);
/// # Ok(()) }
/// ```
#[derive(Debug, Default)]
#[must_use = "call build()"]
pub struct HttpFetchBuilder {
    root_certificates: Vec<Vec<u8>>,
    only_root_certificates: bool,
    client_certificate: Option<Pem>,
    proxy: Option<Proxied>,
    credentials: Credentials,
    unix_socket: Option<PathBuf>,
    problems: Problems,
}

/// A private key is in it.
struct Pem(Vec<u8>);

impl std::fmt::Debug for Pem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pem")
    }
}

/// The URL of a proxy, which may hold a password.
enum Proxied {
    By(String),
    Never,
}

impl std::fmt::Debug for Proxied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::By(_) => "By(..)",
            Self::Never => "Never",
        })
    }
}

impl HttpFetchBuilder {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Trusts these certificate authorities as well as the system's: one or more certificates as PEM.
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.root_certificates.push(pem.into());
        self
    }

    /// Trusts the authorities given by [`HttpFetchBuilder::root_certificates`] alone, and none of the system's.
    pub fn only_root_certificates(mut self) -> Self {
        self.only_root_certificates = true;
        self
    }

    /// Presents this certificate to servers that ask for one (mutual TLS): the certificate, those between it and its authority, and
    /// the private key (PKCS#8, PKCS#1 or SEC1), all as PEM.
    pub fn client_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.client_certificate = Some(Pem(pem.into()));
        self
    }

    /// Fetches by this proxy, such as `http://proxy.internal:3128`, and by none that the environment names.
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = Some(Proxied::By(url.into()));
        self
    }

    /// Fetches by no proxy, whatever the environment says.
    pub fn no_proxy(mut self) -> Self {
        self.proxy = Some(Proxied::Never);
        self
    }

    /// Sends this header to one origin, such as `https://id.internal:8443`, and to no other: a discovery document may name keys
    /// elsewhere. `host` is a header too, for a server that tells its instances apart by name.
    pub fn header(mut self, origin: &str, name: &str, value: &str) -> Self {
        let name_and_value = match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            (Ok(name), Ok(value)) => Ok((name, value)),
            (Err(_), _) => Err(ConfigError::new(
                "header",
                format!("{name:?} is not the name of a header"),
                "name it as in x-api-key",
            )),
            // The value may be secret.
            (_, Err(_)) => {
                let problem = format!("the value of {name:?} cannot stand in a header");
                Err(ConfigError::new("header", problem, "use visible ASCII, without a line break"))
            }
        };
        let origin = self.problems.take(origin_from("header", origin));
        if let (Some(origin), Some((name, value))) = (origin, self.problems.take(name_and_value)) {
            self.credentials.add_header(origin, name, value);
        }
        self
    }

    /// Sends the bearer token in this file to one origin, such as `https://kubernetes.default.svc`, and to no other. The file is
    /// read for each fetch, so a token that is rotated in it is sent from then on.
    pub fn bearer_token_file(mut self, origin: &str, path: impl Into<PathBuf>) -> Self {
        if let Some(origin) = self.problems.take(origin_from("bearer_token_file", origin)) {
            self.credentials.add_token_file(origin, path.into());
        }
        self
    }

    /// Connects to this Unix socket, whatever the host in the URL: to a proxy beside the service that speaks HTTP there.
    #[cfg(unix)]
    pub fn unix_socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.unix_socket = Some(path.into());
        self
    }

    /// The client.
    ///
    /// # Errors
    /// If a setting cannot be used or contradicts another, or the system's certificates cannot be read.
    pub fn build(mut self) -> Result<HttpFetch, ConfigError> {
        let mut client = Self::usual_client();
        let mut certificates = Vec::new();
        for pem in &self.root_certificates {
            certificates.extend(self.problems.take(root_certificates_of(pem)).into_iter().flatten());
        }
        if self.only_root_certificates && self.root_certificates.is_empty() {
            let remedy = "call root_certificates(..) as well";
            self.problems.add(ConfigError::new("only_root_certificates", "no certificate is given", remedy));
        }
        if self.only_root_certificates {
            client = client.tls_certs_only(certificates);
        } else if !certificates.is_empty() {
            client = client.tls_certs_merge(certificates);
        }
        if let Some(Pem(pem)) = &self.client_certificate {
            let refused = |_| {
                let remedy = "give the certificate and its private key, both as PEM in one text";
                ConfigError::new("client_certificate", "it is no certificate with its private key", remedy)
            };
            if let Some(identity) = self.problems.take(Identity::from_pem(pem).map_err(refused)) {
                client = client.identity(identity);
            }
        }
        if self.unix_socket.is_some() && matches!(self.proxy, Some(Proxied::By(_))) {
            let error = ConfigError::new("unix_socket", "a proxy is set as well", "keep one of them");
            self.problems.add(error.of_kind(Conflict));
        }
        match &self.proxy {
            None => {}
            Some(Proxied::Never) => client = client.no_proxy(),
            Some(Proxied::By(url)) => {
                // Its password is not to be shown.
                let refused = |_| {
                    ConfigError::new(
                        "proxy",
                        "it is not a URL",
                        "give one such as http://proxy.internal:3128",
                    )
                };
                if let Some(proxy) = self.problems.take(Proxy::all(url.as_str()).map_err(refused)) {
                    client = client.no_proxy().proxy(proxy);
                }
            }
        }
        #[cfg(unix)]
        if let Some(path) = self.unix_socket {
            client = client.unix_socket(path);
        }
        self.problems.into_result()?;
        Ok(HttpFetch::of(client.build().map_err(|error| Self::failed(&error))?, self.credentials))
    }

    pub(super) fn usual_client() -> ClientBuilder {
        reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(std::time::Duration::from_secs(2))
            .user_agent(concat!("tower-jwt-auth/", env!("CARGO_PKG_VERSION")))
    }

    pub(super) fn failed(error: &reqwest::Error) -> ConfigError {
        let mut why = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            why = format!("{why}: {cause}");
            source = cause.source();
        }
        let remedy = "install the system's certificates, or name your own with HttpFetch::builder().root_certificates(..)";
        ConfigError::new("HttpFetch", why, remedy)
    }
}

fn root_certificates_of(pem: &[u8]) -> Result<Vec<Certificate>, ConfigError> {
    let refused = |problem: &str| {
        let remedy = "give certificates as PEM, which begins with -----BEGIN CERTIFICATE-----";
        ConfigError::new("root_certificates", problem, remedy)
    };
    let certificates = Certificate::from_pem_bundle(pem).map_err(|_| refused("it cannot be read"))?;
    if certificates.is_empty() { Err(refused("there is no certificate in it")) } else { Ok(certificates) }
}

/// Scheme, host and port, as one text.
fn origin_from(setting: &'static str, text: &str) -> Result<String, ConfigError> {
    let url = Url::parse(text).ok().filter(|url| {
        matches!(url.scheme(), "https" | "http")
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    });
    let refused = || {
        let remedy = "give scheme, host and port, such as https://id.internal:8443";
        ConfigError::new(setting, format!("{text:?} is not an origin"), remedy)
    };
    url.map(|url| origin_of(&url)).ok_or_else(refused)
}
