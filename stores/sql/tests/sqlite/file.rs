//! What is special to SQLite: its file, its tables in the database of the application.

use tower_jwt_auth_sql::Migration;

use super::*;

#[cfg(unix)]
#[tokio::test]
async fn a_new_file_is_for_its_owner_only_as_are_the_files_beside_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let world = open(&folder.path().join("sessions.db")).await;
    world.login().await;
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(Result::unwrap).collect();
    assert_eq!(files.len(), 3, "the database, its log, its shared memory: {files:?}");
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    drop(open(&path).await);
    for mode in [0o640, 0o604, 0o620] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let error = SqliteStores::open(&path).await.unwrap_err().to_string();
        assert!(error.contains("sessions.db") && error.contains("chmod 600"), "{error}");
    }
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    open(&path).await.login().await;
}

#[tokio::test]
async fn sessions_survive_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    let tokens = open(&path).await.chain(1).await;
    let world = open(&path).await;
    assert_same(&world.rotate(&tokens[0]).await.unwrap(), &tokens[1]);
    world.rotate(&tokens[1]).await.unwrap();
}

#[tokio::test]
async fn it_lives_in_the_database_of_the_application() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.db");
    let app = pool(&path);
    let schema = "CREATE TABLE users (name TEXT); INSERT INTO users VALUES ('bob'); PRAGMA user_version = 7;";
    sqlx::raw_sql(schema).execute(&app).await.unwrap();
    let stores = SqliteStores::new(app.clone());
    stores.migrate().await.unwrap();
    let world = World::new(Arc::new(stores.refresh()));
    let token = world.login().await;
    world.rotate(&token).await.unwrap();
    let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&app).await.unwrap();
    assert_eq!(version, 7, "the version is the application's");
    let name: String = sqlx::query_scalar("SELECT name FROM users").fetch_one(&app).await.unwrap();
    assert_eq!(name, "bob");
    let others =
        "SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE 'tower_jwt_auth_%' AND name != 'users'
        AND name NOT LIKE 'sqlite_autoindex_tower_jwt_auth_%'";
    let others: i64 = sqlx::query_scalar(others).fetch_one(&app).await.unwrap();
    assert_eq!(others, 0, "all names have the prefix");
}

/// Whatever the pool of the application is set to.
#[tokio::test]
async fn changes_are_durable_and_the_deleted_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    let app = pool(&path);
    let settings = async || -> (i64, i64, String) {
        sqlx::query_as("SELECT * FROM pragma_synchronous, pragma_secure_delete, pragma_journal_mode")
            .fetch_one(&app)
            .await
            .unwrap()
    };
    let loosen = "PRAGMA synchronous = OFF; PRAGMA secure_delete = OFF";
    sqlx::raw_sql(loosen).execute(&app).await.unwrap();
    assert_eq!(settings().await, (0, 0, "delete".to_owned()));
    let stores = SqliteStores::new(app.clone());
    stores.migrate().await.unwrap();
    assert_eq!(settings().await, (2, 1, "wal".to_owned()));

    let world = World::new(Arc::new(stores.refresh()));
    let token = world.login().await;
    sqlx::raw_sql(loosen).execute(&app).await.unwrap();
    world.rotate(&token).await.unwrap();
    assert_eq!(settings().await, (2, 1, "wal".to_owned()), "seen to before each change");
    sqlx::raw_sql("PRAGMA synchronous = EXTRA").execute(&app).await.unwrap();
    world.login().await;
    assert_eq!(settings().await.0, 3, "stricter ones stay");
}

/// With the seals of several rotations a thief could go from an old token to the current one.
#[tokio::test]
async fn old_seals_are_in_none_of_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let world = open(&folder.path().join("sessions.db")).await;
    let mut token = world.login().await;
    let mut seals = Vec::new();
    for _ in 0..4 {
        token = world.rotate(&token).await.unwrap();
        let record = world.store.list("bob".to_owned()).await.unwrap().remove(0);
        let record = serde_json::to_value(&record).unwrap();
        seals.push(record["retry"]["sealed"].as_str().unwrap().to_owned());
    }
    let found = || {
        let files = std::fs::read_dir(folder.path()).unwrap().map(|file| std::fs::read(file.unwrap().path()));
        let bytes = files.collect::<Result<Vec<_>, _>>().unwrap().concat();
        let stands = |seal: &&String| bytes.windows(seal.len()).any(|window| window == seal.as_bytes());
        seals.iter().filter(stands).count()
    };
    assert!(found() > 0, "the search finds what is there");
    world.clock.advance(GRACE);
    world.tokens.remove_expired().await.unwrap();
    assert_eq!(found(), 0);
    world.rotate(&token).await.unwrap();
}

/// A reader that is in the middle of something keeps the log from being emptied, which is said.
#[tokio::test]
async fn a_log_that_cannot_be_emptied_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let app = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_lazy_with(options.busy_timeout(Duration::from_secs(1)));
    let stores = SqliteStores::new(app);
    stores.migrate().await.unwrap();
    let world = World::new(Arc::new(stores.refresh()));
    world.login().await;
    let mut reader = connect(&path).await;
    let mut reading = reader.begin().await.unwrap();
    let _: i64 = sqlx::query_scalar("SELECT count(*) FROM tower_jwt_auth_refresh")
        .fetch_one(&mut *reading)
        .await
        .unwrap();
    let error = world.tokens.remove_expired().await.unwrap_err().to_string();
    assert!(error.contains("try again"), "{error}");
    drop(reading);
    drop(reader);
    world.tokens.remove_expired().await.unwrap();
}

