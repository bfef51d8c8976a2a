//! Log in, refresh, log out: each once for programs, which keep their tokens themselves, and once for browsers, which
//! keep them in cookies that no script can read.

use axum::Json;
use axum::extract::State;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{AppendHeaders, IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cookie::Cookie;
use serde::Deserialize;
use serde_json::{Value, json};
use tower_jwt_auth::{Jwt, RawToken, RefreshError, RefreshToken};

use crate::App;
use crate::accounts::Credentials;
use crate::client::Client;
use crate::error::{AppError, Input};
use crate::passwords::Verdict;
use crate::tokens::{AccessClaims, Pair, REFRESH_COOKIE, Tokens};
use crate::users::Username;

/// `POST /api/login`: both tokens, as OAuth answers (RFC 6749 section 5.1).
pub(crate) async fn api_login(
    State(app): State<App>,
    client: Client,
    Input(credentials): Input<Credentials>,
) -> Result<Response, AppError> {
    Ok(in_body(&log_in(&app, client, credentials).await?))
}

/// `POST /session/login`: both tokens in cookies, and none in the body. They replace those of an older session, which
/// ends, since nobody could use it any more.
pub(crate) async fn browser_login(
    State(app): State<App>,
    client: Client,
    headers: HeaderMap,
    Input(credentials): Input<Credentials>,
) -> Result<Response, AppError> {
    let pair = log_in(&app, client, credentials).await?;
    end_all_of(&app.tokens, &headers).await?;
    in_cookies(&app.tokens, &pair)
}

/// The same work and the same answer for an unknown name and a wrong password.
async fn log_in(app: &App, client: Client, given: Credentials) -> Result<Pair, AppError> {
    let name = Username::parse(&given.username);
    app.limits.log_in(client.0, name.as_ref().map_or("", Username::as_str))?;
    let user = match &name {
        Some(name) => app.users.by_name(name).await?,
        None => None,
    };
    let stored = user.as_ref().map(|user| user.password_hash.clone());
    let verdict = app.passwords.verify(given.password.clone(), stored).await?;
    let user = user.filter(|_| verdict != Verdict::Wrong).ok_or(AppError::WrongCredentials)?;
    if verdict == Verdict::RightButStale {
        let new = app.passwords.hash(given.password).await?;
        app.users.replace_hash(user.id.clone(), user.password_hash.clone(), new).await?;
    }
    app.tokens.begin(&user).await
}

/// A refresh token in a body.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Presented {
    refresh_token: RefreshToken,
}

/// `POST /api/refresh`.
pub(crate) async fn api_refresh(
    State(app): State<App>,
    Input(presented): Input<Presented>,
) -> Result<Response, AppError> {
    Ok(in_body(&refresh(&app, &presented.refresh_token).await?))
}

