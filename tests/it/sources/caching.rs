//! What caches are told of answers (RFC 9111): where the token is not in `Authorization`, nothing else keeps one user's
//! answer from another.

use std::convert::Infallible;

use http::header::{CACHE_CONTROL, VARY};
use http::{HeaderMap, Request, Response, StatusCode};
use serde_json::json;
use tower::{Layer, ServiceExt, service_fn};
use tower_jwt_auth::{AuthError, JwtAuthLayer, Principal, Reason, Refusal, Require, TokenSource};

use super::{cookie_source, layer, put, source};
use crate::services::{layer_for, quick_world, with_reasons};

/// All lines of `Vary`, and of `Cache-Control`.
fn told(headers: &HeaderMap) -> (Vec<&str>, Vec<&str>) {
    let all = |name| headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect();
    (all(VARY), all(CACHE_CONTROL))
}

/// The answer of a service behind this layer that says this by itself.
async fn answer(
    layer: &JwtAuthLayer,
    request: Request<()>,
    status: u16,
    headers: &[(&'static str, &'static str)],
) -> Response<String> {
    let inner = service_fn(async |_: Request<()>| {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        Ok::<_, Infallible>(response.body(String::new()).unwrap())
    });
    layer.layer(inner).oneshot(request).await.unwrap()
}

/// Handwritten: source, `Vary` of every answer, `Cache-Control` of what its credential gets.
const TABLE: [(&str, &[&str], &[&str]); 7] = [
    // The one place that caches know.
    ("bearer", &[], &[]),
    ("header", &["x-token"], &["private"]),
    ("header with prefix", &["x-auth"], &["private"]),
    ("cookie", &["cookie"], &["private"]),
    // The token is in the URL, by which caches tell answers apart; but it is in the cache then.
    ("query", &[], &["private"]),
    ("websocket protocol", &[], &["private"]),
    ("own", &[], &["private"]),
];

#[tokio::test]
async fn each_source_tells_caches_as_the_table_says() {
    let world = quick_world();
    for (name, vary, cache_control) in TABLE {
        let required = layer(&world, source(name));
        for (layer, is_optional) in [(required.clone(), false), (required.optional(), true)] {
            let mut good = Request::new(());
            put(&mut good, name, &world.issuer.sign(json!({})));
            let response = answer(&layer, good, 200, &[]).await;
            assert_eq!(response.status(), 200, "{name}");
            assert_eq!(told(response.headers()), (vary.to_vec(), cache_control.to_vec()), "{name}");

            let mut bad = Request::new(());
            put(&mut bad, name, "a b");
            let response = answer(&layer, bad, 200, &[]).await;
            assert!(response.status().is_client_error(), "{name}");
            assert_eq!(told(response.headers()), (vary.to_vec(), vec!["no-store"]), "{name}");

            // Who comes without anything must not be given, later, what somebody else got, nor the other way round.
            let response = answer(&layer, Request::new(()), 200, &[]).await;
            let expected = if is_optional { vec![] } else { vec!["no-store"] };
            assert_eq!(told(response.headers()), (vary.to_vec(), expected), "{name}, {is_optional}");
        }
    }
}

#[tokio::test]
async fn of_several_sources_every_header_is_named_once_and_the_one_that_counted_decides() {
    let world = quick_world();
    let header = |name| TokenSource::header(name).unwrap();
    let sources =
        [TokenSource::bearer(), cookie_source(), header("x-token"), header("x-other"), header("X-Token")];
    let layer = layer(&world, sources);
    for (name, cache_control) in [("bearer", vec![]), ("cookie", vec!["private"])] {
        let mut request = Request::new(());
        put(&mut request, name, &world.issuer.sign(json!({})));
        let response = answer(&layer, request, 200, &[]).await;
        assert_eq!(told(response.headers()), (vec!["cookie, x-token, x-other"], cache_control), "{name}");
    }
}

