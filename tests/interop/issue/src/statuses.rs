//! Tokens of others, judged by the status lists of others.

use std::error::Error;
use std::time::Duration;

use axum::extract::Json;
use axum::http::StatusCode;
use serde::Deserialize;
use tower_jwt_auth::{Authority, Claims, KeySet, RemoteKeys, StatusLists, Verifier};

#[derive(Deserialize)]
pub struct Theirs {
    issuer: String,
    audience: String,
    /// A JWK: that of the tokens.
    key: String,
    /// Where the key set of the lists is.
    jwks: String,
    /// What the URIs of the lists begin with.
    lists: String,
    /// Statuses beside VALID that are good.
    accepted: Vec<u8>,
    tokens: Vec<String>,
}

/// Of each token `ok`, or why it is refused.
pub async fn judge(Json(theirs): Json<Theirs>) -> Result<Json<Vec<String>>, (StatusCode, String)> {
    let verifier = verifier(&theirs).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?;
    let mut verdicts = Vec::new();
    for token in &theirs.tokens {
        let verdict = verifier.verify(token).await;
        verdicts.push(verdict.map_or_else(|error| error.reason().to_string(), |_| "ok".to_owned()));
    }
    Ok(Json(verdicts))
}

fn verifier(theirs: &Theirs) -> Result<Verifier<Claims>, Box<dyn Error>> {
    let keys = RemoteKeys::new(&theirs.jwks).insecure_http_on_loopback();
    let lists = StatusLists::jwks(keys).allow(&theirs.lists).insecure_http_on_loopback().required();
    let lists = theirs.accepted.iter().fold(lists, |lists, status| lists.accept_status(*status));
    let authority = Authority::keys(KeySet::from_jwk(&theirs.key)?)
        .issuer(&theirs.issuer)
        .audience(&theirs.audience)
        .status_lists(lists);
    let builder = Verifier::builder().authority(authority).check_deadline(Duration::from_secs(5));
    Ok(builder.build()?)
}
