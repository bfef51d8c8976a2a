//! The cookie among others, and when it is cleared.

use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderName, HeaderValue, Request, Response};
use serde_json::json;
use tower_jwt_auth::{AuthError, Csrf, Principal, Reason, TokenSource, Verifier};

use super::{cookie_source, layer, send, verdict};
use crate::services::{layer_for, quick_world, with_reasons};

fn with_cookies(lines: &[&[u8]]) -> Request<()> {
    let mut request = Request::new(());
    for line in lines {
        request.headers_mut().append(COOKIE, HeaderValue::from_bytes(line).unwrap());
    }
    request
}

#[tokio::test]
async fn the_cookie_is_found_in_every_line_and_among_odd_ones() {
    let world = quick_world();
    let layer = layer(&world, cookie_source());
    let token = world.issuer.sign(json!({}));
    let ours = format!("__Host-token={token}");
    let before = |other: &[u8]| [other, b"; ", ours.as_bytes()].concat();
    let after = |other: &[u8]| [ours.as_bytes(), b"; ", other].concat();
    let judged = async |lines: &[&[u8]]| verdict(&send(&layer, with_cookies(lines)).await);
    for other in [
        &b"a=b"[..],
        b"name=caf\xc3\xa9",
        b"name=\xff\xfe",
        b"no-equals-sign",
        b"=nameless",
        b"a=\"x y\"",
        b"a={\"k\":[1,2]}",
        b"a=b==; c=\t",
        b"; ;",
        b"$Version=1",
        // Other names, to us as to a browser.
        b"__host-token=a.b.c",
        b"__HOST-TOKEN=a.b.c",
        b"__Host-token2=a.b.c",
        b"x__Host-token=a.b.c",
        b"__Host_token=a.b.c",
        b"__Host%2Dtoken=a.b.c",
        b"\xa0__Host-token=a.b.c",
        // RFC 2109 is dead: a comma separates nothing.
        b"a=1, __Host-token=a.b.c",
    ] {
        let name = String::from_utf8_lossy(other);
        assert_eq!(judged(&[&before(other)]).await, "yes", "before: {name}");
        assert_eq!(judged(&[&after(other)]).await, "yes", "after: {name}");
        assert_eq!(judged(&[other, ours.as_bytes()]).await, "yes", "a line before: {name}");
        assert_eq!(judged(&[ours.as_bytes(), other]).await, "yes", "a line after: {name}");
        assert_eq!(judged(&[other]).await, "missing", "alone: {name}");
    }
    // HTTP/2 may give each cookie a line of its own.
    assert_eq!(judged(&[b"a=b", b"c=d", ours.as_bytes(), b"e=f"]).await, "yes");
    assert_eq!(judged(&[format!("a=b;{ours};c=d").as_bytes()]).await, "yes");
    assert_eq!(judged(&[format!("a=b;  __Host-token = {token} ;c=d").as_bytes()]).await, "yes");
}

#[tokio::test]
async fn a_second_cookie_of_the_name_is_refused_wherever_it_stands() {
    let world = quick_world();
    let layer = layer(&world, cookie_source());
    let ours = format!("__Host-token={}", world.issuer.sign(json!({})));
    for second in ["__Host-token=a.b.c", "__Host-token=", "__Host-token =x", "\t__Host-token=\"\"", &ours] {
        for lines in [
            &[format!("{ours}; {second}")][..],
            &[format!("{second};{ours}")],
            &[ours.clone(), second.to_owned()],
            &[second.to_owned(), "a=b".to_owned(), ours.clone()],
        ] {
            let lines: Vec<&[u8]> = lines.iter().map(String::as_bytes).collect();
            let response = send(&layer, with_cookies(&lines)).await;
            assert_eq!(verdict(&response), "malformed_request", "{second}");
        }
    }
    // `Cookie2` is no cookie to anybody.
    let mut request = with_cookies(&[ours.as_bytes()]);
    request.headers_mut().insert("cookie2", HeaderValue::from_static("__Host-token=a.b.c"));
    assert_eq!(verdict(&send(&layer, request).await), "yes");
}

#[tokio::test]
async fn a_value_that_is_no_token_is_a_malformed_request() {
    let world = quick_world();
    let layer = layer(&world, cookie_source());
    let token = world.issuer.sign(json!({}));
    for value in [
        String::new(),
        format!("\"{token}\""),
        format!("Bearer {token}"),
        format!("{token},{token}"),
        token.replace('.', "%2E"),
        "caf\u{e9}".to_owned(),
    ] {
        let response = send(&layer, with_cookies(&[format!("__Host-token={value}").as_bytes()])).await;
        assert_eq!(verdict(&response), "malformed_request", "{value}");
        assert!(response.headers().contains_key(SET_COOKIE), "{value}");
    }
}