#[tokio::test]
async fn what_the_service_varies_by_is_kept() {
    let world = quick_world();
    let layer = layer(&world, [cookie_source(), source("header")]).optional();
    for (own, expected) in [
        (&[][..], &["cookie, x-token"][..]),
        (&[("vary", "origin")], &["origin, cookie, x-token"]),
        (
            &[("vary", "Origin , Accept-Encoding"), ("vary", "accept")],
            &["Origin, Accept-Encoding, accept, cookie, x-token"],
        ),
        (&[("vary", "COOKIE")], &["COOKIE, x-token"]),
        (&[("vary", "cookie2, xcookie")], &["cookie2, xcookie, cookie, x-token"]),
        (&[("vary", "")], &["cookie, x-token"]),
        // Nothing to add.
        (&[("vary", "X-Token,Cookie")], &["X-Token,Cookie"]),
        (&[("vary", "x-token"), ("vary", "cookie")], &["x-token", "cookie"]),
        (&[("vary", "*")], &["*"]),
        (&[("vary", "accept, *")], &["accept, *"]),
    ] {
        let response = answer(&layer, Request::new(()), 200, own).await;
        assert_eq!(told(response.headers()).0, expected, "{own:?}");
    }
}

#[tokio::test]
async fn what_the_service_says_of_caching_is_left_alone_whatever_its_status() {
    let world = quick_world();
    let layer = layer(&world, cookie_source());
    let mut request = Request::new(());
    put(&mut request, "cookie", &world.issuer.sign(json!({})));
    // Not only a success is one user's: a redirect and a 404 are kept without being asked for.
    for status in [200, 204, 301, 304, 404, 500] {
        let response = answer(&layer, request.clone(), status, &[]).await;
        assert_eq!(told(response.headers()), (vec!["cookie"], vec!["private"]), "{status}");
        for own in ["public, max-age=60", "no-store", "private, max-age=5", ""] {
            let response = answer(&layer, request.clone(), status, &[("cache-control", own)]).await;
            assert_eq!(told(response.headers()), (vec!["cookie"], vec![own]), "{status}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_had_to_wait_and_one_of_ones_own_say_the_same() {
    let world = quick_world();
    let slow = world.issuer.authority().check_async(|user: Principal| async move {
        tokio::task::yield_now().await;
        if user.subject() == Some("bob") { Ok(()) } else { Err(AuthError::new(Reason::Revoked)) }
    });
    let layer = layer_for(&world, slow).token_from(cookie_source());
    for (subject, status, cache_control) in [("bob", 200, "private"), ("eve", 401, "no-store")] {
        let mut request = Request::new(());
        put(&mut request, "cookie", &world.issuer.sign(json!({ "sub": subject })));
        let response = answer(&layer, request, 200, &[]).await;
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(told(response.headers()), (vec!["cookie"], vec![cache_control]));
    }
    // A refusal that forgot to say anything, of a status that caches keep without being asked.
    let bare = with_reasons(&world).token_from(cookie_source()).reject_with(|_: &Refusal<'_>| {
        let mut response = Response::new(String::new());
        *response.status_mut() = StatusCode::NOT_FOUND;
        response
    });
    let mut request = Request::new(());
    put(&mut request, "cookie", &world.issuer.sign(json!({ "why": "forbidden" })));
    let response = super::send(&bare, request).await;
    assert_eq!(told(response.headers()), (vec!["cookie"], vec!["private"]));
}

#[tokio::test]
async fn a_policy_inside_answers_alike_and_two_layers_say_it_once() {
    let world = quick_world();
    let layer = layer(&world, cookie_source());
    let scoped = Require::scope("write");
    let inner = service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(String::new())));
    let service = layer.layer(layer.layer(scoped.layer(inner)));
    for (scope, status, cache_control) in [("write", 200, "private"), ("read", 403, "no-store")] {
        let mut request = Request::new(());
        put(&mut request, "cookie", &world.issuer.sign(json!({ "scope": scope })));
        let response = service.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(told(response.headers()), (vec!["cookie"], vec![cache_control]));
    }
}
