//! A program: tokens in bodies and in the `Authorization` header.

use axum::http::StatusCode;
use serde_json::json;
use std::time::Duration;

use crate::support::{PASSWORD, Site, credentials};

#[tokio::test]
async fn sign_up_log_in_and_use_the_token() {
    let site = Site::start().await;
    site.sign_up("Alice").await;
    let answer = site.post("/api/login", credentials("alice")).await;
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert!(!answer.headers.contains_key("set-cookie"));
    let body = answer.json();
    assert_eq!((body["token_type"].as_str(), body["expires_in"].as_u64()), (Some("Bearer"), Some(60)));

    let (access, _) = answer.tokens();
    let created = site.with_token("POST", "/api/notes", &access, Some(json!({ "text": " milk " }))).await;
    assert_eq!(created.status, StatusCode::CREATED);
    let notes = site.with_token("GET", "/api/notes", &access, None).await.json();
    assert_eq!((notes[0]["author"].as_str(), notes[0]["text"].as_str()), (Some("alice"), Some("milk")));

    let session = site.with_token("GET", "/api/session", &access, None).await.json();
    assert_eq!(session["header"]["typ"], "at+jwt");
    let claims = &session["claims"];
    assert_eq!(
        (claims["iss"].as_str(), claims["client_id"].as_str()),
        (Some("http://localhost:3000"), Some("login"))
    );
    assert_eq!(claims["roles"], json!(["reader", "writer"]));
    assert_eq!(claims["auth_time"], claims["iat"], "whole seconds");
    assert_eq!(claims["exp"].as_u64().unwrap() - session["now"].as_u64().unwrap(), 60);
    assert!(!session.to_string().contains(access.rsplit('.').next().unwrap()), "the signature stays out");
}

