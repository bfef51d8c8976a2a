//! The query, the sub-protocol of a WebSocket, headers, and places of the user's own.

use http::header::SEC_WEBSOCKET_PROTOCOL;
use http::{HeaderValue, Method, Request, Response};
use serde_json::json;
use tower_jwt_auth::{AuthError, Reason, Refusal, RequestHead, TokenSource, redacted_uri};

use super::{PREFIX, layer, protocol, seen, seen_values, send, verdict, with_lines};
use crate::services::{bearer, quick_world};

fn at(uri: &str) -> Request<()> {
    Request::builder().uri(uri).body(()).unwrap()
}

#[tokio::test]
async fn the_query_parameter_never_reaches_the_inner_service() {
    let world = quick_world();
    let layer = layer(&world, TokenSource::insecure_query("access_token"));
    let token = world.issuer.sign(json!({}));
    for (uri, rest) in [
        ("/?access_token=T", "/"),
        ("/a/b?access_token=T&x=1", "/a/b?x=1"),
        ("/a?x=1&access_token=T", "/a?x=1"),
        ("/a?x=%20&access_token=T&y=%2F&y", "/a?x=%20&y=%2F&y"),
        ("/a?access%5ftoken=T", "/a"),
        ("/a?%61ccess%5Ftoke%6E=T&x=1", "/a?x=1"),
        ("https://app.example:8443/a?access_token=T", "https://app.example:8443/a"),
        ("https://app.example?access_token=T", "https://app.example/"),
        // Other names: of other case, encoded twice, in an array.
        (
            "/a?access_token=T&Access_Token=x&access%255ftoken=y&access_token[]=z",
            "/a?Access_Token=x&access%255ftoken=y&access_token[]=z",
        ),
        // A semicolon separates nothing.
        ("/a?access_token=T&x=1;access_token=y", "/a?x=1;access_token=y"),
    ] {
        let response = send(&layer, at(&uri.replace("=T", &format!("={token}")))).await;
        assert_eq!(verdict(&response), "yes", "{uri}");
        assert_eq!(seen(&response).uri.to_string(), rest, "{uri}");
    }
}

#[tokio::test]
async fn a_second_parameter_in_any_spelling_is_refused() {
    let world = quick_world();
    let layer = layer(&world, TokenSource::insecure_query("access_token"));
    let token = world.issuer.sign(json!({}));
    for second in
        ["access_token=a.b.c", "access_token", "access_token=", "access%5ftoken=a.b.c", "%61ccess_token=x"]
    {
        for uri in [format!("/?access_token={token}&{second}"), format!("/?{second}&x&access_token={token}")]
        {
            assert_eq!(verdict(&send(&layer, at(&uri)).await), "malformed_request", "{second}");
        }
    }
    for bad in [";x=1", "%20", "+", "%00", "%ff", "%2Cx", " "] {
        let uri = format!("/?access_token={token}{}", bad.replace(' ', "%09"));
        assert_eq!(verdict(&send(&layer, at(&uri)).await), "malformed_request", "{bad}");
    }
}

