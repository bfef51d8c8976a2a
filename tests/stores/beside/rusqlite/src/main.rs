//! An application with rusqlite: its notes and our sessions are in one database file, behind connections of their own.

use std::convert::Infallible;
use std::error::Error;

use rusqlite::Connection;
use tower_jwt_auth::{KeyRing, RefreshTokens};
use tower_jwt_auth_sql::SqliteStores;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("app.db");
    let stores = SqliteStores::open(&path).await?;
    let app = Connection::open(&path)?;
    app.execute_batch("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT")?;

    let ring = KeyRing::builder(stores.keys("ring")).open().await?;
    let sessions = RefreshTokens::builder(stores.refresh()).build()?;
    let mut token = sessions.begin("bob").await?.token;
    let load = async |_| Ok::<_, Infallible>(Some(()));
    for n in 0..100 {
        app.execute("INSERT INTO notes (text) VALUES (?1)", [format!("note {n}")])?;
        token = sessions.rotate(&token, load).await?.token;
    }

    let count: i64 = app.query_row("SELECT count(*) FROM notes", [], |row| row.get(0))?;
    let live = sessions.sessions("bob").await?.len();
    assert_eq!((count, live, ring.keys().count() > 0), (100, 1, true));
    println!("rusqlite, one file: {count} notes, {live} session rotated {count} times, SQLite {}", rusqlite::version());
    Ok(())
}
