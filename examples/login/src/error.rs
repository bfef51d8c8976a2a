//! What goes wrong, and what the caller is told of it: JSON as OAuth writes errors (RFC 6749 section 5.2).

use std::fmt;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::json;
use tower_jwt_auth::{AuthError, ConfigError, Reason, SignError, StoreError};

/// Why a request was not done.
#[derive(Debug)]
pub enum AppError {
    /// The request is not what the route takes: the status, and what to change.
    Invalid(StatusCode, &'static str),
    /// Unknown user or wrong password: the caller must not learn which.
    WrongCredentials,
    /// Another site has started the request.
    CrossSite,
    /// The refresh token is unknown, used up, expired or ended.
    SessionOver,
    /// The caller may not do this any more, whatever the token still says.
    Forbidden,
    /// What was asked for does not fit what is there.
    Conflict(&'static str),
    /// There is no such thing.
    NotFound,
    /// Too many attempts; the time after which the next one counts.
    TooMany(Duration),
    /// More passwords are waiting to be hashed than this machine should take on.
    Busy,
    /// Our fault; the cause goes to the log, never to the caller.
    Internal(String),
}

impl AppError {
    /// Status, OAuth's or our own error code, and a sentence.
    fn answer(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Invalid(status, text) => (*status, "invalid_request", text),
            Self::WrongCredentials => {
                (StatusCode::BAD_REQUEST, "invalid_grant", "The username or the password is wrong.")
            }
            Self::SessionOver => {
                (StatusCode::BAD_REQUEST, "invalid_grant", "The session is over: log in again.")
            }
            Self::CrossSite => (StatusCode::FORBIDDEN, "cross_site", "This came from another site."),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden", "You may not do this any more."),
            Self::Conflict(text) => (StatusCode::CONFLICT, "conflict", text),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found", "There is no such thing here."),
            Self::TooMany(_) => {
                (StatusCode::TOO_MANY_REQUESTS, "too_many_requests", "Too many attempts: wait.")
            }
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "Busy: try again."),
            Self::Internal(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "server_error", "Something went wrong here.")
            }
        }
    }

    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::TooMany(wait) => Some(wait.as_millis().div_ceil(1000).try_into().unwrap_or(60).max(1)),
            Self::Busy => Some(1),
            _ => None,
        }
    }
}

impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        if let Self::Internal(cause) = &self {
            eprintln!("error: {cause}");
        }
        let (status, code, text) = self.answer();
        let mut response = (status, body(code, text)).into_response();
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

fn body(code: &str, text: &str) -> Json<serde_json::Value> {
    Json(json!({ "error": code, "error_description": text }))
}

/// Gives the refusals of the layer and of policies, which have no body, one of the same shape.
pub async fn explain_refusal(mut response: Response) -> Response {
    let Some(refused) = response.extensions().get::<AuthError>() else { return response };
    let reason = refused.reason();
    let code = match reason {
        Reason::Missing | Reason::Forbidden | Reason::CrossSite => reason.as_str(),
        // Which rule refused a token helps whoever forges one.
        _ if response.status() == StatusCode::UNAUTHORIZED => "invalid_token",
        _ if response.status().is_server_error() => "server_error",
        _ => "invalid_request",
    };
    let (parts, new) = body(code, reason.public_text()).into_response().into_parts();
    if let Some(json) = parts.headers.get(CONTENT_TYPE) {
        response.headers_mut().insert(CONTENT_TYPE, json.clone());
    }
    *response.body_mut() = new;
    response
}

/// A JSON body. Unlike [`Json`] it says what is wrong in our words, which never repeat what was sent.
#[derive(Debug)]
pub struct Input<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Input<T> {
    type Rejection = AppError;

    async fn from_request(request: Request, state: &S) -> Result<Self, AppError> {
        let invalid = |rejection: JsonRejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                AppError::Invalid(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large.")
            }
            StatusCode::UNSUPPORTED_MEDIA_TYPE => NOT_JSON,
            _ => {
                AppError::Invalid(StatusCode::BAD_REQUEST, "The body is not the JSON that this route takes.")
            }
        };
        Json::from_request(request, state).await.map(|Json(body)| Self(body)).map_err(invalid)
    }
}

/// The answer to a body of another type.
pub const NOT_JSON: AppError =
    AppError::Invalid(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Send the header content-type: application/json.");

impl fmt::Display for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Internal(cause) => f.write_str(cause),
            other => f.write_str(other.answer().2),
        }
    }
}

impl std::error::Error for AppError {}

impl From<sqlx::Error> for AppError {
    fn from(error: sqlx::Error) -> Self {
        Self::Internal(format!("database: {error}"))
    }
}

impl From<StoreError> for AppError {
    fn from(error: StoreError) -> Self {
        Self::Internal(format!("sessions: {error}"))
    }
}

impl From<SignError> for AppError {
    fn from(error: SignError) -> Self {
        Self::Internal(format!("signing: {error}"))
    }
}

impl From<ConfigError> for AppError {
    fn from(error: ConfigError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<argon2::password_hash::Error> for AppError {
    fn from(error: argon2::password_hash::Error) -> Self {
        Self::Internal(format!("password hash: {error}"))
    }
}

impl From<getrandom::Error> for AppError {
    fn from(error: getrandom::Error) -> Self {
        Self::Internal(format!("random numbers: {error}"))
    }
}

impl From<tokio::task::JoinError> for AppError {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::Internal(format!("task: {error}"))
    }
}
