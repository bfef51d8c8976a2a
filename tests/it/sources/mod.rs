//! Where the token is found, and what a request with none, a bad one or two is told.

mod cookie;
mod csrf;
mod elsewhere;
mod token_cookie;

use std::convert::Infallible;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::WWW_AUTHENTICATE;
use http::request::Parts;
use http::{HeaderValue, Request, Response};
use serde_json::json;
use tower::{Layer, ServiceExt, service_fn};
use tower_jwt_auth::{AuthError, Csrf, JwtAuthLayer, Reason, Reject, RequestHead, TokenSource};

use crate::services::{quick_world, reason_of};
use crate::support::World;

pub(crate) const PREFIX: &str = "base64url.bearer.example.com.";
pub(crate) const PLAIN: &str = r#"Bearer realm="api""#;
pub(crate) const REQUEST: &str = r#"Bearer realm="api", error="invalid_request", error_description="The request does not carry exactly one well-formed credential""#;
pub(crate) const TOKEN: &str =
    r#"Bearer realm="api", error="invalid_token", error_description="The access token is invalid""#;

/// The request as a service behind the layer sees it.
#[derive(Clone)]
pub(crate) struct Seen(pub(crate) Parts);

/// Sends a request to a service behind this layer; it answers `yes` and leaves what it [`Seen`].
pub(crate) async fn send<C, R>(layer: &JwtAuthLayer<C, R>, request: Request<()>) -> Response<String>
where
    C: serde::de::DeserializeOwned + Send + Sync + 'static,
    R: Reject<String> + Clone,
{
    let inner = service_fn(|request: Request<()>| async {
        let mut response = Response::new("yes".to_owned());
        response.extensions_mut().insert(Seen(request.into_parts().0));
        Ok::<_, Infallible>(response)
    });
    layer.layer(inner).oneshot(request).await.unwrap()
}

/// What the service behind the layer saw, if the request came so far.
pub(crate) fn seen(response: &Response<String>) -> &Parts {
    &response.extensions().get::<Seen>().expect("the request was refused").0
}

/// All values of a header that the service behind the layer saw.
pub(crate) fn seen_values(response: &Response<String>, name: &str) -> Vec<String> {
    let values = seen(response).headers.get_all(name).iter();
    values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
}

/// The stable code of the refusal, `yes` if there was none.
pub(crate) fn verdict(response: &Response<String>) -> &'static str {
    reason_of(response).map_or("yes", Reason::as_str)
}

pub(crate) fn layer(world: &World, sources: impl IntoIterator<Item = TokenSource>) -> JwtAuthLayer {
    JwtAuthLayer::new(world.verifier.clone()).token_from(sources)
}

