//! An application with sqlx: its notes and our sessions are in one database, behind one pool.

use std::convert::Infallible;
use std::error::Error;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use tower_jwt_auth::{KeyRing, RefreshTokens};
use tower_jwt_auth_sql::SqliteStores;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let options = SqliteConnectOptions::new().filename(folder.path().join("app.db")).create_if_missing(true);
    let pool = SqlitePool::connect_with(options).await?;
    sqlx::raw_sql("CREATE TABLE notes (text TEXT NOT NULL) STRICT").execute(&pool).await?;

    let stores = SqliteStores::new(pool.clone());
    stores.migrate().await?;
    let ring = KeyRing::builder(stores.keys("ring")).open().await?;
    let sessions = RefreshTokens::builder(stores.refresh()).build()?;
    let grant = sessions.begin("bob").await?;
    sqlx::query("INSERT INTO notes (text) VALUES (?)").bind("milk").execute(&pool).await?;
    let load = async |_| Ok::<_, Infallible>(Some(()));
    let rotated = sessions.rotate(&grant.token, load).await?;
    assert_ne!(rotated.token.as_str(), grant.token.as_str());

    let notes: i64 = sqlx::query_scalar("SELECT count(*) FROM notes").fetch_one(&pool).await?;
    let ours: i64 = sqlx::query_scalar("SELECT count(*) FROM tower_jwt_auth_refresh").fetch_one(&pool).await?;
    let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&pool).await?;
    assert_eq!((notes, ours, ring.keys().count() > 0), (1, 1, true));
    println!("sqlx, one pool: {notes} note, {ours} session rotated, SQLite {version}");
    Ok(())
}
