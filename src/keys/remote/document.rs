//! What a provider answers: its key set, its discovery document, and what it says of times.

use std::time::Duration;

use bytes::Bytes;
use http::header::{AGE, CACHE_CONTROL, RETRY_AFTER};
use http::{HeaderMap, Response, StatusCode, Uri};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::error::ConfigError;
use crate::keys::KeySet;

/// Why nothing could be learnt from an answer.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) why: String,
    pub(super) retry_after: Option<Duration>,
}

impl Failure {
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), retry_after: None }
    }
}

/// # Errors
/// If the status is not 200. A redirect is not followed: it would let the answer come from anywhere.
pub(super) fn body_of(url: &str, answer: Response<Bytes>) -> Result<(HeaderMap, Bytes), Failure> {
    let (head, body) = answer.into_parts();
    if head.status == StatusCode::OK {
        return Ok((head.headers, body));
    }
    let retry_after = head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = retry_after.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
    let redirect = if head.status.is_redirection() { ", which is not followed" } else { "" };
    Err(Failure { why: format!("{url} answered {}{redirect}", head.status.as_u16()), retry_after })
}

/// Counts the keys of a set without reading them.
#[derive(Deserialize)]
struct Count {
    keys: Vec<IgnoredAny>,
}

/// Reads a JWK set.
///
/// # Errors
/// If it is none, has more than `max_keys`, or none of its keys can be used: good keys are never given up for that.
pub(super) fn keys_of(body: &[u8], max_keys: usize) -> Result<KeySet, Failure> {
    let text = std::str::from_utf8(body).map_err(|_| Failure::new("the JWK set is not UTF-8"))?;
    // Before any key is prepared, which takes its time.
    if let Ok(Count { keys }) = serde_json::from_str(text)
        && keys.len() > max_keys
    {
        return Err(Failure::new(format!("the JWK set has {} keys, more than {max_keys}", keys.len())));
    }
    KeySet::from_jwks(text).map_err(|error| Failure::new(error.to_string()))
}

#[derive(Deserialize)]
struct Discovery {
    issuer: Option<String>,
    jwks_uri: Option<String>,
}

/// The `jwks_uri` of a discovery document.
///
/// # Errors
/// If its `issuer` is not exactly the one that was configured (OpenID Connect Discovery section 4.3), or `jwks_uri` is
/// not one that may be fetched.
pub(super) fn jwks_uri_of(body: &[u8], issuer: &str, http_on_loopback: bool) -> Result<String, Failure> {
    let document: Discovery = serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Failure::new(format!("the discovery document cannot be read (line {line}, column {column})"))
    })?;
    let found = document.issuer.ok_or_else(|| Failure::new("the discovery document has no issuer"))?;
    if found != issuer {
        let found = found.chars().take(200).collect::<String>();
        return Err(Failure::new(format!(
            "the discovery document is of the issuer {found:?}, and {issuer:?} is configured; they must be identical"
        )));
    }
    let jwks_uri = document.jwks_uri.ok_or_else(|| Failure::new("the discovery document has no jwks_uri"))?;
    check_url(&jwks_uri, http_on_loopback)
        .map_err(|error| Failure::new(format!("the jwks_uri of the discovery document: {error}")))?;
    Ok(jwks_uri)
}

/// For how long the provider lets an answer be kept.
pub(super) fn max_age_of(headers: &HeaderMap) -> Option<Duration> {
    let lines = headers.get_all(CACHE_CONTROL).iter().filter_map(|line| line.to_str().ok());
    let directives = lines.flat_map(|line| line.split(',')).map(str::trim);
    let max_age = directives
        .filter_map(|directive| directive.split_once('='))
        .find(|(name, _)| name.eq_ignore_ascii_case("max-age"))
        .and_then(|(_, value)| value.trim_matches('"').parse::<u64>().ok())?;
    let age =
        headers.get(AGE).and_then(|value| value.to_str().ok()).and_then(|text| text.parse::<u64>().ok());
    Some(Duration::from_secs(max_age.saturating_sub(age.unwrap_or(0))))
}

/// # Errors
/// If a URL is not https (or http on the loopback interface, where that is allowed), or holds credentials.
pub(super) fn check_url(url: &str, http_on_loopback: bool) -> Result<(), ConfigError> {
    let refused = |problem: &str, remedy: &str| ConfigError::new("url", format!("{url:?} {problem}"), remedy);
    let uri: Uri =
        url.parse().map_err(|_| refused("is not a URL", "use one such as https://id.example.com"))?;
    let authority = uri.authority().filter(|authority| !authority.host().is_empty());
    let authority = authority.ok_or_else(|| refused("has no host", "begin with https://"))?;
    if authority.as_str().contains('@') {
        // Not said with the URL: it has a password in it.
        let remedy = "put them into a header with a client of your own (RemoteKeys::fetch)";
        return Err(ConfigError::new("url", "it holds credentials", remedy));
    }
    if url.contains('#') {
        return Err(refused("has a fragment", "leave it out"));
    }
    let host = authority.host();
    let loopback = matches!(host, "localhost" | "[::1]")
        || host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    match uri.scheme_str() {
        Some("https") => Ok(()),
        Some("http") if loopback && http_on_loopback => Ok(()),
        Some("http") if loopback => Err(refused(
            "is not https",
            "for tests on one machine call RemoteKeys::insecure_http_on_loopback()",
        )),
        _ => Err(refused("is not https", "who is on the way could send keys of their own; use https")),
    }
}
