//! The tables: who makes them, and what they are called.

use super::*;

/// Eight that start at once, each with a pool of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_may_make_the_tables_at_once() {
    for _ in 0..5 {
        let place = Place::new().await;
        let start = Arc::new(tokio::sync::Barrier::new(8));
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let (stores, start) = (PostgresStores::new(place.pool(1)), Arc::clone(&start));
                tokio::spawn(async move {
                    start.wait().await;
                    stores.migrate().await
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        assert_eq!(place.number("SELECT count(*) FROM tower_jwt_auth_migrations").await, 1);
        assert_eq!(place.number("SELECT count(*) FROM tower_jwt_auth_log").await, 1);
    }
}

#[tokio::test]
async fn all_names_have_the_prefix_and_the_rest_is_left_alone() {
    let place = Place::new().await;
    place.execute("CREATE TABLE users (name text); INSERT INTO users VALUES ('bob')").await;
    place.open().await;
    let others = "SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace
        AND relname NOT LIKE 'tower\\_jwt\\_auth\\_%' AND relname != 'users'";
    assert_eq!(place.number(others).await, 0);
    assert_eq!(place.number("SELECT count(*) FROM users").await, 1);
}

#[tokio::test]
async fn migrations_may_be_run_by_hand() {
    let place = Place::new().await;
    for migration in PostgresStores::migrations() {
        place.execute(migration.sql()).await;
    }
    // The service's own role may make no tables, and need not.
    let schema = "SELECT current_schema()::text";
    let schema: String = sqlx::query_scalar(schema).fetch_one(&place.pool).await.unwrap();
    place
        .execute(&format!(
            "CREATE ROLE {schema} LOGIN; GRANT USAGE ON SCHEMA {schema} TO {schema};
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {schema}"
        ))
        .await;
    let weak = place.options.clone().options([("role", schema)]);
    let stores = PostgresStores::new(PgPoolOptions::new().max_connections(2).connect_lazy_with(weak.clone()));
    stores.migrate().await.unwrap();
    let world = World::new(Arc::new(stores.refresh()));
    let token = world.login().await;
    world.rotate(&token).await.unwrap();
    place.execute("INSERT INTO tower_jwt_auth_migrations (version) VALUES (1000)").await;
    stores.migrate().await.expect("a later version runs beside this one");
    place.execute("DROP TABLE tower_jwt_auth_migrations").await;
    let error = stores.migrate().await.unwrap_err().to_string();
    assert!(error.contains("permission denied"), "{error}");
}

#[tokio::test]
async fn another_table_of_the_name_is_an_error_and_nothing_is_left_of_the_migration() {
    let place = Place::new().await;
    place.execute("CREATE TABLE tower_jwt_auth_refresh (id text)").await;
    let error = PostgresStores::new(place.pool(1)).migrate().await.unwrap_err().to_string();
    assert!(error.contains("already exists"), "{error}");
    let tables = "SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace";
    assert_eq!(place.number(tables).await, 1);
}

#[tokio::test]
async fn a_damaged_record_is_an_error_and_never_a_missing_one() {
    let place = Place::new().await;
    let world = World::new(Arc::new(place.open().await.refresh()));
    let token = world.login().await;
    place.execute("UPDATE tower_jwt_auth_refresh SET record = '{}'").await;
    assert!(world.rotate(&token).await.unwrap_err().is_transient());
    assert!(world.tokens.sessions("bob").await.is_err());
}

#[tokio::test]
async fn a_table_does_not_grow_if_nobody_cleans_up() {
    let place = Place::new().await;
    let world = World::with(Arc::new(place.open().await.refresh()), |settings| settings.idle(DAY));
    for n in 0..49 {
        world.tokens.begin(&format!("user {n}")).await.unwrap();
    }
    world.clock.advance(DAY + Duration::from_secs(60 * 60) - MOMENT);
    for n in 0..50 {
        world.tokens.begin(&format!("later {n}")).await.unwrap();
    }
    let count = "SELECT count(*) FROM tower_jwt_auth_refresh";
    assert_eq!(place.number(count).await, 99, "what expired within the last hour stays: clocks differ");
    world.clock.advance(MOMENT);
    for n in 0..50 {
        world.tokens.begin(&format!("last {n}")).await.unwrap();
    }
    assert_eq!(place.number(count).await, 100, "the first 49 are gone");
}

/// Clean-up goes by batches, and to the end.
#[tokio::test]
async fn remove_expired_removes_more_than_a_batch() {
    let place = Place::new().await;
    let world = World::new(Arc::new(place.open().await.refresh()));
    let token = world.login().await;
    world.rotate(&token).await.unwrap();
    let copies = "INSERT INTO tower_jwt_auth_refresh
        SELECT id || n, subject, CASE n % 2 WHEN 1 THEN 1 ELSE expires_at END, retry_until, revision, record
        FROM tower_jwt_auth_refresh, generate_series(1, 1700) n";
    place.execute(copies).await;
    world.clock.advance(GRACE);
    world.tokens.remove_expired().await.unwrap();
    assert_eq!(place.number("SELECT count(*) FROM tower_jwt_auth_refresh").await, 851);
    let retries =
        "SELECT count(*) FROM tower_jwt_auth_refresh WHERE retry_until IS NOT NULL OR record ? 'retry'";
    assert_eq!(place.number(retries).await, 0);
}

/// Names that have expired are forgotten, ten minutes late.
#[tokio::test]
async fn replays_are_cleaned_up() {
    use tower_jwt_auth::ReplayStore;
    let place = Place::new().await;
    let replays = place.open().await.replays();
    let now = "SELECT extract(epoch FROM clock_timestamp())::bigint";
    let now = UnixTime::from_secs(u64::try_from(place.number(now).await).unwrap());
    for n in 0..49 {
        let expires = now.saturating_sub(Duration::from_secs(if n % 2 == 0 { 500 } else { 700 }));
        assert!(replays.insert_if_absent([n; 32], expires).await.unwrap());
        assert!(!replays.insert_if_absent([0; 32], expires).await.unwrap());
    }
    for n in 100..110 {
        replays.insert_if_absent([n; 32], now).await.unwrap();
    }
    assert_eq!(
        place.number("SELECT count(*) FROM tower_jwt_auth_replays WHERE get_byte(name, 0) < 100").await,
        25
    );
}
