//! What another site can do with a user's cookie: nothing.

use http::{HeaderValue, Method, Request, Version};
use hyper::ext::Protocol;
use serde_json::json;
use tower_jwt_auth::{Csrf, JwtAuthLayer, TokenSource};

use super::{cookie_source, layer, send, verdict, with_lines};
use crate::services::quick_world;
use crate::support::World;

fn request(world: &World, method: &Method, lines: &[(&'static str, &str)]) -> Request<()> {
    let mut request = with_lines(lines);
    *request.method_mut() = method.clone();
    let cookie = format!("__Host-token={}", world.issuer.sign(json!({})));
    request.headers_mut().insert("cookie", cookie.parse().unwrap());
    request
}

const HOST: (&str, &str) = ("host", "app.example");
const HERE: (&str, &str) = ("origin", "https://app.example");
const EVIL: (&str, &str) = ("origin", "https://evil.example");
const FRIEND: (&str, &str) = ("origin", "https://friend.example");
const SAME: (&str, &str) = ("sec-fetch-site", "same-origin");
const NONE: (&str, &str) = ("sec-fetch-site", "none");
const SITE: (&str, &str) = ("sec-fetch-site", "same-site");
const CROSS: (&str, &str) = ("sec-fetch-site", "cross-site");
const UPGRADE: (&str, &str) = ("upgrade", "websocket");

/// Handwritten: headers beside `Host`, then whether GET, GET with `Upgrade`, POST and CONNECT pass.
type Row = (&'static [(&'static str, &'static str)], [bool; 4]);

fn guarded(world: &World) -> JwtAuthLayer {
    let csrf = Csrf::same_origin().trust(FRIEND.1).unwrap();
    layer(world, TokenSource::cookie("__Host-token", csrf).unwrap())
}

#[tokio::test]
async fn the_check_lets_through_what_a_browser_says_is_from_here() {
    let world = quick_world();
    let layer = guarded(&world);
    let table: [Row; 17] = [
        (&[], [true, false, false, false]),
        (&[SAME], [true, true, true, true]),
        (&[NONE], [true, true, true, true]),
        (&[SITE], [true, false, false, false]),
        (&[CROSS], [true, false, false, false]),
        (&[("sec-fetch-site", "")], [true, false, false, false]),
        (&[("sec-fetch-site", "same-origin, cross-site")], [true, false, false, false]),
        (&[SAME, SAME], [true, false, false, false]),
        (&[HERE], [true, true, true, true]),
        (&[HERE, SAME], [true, true, true, true]),
        (&[HERE, CROSS], [true, false, false, false]),
        (&[EVIL], [true, false, false, false]),
        (&[FRIEND], [true, true, true, true]),
        (&[FRIEND, CROSS], [true, true, true, true]),
        (&[FRIEND, EVIL], [true, false, false, false]),
        (&[("origin", "null")], [true, false, false, false]),
        (&[("origin", "")], [true, false, false, false]),
    ];
    for (lines, expected) in table {
        let lines = [&[HOST], lines].concat();
        let upgrade = [&[UPGRADE], &lines[..]].concat();
        let requests = [
            request(&world, &Method::GET, &lines),
            request(&world, &Method::GET, &upgrade),
            request(&world, &Method::POST, &lines),
            request(&world, &Method::CONNECT, &lines),
        ];
        for (one, passes) in requests.into_iter().zip(expected) {
            let method = one.method().clone();
            let response = send(&layer, one).await;
            let expected = if passes { ("yes", 200) } else { ("cross_site", 403) };
            assert_eq!((verdict(&response), response.status().as_u16()), expected, "{method} {lines:?}");
            // The cookie is good, and its user is not here: neither a challenge nor a word to the jar.
            assert!(!response.headers().contains_key("www-authenticate"));
            assert!(!response.headers().contains_key("set-cookie"));
        }
    }
}

#[tokio::test]
async fn every_method_but_the_safe_three_is_judged() {
    let world = quick_world();
    let layer = guarded(&world);
    for (method, expected) in [
        ("GET", "yes"),
        ("HEAD", "yes"),
        ("OPTIONS", "yes"),
        ("POST", "cross_site"),
        ("PUT", "cross_site"),
        ("PATCH", "cross_site"),
        ("DELETE", "cross_site"),
        ("TRACE", "cross_site"),
        ("CONNECT", "cross_site"),
        ("PROPFIND", "cross_site"),
        ("get", "cross_site"),
    ] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let response = send(&layer, request(&world, &method, &[HOST, EVIL, CROSS])).await;
        assert_eq!(verdict(&response), expected, "{method}");
    }
}

#[tokio::test]
async fn a_websocket_over_http2_is_judged_too() {
    let world = quick_world();
    let layer = guarded(&world);
    let connect = |lines: &[(&'static str, &str)]| {
        let mut connect = request(&world, &Method::CONNECT, lines);
        *connect.version_mut() = Version::HTTP_2;
        *connect.uri_mut() = "https://app.example/socket".parse().unwrap();
        connect.extensions_mut().insert(Protocol::from_static("websocket"));
        connect
    };
    for (lines, expected) in [
        (&[][..], "cross_site"),
        (&[EVIL], "cross_site"),
        (&[HERE], "yes"),
        // The target counts, not a `Host` that contradicts it.
        (&[EVIL, ("host", "evil.example")], "cross_site"),
        (&[HERE, ("host", "evil.example")], "yes"),
    ] {
        assert_eq!(verdict(&send(&layer, connect(lines)).await), expected, "{lines:?}");
    }
}

#[tokio::test]
async fn an_origin_is_compared_by_host_and_port() {
    let world = quick_world();
    let layer = guarded(&world);
    for (host, origin, expected) in [
        ("app.example", "https://app.example", "yes"),
        // Behind a proxy that ends TLS, the scheme is not known here.
        ("app.example", "http://app.example", "yes"),
        ("app.example:443", "https://app.example", "yes"),
        ("app.example:80", "http://app.example", "yes"),
        ("App.Example", "https://app.example", "yes"),
        ("app.example:8443", "https://app.example:8443", "yes"),
        ("[::1]:3000", "http://[::1]:3000", "yes"),
        ("app.example:80", "https://app.example", "cross_site"),
        ("app.example:443", "http://app.example", "cross_site"),
        ("app.example:8443", "https://app.example", "cross_site"),
        ("app.example", "https://app.example:8443", "cross_site"),
        ("app.example", "https://app.example.evil.example", "cross_site"),
        ("app.example", "https://sub.app.example", "cross_site"),
        ("app.example", "https://app.example@evil.example", "cross_site"),
        ("app.example", "https://evil.example/app.example", "cross_site"),
        ("app.example", "app.example", "cross_site"),
        ("app.example", "https://app.example/", "cross_site"),
        ("app.example", "https://app.example https://app.example", "cross_site"),
        // Not an origin of ours, and no port of its own either.
        ("", "https://", "cross_site"),
        (":443", "https://", "cross_site"),
        // What a proxy leaves that names itself: trust the public origin there.
        ("backend:3000", "https://friend.example", "yes"),
        ("backend:3000", "https://app.example", "cross_site"),
    ] {
        let lines = [("host", host), ("origin", origin)];
        let response = send(&layer, request(&world, &Method::POST, &lines)).await;
        assert_eq!(verdict(&response), expected, "{host} {origin}");
    }
    let no_host = request(&world, &Method::POST, &[HERE]);
    assert_eq!(verdict(&send(&layer, no_host).await), "cross_site");
    let two_hosts = request(&world, &Method::POST, &[HOST, ("host", "evil.example"), HERE]);
    assert_eq!(verdict(&send(&layer, two_hosts).await), "cross_site");
    let mut unreadable = request(&world, &Method::POST, &[HOST]);
    unreadable.headers_mut().insert("origin", HeaderValue::from_bytes(b"https://app.example\xff").unwrap());
    assert_eq!(verdict(&send(&layer, unreadable).await), "cross_site");
}

#[tokio::test]
async fn the_check_applies_only_if_the_cookie_is_the_source() {
    let world = quick_world();
    let token = world.issuer.sign(json!({}));
    let authorization = format!("Bearer {token}");
    let bearer = ("authorization", authorization.as_str());
    for sources in [[cookie_source(), TokenSource::bearer()], [TokenSource::bearer(), cookie_source()]] {
        let layer = layer(&world, sources);
        let mut alone = with_lines(&[HOST, EVIL, CROSS, bearer]);
        *alone.method_mut() = Method::POST;
        assert_eq!(verdict(&send(&layer, alone).await), "yes");
        let mut other = with_lines(&[HOST, EVIL, CROSS, bearer, ("cookie", "theme=dark")]);
        *other.method_mut() = Method::POST;
        assert_eq!(verdict(&send(&layer, other).await), "yes");
        // Two credentials are a conflict before they are anything else, and from everywhere.
        let both = request(&world, &Method::POST, &[HOST, EVIL, CROSS, bearer]);
        assert_eq!(verdict(&send(&layer, both).await), "malformed_request");
        let both = request(&world, &Method::POST, &[HOST, HERE, SAME, bearer]);
        assert_eq!(verdict(&send(&layer, both).await), "malformed_request");
        let neither = with_lines(&[HOST, EVIL, CROSS]);
        assert_eq!(verdict(&send(&layer, neither).await), "missing");
        let cookie = request(&world, &Method::POST, &[HOST, EVIL, CROSS]);
        assert_eq!(verdict(&send(&layer, cookie).await), "cross_site");
    }
}

#[tokio::test]
async fn another_site_is_refused_before_its_token_is_looked_at_and_in_optional_mode() {
    let world = quick_world();
    let layer = guarded(&world).optional();
    let mut stale = request(&world, &Method::POST, &[HOST, CROSS]);
    let cookie = format!("__Host-token={}", world.issuer.sign(json!({ "exp": 1 })));
    stale.headers_mut().insert("cookie", cookie.parse().unwrap());
    let response = send(&layer, stale).await;
    assert_eq!(verdict(&response), "cross_site");
    assert!(!response.headers().contains_key("set-cookie"));
    let mut anonymous = with_lines(&[HOST, CROSS]);
    *anonymous.method_mut() = Method::POST;
    assert_eq!(verdict(&send(&layer, anonymous).await), "yes");
}

#[tokio::test]
async fn nothing_is_checked_where_that_was_said_by_name() {
    let world = quick_world();
    let source = TokenSource::cookie("__Host-token", Csrf::insecure_none()).unwrap();
    let layer = layer(&world, source);
    for lines in [&[][..], &[HOST, EVIL, CROSS], &[UPGRADE, HOST, EVIL]] {
        assert_eq!(verdict(&send(&layer, request(&world, &Method::POST, lines)).await), "yes");
    }
    // Trust on top of it changes nothing.
    assert_eq!(format!("{:?}", Csrf::insecure_none().trust(FRIEND.1).unwrap()), "Csrf(None)");
}
