//! Accounts over HTTP: sign up, and what administrators do with the users.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use tower_jwt_auth::Allowed;

use crate::App;
use crate::client::Client;
use crate::error::{AppError, Input};
use crate::passwords::Password;
use crate::roles::Administer;
use crate::users::{Role, User, Username};

/// What to log in with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// As it was typed.
    pub username: String,
    /// As it was typed.
    pub password: Password,
}

/// What others may see of a user.
#[derive(Debug, Serialize)]
pub struct Profile {
    username: String,
    roles: Vec<Role>,
}

impl From<User> for Profile {
    fn from(user: User) -> Self {
        Self { username: user.username, roles: user.roles }
    }
}

/// `POST /api/signup`: a new account that may list and create notes.
pub(crate) async fn sign_up(
    State(app): State<App>,
    client: Client,
    Input(wanted): Input<Credentials>,
) -> Result<(StatusCode, Json<Profile>), AppError> {
    const BAD_NAME: &str =
        "A name has 3 to 32 letters a to z, digits, dots, hyphens and underscores, a letter first.";
    let name = Username::parse(&wanted.username);
    let name = name.ok_or(AppError::Invalid(StatusCode::BAD_REQUEST, BAD_NAME))?;
    wanted.password.check(name.as_str())?;
    app.limits.sign_up(client.0)?;
    let hash = app.passwords.hash(wanted.password).await?;
    let user = app.users.add(&name, hash, &[Role::Reader, Role::Writer]).await?;
    let user = user.ok_or(AppError::Conflict("This name is taken."))?;
    Ok((StatusCode::CREATED, Json(user.into())))
}

/// `GET /api/users`.
pub(crate) async fn list(
    _admin: Allowed<Administer>,
    State(app): State<App>,
) -> Result<Json<Vec<Profile>>, AppError> {
    Ok(Json(app.users.list().await?.into_iter().map(Profile::from).collect()))
}

/// `PUT /api/users/{username}/roles` with an array of roles. Tokens that are out keep the old ones until they are
/// refreshed, so here the database is asked: who has just lost the right to give rights must not give them to a friend.
pub(crate) async fn set_roles(
    admin: Allowed<Administer>,
    State(app): State<App>,
    Path(username): Path<String>,
    Input(roles): Input<Vec<Role>>,
) -> Result<StatusCode, AppError> {
    let caller = app.users.by_id(admin.subject().unwrap_or_default()).await?;
    if !caller.is_some_and(|caller| caller.roles.contains(&Role::Admin)) {
        return Err(AppError::Forbidden);
    }
    let name = Username::parse(&username).ok_or(AppError::NotFound)?;
    let user = app.users.by_name(&name).await?.ok_or(AppError::NotFound)?;
    if Some(user.id.as_str()) == admin.subject() {
        // So there is always somebody left who can.
        return Err(AppError::Conflict("Somebody else has to change your roles."));
    }
    let known = app.users.set_roles(&name, &roles).await?;
    if known { Ok(StatusCode::NO_CONTENT) } else { Err(AppError::NotFound) }
}

/// `POST /api/keys/rotate`: publishes the next signing key, which signs after a day; each process does so within a minute.
pub(crate) async fn rotate_keys(
    _admin: Allowed<Administer>,
    State(app): State<App>,
) -> Result<Json<serde_json::Value>, AppError> {
    let kid = app.tokens.keys.rotate().await?;
    Ok(Json(serde_json::json!({ "kid": kid })))
}
