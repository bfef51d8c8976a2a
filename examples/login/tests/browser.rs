//! A browser: tokens in cookies, and other sites that would like to use them.

use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use serde_json::json;

use crate::support::{Site, URL, credentials};

#[tokio::test]
async fn tokens_are_in_cookies_and_nowhere_else() {
    let site = Site::start().await;
    let answer = site.post_from_page("/session/login", "", credentials("admin")).await;
    assert_eq!(answer.json(), json!({ "expires_in": 60 }));
    let set: Vec<_> =
        answer.headers.get_all(SET_COOKIE).iter().map(|value| value.to_str().unwrap()).collect();
    for (cookie, (name, seconds)) in set.iter().zip([("__Host-access", 60), ("__Host-refresh", 14 * 86_400)])
    {
        let attributes: Vec<_> = cookie.split("; ").skip(1).collect();
        assert!(cookie.starts_with(&format!("{name}=")), "{cookie}");
        for attribute in ["HttpOnly", "Secure", "SameSite=Strict", "Path=/", &format!("Max-Age={seconds}")] {
            assert!(attributes.contains(&attribute), "{attribute}: {cookie}");
        }
        assert!(!cookie.contains("Domain"));
    }
    assert_eq!(set.len(), 2);

    let cookies = answer.cookies().join("; ");
    let session = site.ask("GET", "/api/session", &[("cookie", &cookies)], None).await.json();
    assert_eq!(
        (&session["active"], &session["claims"]["preferred_username"]),
        (&json!(true), &json!("admin"))
    );
    let created = site.post_from_page("/api/notes", &cookies, json!({ "text": "milk" })).await;
    assert_eq!(created.status, StatusCode::CREATED);
}

