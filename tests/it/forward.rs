//! What goes on to the inner service, for gateways.

use http::{HeaderName, HeaderValue, Request};
use serde_json::json;
use tower::{Layer, ServiceExt, service_fn};
use tower_jwt_auth::{AuthError, Csrf, JwtAuthLayer, Principal, RawToken, Reason, TokenSource};

use crate::services::{bearer, layer_for, quick_world, request_with, verifier};
use crate::sources::{PREFIX, protocol, seen, seen_values, send, verdict, with_lines};
use crate::support::World;

fn layer(world: &World) -> JwtAuthLayer {
    JwtAuthLayer::new(world.verifier.clone())
}

#[tokio::test]
async fn the_credential_goes_no_further_and_everything_else_does() {
    let world = quick_world();
    let token = world.issuer.sign(json!({}));
    let cookie = || TokenSource::cookie("token", Csrf::same_origin()).unwrap();
    let header = || TokenSource::header("x-token").unwrap();
    // Source, header, value, what the inner service sees of it with removal.
    let table = [
        (TokenSource::bearer(), "authorization", "Bearer T", &[][..]),
        (header(), "x-token", "T", &[]),
        (TokenSource::header_with_prefix("x-token", "Token").unwrap(), "x-token", "Token T", &[]),
        (cookie(), "cookie", "token=T", &[]),
        (cookie(), "cookie", "a=b; token=T; c=\"d\"", &["a=b; c=\"d\""]),
        (cookie(), "cookie", "a;token=T;Token=e;tokens=f;=", &["a; Token=e; tokens=f; ="]),
    ];
    for (source, name, value, rest) in table {
        let value = value.replace("=T", &format!("={token}"));
        let value = value.strip_suffix('T').map_or(value.clone(), |start| format!("{start}{token}"));
        let value = if name == "x-token" && !value.contains(' ') { token.clone() } else { value };
        let request = with_lines(&[(name, &value), ("x-other", "stays"), ("cookie2", "stays")]);
        let kept = layer(&world).token_from(source);
        assert_eq!(seen_values(&send(&kept, request.clone()).await, name), [value.as_str()]);
        let response = send(&kept.remove_credential(), request).await;
        assert_eq!(seen_values(&response, name), rest, "{value}");
        assert_eq!(seen_values(&response, "x-other"), ["stays"]);
        assert_eq!(seen_values(&response, "cookie2"), ["stays"]);
        // The claims are there all the same.
        assert!(Principal::of(&seen(&response).extensions).is_ok());
    }
}

#[tokio::test]
async fn other_cookies_stay_byte_for_byte_in_their_lines() {
    let world = quick_world();
    let source = TokenSource::cookie("token", Csrf::same_origin()).unwrap();
    let layer = layer(&world).token_from(source).remove_credential();
    let mut request = Request::new(());
    let ours = format!("token={}", world.issuer.sign(json!({})));
    for line in [&b"a=caf\xc3\xa9; b=\xff; =x"[..], ours.as_bytes(), b"no-equals-sign; c={\"d\": 1}"] {
        request.headers_mut().append("cookie", HeaderValue::from_bytes(line).unwrap());
    }
    let response = send(&layer, request).await;
    let lines: Vec<&[u8]> =
        seen(&response).headers.get_all("cookie").iter().map(HeaderValue::as_bytes).collect();
    assert_eq!(lines, [&b"a=caf\xc3\xa9; b=\xff; =x"[..], b"no-equals-sign; c={\"d\": 1}"]);
}

#[tokio::test]
async fn a_credential_of_another_scheme_stays() {
    let world = quick_world();
    let layer = layer(&world).optional().remove_credential();
    for value in ["Basic dXNlcjpwYXNz", "Digest username=\"x\", uri=\"/\"", "Negotiate"] {
        let response = send(&layer, request_with(Some(value))).await;
        assert_eq!(seen_values(&response, "authorization"), [value]);
    }
}

#[tokio::test]
async fn twins_of_the_token_header_go_with_it() {
    let world = quick_world();
    let token = world.issuer.sign(json!({}));
    let source = TokenSource::header("x-gateway-token").unwrap();
    let layer = layer(&world).token_from(source).optional().remove_credential();
    for lines in [
        &[("x-gateway-token", token.as_str()), ("x_gateway_token", "a.b.c")][..],
        &[("x_gateway-token", "a.b.c"), ("x-gateway_token", "d.e.f")],
    ] {
        let response = send(&layer, with_lines(lines)).await;
        assert_eq!(seen(&response).headers.len(), 0, "{:?}", seen(&response).headers);
    }
}

