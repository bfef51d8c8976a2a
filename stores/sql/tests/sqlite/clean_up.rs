//! What new sessions clean up, without being told.

use sqlx::sqlite::SqlitePool;
use tower_jwt_auth::{Clock, TestClock};

use super::*;

async fn count(pool: &SqlitePool) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM tower_jwt_auth_refresh").fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn a_table_does_not_grow_if_nobody_cleans_up() {
    let folder = tempfile::tempdir().unwrap();
    let app = pool(&folder.path().join("app.db"));
    let stores = SqliteStores::new(app.clone());
    stores.migrate().await.unwrap();
    let world = World::with(Arc::new(stores.refresh()), |settings| settings.idle(DAY));
    for n in 0..49 {
        world.tokens.begin(&format!("user {n}")).await.unwrap();
    }
    world.clock.advance(DAY + Duration::from_secs(60 * 60) - MOMENT);
    for n in 0..50 {
        world.tokens.begin(&format!("later {n}")).await.unwrap();
    }
    assert_eq!(count(&app).await, 99, "what expired within the last hour stays: clocks differ");
    world.clock.advance(MOMENT);
    for n in 0..50 {
        world.tokens.begin(&format!("last {n}")).await.unwrap();
    }
    assert_eq!(count(&app).await, 100, "the first 49 are gone");
}

/// A process with a clock that is years ahead logs its own users out, and nobody else.
#[tokio::test]
async fn a_clock_that_runs_ahead_removes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let app = pool(&folder.path().join("app.db"));
    let stores = SqliteStores::new(app.clone());
    stores.migrate().await.unwrap();
    let world = World::new(Arc::new(stores.refresh()));
    world.clock.set(TestClock::now().now());
    let token = world.login().await;
    world.clock.advance(1000 * DAY);
    for n in 0..60 {
        world.tokens.begin(&format!("user {n}")).await.unwrap();
    }
    world.clock.set(TestClock::now().now());
    world.rotate(&token).await.expect("it is there");
}

/// Clean-up goes by batches, and to the end.
#[tokio::test]
async fn remove_expired_removes_more_than_a_batch() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.db");
    let app = pool(&path);
    let stores = SqliteStores::new(app.clone());
    stores.migrate().await.unwrap();
    let world = World::new(Arc::new(stores.refresh()));
    let token = world.login().await;
    world.rotate(&token).await.unwrap();
    let copies = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 1700)
        INSERT INTO tower_jwt_auth_refresh SELECT id || n, subject, CASE n % 2 WHEN 1 THEN 1 ELSE expires_at END,
            retry_until, revision, record FROM tower_jwt_auth_refresh, n";
    execute(&path, copies).await;
    assert_eq!(count(&app).await, 1701);
    world.clock.advance(GRACE);
    world.tokens.remove_expired().await.unwrap();
    assert_eq!(count(&app).await, 851);
    let retries = "SELECT count(*) FROM tower_jwt_auth_refresh WHERE retry_until IS NOT NULL OR record ->> '$.retry' IS NOT NULL";
    let retries: i64 = sqlx::query_scalar(retries).fetch_one(&app).await.unwrap();
    assert_eq!(retries, 0);
}
