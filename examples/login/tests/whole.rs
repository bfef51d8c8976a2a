//! Across restarts, and over a socket.

use std::net::SocketAddr;
use std::time::Duration;

use axum::http::StatusCode;
use login::App;
use login::config::Config;
use login::users::Username;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower_jwt_auth::{SystemClock, TestClock};

use crate::support::{PASSWORD, Site, URL, credentials};

#[cfg(unix)]
#[tokio::test]
async fn a_directory_in_which_others_can_put_a_database_is_refused() {
    use std::os::unix::fs::PermissionsExt;

    let dir = tempfile::tempdir().unwrap();
    let config = Config { dir: dir.path().to_owned(), ..Config::default() };
    for (mode, taken) in [(0o1777, false), (0o770, false), (0o755, true)] {
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        let opened = login::App::open(&config, URL, TestClock::now()).await;
        assert_eq!(opened.is_ok(), taken, "{mode:o}: {:?}", opened.err().map(|error| error.to_string()));
    }
}

#[tokio::test]
async fn a_restart_keeps_users_keys_and_sessions() {
    let site = Site::start().await;
    site.sign_up("alice").await;
    let (access, refresh) = site.log_in("alice").await;
    let note = site.with_token("POST", "/api/notes", &access, Some(json!({ "text": "milk" }))).await;
    assert_eq!(note.status, StatusCode::CREATED);
    let keys = site.ask("GET", "/.well-known/jwks.json", &[], None).await.body;

    let site = site.restart().await;
    assert_eq!(site.ask("GET", "/.well-known/jwks.json", &[], None).await.body, keys);
    let notes = site.with_token("GET", "/api/notes", &access, None).await;
    assert_eq!((notes.status, &notes.json()[0]["text"]), (StatusCode::OK, &json!("milk")), "the old token");
    let refreshed = site.post("/api/refresh", json!({ "refresh_token": refresh })).await;
    assert_eq!(refreshed.status, StatusCode::OK);
    site.log_in("alice").await;
    assert_eq!(site.post("/api/signup", credentials("alice")).await.status, StatusCode::CONFLICT);
    let created = site.app.create_admin("another long password".to_owned().into()).await.unwrap();
    assert!(!created, "there are users");
    site.log_in("admin").await;
}

#[tokio::test]
async fn no_administrator_is_made_where_there_are_users() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { dir: dir.path().join("data"), ..Config::default() };
    let app = App::open(&config, "http://localhost:3000", SystemClock).await.unwrap();
    let [alice, admin] = ["alice", "admin"].map(|name| Username::parse(name).unwrap());
    app.users.add(&alice, "hash".to_owned(), &[]).await.unwrap().unwrap();
    assert!(!app.create_admin(PASSWORD.to_owned().into()).await.unwrap());
    assert!(app.users.by_name(&admin).await.unwrap().is_none());
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read_the_files() {
    use std::os::unix::fs::PermissionsExt;

    let dir = tempfile::tempdir().unwrap();
    let config = Config { dir: dir.path().join("deep/data"), ..Config::default() };
    let _app = App::open(&config, "http://localhost:3000", SystemClock).await.unwrap();
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&config.dir), 0o700);
    let mut names = Vec::new();
    for file in std::fs::read_dir(&config.dir).unwrap() {
        let file = file.unwrap();
        assert_eq!(mode(&file.path()), 0o600, "{:?}", file.file_name());
        names.push(file.file_name().into_string().unwrap());
    }
    for name in ["users.db", "sessions.db", "keys.json"] {
        assert!(names.iter().any(|one| one == name), "{name}: {names:?}");
    }
}

#[tokio::test]
async fn over_a_socket_the_peer_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let config = Config {
        dir: dir.path().join("data"),
        access_lifetime: Duration::from_secs(60),
        ..Config::default()
    };
    // The clock stands, however long six logins take here.
    let url = format!("http://localhost:{}", address.port());
    let app = App::open(&config, &url, TestClock::now()).await.unwrap();
    app.create_admin(PASSWORD.to_owned().into()).await.unwrap();
    let service = app.router().unwrap().into_make_service_with_connect_info::<SocketAddr>();
    let server = tokio::spawn(async move { axum::serve(listener, service).await });

    let body = credentials("admin").to_string();
    let request = format!(
        "POST /session/login HTTP/1.1\r\nHost: localhost:{}\r\nContent-Type: application/json\r\n\
         Sec-Fetch-Site: same-origin\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        address.port(),
        body.len()
    );
    let mut statuses = Vec::new();
    for _ in 0..6 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        statuses.push(answer.split(' ').nth(1).unwrap().to_owned());
    }
    assert_eq!(statuses, ["200", "200", "200", "200", "200", "429"]);
    server.abort();
}