#[tokio::test]
async fn removal_covers_every_source_of_the_list() {
    let world = quick_world();
    let sources = [
        TokenSource::bearer(),
        TokenSource::insecure_query("access_token"),
        TokenSource::websocket_protocol(PREFIX).unwrap(),
        TokenSource::header("x-token").unwrap(),
    ];
    let layer = layer(&world).token_from(sources).remove_credential();
    let token = world.issuer.sign(json!({}));
    let offered = format!("{}, chat", protocol(&token));
    let mut socket = with_lines(&[("upgrade", "websocket"), ("sec-websocket-protocol", &offered)]);
    *socket.uri_mut() = "/a?x=1".parse().unwrap();
    let mut query = Request::new(());
    *query.uri_mut() = format!("/a?access_token={token}&x=1").parse().unwrap();
    for request in [bearer(&token), with_lines(&[("x-token", &token)]), query, socket] {
        let response = send(&layer, request).await;
        let parts = seen(&response);
        let all = format!("{} {:?}", parts.uri, parts.headers);
        assert!(!all.contains(&token) && !all.contains(PREFIX) && !all.contains("access_token"), "{all}");
    }
}

async fn forwarded(world: &World, claims: serde_json::Value) -> Result<Vec<String>, (u16, Option<String>)> {
    let mut claims = claims;
    claims["sub"] = json!("bob");
    written(world, &world.issuer.sign(claims)).await
}

async fn written(world: &World, token: &str) -> Result<Vec<String>, (u16, Option<String>)> {
    // A claims type that does not read the claim, so that nothing else judges it.
    let layer = JwtAuthLayer::new(verifier(world)).claim_header("x-value", "value").unwrap();
    let response = send(&layer, bearer(token)).await;
    match response.extensions().get::<AuthError>() {
        None => Ok(seen_values(&response, "x-value")),
        Some(error) => {
            assert_eq!((error.reason(), error.signature_verified()), (Reason::InvalidClaim, true));
            Err((response.status().as_u16(), error.claim().map(str::to_owned)))
        }
    }
}

#[tokio::test]
async fn a_claim_is_written_as_it_is_or_the_token_is_refused() {
    let world = quick_world();
    for (value, expected) in [
        (json!("bob"), Some("bob")),
        (json!(""), Some("")),
        (json!("a b,c;d=\"e\"%0d"), Some("a b,c;d=\"e\"%0d")),
        (json!(7), Some("7")),
        (json!(-1), Some("-1")),
        (json!(1.5), Some("1.5")),
        (json!(u64::MAX), Some("18446744073709551615")),
        (json!(true), Some("true")),
        (json!(false), Some("false")),
        (json!(["a", "b c"]), Some("a,b c")),
        (json!([]), Some("")),
        // Refused: what a header cannot hold, or not so that it can be told apart.
        (json!({ "a": 1 }), None),
        (json!({}), None),
        (json!("a\nb"), None),
        (json!("a\r\nx-admin: 1"), None),
        (json!("a\tb"), None),
        (json!("a\u{0}b"), None),
        (json!("a\u{7f}"), None),
        (json!("caf\u{e9}"), None),
        (json!(" a"), None),
        (json!("a "), None),
        (json!(" "), None),
        (json!(["a,b"]), None),
        (json!(["a", 1]), None),
        (json!([null]), None),
        (json!([["a"]]), None),
        (json!(["a", ""]), None),
        (json!(["a", " b"]), None),
        (json!(["a\nb"]), None),
    ] {
        let expected = expected.map(|text| vec![text.to_owned()]).ok_or((401, Some("value".to_owned())));
        assert_eq!(forwarded(&world, json!({ "value": value })).await, expected, "{value}");
    }
    assert_eq!(forwarded(&world, json!({})).await, Ok(vec![]));
}

