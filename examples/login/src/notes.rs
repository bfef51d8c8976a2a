//! The notes: an API to be protected. Each handler says in its signature who may call it.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use tower_jwt_auth::Allowed;

use crate::App;
use crate::db::{Db, on_either};
use crate::error::{AppError, Input};
use crate::roles::{Administer, Read, Write};

/// The longest note, in characters.
const MAX_CHARACTERS: usize = 500;
/// Then somebody has to delete some.
const MAX_NOTES: i64 = 1000;

/// One note.
#[derive(Debug, Serialize)]
pub struct Note {
    id: i64,
    author: String,
    text: String,
    /// Seconds since 1970.
    created: i64,
}

/// A note to be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewNote {
    text: String,
}

/// `GET /api/notes`: the last hundred.
pub(crate) async fn list(_: Allowed<Read>, State(app): State<App>) -> Result<Json<Vec<Note>>, AppError> {
    Ok(Json(app.notes.list().await?))
}

/// `POST /api/notes`.
pub(crate) async fn create(
    writer: Allowed<Write>,
    State(app): State<App>,
    Input(note): Input<NewNote>,
) -> Result<(StatusCode, Json<serde_json::Value>), AppError> {
    let text = note.text.trim().to_owned();
    if text.is_empty() || text.chars().count() > MAX_CHARACTERS {
        return Err(AppError::Invalid(StatusCode::BAD_REQUEST, "A note has 1 to 500 characters."));
    }
    let author = writer.subject().unwrap_or_default().to_owned();
    let id = app.notes.add(author, text).await?.ok_or(AppError::Conflict("There are too many notes."))?;
    Ok((StatusCode::CREATED, Json(serde_json::json!({ "id": id }))))
}

/// `DELETE /api/notes/{id}`.
pub(crate) async fn delete(
    _: Allowed<Administer>,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<StatusCode, AppError> {
    let id = id.parse().map_err(|_| AppError::NotFound)?;
    if app.notes.delete(id).await? { Ok(StatusCode::NO_CONTENT) } else { Err(AppError::NotFound) }
}

/// The table of notes.
#[derive(Clone, Debug)]
pub struct Notes(pub Db);

impl Notes {
    async fn list(&self) -> Result<Vec<Note>, AppError> {
        let select = "SELECT notes.id, username, text, created FROM notes JOIN users ON users.id = author
             ORDER BY notes.id DESC LIMIT 100";
        let rows: Vec<(i64, String, String, i64)> =
            on_either!(&self.0, pool => sqlx::query_as(select).fetch_all(pool).await?);
        let note = |(id, author, text, created)| Note { id, author, text, created };
        Ok(rows.into_iter().map(note).collect())
    }

    /// `None` if there are too many.
    async fn add(&self, author: String, text: String) -> Result<Option<i64>, AppError> {
        let insert = "INSERT INTO notes (author, text)
             SELECT $1, $2 WHERE (SELECT count(*) FROM notes) < $3 RETURNING id";
        Ok(on_either!(&self.0, pool => {
            let insert = sqlx::query_scalar(insert).bind(author).bind(text).bind(MAX_NOTES);
            insert.fetch_optional(pool).await?
        }))
    }

    async fn delete(&self, id: i64) -> Result<bool, AppError> {
        let delete = "DELETE FROM notes WHERE id = $1";
        let deleted =
            on_either!(&self.0, pool => sqlx::query(delete).bind(id).execute(pool).await?.rows_affected());
        Ok(deleted == 1)
    }
}
