//! What goes further than this layer: to the inner service, or to a server behind a gateway.

use std::fmt;
use std::sync::Arc;

use http::header::CONNECTION;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Request};
use serde_json::Value;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::source::{self, TokenSource, header};
use crate::error::{AuthError, ConfigError, Reason};
use crate::runtime::trace;
use crate::verify::Principal;

/// What a layer changes in requests before they go on.
#[derive(Clone, Debug, Default)]
pub(super) struct Forward {
    pub(super) remove_credential: bool,
    pub(super) keep_token: bool,
    pub(super) claims: Vec<(HeaderName, String)>,
}

impl Forward {
    /// # Errors
    /// If the name is not that of a header, or one that must not be overwritten.
    pub(super) fn add_claim(&mut self, header: &str, claim: String) -> Result<(), ConfigError> {
        const REMEDY: &str = "give a header of your own, such as x-user-id";
        let refused = |why: &str| ConfigError::new("claim_header", format!("{header:?} {why}"), REMEDY);
        let name: HeaderName = header.parse().map_err(|_| refused("is not the name of a header"))?;
        if name.as_str().contains('_') {
            return Err(refused("has an underscore, which servers fold into a hyphen"));
        }
        if !name.as_str().starts_with("x-") && HEADERS_OF_HTTP.contains(&name.as_str()) {
            return Err(refused("has a meaning in HTTP"));
        }
        if self.claims.iter().any(|(known, _)| *known == name) {
            return Err(refused("is set twice"));
        }
        self.claims.push((name, claim));
        Ok(())
    }

    /// Takes out of the request what only this layer may say, and the credential where that was asked for.
    pub(super) fn clean<B>(&self, sources: &[TokenSource], request: &mut Request<B>) {
        RawToken::clear(request.extensions_mut());
        source::remove(sources, request, self.remove_credential);
        if !self.claims.is_empty() {
            remove_forged(request.headers_mut(), &self.claims);
        }
    }

    /// What of `principal` and its token the request is to carry on.
    ///
    /// # Errors
    /// `invalid_claim` if a claim cannot be written into a header.
    pub(super) fn of(
        &self,
        principal: &Principal,
        token: Option<RawToken>,
    ) -> Result<Option<Box<Forwarded>>, AuthError> {
        if self.claims.is_empty() && token.is_none() {
            return Ok(None);
        }
        Ok(Some(Box::new(Forwarded { headers: self.headers(principal)?, token })))
    }

    /// The headers that carry the claims of `principal`; a claim that is absent has none.
    ///
    /// # Errors
    /// `invalid_claim` if a claim cannot be written into a header: leaving it out would say that it is absent.
    fn headers(&self, principal: &Principal) -> Result<Vec<(HeaderName, HeaderValue)>, AuthError> {
        let mut headers = Vec::with_capacity(self.claims.len());
        for (header, claim) in &self.claims {
            // What serde_json cannot read is there all the same: a lone surrogate, or a number out of range.
            let Some(raw) = principal.claim::<Box<RawValue>>(claim).filter(|raw| raw.get() != "null") else {
                continue;
            };
            let value = text_of(raw.get())
                .filter(|text| text.bytes().all(|byte| matches!(byte, b' '..=b'~')) && text.trim() == text)
                .and_then(|text| HeaderValue::try_from(text).ok())
                .ok_or_else(|| AuthError::new(Reason::InvalidClaim).with_claim(claim.clone()))?;
            headers.push((header.clone(), value));
        }
        Ok(headers)
    }
}

/// What a request carries on beside its slot.
pub(crate) struct Forwarded {
    headers: Vec<(HeaderName, HeaderValue)>,
    token: Option<RawToken>,
}

impl Forwarded {
    pub(super) fn put<B>(self, request: &mut Request<B>) {
        request.headers_mut().extend(self.headers);
        if let Some(token) = self.token {
            request.extensions_mut().insert(token);
        }
    }
}

/// Names that a gateway must not make up from claims.
const HEADERS_OF_HTTP: [&str; 15] = [
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "origin",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Strings, numbers and booleans as they are; an array of strings joined by commas, if a list can hold each.
fn text_of(raw: &str) -> Option<String> {
    match serde_json::from_str(raw).ok()? {
        Value::String(text) => Some(text),
        // Its own digits: a long one would lose some.
        Value::Number(_) | Value::Bool(_) => Some(raw.to_owned()),
        Value::Array(elements) => {
            let whole = |text: &&str| !text.is_empty() && !text.contains(',') && text.trim() == *text;
            let texts: Option<Vec<&str>> =
                elements.iter().map(|element| element.as_str().filter(whole)).collect();
            texts.map(|texts| texts.join(","))
        }
        Value::Null | Value::Object(_) => None,
    }
}

/// Removes every inbound copy of our headers: twins of their names, and the mention in `Connection` that would make the
/// next proxy remove ours.
fn remove_forged(headers: &mut HeaderMap, claims: &[(HeaderName, String)]) {
    for (name, _) in claims {
        header::remove(headers, name);
    }
    let ours =
        |option: &[u8]| claims.iter().any(|(name, _)| name.as_str().as_bytes().eq_ignore_ascii_case(option));
    let options = |line: &HeaderValue| -> Vec<Vec<u8>> {
        line.as_bytes().split(|byte| *byte == b',').map(|option| option.trim_ascii().to_vec()).collect()
    };
    let lines: Vec<Vec<Vec<u8>>> = headers.get_all(CONNECTION).iter().map(options).collect();
    if !lines.iter().flatten().any(|option| ours(option)) {
        return;
    }
    headers.remove(CONNECTION);
    for mut options in lines {
        options.retain(|option| !option.is_empty() && !ours(option));
        if let Some(value) =
            HeaderValue::from_bytes(&options.join(&b", "[..])).ok().filter(|value| !value.is_empty())
        {
            headers.append(CONNECTION, value);
        }
    }
}

/// The text of the verified token, for handlers that call another service in the caller's name.
///
/// It is there only if the layer was told to keep it, by
/// [`JwtAuthLayer::keep_raw_token`](crate::JwtAuthLayer::keep_raw_token). A holder of the token can act as the caller until it
/// expires. Send it only to services that are its audience, and never log it.
#[derive(Clone)]
pub struct RawToken(Arc<Zeroizing<String>>);

impl RawToken {
    /// The token's text.
    ///
    /// # Errors
    /// `not_configured` if no layer around the handler keeps it; `missing` cannot be told from that here, so take
    /// [`Jwt`](crate::Jwt) beside it where callers may be anonymous.
    pub fn of(extensions: &Extensions) -> Result<Self, AuthError> {
        extensions.get::<Self>().cloned().ok_or_else(|| {
            trace::error!(
                "a handler asks for the raw token, but no JwtAuthLayer around it has .keep_raw_token()"
            );
            AuthError::new(Reason::NotConfigured)
        })
    }

    /// The text itself. Every use of it can be searched for.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Of a token whose bytes are not judged yet; a verified one is all ASCII.
    pub(super) fn new(token: &[u8]) -> Self {
        Self(Arc::new(Zeroizing::new(String::from_utf8_lossy(token).into_owned())))
    }

    fn clear(extensions: &mut Extensions) {
        extensions.remove::<Self>();
    }
}

impl fmt::Debug for RawToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RawToken(..)")
    }
}
