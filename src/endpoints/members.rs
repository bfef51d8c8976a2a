//! What an introspection says of a good token (RFC 7662 section 2.2).

use serde_json::{Map, Value, json};

use super::access_tokens::client_of;
use crate::runtime::UnixTime;
use crate::store::Session;
use crate::verify::Principal;

/// The members that are made here, so nobody may add them as claims.
pub(super) const NAMES: [&str; 15] = [
    "active",
    "scope",
    "client_id",
    "username",
    "token_type",
    "exp",
    "iat",
    "nbf",
    "sub",
    "aud",
    "iss",
    "jti",
    "cnf",
    "acr",
    "auth_time",
];

/// Nothing but this: why a token is not active is nobody's business.
pub(super) fn inactive() -> Map<String, Value> {
    [("active".to_owned(), Value::Bool(false))].into_iter().collect()
}

/// The members of an access token, and the further `claims` that it has.
pub(super) fn of_access_token(
    token: &Principal,
    username: Option<String>,
    claims: &[String],
) -> Map<String, Value> {
    let scope = token.scopes().collect::<Vec<_>>().join(" ");
    let confirmation: Option<Value> = token.claim("cnf");
    // RFC 9449 section 5; a token that is bound to a certificate is still a bearer token (RFC 8705 section 3).
    let is_dpop = confirmation.as_ref().is_some_and(|confirmation| confirmation.get("jkt").is_some());
    let mut members = Members::new(username);
    members.add("scope", (!scope.is_empty()).then_some(scope));
    members.add("client_id", client_of(token));
    members.add("token_type", Some(if is_dpop { "DPoP" } else { "Bearer" }));
    members.add("exp", Some(token.expires_at().as_secs()));
    members.add("iat", token.issued_at().map(UnixTime::as_secs));
    members.add("nbf", token.not_before().map(UnixTime::as_secs));
    members.add("sub", token.subject());
    members.add("aud", token.claim::<Value>("aud"));
    members.add("iss", token.issuer());
    members.add("jti", token.token_id());
    members.add("cnf", confirmation);
    members.add("acr", token.claim::<Value>("acr"));
    members.add("auth_time", token.auth_time().map(UnixTime::as_secs));
    for name in claims {
        members.add(name, token.claim::<Value>(name));
    }
    members.0
}

/// The members of a refresh token: it is good until its session ends, unless it is exchanged before.
pub(super) fn of_session(session: &Session, issuer: &str, username: Option<String>) -> Map<String, Value> {
    let mut members = Members::new(username);
    members.add("exp", Some(session.expires_at().as_secs()));
    members.add("iat", Some(session.last_used_at().as_secs()));
    members.add("sub", Some(session.subject()));
    members.add("iss", Some(issuer));
    members.0
}

struct Members(Map<String, Value>);

impl Members {
    fn new(username: Option<String>) -> Self {
        let mut members = Self([("active".to_owned(), Value::Bool(true))].into_iter().collect());
        members.add("username", username);
        members
    }

    fn add(&mut self, name: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), value.into());
        }
    }
}

/// The claims of a signed answer (RFC 9701 section 5). There is no `exp` and no `sub`, so that it passes for no token.
pub(super) fn signed(issuer: &str, client: &str, now: UnixTime, members: &Map<String, Value>) -> Value {
    json!({ "iss": issuer, "aud": client, "iat": now.as_secs(), "token_introspection": members })
}
