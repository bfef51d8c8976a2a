//! One question: what is sent to the endpoint, and what of its answer is taken.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use form_urlencoded::Serializer;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use serde_json::value::RawValue;

use super::client_auth::{ClientAuth, FormFields};
use crate::jose::{Claims, same_media_type};
use crate::keys::HttpFetch;
use crate::opaque::{Answering, Ask, AskError, AskedText, MAX_ANSWER_BYTES, OpaqueToken};
use crate::verify::{Jwt, Verifier};

/// An endpoint whose settings were found good. Clones share them.
#[derive(Clone)]
pub(super) struct Endpoint(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) url: String,
    /// The same, as it may be shown.
    pub(super) shown: String,
    pub(super) http: HttpFetch,
    pub(super) auth: ClientAuth,
    pub(super) hint: Option<String>,
    /// Verifies answers that have to be signed.
    pub(super) signed_by: Option<Verifier<Claims>>,
}

/// RFC 9701 section 5.
const SIGNED_ANSWER: &str = "application/token-introspection+jwt";

impl Endpoint {
    async fn question(&self, token: OpaqueToken) -> Result<AskedText, AskError> {
        let inner = &*self.0;
        let mut headers = HeaderMap::new();
        let accept = if inner.signed_by.is_some() { SIGNED_ANSWER } else { "application/json" };
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        let proof = inner.auth.authenticate(&mut headers).await?;
        let asked = inner.http.post(&inner.url, headers, self.form(&token, &proof), MAX_ANSWER_BYTES);
        let answer = asked.await.map_err(AskError::down)?;
        match answer.status() {
            StatusCode::OK => self.read(&answer).await,
            status => Err(refused(status, answer.headers())),
        }
    }

    fn form(&self, token: &OpaqueToken, proof: &FormFields) -> String {
        let mut form = Serializer::new(String::new());
        form.append_pair("token", token.as_str());
        if let Some(hint) = &self.0.hint {
            form.append_pair("token_type_hint", hint);
        }
        form.extend_pairs(proof.iter().map(|(name, value)| (name, &**value)));
        form.finish()
    }

    async fn read(&self, answer: &Response<Bytes>) -> Result<AskedText, AskError> {
        let body = answer.body();
        let Some(verifier) = &self.0.signed_by else {
            let text = std::str::from_utf8(body).map_err(|_| AskError::down("the answer is not UTF-8"))?;
            return Ok(AskedText::ClaimsIfActive(text.to_owned()));
        };
        let media_type = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = media_type.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
        if !same_media_type(media_type, SIGNED_ANSWER) {
            return Err(AskError::down("the answer is not signed (RFC 9701)"));
        }
        let verified = verifier.verify_bytes(body.trim_ascii(), None).await;
        let jwt =
            verified.map_err(|error| AskError::down(format!("the signed answer is refused: {error}")))?;
        let inside: Option<Box<RawValue>> = Jwt::principal(&jwt).claim("token_introspection");
        let inside = inside.ok_or_else(|| AskError::down("the signed answer says nothing of the token"))?;
        Ok(AskedText::ClaimsIfActive(inside.get().to_owned()))
    }
}

/// A status other than 200. Some say that the token was strange, which clients choose (403 is what a firewall answers to some texts);
/// others that the next question will not be answered either.
fn refused(status: StatusCode, headers: &HeaderMap) -> AskError {
    let why = format!("the endpoint answered {status}");
    let of_us = matches!(
        status,
        StatusCode::UNAUTHORIZED
            | StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::TOO_MANY_REQUESTS
    );
    if status.is_client_error() && !of_us {
        return AskError::of_this_token(why);
    }
    let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    AskError { retry_after: seconds.map(Duration::from_secs), ..AskError::down(why) }
}

impl Ask for Endpoint {
    fn ask(&self, token: OpaqueToken) -> Answering {
        let endpoint = self.clone();
        Box::pin(async move { endpoint.question(token).await })
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.shown)
    }
}
