use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::{HeaderValue, WWW_AUTHENTICATE};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use tower_jwt_auth::{
    AuthError, Authority, Claims, ConfigError, Jwt, JwtAuthLayer, Principal, Refusal, RemoteKeys, Require,
    Verifier,
};

async fn front(user: Option<Jwt<Claims>>) -> String {
    match user.and_then(|user| user.sub.clone()) {
        Some(subject) => format!("hello {subject}"),
        None => "hello guest".to_owned(),
    }
}

async fn me(user: Jwt<Claims>) -> String {
    format!("hello {}", user.sub.as_deref().unwrap_or_default())
}

async fn admin(user: Jwt<Claims>) -> String {
    format!("hello admin {}", user.sub.as_deref().unwrap_or_default())
}

/// Every token needs this scope, also one that is sent to the optional route.
fn may_read(user: &Principal) -> Result<(), AuthError> {
    match user.scopes().any(|scope| scope == "api:read") {
        true => Ok(()),
        false => Err(AuthError::insufficient_scope("api:read")),
    }
}

/// The challenge goes on to name the scope to ask for, and the metadata (RFC 9728).
fn refuse(refusal: &Refusal<'_>) -> Response {
    let mut response = refusal.response(Body::empty());
    let challenge = response.headers().get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
    if let Some(challenge) = challenge {
        let scope = if response.status() == StatusCode::UNAUTHORIZED { r#", scope="api:read""# } else { "" };
        let metadata = "https://api.example.com/.well-known/oauth-protected-resource";
        let challenge = format!(r#"{challenge}{scope}, resource_metadata="{metadata}""#);
        if let Ok(challenge) = HeaderValue::try_from(challenge) {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
    }
    response
}

pub fn app(keys: impl Into<RemoteKeys>, issuer: &str) -> Result<Router, ConfigError> {
    let authority = Authority::oidc(keys).audience("api").check(may_read);
    let auth = JwtAuthLayer::new(Verifier::<Claims>::new(authority)?).reject_with(refuse);
    let metadata = json!({
        "resource": "https://api.example.com",
        "authorization_servers": [issuer],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["api:read"],
    });
    Ok(Router::new()
        .route("/me", get(me))
        .route("/admin", get(admin).route_layer(Require::scope("api:read api:admin")))
        .route_layer(auth.clone())
        .route("/", get(front).route_layer(auth.optional()))
        .route("/.well-known/oauth-protected-resource", get(|| async { Json(metadata) })))
}
