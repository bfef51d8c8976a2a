//! Guessing, floods, and what an answer gives away.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use login::users::Username;
use serde_json::json;

use crate::support::{Answer, PASSWORD, Site, credentials};

#[tokio::test]
async fn an_unknown_user_looks_like_a_wrong_password() {
    let site = Site::start().await;
    site.sign_up("alice").await;
    for path in ["/api/login", "/session/login"] {
        let attempt = async |name: &str| {
            let before = site.app.passwords.comparisons();
            let body = json!({ "username": name, "password": "not the password" });
            let answer = site.post(path, body).await;
            (answer, site.app.passwords.comparisons() - before)
        };
        let seen = |(answer, work): (Answer, u64)| (answer.status, answer.headers, answer.body, work);
        let wrong = seen(attempt("alice").await);
        assert_eq!((wrong.0, wrong.3), (StatusCode::BAD_REQUEST, 1));
        assert_eq!(seen(attempt("nobody").await), wrong);
        assert_eq!(seen(attempt("no such name!").await), wrong, "not even a name");
    }
    let before = site.app.passwords.comparisons();
    site.log_in("alice").await;
    assert_eq!(site.app.passwords.comparisons() - before, 1);
}

#[tokio::test]
async fn the_sixth_attempt_has_to_wait() {
    let mut site = Site::start().await;
    site.sign_up("alice").await;
    let wrong = json!({ "username": "alice", "password": "not the password" });
    for _ in 0..5 {
        assert_eq!(site.post("/api/login", wrong.clone()).await.status, StatusCode::BAD_REQUEST);
    }
    let before = site.app.passwords.comparisons();
    let capital = json!({ "username": "ALICE", "password": PASSWORD });
    for (path, body) in [("/api/login", credentials("alice")), ("/session/login", capital)] {
        let refused = site.post(path, body).await;
        assert_eq!(
            (refused.status, refused.error().as_str()),
            (StatusCode::TOO_MANY_REQUESTS, "too_many_requests")
        );
        assert_eq!(refused.headers["retry-after"], "12");
    }
    assert_eq!(site.app.passwords.comparisons(), before, "it costs no work");
    site.log_in("admin").await;
    site.address = "192.0.2.2:5000";
    site.log_in("alice").await; // Somebody else cannot lock her out.
    site.address = "192.0.2.1:5000";
    site.clock.advance(Duration::from_secs(12));
    site.log_in("alice").await;
}

#[tokio::test]
async fn an_address_has_a_bound_over_all_accounts() {
    let site = Site::start().await;
    // Sign-ups of names that cannot be count for nothing, and those that cost a hash for one each.
    site.post("/api/signup", json!({ "username": "!", "password": PASSWORD })).await;
    for n in 0..30 {
        let answer =
            site.post("/api/login", json!({ "username": format!("user{n}"), "password": "x" })).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "attempt {n}");
    }
    assert_eq!(site.post("/api/login", credentials("admin")).await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(site.post("/api/signup", credentials("alice")).await.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn a_large_body_is_refused() {
    let site = Site::start().await;
    let huge = "x".repeat(9 * 1024);
    for path in ["/api/login", "/session/login", "/api/signup", "/api/refresh", "/api/logout"] {
        let answer = site.post(path, json!({ "username": "alice", "password": huge })).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{path}");
    }
}

#[tokio::test]
async fn only_json() {
    let site = Site::start().await;
    for path in
        ["/api/login", "/session/login", "/session/refresh", "/session/logout", "/api/notes", "/api/signup"]
    {
        for media_type in ["application/x-www-form-urlencoded", "text/plain", "application/jsonx", ""] {
            let request = Request::post(path).header("content-type", media_type);
            let answer = site.send(request.body(Body::from(credentials("admin").to_string())).unwrap()).await;
            assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{path} {media_type:?}");
        }
    }
    let request = Request::post("/api/login").header("content-type", "Application/JSON; charset=utf-8");
    let answer = site.send(request.body(Body::from(credentials("admin").to_string())).unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn an_old_hash_is_made_anew_by_a_login() {
    use argon2::{Argon2, Params, PasswordHasher, password_hash::SaltString};

    let site = Site::start().await;
    let weak = Argon2::new(
        argon2::Algorithm::Argon2id,
        argon2::Version::V0x13,
        Params::new(64, 1, 1, None).unwrap(),
    );
    let salt = SaltString::encode_b64(&[7; 16]).unwrap();
    let old = weak.hash_password(PASSWORD.as_bytes(), &salt).unwrap().to_string();
    let name = Username::parse("alice").unwrap();
    site.app.users.add(&name, old.clone(), &[]).await.unwrap().unwrap();
    let hash = async || site.app.users.by_name(&name).await.unwrap().unwrap().password_hash;

    site.post("/api/login", json!({ "username": "alice", "password": "not the password" })).await;
    assert_eq!(hash().await, old);
    site.log_in("alice").await;
    let new = hash().await;
    assert!(new.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{new}");
    site.log_in("alice").await;
    assert_eq!(hash().await, new);
}