#[tokio::test]
async fn a_claim_that_is_there_never_looks_absent() {
    let world = quick_world();
    let signed = world.issuer.sign(json!({ "sub": "bob" }));
    let payload = |value: &str| {
        use base64::Engine;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let claims = signed.split('.').nth(1).unwrap();
        let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
        claims.replacen('{', &format!("{{\"value\":{value},"), 1)
    };
    let header = json!({ "alg": "HS256", "typ": "at+jwt", "kid": world.issuer.kid() }).to_string();
    let written = async |value: &str| written(&world, &world.issuer.sign_raw(&header, payload(value))).await;
    assert_eq!(written("null").await, Ok(vec![]));
    assert_eq!(written("\"\\u0062ob\"").await, Ok(vec!["bob".to_owned()]));
    // More digits than a number has here: one user must not become another.
    let long = "123456789012345678901234567890";
    assert_eq!(written(long).await, Ok(vec![long.to_owned()]));
    assert_eq!(written("1.0").await, Ok(vec!["1.0".to_owned()]));
    // Odd neighbours take nothing away.
    for neighbour in ["\"\\ud800\"", "1e999", "[{}]"] {
        assert_eq!(
            written(&format!("7,\"other\":{neighbour}")).await,
            Ok(vec!["7".to_owned()]),
            "{neighbour}"
        );
    }
    for unreadable in ["\"\\ud800\"", "1e999", "[\"\\udfff\"]"] {
        assert!(written(unreadable).await.is_err(), "{unreadable}");
    }
}

#[tokio::test]
async fn inbound_copies_of_our_headers_are_removed_always() {
    let world = quick_world();
    let layer = layer(&world)
        .optional()
        .claim_header("X-User-Id", "sub")
        .unwrap()
        .claim_header("x-role", "role")
        .unwrap();
    let token = format!("Bearer {}", world.issuer.sign(json!({ "sub": "bob" })));
    for authorization in [None, Some(token.as_str()), Some("Basic dXNlcjpwYXNz")] {
        let mut request = request_with(authorization);
        for name in [
            "x-user-id",
            "x_user_id",
            "x-user_id",
            "x_user-id",
            "X-USER-ID",
            "x.user.id",
            "x!user~id",
            "x-role",
            "X_Role",
        ] {
            let name: HeaderName = name.parse().unwrap();
            request.headers_mut().append(name.clone(), HeaderValue::from_static("admin"));
            request.headers_mut().append(name, HeaderValue::from_static("root"));
        }
        let others = ["x-user-id2", "x-userid", "xx-user-id", "x-user-i", "x-roles"];
        for name in others {
            request.headers_mut().insert(name, HeaderValue::from_static("stays"));
        }
        let response = send(&layer, request).await;
        let expected: &[&str] = if authorization == Some(&token) { &["bob"] } else { &[] };
        assert_eq!(seen_values(&response, "x-user-id"), expected);
        let printed = format!("{:?}", seen(&response).headers);
        assert!(!printed.contains("admin") && !printed.contains("root"), "{printed}");
        for name in others {
            assert_eq!(seen_values(&response, name), ["stays"], "{name}");
        }
    }
}

#[tokio::test]
async fn nobody_can_have_the_next_proxy_drop_our_headers() {
    let world = quick_world();
    let layer = layer(&world).claim_header("x-user-id", "sub").unwrap();
    for (lines, rest) in [
        (&[&b"x-user-id"[..]][..], &[][..]),
        (&[b"close, X-User-Id ,upgrade"], &[&b"close, upgrade"[..]]),
        (&[b"keep-alive", b"X-USER-ID"], &[b"keep-alive"]),
        (&[b"x-user-id,\xff"], &[b"\xff"]),
        (&[b"upgrade", b"x-other"], &[b"upgrade", b"x-other"]),
        // Nothing of ours: left as it is.
        (&[b" a,,b "], &[b" a,,b "]),
    ] {
        let mut request = bearer(&world.issuer.sign(json!({ "sub": "bob" })));
        for line in lines {
            request.headers_mut().append("connection", HeaderValue::from_bytes(line).unwrap());
        }
        let response = send(&layer, request).await;
        let left: Vec<&[u8]> =
            seen(&response).headers.get_all("connection").iter().map(HeaderValue::as_bytes).collect();
        assert_eq!(left, rest, "{lines:?}");
        assert_eq!(seen_values(&response, "x-user-id"), ["bob"]);
    }
}

#[tokio::test]
async fn a_header_may_be_both_the_source_and_the_claim() {
    let world = quick_world();
    let layer = layer(&world)
        .token_from(TokenSource::header("x-user").unwrap())
        .claim_header("x-user", "sub")
        .unwrap();
    let token = world.issuer.sign(json!({ "sub": "bob" }));
    let response = send(&layer, with_lines(&[("x-user", &token)])).await;
    assert_eq!(seen_values(&response, "x-user"), ["bob"]);
}