#[tokio::test]
async fn what_is_no_database_or_has_another_table_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text");
    std::fs::write(&path, "not a database, but long enough to be looked at closely".repeat(20)).unwrap();
    make_private(&path);
    let error = SqliteStores::open(&path).await.unwrap_err().to_string();
    assert!(error.contains("not a database"), "{error}");
    assert!(SqliteStores::open(folder.path()).await.is_err(), "a folder");
    assert!(SqliteStores::open(folder.path().join("none/sessions.db")).await.is_err());

    let other = folder.path().join("other.db");
    let app = pool(&other);
    let table = "CREATE TABLE tower_jwt_auth_refresh (id TEXT)";
    sqlx::raw_sql(table).execute(&app).await.unwrap();
    let error = SqliteStores::new(app.clone()).migrate().await.unwrap_err().to_string();
    assert!(error.contains("already exists"), "{error}");
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema").fetch_one(&app).await.unwrap();
    assert_eq!(tables, 1, "all of a migration, or nothing of it");
}

fn make_private(path: &Path) {
    #[cfg(unix)]
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    #[cfg(not(unix))]
    let _ = path;
}

#[tokio::test]
async fn a_pool_that_does_not_wait_or_has_many_databases_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteConnectOptions::new().filename(folder.path().join("app.db")).create_if_missing(true);
    let app = SqlitePoolOptions::new().connect_lazy_with(options.busy_timeout(Duration::from_millis(999)));
    let error = SqliteStores::new(app).migrate().await.unwrap_err().to_string();
    assert!(error.contains("busy_timeout"), "{error}");

    let memory = || SqliteConnectOptions::new().in_memory(true);
    let many = SqliteStores::new(SqlitePoolOptions::new().connect_lazy_with(memory()));
    let error = many.migrate().await.unwrap_err().to_string();
    assert!(error.contains("max_connections(1)"), "{error}");
    let one = SqliteStores::new(SqlitePoolOptions::new().max_connections(1).connect_lazy_with(memory()));
    one.migrate().await.unwrap();
    World::new(Arc::new(one.refresh())).login().await;
}

/// The statements that are published are the ones that run, once each.
#[tokio::test]
async fn migrations_may_be_run_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.db");
    let app = pool(&path);
    for migration in SqliteStores::migrations() {
        sqlx::raw_sql(migration.sql()).execute(&app).await.unwrap();
    }
    let stores = SqliteStores::new(app.clone());
    stores.migrate().await.unwrap();
    stores.migrate().await.unwrap();
    World::new(Arc::new(stores.refresh())).login().await;
    let versions: Vec<i32> =
        sqlx::query_scalar("SELECT version FROM tower_jwt_auth_migrations").fetch_all(&app).await.unwrap();
    let published: Vec<_> = SqliteStores::migrations().iter().map(Migration::version).collect();
    assert_eq!(versions, published);
}

#[tokio::test]
async fn a_damaged_record_is_an_error_and_never_a_missing_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    let world = open(&path).await;
    let tokens = world.chain(1).await;
    let alter = "UPDATE tower_jwt_auth_refresh SET record = json_set(record, '$.retry.sealed', record ->> '$.current')";
    execute(&path, alter).await;
    let error = world.rotate(&tokens[0]).await.unwrap_err();
    assert!(error.is_transient(), "the altered successor is not handed out: {error:?}");
    execute(&path, "UPDATE tower_jwt_auth_refresh SET record = '{'").await;
    assert!(world.rotate(&tokens[1]).await.unwrap_err().is_transient());
    assert!(world.tokens.sessions("bob").await.is_err());
}

#[test]
fn without_a_runtime_it_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stores = runtime.block_on(async { SqliteStores::open(&path).await.unwrap() });
    let store = stores.refresh();
    let mut answer = std::pin::pin!(store.load("x".to_owned()));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match answer.as_mut().poll(&mut context) {
        std::task::Poll::Ready(Err(error)) => assert!(error.to_string().contains("runtime"), "{error}"),
        other => panic!("{other:?}"),
    }
}

/// How one comes from the store that was in the core.
#[tokio::test]
async fn sessions_of_the_earlier_table_can_be_taken_along() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    let world = open(&path).await;
    let tokens = world.chain(2).await;
    drop(world);
    let earlier = "CREATE TABLE tower_jwt_auth_refresh_1 (id TEXT NOT NULL PRIMARY KEY, subject TEXT NOT NULL,
        expires_at INTEGER NOT NULL, retry_until INTEGER, revision INTEGER NOT NULL, record TEXT NOT NULL)
        STRICT, WITHOUT ROWID;
        INSERT INTO tower_jwt_auth_refresh_1 SELECT * FROM tower_jwt_auth_refresh; DELETE FROM tower_jwt_auth_refresh";
    execute(&path, earlier).await;
    execute(
        &path,
        "INSERT INTO tower_jwt_auth_refresh SELECT * FROM tower_jwt_auth_refresh_1; DROP TABLE tower_jwt_auth_refresh_1;",
    )
    .await;
    open(&path).await.rotate(&tokens[2]).await.unwrap();
}