/// `POST /session/refresh`. A session that is over takes its cookies with it.
pub(crate) async fn browser_refresh(
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<Response, AppError> {
    let refreshed = match refresh_cookie(&headers) {
        Some(token) => refresh(&app, &token).await,
        None => Err(AppError::SessionOver),
    };
    match refreshed {
        Ok(pair) => in_cookies(&app.tokens, &pair),
        Err(over @ AppError::SessionOver) => Ok((cleared(&app.tokens), over).into_response()),
        Err(other) => Err(other),
    }
}

/// Exchanges a refresh token, and reads the user anew: changed roles count from here on.
async fn refresh(app: &App, token: &RefreshToken) -> Result<Pair, AppError> {
    let load = |session: tower_jwt_auth::Session| async move { app.users.by_id(session.subject()).await };
    match app.tokens.refresh.rotate(token, load).await {
        Ok(rotated) => app.tokens.pair(&rotated.user, rotated.session, rotated.token),
        Err(RefreshError::Reused(session)) => {
            // Somebody has a copy of the token. A real service would tell the user.
            eprintln!("warning: a refresh token came back; ended session {}", session.sid());
            Err(AppError::SessionOver)
        }
        Err(error) if error.is_transient() => Err(AppError::Internal(error.to_string())),
        Err(_) => Err(AppError::SessionOver),
    }
}

/// `POST /api/logout`: ends the session; a token that is none changes nothing (RFC 7009 section 2.2).
pub(crate) async fn api_logout(
    State(app): State<App>,
    Input(presented): Input<Presented>,
) -> Result<StatusCode, AppError> {
    app.tokens.refresh.end(&presented.refresh_token).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /session/logout`: ends the session, and takes the cookies away.
pub(crate) async fn browser_logout(State(app): State<App>, headers: HeaderMap) -> Result<Response, AppError> {
    end_all_of(&app.tokens, &headers).await?;
    Ok((StatusCode::NO_CONTENT, cleared(&app.tokens)).into_response())
}

/// `POST /api/logout-everywhere`: ends all sessions of the caller, who shows either kind of token.
pub(crate) async fn logout_everywhere(
    caller: Jwt<AccessClaims>,
    State(app): State<App>,
) -> Result<Response, AppError> {
    app.tokens.refresh.end_all(&caller.standard.sub).await?;
    Ok((StatusCode::NO_CONTENT, cleared(&app.tokens)).into_response())
}

/// `GET /api/session`: what the caller's access token says, for a page whose script cannot read it.
pub(crate) async fn show(caller: Option<Jwt<AccessClaims>>, request: axum::extract::Request) -> Json<Value> {
    let (Some(jwt), Ok(token)) = (caller, RawToken::of(request.extensions())) else {
        let refreshable = refresh_cookie(request.headers()).is_some();
        return Json(json!({ "active": false, "refreshable": refreshable }));
    };
    // The token was verified, so that this only reads.
    let mut parts = token.expose().split('.').map(|part| {
        URL_SAFE_NO_PAD.decode(part).ok().and_then(|json| serde_json::from_slice::<Value>(&json).ok())
    });
    let (header, claims) = (parts.next().flatten(), parts.next().flatten());
    let now = Jwt::principal(&jwt).verified_at().as_secs();
    Json(json!({ "active": true, "header": header, "claims": claims, "now": now }))
}

fn in_body(pair: &Pair) -> Response {
    let body = json!({
        "access_token": pair.access,
        "token_type": "Bearer",
        "expires_in": pair.lifetime.as_secs(),
        "refresh_token": pair.refresh.as_str(),
    });
    Json(body).into_response()
}

fn in_cookies(tokens: &Tokens, pair: &Pair) -> Result<Response, AppError> {
    let ends = pair.session.expires_at().saturating_since(pair.session.last_used_at());
    let cookies = AppendHeaders([
        (SET_COOKIE, tokens.access_cookie.set(&pair.access, pair.lifetime)?),
        (SET_COOKIE, tokens.refresh_cookie.set(pair.refresh.as_str(), ends)?),
    ]);
    Ok((cookies, Json(json!({ "expires_in": pair.lifetime.as_secs() }))).into_response())
}

fn cleared(tokens: &Tokens) -> AppendHeaders<[(HeaderName, HeaderValue); 2]> {
    AppendHeaders([(SET_COOKIE, tokens.access_cookie.clear()), (SET_COOKIE, tokens.refresh_cookie.clear())])
}

/// Ends the sessions whose tokens a browser sends. Of two it is not known which is its own, but neither is to live on.
async fn end_all_of(tokens: &Tokens, headers: &HeaderMap) -> Result<(), AppError> {
    for token in refresh_cookies(headers) {
        tokens.refresh.end(&token).await?;
    }
    Ok(())
}

/// The refresh token of a browser. Two of them are none: there is no telling who has set which.
fn refresh_cookie(headers: &HeaderMap) -> Option<RefreshToken> {
    let mut ours = refresh_cookies(headers);
    let first = ours.next()?;
    ours.next().is_none().then_some(first)
}

fn refresh_cookies(headers: &HeaderMap) -> impl Iterator<Item = RefreshToken> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let cookies = lines.flat_map(Cookie::split_parse).filter_map(Result::ok);
    cookies.filter(|cookie| cookie.name() == REFRESH_COOKIE).map(|cookie| cookie.value().into())
}