#[tokio::test]
async fn a_refusal_does_not_see_the_parameter_either() {
    let world = quick_world();
    let layer = layer(&world, TokenSource::insecure_query("access_token"))
        .reject_with(|refusal: &Refusal<'_>| refusal.response(refusal.uri().to_string()));
    assert_eq!(send(&layer, at("/a?access_token=a.b.c&x=1")).await.body(), "/a?x=1");
    assert_eq!(send(&layer, at("/a?access_token=a&access_token=b")).await.body(), "/a");
}

#[tokio::test]
async fn the_parameter_goes_also_where_another_source_has_the_token() {
    // In optional mode a parameter that is there is a credential; where it is not configured it is left alone.
    let world = quick_world();
    let mut request = bearer(&world.issuer.sign(json!({})));
    *request.uri_mut() = "/a?access_token=x".parse().unwrap();
    let sources = [TokenSource::bearer(), TokenSource::insecure_query("access_token")];
    let response = send(&layer(&world, sources), request.clone()).await;
    assert_eq!(verdict(&response), "malformed_request");
    let response = send(&layer(&world, TokenSource::bearer()), request).await;
    assert_eq!(seen(&response).uri, "/a?access_token=x");
}

#[test]
fn a_uri_for_traces_has_none_of_the_names() {
    let uri = "/a?token=x&b=1&access%5Ftoken=y&Token=z#no".parse().unwrap();
    assert_eq!(redacted_uri(&uri, ["token", "access_token"]), "/a?b=1&Token=z");
    assert_eq!(redacted_uri(&uri, []), "/a?token=x&b=1&access%5Ftoken=y&Token=z");
}

fn socket(lines: &[&str]) -> Request<()> {
    let mut request = with_lines(&[("upgrade", "websocket"), ("connection", "upgrade")]);
    for line in lines {
        request.headers_mut().append(SEC_WEBSOCKET_PROTOCOL, line.parse().unwrap());
    }
    request
}

fn protocols(response: &Response<String>) -> Vec<String> {
    seen_values(response, "sec-websocket-protocol")
}

#[tokio::test]
async fn the_token_protocol_never_reaches_the_inner_service() {
    let world = quick_world();
    let required = layer(&world, TokenSource::websocket_protocol(PREFIX).unwrap());
    let offer = protocol(&world.issuer.sign(json!({})));
    for lines in [
        &[format!("{offer}, chat")][..],
        &[format!("chat,{offer}")],
        &[format!(" ,, chat ,\t{offer},")],
        &[offer.clone(), "chat".to_owned()],
        &["chat".to_owned(), offer.clone()],
    ] {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let response = send(&required, socket(&lines)).await;
        assert_eq!(protocols(&response), ["chat"], "{lines:?}");
        assert!(!format!("{:?}", seen(&response).headers).contains(PREFIX));
    }
    // Over HTTP/2 the handshake is an extended CONNECT, without `Upgrade`.
    let mut connect = with_lines(&[("sec-websocket-protocol", &format!("{offer}, chat"))]);
    *connect.method_mut() = Method::CONNECT;
    assert_eq!(protocols(&send(&required, connect).await), ["chat"]);
    // Without a handshake it is no credential, but goes no further either.
    let get = with_lines(&[("sec-websocket-protocol", &format!("{offer}, chat"))]);
    assert_eq!(verdict(&send(&required, get.clone()).await), "missing");
    assert_eq!(protocols(&send(&required.clone().optional(), get).await), ["chat"]);
    // Prefixes are compared as sub-protocols are: with their case.
    let shouted = socket(&[&format!("{}, chat", offer.replace("base64url.", "BASE64URL."))]);
    assert_eq!(verdict(&send(&required, shouted).await), "missing");
}

#[tokio::test]
async fn no_answer_names_the_token_protocol() {
    let world = quick_world();
    let sources = [TokenSource::websocket_protocol(PREFIX).unwrap(), TokenSource::bearer()];
    // Even an answer that says all it sees.
    let layer = layer(&world, sources)
        .reject_with(|refusal: &Refusal<'_>| refusal.response(format!("{:?}", refusal.headers())));
    let offer = protocol(&world.issuer.sign(json!({})));
    let bad = protocol("a.b.c");
    let twice = format!("{offer}, {offer}, chat");
    for (lines, expected) in [
        (&[format!("{bad}, chat")][..], "malformed_token"),
        (std::slice::from_ref(&offer), "malformed_request"),
        (&[twice], "malformed_request"),
        (&[format!("{PREFIX}a.b.c, chat")], "malformed_request"),
        (&[format!("{PREFIX}, chat")], "malformed_request"),
        (&[format!("{offer}=, chat")], "malformed_request"),
        (&[offer.clone(), "caf\u{e9}".to_owned()], "malformed_request"),
    ] {
        let mut request = socket(&[]);
        for line in lines {
            let value = HeaderValue::from_bytes(line.as_bytes()).unwrap();
            request.headers_mut().append(SEC_WEBSOCKET_PROTOCOL, value);
        }
        let response = send(&layer, request).await;
        assert_eq!(verdict(&response), expected, "{lines:?}");
        assert!(!response.body().contains(PREFIX), "{}", response.body());
        assert!(!response.headers().contains_key(SEC_WEBSOCKET_PROTOCOL));
    }
    let mut both = socket(&[&format!("{offer}, chat")]);
    both.headers_mut().insert("authorization", world.issuer.bearer(json!({})));
    assert_eq!(verdict(&send(&layer, both).await), "malformed_request");
}

#[test]
fn a_prefix_that_cannot_begin_a_protocol_is_refused() {
    for prefix in ["", "a b", "a,b", "a\r\n", "caf\u{e9}", "a/b"] {
        let error = TokenSource::websocket_protocol(prefix).unwrap_err();
        assert_eq!(error.setting(), "TokenSource::websocket_protocol", "{prefix:?}");
    }
}

#[tokio::test]
async fn a_header_holds_one_token_and_nothing_else() {
    let world = quick_world();
    let token = world.issuer.sign(json!({}));
    let layer = layer(&world, TokenSource::header("Cf-Access-Jwt-Assertion").unwrap());
    let judged =
        async |value: &str| verdict(&send(&layer, with_lines(&[("cf-access-jwt-assertion", value)])).await);
    assert_eq!(judged(&token).await, "yes");
    for value in ["", "T,T", "T, a.b.c", ",T", "Bearer T", "T ", " T", "\"T\"", "caf\u{e9}"] {
        assert_eq!(judged(&value.replace('T', &token)).await, "malformed_request", "{value}");
    }
    // A twin is no header of ours.
    let twin = with_lines(&[("cf_access_jwt_assertion", &token)]);
    assert_eq!(verdict(&send(&layer, twin).await), "missing");
}

#[tokio::test]
async fn a_prefix_is_a_word_in_any_case_before_the_token() {
    let world = quick_world();
    let token = world.issuer.sign(json!({}));
    let layer = layer(&world, TokenSource::header_with_prefix("X-Auth", "Token").unwrap());
    for (value, expected) in [
        ("Token T", "yes"),
        ("TOKEN   T", "yes"),
        ("token T", "yes"),
        ("T", "malformed_request"),
        ("Token", "malformed_request"),
        ("Token ", "malformed_request"),
        ("Token\tT", "malformed_request"),
        ("TokenT", "malformed_request"),
        ("Token: T", "malformed_request"),
        ("Bearer T", "malformed_request"),
        ("Token Token T", "malformed_request"),
        ("Token T, Token T", "malformed_request"),
    ] {
        // `T` alone would also replace the word.
        let value =
            value.strip_suffix('T').map_or_else(|| value.to_owned(), |start| format!("{start}{token}"));
        let response = send(&layer, with_lines(&[("x-auth", &value)])).await;
        assert_eq!(verdict(&response), expected, "{value}");
    }
}

#[test]
fn a_header_of_another_source_and_no_header_at_all_are_refused() {
    for name in ["Authorization", "cookie", "Sec-WebSocket-Protocol", "", "a b", "a:b", "caf\u{e9}"] {
        let error = TokenSource::header(name).unwrap_err();
        assert_eq!(error.setting(), "TokenSource::header", "{name}");
        assert!(TokenSource::header_with_prefix(name, "Token").is_err());
    }
    for prefix in ["", "a b", "Token ", "a,b"] {
        assert!(TokenSource::header_with_prefix("x-auth", prefix).is_err(), "{prefix}");
    }
}

#[tokio::test]
async fn a_place_of_ones_own_sees_the_head_and_may_refuse() {
    #[derive(Clone)]
    struct Peer(String);
    let world = quick_world();
    let layer = layer(
        &world,
        TokenSource::own(|request: &RequestHead<'_>| {
            assert_eq!((request.method(), request.uri().path()), (&Method::GET, "/"));
            assert_eq!(request.version(), http::Version::HTTP_11);
            if request.headers().contains_key("x-refuse") {
                return Err(AuthError::new(Reason::Forbidden));
            }
            assert!(!format!("{request:?}").contains("secret"));
            Ok(request.extensions().get::<Peer>().map(|peer| peer.0.clone()))
        }),
    )
    .optional();
    let mut request = with_lines(&[("x-secret", "secret")]);
    assert_eq!(verdict(&send(&layer, request.clone()).await), "yes");
    request.extensions_mut().insert(Peer(world.issuer.sign(json!({}))));
    assert_eq!(verdict(&send(&layer, request.clone()).await), "yes");
    request.extensions_mut().insert(Peer("secret".to_owned()));
    assert_eq!(verdict(&send(&layer, request).await), "malformed_token");
    assert_eq!(verdict(&send(&layer, with_lines(&[("x-refuse", "1")])).await), "forbidden");
}
