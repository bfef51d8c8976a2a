//! Fetching by reqwest.

use bytes::{Bytes, BytesMut};
use http::Response;

use super::fetch::{Fetch, FetchError};
use super::guard::{PublicOnly, check_literal};
use super::http_builder::HttpFetchBuilder;
use super::http_credentials::Credentials;
use crate::error::ConfigError;
use crate::runtime::NowOrLater;

/// Fetches with `reqwest` and rustls (feature `jwks`): no redirects, the system's certificate authorities, the proxy
/// that the environment names. [`HttpFetch::builder`] changes that.
#[derive(Clone, Debug)]
pub struct HttpFetch {
    client: reqwest::Client,
    credentials: Credentials,
    public_addresses_only: bool,
}

impl HttpFetch {
    /// The usual client.
    ///
    /// # Errors
    /// If the platform's certificates cannot be read.
    pub fn new() -> Result<Self, ConfigError> {
        Self::builder().build()
    }

    /// A client for a private network: certificate authorities, a client certificate, a proxy, headers, a bearer token, a Unix
    /// socket.
    pub fn builder() -> HttpFetchBuilder {
        HttpFetchBuilder::new()
    }

    /// A client for URLs that are not in your configuration, such as the issuers of tenants: it connects to addresses of the public
    /// internet alone, so that no URL leads into your own network (server-side request forgery).
    ///
    /// The very address that is connected to is judged, whatever led there: the configured URL, a `jwks_uri`, an address
    /// in place of a host, in whatever notation, a name that stands for another address a moment later. Public is what the
    /// registries of special-purpose addresses (RFC 6890) leave over; IPv6 that embeds IPv4 is refused, but for NAT64 with
    /// a public address in it. Proxies of the environment are not used: a proxy would resolve names by itself.
    ///
    /// Not for a provider within your own network; its URL is your own configuration.
    ///
    /// ```
    /// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
    /// use tower_jwt_auth::{HttpFetch, RemoteKeys};
    ///
    /// let given_by_a_customer = "https://id.example.com";
    /// let keys = RemoteKeys::new(given_by_a_customer).fetch(HttpFetch::public_addresses_only()?);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If the platform's certificates cannot be read.
    pub fn public_addresses_only() -> Result<Self, ConfigError> {
        Self::guarded(PublicOnly::by_the_system())
    }

    fn guarded(resolver: PublicOnly) -> Result<Self, ConfigError> {
        let client = HttpFetchBuilder::usual_client().no_proxy().dns_resolver(resolver);
        let client = client.build().map_err(|error| HttpFetchBuilder::failed(&error))?;
        Ok(Self { client, credentials: Credentials::default(), public_addresses_only: true })
    }

    pub(super) fn of(client: reqwest::Client, credentials: Credentials) -> Self {
        Self { client, credentials, public_addresses_only: false }
    }

    /// A client of your own, for what [`HttpFetch::builder`] has not. It should not follow redirects
    /// (`reqwest::redirect::Policy::none()`): keys come from the host that was configured.
    #[must_use]
    pub fn from_client(client: reqwest::Client) -> Self {
        Self::of(client, Credentials::default())
    }
}

impl Fetch for HttpFetch {
    fn fetch(&self, url: &str, max_bytes: usize) -> NowOrLater<Result<Response<Bytes>, FetchError>> {
        self.fetch_accepting("application/jwk-set+json, application/json", url, max_bytes)
    }

    fn fetch_accepting(
        &self,
        accept: &'static str,
        url: &str,
        max_bytes: usize,
    ) -> NowOrLater<Result<Response<Bytes>, FetchError>> {
        // The URL as the client reads it: what is judged is what is connected to.
        let url = match reqwest::Url::parse(url) {
            Ok(url) => url,
            Err(error) => return NowOrLater::ready(Err(FetchError::new(error))),
        };
        if self.public_addresses_only
            && let Err(refused) = check_literal(&url)
        {
            return NowOrLater::ready(Err(FetchError::new(refused)));
        }
        let headers = self.credentials.headers_for(&url);
        let request = self.client.get(url).header(http::header::ACCEPT, accept);
        NowOrLater::later(async move { read(request.headers(headers.await?).send().await, max_bytes).await })
    }
}

#[cfg(feature = "introspection")]
impl HttpFetch {
    /// POSTs a body, with these headers and those that are sent to this server alone.
    ///
    /// # Errors
    /// If there is no answer, or its body is longer than `max_bytes`.
    pub(crate) async fn post(
        &self,
        url: &str,
        mut headers: http::HeaderMap,
        body: String,
        max_bytes: usize,
    ) -> Result<Response<Bytes>, FetchError> {
        let url = reqwest::Url::parse(url).map_err(FetchError::new)?;
        if self.public_addresses_only {
            check_literal(&url).map_err(FetchError::new)?;
        }
        headers.extend(self.credentials.headers_for(&url).await?);
        read(self.client.post(url).headers(headers).body(body).send().await, max_bytes).await
    }
}

async fn read(
    answer: Result<reqwest::Response, reqwest::Error>,
    max_bytes: usize,
) -> Result<Response<Bytes>, FetchError> {
    let mut answer = answer.map_err(without_url)?;
    let mut body = BytesMut::new();
    while let Some(chunk) = answer.chunk().await.map_err(without_url)? {
        if body.len() + chunk.len() > max_bytes {
            return Err(FetchError::new(format!("the body has more than {max_bytes} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    let mut response = Response::new(body.freeze());
    *response.status_mut() = answer.status();
    *response.headers_mut() = std::mem::take(answer.headers_mut());
    Ok(response)
}

/// The URL is said beside it, without its query, which may be secret.
fn without_url(error: reqwest::Error) -> FetchError {
    FetchError::new(error.without_url())
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    /// A name that leads to this machine, by a resolver of its own.
    #[tokio::test]
    async fn a_name_that_leads_inwards_is_not_connected_to() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://id.example.com:{}/", listener.local_addr().unwrap().port());
        let loopback = PublicOnly::by(|_| NowOrLater::ready(Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)])));
        let fetch = HttpFetch::guarded(loopback).unwrap();
        let error = tokio::select! {
            refused = fetch.fetch(&url, 1000) => refused.unwrap_err().to_string(),
            _ = listener.accept() => panic!("connected to"),
        };
        assert!(error.contains("the host \"id.example.com\" has no public address"), "{error}");
        assert!(!error.contains("127.0.0.1"), "{error}");
    }
}
