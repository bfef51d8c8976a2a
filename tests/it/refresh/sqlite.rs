//! What is special to SQLite: its file, its table in the database of the application, its contract.

use std::path::Path;

use rusqlite::Connection;

use super::*;

fn open(path: &Path) -> World {
    World::new(Arc::new(SqliteRefreshStore::open(path).unwrap()))
}

#[cfg(unix)]
#[tokio::test]
async fn a_new_file_is_for_its_owner_only_as_are_the_files_beside_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let world = open(&folder.path().join("sessions.db"));
    world.login().await;
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(Result::unwrap).collect();
    assert_eq!(files.len(), 3, "the database, its log, its shared memory: {files:?}");
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
}

#[tokio::test]
async fn sessions_survive_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    let tokens = open(&path).chain(1).await;
    let world = open(&path);
    assert_same(&world.rotate(&tokens[0]).await.unwrap(), &tokens[1]);
    world.rotate(&tokens[1]).await.unwrap();
}

#[tokio::test]
async fn it_lives_in_the_database_of_the_application() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.db");
    let app = Connection::open(&path).unwrap();
    app.execute_batch(
        "CREATE TABLE users (name TEXT); INSERT INTO users VALUES ('bob'); PRAGMA user_version = 7;",
    )
    .unwrap();
    let world =
        World::new(Arc::new(SqliteRefreshStore::from_connection(Connection::open(&path).unwrap()).unwrap()));
    let token = world.login().await;
    world.rotate(&token).await.unwrap();
    let version: i64 = app.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(version, 7, "the version is the application's");
    let name: String = app.query_row("SELECT name FROM users", [], |row| row.get(0)).unwrap();
    assert_eq!(name, "bob");
}

#[tokio::test]
async fn changes_are_durable_and_the_deleted_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    // The store takes the connection, so its settings are seen as they are made.
    let connection = Connection::open(&path).unwrap();
    static SETTINGS: std::sync::Mutex<Vec<String>> = std::sync::Mutex::new(Vec::new());
    connection.trace_v2(
        rusqlite::trace::TraceEventCodes::SQLITE_TRACE_STMT,
        Some(|event| {
            if let rusqlite::trace::TraceEvent::Stmt(_, sql) = event
                && sql.starts_with("PRAGMA")
            {
                SETTINGS.lock().unwrap().push(sql.to_owned());
            }
        }),
    );
    SqliteRefreshStore::from_connection(connection).unwrap();
    let settings = SETTINGS.lock().unwrap().join("; ");
    for setting in ["synchronous = FULL", "secure_delete = ON", "journal_mode = WAL"] {
        assert!(settings.contains(setting), "{settings}");
    }
    let mode: String =
        Connection::open(&path).unwrap().query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
}

/// With the seals of several rotations a thief could go from an old token to the current one.
#[tokio::test]
async fn old_seals_are_in_none_of_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let world = open(&folder.path().join("sessions.db"));
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

#[test]
fn what_is_no_database_or_has_another_table_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text");
    std::fs::write(&path, "not a database, but long enough to be looked at closely".repeat(20)).unwrap();
    assert!(SqliteRefreshStore::open(&path).unwrap_err().to_string().contains("not a database"));
    assert!(SqliteRefreshStore::open(folder.path()).is_err(), "a folder");
    assert!(SqliteRefreshStore::open(folder.path().join("none/sessions.db")).is_err());

    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch("CREATE TABLE tower_jwt_auth_refresh_1 (id TEXT)").unwrap();
    assert!(SqliteRefreshStore::from_connection(connection).is_err());
}

#[tokio::test]
async fn a_damaged_record_is_an_error_and_never_a_missing_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    let world = open(&path);
    let tokens = world.chain(1).await;
    let change = |sql: &str| Connection::open(&path).unwrap().execute(sql, []).unwrap();
    change(
        "UPDATE tower_jwt_auth_refresh_1 SET record = json_set(record, '$.retry.sealed', record ->> '$.current')",
    );
    let error = world.rotate(&tokens[0]).await.unwrap_err();
    assert!(error.is_transient(), "the altered successor is not handed out: {error:?}");
    change("UPDATE tower_jwt_auth_refresh_1 SET record = '{'");
    assert!(world.rotate(&tokens[1]).await.unwrap_err().is_transient());
    assert!(world.tokens.sessions("bob").await.is_err());
}

#[test]
fn without_a_runtime_it_says_so() {
    let connection = Connection::open_in_memory().unwrap();
    let store = SqliteRefreshStore::from_connection(connection).unwrap();
    let mut answer = std::pin::pin!(store.load("x".to_owned()));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match answer.as_mut().poll(&mut context) {
        std::task::Poll::Ready(Err(error)) => assert!(error.to_string().contains("runtime"), "{error}"),
        other => panic!("{other:?}"),
    }
}

/// What the trait demands of each store.
#[tokio::test]
async fn stores_keep_their_contract() {
    for store in stores() {
        let world = World::new(Arc::clone(&store));
        let token = world.login().await;
        let old = store.list("bob".to_owned()).await.unwrap().remove(0);
        assert!(store.insert(old.clone()).await.is_err(), "an id is not overwritten");
        world.rotate(&token).await.unwrap();
        let new = store.load(old.id().to_owned()).await.unwrap().unwrap();
        assert_eq!((old.revision(), new.revision()), (0, 1));

        assert!(!store.compare_and_swap(0, old.clone()).await.unwrap(), "the revision has gone on");
        assert!(!store.compare_and_swap(2, old.clone()).await.unwrap(), "nor is it there yet");
        assert!(store.load(old.id().to_owned()).await.unwrap().unwrap() == new);

        assert!(store.load("nothing".to_owned()).await.unwrap().is_none());
        store.remove(vec!["nothing".to_owned(), new.id().to_owned()]).await.unwrap();
        store.remove(vec![]).await.unwrap();
        assert!(!store.compare_and_swap(1, new).await.unwrap(), "what was removed stays removed");
        assert!(store.list("bob".to_owned()).await.unwrap().is_empty());
    }
}
