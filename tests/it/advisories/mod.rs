//! Known faults of this class of software, a named test each: the numbered list of attacks (`attack_NN`),
//! published advisories (`cve_..`, `ghsa_..`) and faults seen in several Rust crates (`peers_..`).
//!
//! Attacks of the list that do not concern this part of the crate:
//! * 24: there is no JWE to tamper with; the refusal of its form is 21.
//! * 37: there are no issuer templates; each issuer is configured by its whole name.
//! * 38, 39, 40, 42, 43, 44: no key is fetched. Of 41 only the replacement of a set as a unit applies.
//! * 45, 46: there is no cache of verdicts.
//! * 49, 50: there is no `DPoP` and no URL that is built from a request.
//! * 53, 54: there are no cookies.
//! * 58: there are no lists of paths to skip; layers are put on routes.
//! * 64: constant-time comparison belongs to the backends and cannot be proved by a test without a clock.
//! * 65: the raw token is never handed to handlers; its audience is 31.
//! * 67: no claim is mapped to rights by itself.
//! * 70: resetting streams is for the server; verification spawns nothing.
//! * 73: streams are not watched here.
//! * 74: no URL of a token is ever called.
//! * 76: the test kit is behind a feature of its own, and there is no unchecked decoding to switch on.

mod algorithms;
mod claims;
mod cves;
mod http;
mod keys;
mod peers;
mod tokens;

use std::convert::Infallible;

use ::http::header::AUTHORIZATION;
use ::http::{Request, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tower::{Layer, ServiceExt, service_fn};
use tower_jwt_auth::{Authority, Claims, Jwt, JwtAuthLayer, KeySet, TestIssuer};

use crate::policy::{Bench, ISS, verdict};

pub(crate) fn decode(segment: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(segment).unwrap()
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The three segments of a token.
fn cut(token: &str) -> [&str; 3] {
    token.split('.').collect::<Vec<_>>().try_into().unwrap()
}

/// The token with another signature, given as bytes.
fn with_signature(token: &str, signature: impl AsRef<[u8]>) -> String {
    let [header, payload, _] = cut(token);
    format!("{header}.{payload}.{}", encode(signature))
}

/// HMAC with SHA-256, as an attacker computes it.
fn hs256(secret: &[u8], message: &str) -> Vec<u8> {
    #[cfg(feature = "aws-lc-rs")]
    {
        use aws_lc_rs::hmac;
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes()).as_ref().to_vec()
    }
    #[cfg(not(feature = "aws-lc-rs"))]
    {
        let factory = jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER.signer_factory;
        let key = jsonwebtoken::EncodingKey::from_secret(secret);
        factory(&jsonwebtoken::Algorithm::HS256, &key).unwrap().try_sign(message.as_bytes()).unwrap()
    }
}

/// A token with these parts that an attacker signed with HS256 and what he takes for the secret.
fn forged_hs256(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let input = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
    let signature = hs256(secret, &input);
    format!("{input}.{}", encode(signature))
}

/// The JWK of the issuer's key, changed.
fn jwk(issuer: &TestIssuer, change: impl FnOnce(&mut Value)) -> String {
    let mut jwks: Value = serde_json::from_str(&issuer.jwks()).unwrap();
    let mut jwk = jwks["keys"][0].take();
    change(&mut jwk);
    jwk.to_string()
}

/// A set of one JWK, read as a set: what cannot be used is skipped.
fn set_of(jwks: &[String]) -> Result<KeySet, tower_jwt_auth::ConfigError> {
    KeySet::from_jwks(format!("{{\"keys\":[{}]}}", jwks.join(",")))
}

/// The authority of a bench, for these keys.
fn trusting(keys: KeySet) -> Authority {
    Authority::keys(keys).issuer(ISS).audience("api")
}

/// The verdict of the bench's own authority.
fn judge(bench: &Bench, token: &str) -> String {
    verdict(&bench.verifier(|authority| authority), token)
}

/// What a service behind this layer answers; its body is whom it saw.
async fn answer(layer: &JwtAuthLayer<Claims>, request: Request<()>) -> Response<String> {
    let service = service_fn(async |request: Request<()>| {
        let body = match Jwt::<Claims>::optional(request.extensions()).unwrap() {
            Some(jwt) => jwt.sub.clone().unwrap_or_default(),
            None => "anonymous".to_owned(),
        };
        Ok::<_, Infallible>(Response::new(body))
    });
    layer.layer(service).oneshot(request).await.unwrap()
}

/// A request with these `Authorization` lines.
fn request(lines: &[&str]) -> Request<()> {
    let mut request = Request::builder();
    for line in lines {
        request = request.header(AUTHORIZATION, *line);
    }
    request.body(()).unwrap()
}
