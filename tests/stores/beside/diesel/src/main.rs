//! An application with diesel: its notes and our sessions are in one database file, behind connections of their own.

use std::convert::Infallible;
use std::error::Error;

use diesel::prelude::*;
use tower_jwt_auth::{KeyRing, RefreshTokens};
use tower_jwt_auth_sql::SqliteStores;

diesel::table! {
    notes (id) {
        id -> Integer,
        text -> Text,
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("app.db");
    let stores = SqliteStores::open(&path).await?;
    let mut app = SqliteConnection::establish(path.to_str().ok_or("a path that is no text")?)?;
    diesel::sql_query("PRAGMA busy_timeout = 5000").execute(&mut app)?;
    diesel::sql_query("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT").execute(&mut app)?;

    let ring = KeyRing::builder(stores.keys("ring")).open().await?;
    let sessions = RefreshTokens::builder(stores.refresh()).build()?;
    let mut token = sessions.begin("bob").await?.token;
    let load = async |_| Ok::<_, Infallible>(Some(()));
    for n in 0..100 {
        diesel::insert_into(notes::table).values(notes::text.eq(format!("note {n}"))).execute(&mut app)?;
        token = sessions.rotate(&token, load).await?.token;
    }

    let count: i64 = notes::table.count().get_result(&mut app)?;
    let live = sessions.sessions("bob").await?.len();
    assert_eq!((count, live, ring.keys().count() > 0), (100, 1, true));
    println!("diesel, one file: {count} notes, {live} session rotated {count} times");
    Ok(())
}
