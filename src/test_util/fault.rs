//! What can be wrong with an identity provider, and how it then answers.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};

/// What a [`TestProvider`](crate::TestProvider) does wrong (features `test-util` and `jwks`).
///
/// What spoils the key set leaves the discovery document alone, and the other way round; all else strikes both.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProviderFault {
    /// Answers with this status and nothing else, such as 500.
    Status(u16),
    /// Answers with this status, such as 429 or 503, and asks for a pause of this many seconds (`Retry-After`).
    RetryAfter(u16, u64),
    /// Takes the request and never answers.
    Stall,
    /// Closes the connection without an answer.
    HangUp,
    /// Sends the body one byte at a time, a tenth of a second for each.
    SlowDrip,
    /// Announces the whole body, sends half of it, and closes the connection.
    TruncatedBody,
    /// Sends two MiB.
    HugeBody,
    /// Sends what is no JSON.
    Garbage,
    /// Redirects to the same document under another path, which is served well.
    Redirect,
    /// A key set without keys.
    EmptySet,
    /// A key set of 1,000 good keys, the right ones first.
    TooManyKeys,
    /// Beside the keys a different one, with the `kid` of the key that signs.
    DuplicateKid,
    /// Beside the keys such as nobody can use: unknown types, missing members, secrets, encryption keys.
    OddKeys,
    /// The odd keys alone.
    OnlyOddKeys,
    /// A discovery document of another issuer.
    WrongIssuer,
    /// A discovery document without `jwks_uri`.
    NoJwksUri,
    /// A discovery document with this `jwks_uri`.
    JwksUri(String),
}

/// The two documents of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Document {
    Discovery,
    Jwks,
}

/// An answer, and how it is sent.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) manner: Delivery,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    Whole,
    /// A pause before each byte.
    Drip(Duration),
    Half,
    HangUp,
    Never,
}

impl Reply {
    pub(super) fn not_found() -> Self {
        Self::plain(404, "")
    }

    /// A document as JSON.
    pub(super) fn document(body: String, cache_control: Option<&HeaderValue>) -> Self {
        let mut reply = Self::plain(200, body);
        reply.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        reply.headers.extend(cache_control.map(|value| (CACHE_CONTROL, value.clone())));
        reply
    }

    fn plain(status: u16, body: impl Into<Bytes>) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, headers: HeaderMap::new(), body: body.into(), manner: Delivery::Whole }
    }
}

impl ProviderFault {
    pub(super) fn strikes(&self, document: Document) -> bool {
        match self {
            Self::EmptySet | Self::TooManyKeys | Self::DuplicateKid | Self::OddKeys | Self::OnlyOddKeys => {
                document == Document::Jwks
            }
            Self::WrongIssuer | Self::NoJwksUri | Self::JwksUri(_) => document == Document::Discovery,
            _ => true,
        }
    }

    /// Changes the document, where that is what is wrong.
    pub(super) fn spoil(&self, document: &mut Value, signing_kid: &str) {
        let stranger = || super::TestIssuer::new("stranger");
        let stranger_key = |kid: &str| {
            let mut set: Value = serde_json::from_str(&stranger().jwks()).unwrap_or_default();
            let mut key = set.pointer_mut("/keys/0").map(Value::take).unwrap_or_default();
            if let Some(members) = key.as_object_mut() {
                members.insert("kid".to_owned(), kid.into());
            }
            key
        };
        match (self, document.as_object_mut()) {
            (Self::EmptySet, Some(set)) => drop(set.insert("keys".to_owned(), json!([]))),
            (Self::OnlyOddKeys, Some(set)) => drop(set.insert("keys".to_owned(), odd_keys())),
            (Self::OddKeys | Self::DuplicateKid | Self::TooManyKeys, Some(set)) => {
                let further = match self {
                    Self::OddKeys => odd_keys(),
                    Self::DuplicateKid => json!([stranger_key(signing_kid)]),
                    _ => {
                        let key = stranger_key("");
                        let named = |n: usize| {
                            let mut key = key.clone();
                            key.as_object_mut().map(|key| key.insert("kid".to_owned(), n.to_string().into()));
                            key
                        };
                        (0..1000).map(named).collect()
                    }
                };
                if let (Some(Value::Array(keys)), Value::Array(further)) = (set.get_mut("keys"), further) {
                    keys.extend(further);
                }
            }
            (Self::WrongIssuer, Some(discovery)) => {
                discovery.insert("issuer".to_owned(), "https://evil.example.com".into());
            }
            (Self::NoJwksUri, Some(discovery)) => drop(discovery.remove("jwks_uri")),
            (Self::JwksUri(uri), Some(discovery)) => {
                discovery.insert("jwks_uri".to_owned(), uri.as_str().into());
            }
            _ => (),
        }
    }

    /// The answer, where the document is `good`.
    pub(super) fn answer(&self, path: &str, good: Reply) -> Reply {
        match self {
            Self::Status(status) => Reply::plain(*status, ""),
            Self::RetryAfter(status, seconds) => {
                let mut reply = Reply::plain(*status, "");
                reply.headers.insert(RETRY_AFTER, HeaderValue::from(*seconds));
                reply
            }
            Self::Stall => Reply { manner: Delivery::Never, ..good },
            Self::HangUp => Reply { manner: Delivery::HangUp, ..good },
            Self::SlowDrip => Reply { manner: Delivery::Drip(Duration::from_millis(100)), ..good },
            Self::TruncatedBody => Reply { manner: Delivery::Half, ..good },
            Self::HugeBody => Reply { body: vec![b' '; 2 * 1024 * 1024].into(), ..good },
            Self::Garbage => Reply { body: Bytes::from_static(b"<html>\xff not JSON"), ..good },
            Self::Redirect => {
                let mut reply = Reply::plain(302, "");
                let location = HeaderValue::try_from(format!("/moved{path}"));
                reply.headers.extend(location.ok().map(|location| (LOCATION, location)));
                reply
            }
            _ => good,
        }
    }
}

fn odd_keys() -> Value {
    json!([
        { "kty": "quantum", "kid": "unknown-type" },
        { "kty": "EC", "kid": "no-coordinates", "crv": "P-256" },
        { "kty": "RSA", "kid": "weak", "n": "AQAB", "e": "AQAB" },
        { "kty": "OKP", "kid": "short", "crv": "Ed25519", "x": "AAAA" },
        { "kty": "oct", "kid": "secret", "k": "MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0dXY" },
        { "kid": "no-type" },
        { "kty": 7 },
        "not an object",
        null,
    ])
}