#[test]
fn names_that_must_not_be_made_up_are_refused_at_start() {
    let world = quick_world();
    for (name, why) in [
        ("", "is not the name"),
        ("a b", "is not the name"),
        ("caf\u{e9}", "is not the name"),
        ("x_user_id", "underscore"),
        ("Authorization", "has a meaning"),
        ("cookie", "has a meaning"),
        ("Host", "has a meaning"),
        ("content-length", "has a meaning"),
        ("Transfer-Encoding", "has a meaning"),
        ("Connection", "has a meaning"),
        ("keep-alive", "has a meaning"),
        ("expect", "has a meaning"),
        ("X-USER", "set twice"),
    ] {
        let layer = layer(&world).claim_header("x-user", "sub").unwrap();
        let error = layer.claim_header(name, "sub").unwrap_err();
        assert_eq!(error.setting(), "claim_header");
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[tokio::test]
async fn headers_come_behind_a_check_that_waits_too() {
    let world = quick_world();
    let authority = world.issuer.authority().check_async(|_: Principal| async {
        tokio::task::yield_now().await;
        Ok(())
    });
    let layer = layer_for(&world, authority)
        .claim_header("x-user-id", "sub")
        .unwrap()
        .keep_raw_token()
        .remove_credential();
    let token = world.issuer.sign(json!({ "sub": "bob" }));
    let mut request = bearer(&token);
    request.headers_mut().insert("x-user-id", HeaderValue::from_static("admin"));
    let response = send(&layer, request).await;
    assert_eq!(seen_values(&response, "x-user-id"), ["bob"]);
    assert_eq!(seen_values(&response, "authorization"), [""; 0]);
    assert_eq!(RawToken::of(&seen(&response).extensions).unwrap().expose(), token);
}

#[tokio::test]
async fn the_raw_token_is_there_only_if_asked_for_and_hides_itself() {
    let world = quick_world();
    let token = world.issuer.sign(json!({}));
    let with = send(&layer(&world).keep_raw_token(), bearer(&token)).await;
    let raw = RawToken::of(&seen(&with).extensions).unwrap();
    assert_eq!((raw.expose(), format!("{raw:?}").as_str()), (token.as_str(), "RawToken(..)"));
    let without = send(&layer(&world), bearer(&token)).await;
    let refused = RawToken::of(&seen(&without).extensions).unwrap_err();
    assert_eq!(refused.reason(), Reason::NotConfigured);
    // The anonymous have none.
    let anonymous = send(&layer(&world).optional().keep_raw_token(), request_with(None)).await;
    assert!(seen(&anonymous).extensions.get::<RawToken>().is_none());
    // Of a refused request, nothing goes further at all.
    let refused = send(&layer(&world).keep_raw_token(), bearer("a.b.c")).await;
    assert_eq!(verdict(&refused), "malformed_token");
    assert!(refused.extensions().get::<RawToken>().is_none());
}

#[tokio::test]
async fn the_inner_layer_wins_whole() {
    let world = quick_world();
    let token = world.issuer.sign(json!({}));
    let inside = |request: Request<()>| async move {
        let mut response = http::Response::new(String::new());
        response.extensions_mut().insert(request.extensions().get::<RawToken>().is_some());
        Ok::<_, std::convert::Infallible>(response)
    };
    let keeps = || layer(&world).keep_raw_token();
    let call = async |service: tower::util::BoxService<_, http::Response<String>, _>| {
        *service.oneshot(bearer(&token)).await.unwrap().extensions().get::<bool>().unwrap()
    };
    let boxed = tower::util::BoxService::new;
    assert!(call(boxed(keeps().layer(keeps().layer(service_fn(inside))))).await);
    assert!(call(boxed(layer(&world).layer(keeps().layer(service_fn(inside))))).await);
    assert!(!call(boxed(keeps().layer(layer(&world).layer(service_fn(inside))))).await);
    // Also where the inner one finds nobody.
    let elsewhere = layer(&world).optional().token_from(TokenSource::header("x-token").unwrap());
    assert!(!call(boxed(keeps().layer(elsewhere.layer(service_fn(inside))))).await);
}
