//! Fetching by reqwest.

use bytes::{Bytes, BytesMut};
use http::Response;

use super::fetch::{Fetch, FetchError};
use crate::error::ConfigError;
use crate::now_or_later::NowOrLater;

/// Fetches with `reqwest` and rustls (feature `jwks`): no redirects, the system's certificate authorities, the proxy
/// that the environment names.
#[derive(Clone, Debug)]
pub struct HttpFetch(reqwest::Client);

impl HttpFetch {
    /// The usual client.
    ///
    /// # Errors
    /// If the platform's certificates cannot be read.
    pub fn new() -> Result<Self, ConfigError> {
        reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(std::time::Duration::from_secs(2))
            .user_agent(concat!("tower-jwt-auth/", env!("CARGO_PKG_VERSION")))
            .build()
            .map(Self)
            .map_err(|error| {
                ConfigError::new(
                    "HttpFetch",
                    error.to_string(),
                    "hand over a client of your own with from_client",
                )
            })
    }

    /// A client of your own, with its proxy, certificates and headers. It should not follow redirects
    /// (`reqwest::redirect::Policy::none()`): keys come from the host that was configured.
    #[must_use]
    pub fn from_client(client: reqwest::Client) -> Self {
        Self(client)
    }
}

impl Fetch for HttpFetch {
    fn fetch(&self, url: &str, max_bytes: usize) -> NowOrLater<Result<Response<Bytes>, FetchError>> {
        let request =
            self.0.get(url).header(http::header::ACCEPT, "application/jwk-set+json, application/json");
        NowOrLater::later(async move {
            let mut answer = request.send().await.map_err(FetchError::new)?;
            let mut body = BytesMut::new();
            while let Some(chunk) = answer.chunk().await.map_err(FetchError::new)? {
                if body.len() + chunk.len() > max_bytes {
                    return Err(FetchError::new(format!("the body has more than {max_bytes} bytes")));
                }
                body.extend_from_slice(&chunk);
            }
            let mut response = Response::new(body.freeze());
            *response.status_mut() = answer.status();
            *response.headers_mut() = std::mem::take(answer.headers_mut());
            Ok(response)
        })
    }
}