#[tokio::test]
async fn roles_decide() {
    let site = Site::start().await;
    site.sign_up("alice").await;
    let (admin, _) = site.log_in("admin").await;
    let (alice, refresh) = site.log_in("alice").await;
    let note = Some(json!({ "text": "milk" }));
    let id = site.with_token("POST", "/api/notes", &alice, note.clone()).await.json()["id"].to_string();
    let path = format!("/api/notes/{id}");

    for (method, path) in
        [("DELETE", path.as_str()), ("GET", "/api/users"), ("PUT", "/api/users/alice/roles")]
    {
        let body = (method == "PUT").then(|| json!(["admin"]));
        let answer = site.with_token(method, path, &alice, body).await;
        assert_eq!((answer.status, answer.error().as_str()), (StatusCode::FORBIDDEN, "forbidden"), "{path}");
    }
    assert_eq!(site.with_token("DELETE", &path, &admin, None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(site.with_token("DELETE", &path, &admin, None).await.status, StatusCode::NOT_FOUND);
    assert_eq!(site.with_token("GET", "/api/users", &admin, None).await.json().as_array().unwrap().len(), 2);

    // A role that is taken away is gone with the next refresh.
    let roles = "/api/users/alice/roles";
    let changed = site.with_token("PUT", roles, &admin, Some(json!(["reader"]))).await;
    assert_eq!(changed.status, StatusCode::NO_CONTENT);
    let (alice, _) = site.post("/api/refresh", json!({ "refresh_token": refresh })).await.tokens();
    assert_eq!(site.with_token("POST", "/api/notes", &alice, note).await.status, StatusCode::FORBIDDEN);
    assert_eq!(site.with_token("GET", "/api/notes", &alice, None).await.status, StatusCode::OK);

    let own = site.with_token("PUT", "/api/users/admin/roles", &admin, Some(json!([]))).await;
    assert_eq!(own.status, StatusCode::CONFLICT, "the last administrator stays one");
    let nobody = site.with_token("PUT", "/api/users/eve/roles", &admin, Some(json!([]))).await;
    assert_eq!(nobody.status, StatusCode::NOT_FOUND);
    let unknown = site.with_token("PUT", roles, &admin, Some(json!(["owner"]))).await;
    assert_eq!(unknown.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn who_is_no_administrator_any_more_makes_no_other_one() {
    let site = Site::start().await;
    site.sign_up("mallory").await;
    site.sign_up("friend").await;
    let (admin, _) = site.log_in("admin").await;
    let roles = async |token: &str, name: &str, roles: serde_json::Value| {
        site.with_token("PUT", &format!("/api/users/{name}/roles"), token, Some(roles)).await.status
    };
    assert_eq!(roles(&admin, "mallory", json!(["admin"])).await, StatusCode::NO_CONTENT);
    let (mallory, _) = site.log_in("mallory").await;
    assert_eq!(roles(&mallory, "friend", json!(["writer"])).await, StatusCode::NO_CONTENT);
    assert_eq!(roles(&admin, "mallory", json!([])).await, StatusCode::NO_CONTENT);
    for (name, wanted) in [("friend", json!(["admin"])), ("admin", json!([])), ("mallory", json!(["admin"]))]
    {
        assert_eq!(roles(&mallory, name, wanted).await, StatusCode::FORBIDDEN, "{name}");
    }
    assert_eq!(roles(&admin, "friend", json!(["reader"])).await, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn without_a_good_token_there_is_nothing() {
    let site = Site::start().await;
    let (access, _) = site.log_in("admin").await;
    let missing = site.ask("GET", "/api/notes", &[], None).await;
    assert_eq!((missing.status, missing.error().as_str()), (StatusCode::UNAUTHORIZED, "missing"));
    assert!(missing.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
    let mut forged = access.clone();
    forged.replace_range(forged.len() - 8.., "AAAAAAAA");
    let bad = site.with_token("GET", "/api/notes", &forged, None).await;
    assert_eq!((bad.status, bad.error().as_str()), (StatusCode::UNAUTHORIZED, "invalid_token"));
    site.clock.advance(Duration::from_secs(60 + 31)); // its lifetime and the leeway
    let late = site.with_token("GET", "/api/notes", &access, None).await;
    assert_eq!((late.status, late.body), (StatusCode::UNAUTHORIZED, bad.body), "no word about why");
}

#[tokio::test]
async fn a_token_that_comes_back_ends_the_session() {
    let site = Site::start().await;
    let (_, first) = site.log_in("admin").await;
    let (access, second) = site.post("/api/refresh", json!({ "refresh_token": first })).await.tokens();
    assert_ne!(first, second);
    site.clock.advance(Duration::from_secs(11)); // beyond the grace for lost answers
    let reused = site.post("/api/refresh", json!({ "refresh_token": first })).await;
    assert_eq!((reused.status, reused.error().as_str()), (StatusCode::BAD_REQUEST, "invalid_grant"));
    let rightful = site.post("/api/refresh", json!({ "refresh_token": second })).await;
    assert_eq!((rightful.status, &rightful.body), (StatusCode::BAD_REQUEST, &reused.body));
    let access = site.with_token("GET", "/api/notes", &access, None).await;
    assert_eq!(access.status, StatusCode::UNAUTHORIZED, "its access tokens are dead at once");
    let nonsense = site.post("/api/refresh", json!({ "refresh_token": "x" })).await;
    assert_eq!((nonsense.status, nonsense.body), (StatusCode::BAD_REQUEST, reused.body));
}

#[tokio::test]
async fn logout_ends_one_session_and_everywhere_all() {
    let site = Site::start().await;
    let status = async |token: &str| site.with_token("GET", "/api/notes", token, None).await.status;
    let (first, refresh) = site.log_in("admin").await;
    let (second, _) = site.log_in("admin").await;
    let out = site.post("/api/logout", json!({ "refresh_token": refresh })).await;
    assert_eq!(out.status, StatusCode::NO_CONTENT);
    assert_eq!((status(&first).await, status(&second).await), (StatusCode::UNAUTHORIZED, StatusCode::OK));
    let again = site.post("/api/logout", json!({ "refresh_token": "unknown" })).await;
    assert_eq!(again.status, StatusCode::NO_CONTENT, "RFC 7009 section 2.2");

    let (third, refresh) = site.log_in("admin").await;
    site.sign_up("alice").await;
    let (alice, _) = site.log_in("alice").await;
    let out = site.with_token("POST", "/api/logout-everywhere", &second, Some(json!({}))).await;
    assert_eq!(out.status, StatusCode::NO_CONTENT);
    assert_eq!(
        (status(&second).await, status(&third).await),
        (StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED)
    );
    assert_eq!(status(&alice).await, StatusCode::OK);
    let refreshed = site.post("/api/refresh", json!({ "refresh_token": refresh })).await;
    assert_eq!(refreshed.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_a_sign_up_must_have() {
    let site = Site::start().await;
    site.sign_up("alice").await;
    let status = async |name: &str, password: &str| {
        let body = json!({ "username": name, "password": password });
        site.post("/api/signup", body).await.status
    };
    assert_eq!(status("ALICE", PASSWORD).await, StatusCode::CONFLICT);
    assert_eq!(status("a/b", PASSWORD).await, StatusCode::BAD_REQUEST);
    assert_eq!(status("bob", "fourteen chars").await, StatusCode::BAD_REQUEST);
    assert_eq!(status("bob", &"abcdef ".repeat(200)).await, StatusCode::BAD_REQUEST);
    let extra = json!({ "username": "bob", "password": PASSWORD, "roles": ["admin"] });
    assert_eq!(site.post("/api/signup", extra).await.status, StatusCode::BAD_REQUEST);
    let secret = site.post("/api/signup", json!({ "username": "bob", "password": ["s3cret"] })).await;
    assert!(!String::from_utf8(secret.body).unwrap().contains("s3cret"), "what was sent is not repeated");
}