/// A GET with these header lines.
pub(crate) fn with_lines(lines: &[(&'static str, &str)]) -> Request<()> {
    let mut request = Request::new(());
    for (name, value) in lines {
        request.headers_mut().append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    request
}

pub(crate) fn protocol(token: &str) -> String {
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(token))
}

pub(crate) fn cookie_source() -> TokenSource {
    TokenSource::cookie("__Host-token", Csrf::same_origin()).unwrap()
}

fn source(name: &str) -> TokenSource {
    match name {
        "bearer" => TokenSource::bearer(),
        "header" => TokenSource::header("X-Token").unwrap(),
        "header with prefix" => TokenSource::header_with_prefix("X-Auth", "Token").unwrap(),
        "cookie" => cookie_source(),
        "query" => TokenSource::insecure_query("access_token"),
        "websocket protocol" => TokenSource::websocket_protocol(PREFIX).unwrap(),
        "own" => TokenSource::own(|request: &RequestHead<'_>| {
            let mut lines = request.headers().get_all("x-peer").iter();
            match (lines.next(), lines.next()) {
                (None, _) => Ok(None),
                (Some(line), None) => Ok(Some(line.to_str().unwrap().to_owned())),
                _ => Err(AuthError::new(Reason::MalformedRequest)),
            }
        }),
        other => panic!("{other}"),
    }
}

/// Adds a credential as the source of this name reads it.
fn put(request: &mut Request<()>, source: &str, token: &str) {
    let (name, value) = match source {
        "bearer" => ("authorization", format!("Bearer {token}")),
        "header" => ("x-token", token.to_owned()),
        "header with prefix" => ("x-auth", format!("Token {token}")),
        "cookie" => ("cookie", format!("theme=dark; __Host-token={token}; lang=en")),
        "query" => {
            let query = request.uri().query().map_or(String::new(), |query| format!("{query}&"));
            let token = token.replace(' ', "%20");
            *request.uri_mut() = format!("/?{query}access_token={token}").parse().unwrap();
            return;
        }
        "websocket protocol" => {
            request.headers_mut().insert("upgrade", HeaderValue::from_static("websocket"));
            ("sec-websocket-protocol", format!("{}, chat", protocol(token)))
        }
        "own" => ("x-peer", token.to_owned()),
        other => panic!("{other}"),
    };
    request.headers_mut().append(name, value.parse().unwrap());
}

/// Handwritten: source, credentials in the request, status, challenge (`""`: none).
const TABLE: [(&str, &str, u16, &str); 35] = [
    ("bearer", "absent", 401, PLAIN),
    ("bearer", "good", 200, ""),
    ("bearer", "malformed", 400, REQUEST),
    ("bearer", "duplicate", 400, REQUEST),
    ("bearer", "two sources", 400, REQUEST),
    ("header", "absent", 401, PLAIN),
    ("header", "good", 200, ""),
    ("header", "malformed", 400, REQUEST),
    ("header", "duplicate", 400, REQUEST),
    ("header", "two sources", 400, REQUEST),
    ("header with prefix", "absent", 401, PLAIN),
    ("header with prefix", "good", 200, ""),
    ("header with prefix", "malformed", 400, REQUEST),
    ("header with prefix", "duplicate", 400, REQUEST),
    ("header with prefix", "two sources", 400, REQUEST),
    ("cookie", "absent", 401, PLAIN),
    ("cookie", "good", 200, ""),
    ("cookie", "malformed", 400, REQUEST),
    ("cookie", "duplicate", 400, REQUEST),
    ("cookie", "two sources", 400, REQUEST),
    ("query", "absent", 401, PLAIN),
    ("query", "good", 200, ""),
    ("query", "malformed", 400, REQUEST),
    ("query", "duplicate", 400, REQUEST),
    ("query", "two sources", 400, REQUEST),
    ("websocket protocol", "absent", 401, PLAIN),
    ("websocket protocol", "good", 200, ""),
    ("websocket protocol", "malformed", 400, REQUEST),
    ("websocket protocol", "duplicate", 400, REQUEST),
    ("websocket protocol", "two sources", 400, REQUEST),
    ("own", "absent", 401, PLAIN),
    ("own", "good", 200, ""),
    // What a source of the user's own gives is judged by the verifier: a bad token, not a bad request.
    ("own", "malformed", 401, TOKEN),
    // Refused by the closure itself.
    ("own", "duplicate", 400, REQUEST),
    ("own", "two sources", 400, REQUEST),
];

#[tokio::test]
async fn each_source_answers_as_the_table_says() {
    let world = quick_world();
    let good = world.issuer.sign(json!({ "sub": "bob" }));
    println!("| source | credentials | status | challenge |\n|---|---|---|---|");
    for (name, case, status, challenge) in TABLE {
        let second = if name == "bearer" { "header" } else { "bearer" };
        let mut request = Request::new(());
        match case {
            "absent" => {}
            "good" => put(&mut request, name, &good),
            "malformed" => put(&mut request, name, "a b"),
            "duplicate" => (0..2).for_each(|_| put(&mut request, name, &good)),
            "two sources" => [name, second].iter().for_each(|name| put(&mut request, name, &good)),
            other => panic!("{other}"),
        }
        // The order in which the sources are named does not matter.
        for sources in [[name, second], [second, name]] {
            let response = send(&layer(&world, sources.map(source)), request.clone()).await;
            let told = response.headers().get(WWW_AUTHENTICATE).map_or("", |value| value.to_str().unwrap());
            assert_eq!((response.status().as_u16(), told), (status, challenge), "{name}, {case}");
        }
        // Alone, a source knows nothing of the other one.
        let alone = send(&layer(&world, source(name)), request).await.status().as_u16();
        assert_eq!(alone, if case == "two sources" { 200 } else { status }, "{name}, {case}");
        let challenge = if challenge.is_empty() { "–".to_owned() } else { format!("`{challenge}`") };
        println!("| {name} | {case} | {status} | {challenge} |");
    }
}

#[tokio::test]
async fn optional_forgives_absence_in_every_source_and_nothing_else() {
    let world = quick_world();
    for (name, case, status, _) in TABLE.into_iter().filter(|row| row.1 != "two sources") {
        let mut request = Request::new(());
        match case {
            "malformed" => put(&mut request, name, "a b"),
            "duplicate" => (0..2).for_each(|_| put(&mut request, name, "a.b.c")),
            "good" => put(&mut request, name, &world.issuer.sign(json!({}))),
            _ => {}
        }
        let response = send(&layer(&world, source(name)).optional(), request).await;
        let expected = if case == "absent" { 200 } else { status };
        assert_eq!(response.status().as_u16(), expected, "{name}, {case}");
    }
}

#[tokio::test]
async fn a_place_that_is_no_source_is_not_looked_at() {
    let world = quick_world();
    let good = world.issuer.sign(json!({}));
    let names = ["bearer", "header", "header with prefix", "cookie", "query", "websocket protocol", "own"];
    for configured in names {
        for elsewhere in names.into_iter().filter(|name| *name != configured) {
            let mut request = Request::new(());
            put(&mut request, elsewhere, &good);
            let response = send(&layer(&world, source(configured)), request).await;
            assert_eq!(verdict(&response), "missing", "{configured}, {elsewhere}");
        }
    }
    // Of no source, nothing is ever found.
    let mut request = Request::new(());
    put(&mut request, "bearer", &good);
    assert_eq!(verdict(&send(&layer(&world, []), request).await), "missing");
}

#[tokio::test]
async fn sources_print_their_places_and_no_more() {
    let world = quick_world();
    let printed = format!("{:?}", layer(&world, ["cookie", "query", "own", "header"].map(source)));
    for place in ["cookie(__Host-token", "insecure_query(access_token)", "own", "header(x-token)"] {
        assert!(printed.contains(place), "{printed}");
    }
    assert!(!printed.contains("bearer"));
}