/// Name, value and attributes of the one `Set-Cookie` of this response, `Expires` apart.
fn cleared(response: &Response<String>) -> Option<String> {
    let mut lines = response.headers().get_all(SET_COOKIE).iter();
    let line = lines.next()?.to_str().unwrap();
    assert_eq!(lines.next(), None);
    let mut parts: Vec<&str> = line.split("; ").collect();
    // For browsers that do not know `Max-Age`; its date lies in the past.
    parts.retain(|part| !part.starts_with("Expires="));
    parts[1..].sort_unstable();
    Some(parts.join("; "))
}

#[tokio::test]
async fn a_bad_cookie_is_cleared_and_a_good_one_never() {
    let world = quick_world();
    let required = with_reasons(&world).token_from(cookie_source());
    let gone = "__Host-token=; HttpOnly; Max-Age=0; Path=/; SameSite=Lax; Secure";
    for (claims, status, clear) in [
        (json!({}), 200, None),
        (json!({ "exp": 1 }), 401, Some(gone)),
        // What one route refuses may be fine for the next.
        (json!({ "aud": "other" }), 401, None),
        (json!({ "nbf": 99_999_999_999_u64 }), 401, None),
        (json!({ "why": "revoked" }), 401, Some(gone)),
        // The cookie is good, or nobody knows whether it is.
        (json!({ "why": "keys_unavailable" }), 503, None),
        (json!({ "why": "revocation_unavailable" }), 503, None),
        (json!({ "why": "forbidden" }), 403, None),
        (json!({ "why": "insufficient_scope" }), 403, None),
        (json!({ "why": "insufficient_user_authentication" }), 401, None),
        (json!({ "why": "not_configured" }), 500, None),
    ] {
        let line = format!("__Host-token={}", world.issuer.sign(&claims));
        for layer in [required.clone(), required.clone().optional()] {
            let response = send(&layer, with_cookies(&[line.as_bytes()])).await;
            assert_eq!(response.status().as_u16(), status, "{claims}");
            assert_eq!(cleared(&response).as_deref(), clear, "{claims}");
        }
        // The same tokens elsewhere clear nothing.
        let bearer = crate::services::bearer(&world.issuer.sign(&claims));
        let both = with_reasons(&world).token_from([cookie_source(), TokenSource::bearer()]);
        assert_eq!(cleared(&send(&both, bearer).await), None, "{claims}");
    }
}

#[tokio::test]
async fn a_stale_cookie_is_cleared_behind_a_slow_check_and_in_grpc_too() {
    let world = quick_world();
    let authority = world.issuer.authority().check_async(|_: Principal| async {
        tokio::task::yield_now().await;
        Err(AuthError::new(Reason::Revoked))
    });
    let source = TokenSource::cookie("session", Csrf::insecure_none()).unwrap();
    let layer = layer_for(&world, authority).token_from(source).optional();
    let line = format!("session={}", world.issuer.sign(json!({})));
    let plain = send(&layer, with_cookies(&[line.as_bytes()])).await;
    let mut call = with_cookies(&[line.as_bytes()]);
    *call.method_mut() = http::Method::POST;
    *call.version_mut() = http::Version::HTTP_2;
    call.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    let grpc = send(&layer, call).await;
    assert_eq!((plain.status().as_u16(), grpc.status().as_u16()), (401, 200));
    for response in [plain, grpc] {
        assert_eq!(verdict(&response), "revoked");
        let expected = "session=; HttpOnly; Max-Age=0; Path=/; SameSite=Lax; Secure";
        assert_eq!(cleared(&response).as_deref(), Some(expected));
    }
}

#[tokio::test]
async fn an_answer_of_ones_own_clears_the_cookie_too() {
    let world = quick_world();
    let layer = layer(&world, cookie_source())
        .reject_with(|refusal: &tower_jwt_auth::Refusal<'_>| refusal.response("no".to_owned()));
    let response = send(&layer, with_cookies(&[b"__Host-token=a.b.c"])).await;
    assert_eq!((response.body().as_str(), cleared(&response).is_some()), ("no", true));
}

#[test]
fn a_name_that_no_cookie_can_have_is_refused() {
    for name in ["", "a b", "a;b", "a=b", "a,b", "caf\u{e9}", "a\r\nb", "\"a\""] {
        let error = TokenSource::cookie(name, Csrf::same_origin()).unwrap_err();
        assert_eq!(error.setting(), "TokenSource::cookie", "{name:?}");
    }
}

#[tokio::test]
async fn the_token_of_a_cookie_fills_the_claims() {
    let world = quick_world();
    let verifier = Verifier::<crate::support::User>::builder()
        .authority(world.issuer.authority())
        .clock(world.clock.clone())
        .build()
        .unwrap();
    let layer = tower_jwt_auth::JwtAuthLayer::new(verifier).token_from(cookie_source());
    let line = format!("__Host-token={}", world.issuer.sign(json!({ "sub": "bob" })));
    let response = send(&layer, with_cookies(&[line.as_bytes()])).await;
    let principal = Principal::of(&super::seen(&response).extensions).unwrap();
    assert_eq!(principal.subject(), Some("bob"));
    // Beside what caches are told, nothing.
    let headers: Vec<&str> = response.headers().keys().map(HeaderName::as_str).collect();
    assert_eq!(headers, ["vary", "cache-control"]);
}