#[tokio::test]
async fn nothing_of_a_user_is_kept_by_a_cache() {
    let site = Site::start().await;
    let cookies = site.log_in_from_page("admin").await;
    for path in ["/api/session", "/api/notes", "/api/users"] {
        let answer = site.ask("GET", path, &[("cookie", &cookies)], None).await;
        assert_eq!(
            (answer.status, &answer.headers["cache-control"]),
            (StatusCode::OK, &"no-store".parse().unwrap()),
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_page_learns_whether_a_refresh_would_help() {
    let site = Site::start().await;
    let cookies = site.log_in_from_page("admin").await;
    let ask = async |cookies: &str| site.ask("GET", "/api/session", &[("cookie", cookies)], None).await;
    assert_eq!(ask("").await.json(), json!({ "active": false, "refreshable": false }));
    let refresh = cookies.split("; ").find(|cookie| cookie.starts_with("__Host-refresh")).unwrap();
    assert_eq!(ask(refresh).await.json(), json!({ "active": false, "refreshable": true }));
    assert_eq!(ask("__Host-access=x.y.z").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn refresh_and_logout() {
    let site = Site::start().await;
    let old = site.log_in_from_page("admin").await;
    let answer = site.post_from_page("/session/refresh", &old, json!({})).await;
    assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!({ "expires_in": 60 })));
    let new = answer.cookies().join("; ");
    assert_ne!(old, new);

    let out = site.post_from_page("/session/logout", &new, json!({})).await;
    assert_eq!(out.status, StatusCode::NO_CONTENT);
    let cleared = || out.headers.get_all(SET_COOKIE).iter().map(|value| value.to_str().unwrap());
    assert!(cleared().all(|cookie| cookie.contains("Max-Age=0")) && cleared().count() == 2);
    assert_eq!(out.cookies(), ["__Host-access=", "__Host-refresh="]);
    let after = site.ask("GET", "/api/notes", &[("cookie", &new)], None).await;
    assert_eq!(after.status, StatusCode::UNAUTHORIZED, "who kept the cookies has nothing");
    let refused = site.post_from_page("/session/refresh", &new, json!({})).await;
    assert_eq!((refused.status, refused.error().as_str()), (StatusCode::BAD_REQUEST, "invalid_grant"));
    assert_eq!(refused.cookies(), ["__Host-access=", "__Host-refresh="], "the rest is tidied away");
    assert_eq!(site.post_from_page("/session/logout", "", json!({})).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_logout_with_two_tokens_ends_both() {
    let site = Site::start().await;
    for planted_first in [false, true] {
        let cookies = site.log_in_from_page("admin").await;
        let planted = "__Host-refresh=planted";
        let tossed =
            if planted_first { format!("{planted}; {cookies}") } else { format!("{cookies}; {planted}") };
        let out = site.post_from_page("/session/logout", &tossed, json!({})).await;
        assert_eq!(out.status, StatusCode::NO_CONTENT);
        let refreshed = site.post_from_page("/session/refresh", &cookies, json!({})).await;
        assert_eq!(refreshed.status, StatusCode::BAD_REQUEST, "it said that the session is over");
    }
}

#[tokio::test]
async fn a_login_ends_the_session_whose_cookies_it_replaces() {
    let site = Site::start().await;
    let old = site.log_in_from_page("admin").await;
    let mut wrong = credentials("admin");
    wrong["password"] = json!("not the password");
    assert_eq!(site.post_from_page("/session/login", &old, wrong).await.status, StatusCode::BAD_REQUEST);
    let access =
        async |cookies: &str| site.ask("GET", "/api/notes", &[("cookie", cookies)], None).await.status;
    assert_eq!(access(&old).await, StatusCode::OK, "a failed login changes nothing");
    let new = site.post_from_page("/session/login", &old, credentials("admin")).await.cookies().join("; ");
    assert_eq!((access(&old).await, access(&new).await), (StatusCode::UNAUTHORIZED, StatusCode::OK));
}

#[tokio::test]
async fn a_stolen_refresh_cookie_shows_itself() {
    let site = Site::start().await;
    let stolen = site.log_in_from_page("admin").await;
    let next = site.post_from_page("/session/refresh", &stolen, json!({})).await.cookies().join("; ");
    site.clock.advance(Duration::from_secs(11));
    assert_eq!(
        site.post_from_page("/session/refresh", &stolen, json!({})).await.status,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        site.post_from_page("/session/refresh", &next, json!({})).await.status,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn another_site_gets_nothing_done() {
    let site = Site::start().await;
    let cookies = site.log_in_from_page("admin").await;
    let before = site.app.passwords.comparisons();
    let paths = [
        "/session/login",
        "/session/refresh",
        "/session/logout",
        "/api/login",
        "/api/signup",
        "/api/logout",
        "/api/logout-everywhere",
        "/api/notes",
    ];
    for path in paths {
        for hostile in [
            &[("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")][..],
            &[("sec-fetch-site", "same-site"), ("origin", "http://localhost:3001")],
            &[("origin", "https://evil.example")],
            &[("origin", "null")],
        ] {
            let headers: Vec<_> = hostile.iter().copied().chain([("cookie", cookies.as_str())]).collect();
            let answer = site.ask("POST", path, &headers, Some(credentials("admin"))).await;
            let said = (answer.status, answer.error());
            assert_eq!(said, (StatusCode::FORBIDDEN, "cross_site".to_owned()), "{path} {hostile:?}");
            assert!(answer.cookies().is_empty());
        }
    }
    assert_eq!(site.app.passwords.comparisons(), before);
    // A cookie without a word from a browser about where the request comes from.
    let silent = site.ask("POST", "/api/notes", &[("cookie", &cookies)], Some(json!({ "text": "x" }))).await;
    assert_eq!(silent.status, StatusCode::FORBIDDEN);
    // The session is still there.
    assert_eq!(site.post_from_page("/session/refresh", &cookies, json!({})).await.status, StatusCode::OK);
}

#[tokio::test]
async fn two_tokens_are_none() {
    let site = Site::start().await;
    let cookies = site.log_in_from_page("admin").await;
    let (access, _) = site.log_in("admin").await;
    let bearer = format!("Bearer {access}");
    let both = [("cookie", cookies.as_str()), ("authorization", &bearer)];
    assert_eq!(site.ask("GET", "/api/notes", &both, None).await.status, StatusCode::BAD_REQUEST);
    let tossed = format!("{cookies}; __Host-refresh=planted");
    let refused = site.post_from_page("/session/refresh", &tossed, json!({})).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert_eq!(site.post_from_page("/session/refresh", &cookies, json!({})).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_page_is_locked_down() {
    let site = Site::start().await;
    for (path, media_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/style.css", "text/css; charset=utf-8"),
        ("/app.js", "text/javascript; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
    ] {
        let answer = site.ask("GET", path, &[], None).await;
        assert_eq!(
            (answer.status, answer.headers["content-type"].to_str().unwrap()),
            (StatusCode::OK, media_type)
        );
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; ") && policy.contains("frame-ancestors 'none'"));
        assert!(!policy.contains("unsafe"));
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert!(!answer.headers.contains_key("strict-transport-security"), "only over https: {URL}");
    }
    let page = String::from_utf8(site.ask("GET", "/", &[], None).await.body).unwrap();
    assert!(!page.contains("style=") && !page.contains("onclick") && !page.contains("<script>"));
    let wrong = site.ask("GET", "/api/login", &[], None).await;
    assert_eq!(
        (wrong.status, &wrong.headers["allow"]),
        (StatusCode::METHOD_NOT_ALLOWED, &"POST".parse().unwrap())
    );
    let missing = site.ask("GET", "/nothing", &[], None).await;
    assert_eq!((missing.status, missing.error().as_str()), (StatusCode::NOT_FOUND, "not_found"));
}
