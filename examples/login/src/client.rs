//! From which address a request comes.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};

use crate::App;

/// The address of the client: that of the connection, or what the proxy in front says in the configured header.
#[derive(Clone, Copy, Debug)]
pub struct Client(pub IpAddr);

impl FromRequestParts<App> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let said = app.client_header.as_ref().and_then(|name| last_address(&parts.headers, name));
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        // Without either all clients share one allowance, which is the safe side.
        Ok(Self(said.or(peer).unwrap_or(IpAddr::from([0, 0, 0, 0]))))
    }
}

/// The last address is the one that our own proxy has added. Those before it are what the client wrote.
fn last_address(headers: &HeaderMap, name: &HeaderName) -> Option<IpAddr> {
    let line = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    line.rsplit(',').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_address_counts() {
        let name = HeaderName::from_static("x-forwarded-for");
        let address = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(name.clone(), line.parse().unwrap());
            }
            last_address(&headers, &name).map(|address| address.to_string())
        };
        assert_eq!(address(&["192.0.2.9"]).as_deref(), Some("192.0.2.9"));
        assert_eq!(address(&["203.0.113.5, 192.0.2.9"]).as_deref(), Some("192.0.2.9"));
        assert_eq!(address(&["203.0.113.5", "10.0.0.1,2001:db8::9"]).as_deref(), Some("2001:db8::9"));
        for none in [&[][..], &[""], &["unknown"], &["192.0.2.9, x"]] {
            assert_eq!(address(none), None, "{none:?}");
        }
    }
}
