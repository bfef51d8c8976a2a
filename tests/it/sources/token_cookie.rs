//! The cookie that a login sets and a logout clears, as a browser reads it, and back through the source.

use std::time::Duration;

use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Request, Response};
use serde_json::json;
use tower_jwt_auth::{Csrf, Principal, TokenCookie};

use super::{layer, seen, send, verdict};
use crate::services::quick_world;

const HOUR: Duration = Duration::from_secs(3600);

fn cookie() -> TokenCookie {
    TokenCookie::new("__Host-access").unwrap()
}

/// Name and value, then the attributes in the order of the alphabet.
fn parts(value: &HeaderValue) -> Vec<&str> {
    let mut parts: Vec<&str> = value.to_str().unwrap().split("; ").collect();
    parts[1..].sort_unstable();
    parts
}

#[test]
fn a_cookie_is_set_with_all_that_protects_it() {
    let refresh = TokenCookie::new("__Secure-refresh").unwrap().path("/auth/refresh").unwrap();
    for (cookie, expected) in [
        (cookie(), ["__Host-access=a.b-c_", "HttpOnly", "Max-Age=3600", "Path=/", "SameSite=Lax", "Secure"]),
        (
            refresh.same_site_strict(),
            [
                "__Secure-refresh=a.b-c_",
                "HttpOnly",
                "Max-Age=3600",
                "Path=/auth/refresh",
                "SameSite=Strict",
                "Secure",
            ],
        ),
        (
            cookie().insecure_same_site_none().path("/").unwrap(),
            ["__Host-access=a.b-c_", "HttpOnly", "Max-Age=3600", "Path=/", "SameSite=None", "Secure"],
        ),
    ] {
        let value = cookie.set("a.b-c_", HOUR).unwrap();
        assert_eq!(parts(&value), expected);
        assert!(value.is_sensitive());
        assert!(!format!("{value:?}").contains("a.b-c_"));

        // The same but for the value and the end: it must be the same cookie to the browser.
        let mut gone = expected.to_vec();
        let named = format!("{}=", cookie.name());
        (gone[0], gone[2]) = (&named, "Max-Age=0");
        gone.insert(1, "Expires=Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(parts(&cookie.clear()), gone);
    }
}

#[test]
fn a_name_that_protects_nothing_is_refused() {
    for name in [
        "access",
        "",
        "__Host-",
        "__Secure-",
        "__host-a",
        "__Host_a",
        "_Host-a",
        "x__Host-a",
        "__Host-a b",
        "__Host-a;",
        "__Host-a=b",
        "__Host-\u{e9}",
    ] {
        let error = TokenCookie::new(name).unwrap_err();
        assert_eq!(error.setting(), "TokenCookie::new", "{name:?}");
        assert!(error.remedy().contains("__Host-access"), "{error}");
    }
    for name in ["__Host-a", "__Secure-a", "__Host-Http-a"] {
        assert_eq!(TokenCookie::new(name).unwrap().name(), name);
    }
}

#[test]
fn a_path_that_browsers_would_not_take_is_refused() {
    let secure = TokenCookie::new("__Secure-a").unwrap();
    for path in [
        "",
        "a",
        "/a b",
        "/a;Domain=example.com",
        "/a\r\nSet-Cookie: b=c",
        "/\u{e9}",
        &format!("/{}", "a".repeat(1024)),
    ] {
        let error = secure.clone().path(path).unwrap_err();
        assert_eq!(error.setting(), "TokenCookie::path", "{path:?}");
    }
    assert!(secure.clone().path(format!("/{}", "a".repeat(1023))).is_ok());
    let error = cookie().path("/auth").unwrap_err();
    assert!(error.remedy().contains("__Secure-"), "{error}");
}

#[test]
fn a_token_that_would_get_lost_or_break_out_is_refused_and_never_shown() {
    for token in [
        "",
        "secret token",
        "secret;Domain=evil.example",
        "secret\r\nSet-Cookie: a=b",
        "\"secret\"",
        "secret,b",
        "secr\u{e9}t",
        "=",
        "secret\\",
    ] {
        let error = cookie().set(token, HOUR).unwrap_err();
        assert_eq!(error.setting(), "TokenCookie::set", "{token:?}");
        assert!(!error.to_string().contains("secr"), "{error}");
    }
    // Name and value together, without the sign between them.
    let longest = "a".repeat(4096 - cookie().name().len());
    assert!(cookie().set(&longest, HOUR).is_ok());
    let error = cookie().set(&format!("{longest}a"), HOUR).unwrap_err().to_string();
    assert!(error.contains("4097 bytes") && !error.contains("aaaa"), "{error}");
}

#[test]
fn a_lifetime_is_whole_seconds_up_to_what_browsers_keep() {
    let max_age = |lifetime| cookie().set("a", lifetime).map(|value| parts(&value)[2].to_owned());
    for none in [Duration::ZERO, Duration::from_millis(999)] {
        assert!(max_age(none).unwrap_err().remedy().contains("clear()"));
    }
    for (lifetime, expected) in [
        (Duration::from_secs(1), "Max-Age=1"),
        (Duration::from_millis(1999), "Max-Age=1"),
        (Duration::from_secs(400 * 86_400), "Max-Age=34560000"),
        (Duration::from_secs(400 * 86_400 + 1), "Max-Age=34560000"),
        (Duration::MAX, "Max-Age=34560000"),
    ] {
        assert_eq!(max_age(lifetime).unwrap(), expected);
    }
}

/// What a browser sends back that has this `Set-Cookie`.
fn sent_back(set: &HeaderValue) -> Request<()> {
    let pair = set.to_str().unwrap().split(';').next().unwrap();
    let mut request = Request::new(());
    request.headers_mut().insert(COOKIE, pair.parse().unwrap());
    request
}

#[tokio::test]
async fn what_is_set_is_found_again_and_cleared_alike_once_it_is_dead() {
    let world = quick_world();
    let secure = TokenCookie::new("__Secure-access").unwrap().path("/app").unwrap();
    for cookie in [cookie(), cookie().insecure_same_site_none(), secure.same_site_strict()] {
        let layer = layer(&world, cookie.source(Csrf::same_origin()));
        let set_cookie = |response: &Response<String>| response.headers().get(SET_COOKIE).cloned();

        let good = cookie.set(&world.issuer.sign(json!({ "sub": "bob" })), HOUR).unwrap();
        let response = send(&layer, sent_back(&good)).await;
        assert_eq!((verdict(&response), set_cookie(&response)), ("yes", None));
        let principal = Principal::of(&seen(&response).extensions).unwrap();
        assert_eq!(principal.subject(), Some("bob"));

        let dead = cookie.set(&world.issuer.sign(json!({ "exp": 1 })), HOUR).unwrap();
        let response = send(&layer, sent_back(&dead)).await;
        assert_eq!((verdict(&response), set_cookie(&response)), ("expired", Some(cookie.clear())));
    }
}

#[test]
fn a_request_without_a_layer_is_read_too() {
    let get = |lines: &[&'static str]| {
        let lines = lines.iter().map(|line| (COOKIE, HeaderValue::from_static(line)));
        cookie().get(&HeaderMap::from_iter(lines)).map(str::to_owned)
    };
    assert_eq!(get(&["a=b; __Host-access=abc; c=d"]).as_deref(), Some("abc"));
    assert_eq!(get(&["a=b", "__Host-access=abc"]).as_deref(), Some("abc"));
    assert_eq!(get(&[]), None);
    assert_eq!(get(&["__host-access=abc; __Host-access2=abc"]), None, "another name");
    assert_eq!(get(&["__Host-access=abc; __Host-access=abc"]), None, "twice");
    assert_eq!(get(&["__Host-access=abc", "__Host-access=def"]), None, "twice, in two lines");
    assert_eq!(get(&["__Host-access="]), None, "empty, as in a cookie that was cleared");
    assert_eq!(get(&["__Host-access=a b"]), None, "no token");
}
