//! Structured answers: `Problem` in HTTP and in gRPC, and answers of single routes.

use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Request, Response, Version};
use prost::Message;
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};
use tower_jwt_auth::{JwtAuthLayer, Problem, Refusal, Require};

use crate::services::{answer, bearer, quick_world, request_with, with_reasons};
use crate::sources::verdict;

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.ErrorInfo`.
#[derive(Clone, PartialEq, Message)]
struct ErrorInfo {
    #[prost(string, tag = "1")]
    reason: String,
    #[prost(string, tag = "2")]
    domain: String,
    #[prost(map = "string, string", tag = "3")]
    metadata: HashMap<String, String>,
}

fn grpc(mut request: Request<()>) -> Request<()> {
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_2;
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    request
}

fn details(response: &Response<String>) -> (Status, ErrorInfo) {
    let value = response.headers()["grpc-status-details-bin"].as_bytes();
    let status = Status::decode(STANDARD_NO_PAD.decode(value).unwrap().as_slice()).unwrap();
    assert_eq!(status.details.len(), 1);
    assert_eq!(status.details[0].type_url, "type.googleapis.com/google.rpc.ErrorInfo");
    let info = ErrorInfo::decode(status.details[0].value.as_slice()).unwrap();
    // No unknown field, no other order: what is read back is what was sent.
    assert_eq!(STANDARD_NO_PAD.encode(status.encode_to_vec()).as_bytes(), value);
    (status, info)
}

/// Handwritten: reason, HTTP status, title, text, code in both forms, gRPC status.
const TABLE: [(&str, u16, &str, &str, &str, i32); 10] = [
    ("missing", 401, "Unauthorized", "The request carries no access token", "missing", 16),
    (
        "malformed_request",
        400,
        "Bad Request",
        "The request does not carry exactly one well-formed credential",
        "invalid_request",
        16,
    ),
    ("expired", 401, "Unauthorized", "The access token is invalid", "invalid_token", 16),
    ("revoked", 401, "Unauthorized", "The access token is invalid", "invalid_token", 16),
    ("insufficient_scope", 403, "Forbidden", "The access token lacks a scope", "insufficient_scope", 7),
    (
        "insufficient_user_authentication",
        401,
        "Unauthorized",
        "A stronger or more recent authentication is required",
        "insufficient_user_authentication",
        16,
    ),
    ("forbidden", 403, "Forbidden", "The request is not permitted", "forbidden", 7),
    ("cross_site", 403, "Forbidden", "The request comes from another site", "cross_site", 7),
    (
        "keys_unavailable",
        503,
        "Service Unavailable",
        "Authentication is unavailable just now",
        "keys_unavailable",
        14,
    ),
    (
        "not_configured",
        500,
        "Internal Server Error",
        "The service is not set up correctly",
        "not_configured",
        13,
    ),
];

#[tokio::test]
async fn a_problem_says_what_the_table_says_in_http_and_in_grpc() {
    let world = quick_world();
    let plain = with_reasons(&world);
    let layer = plain.clone().reject_with(Problem);
    for (reason, status, title, text, code, grpc_code) in TABLE {
        let request = match reason {
            "missing" => request_with(None),
            "malformed_request" => request_with(Some("Bearer a b")),
            reason => bearer(&world.issuer.sign(json!({ "why": reason }))),
        };
        let response = answer(&layer, request.clone()).await;
        assert_eq!((verdict(&response), response.status().as_u16()), (reason, status));
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        let body: Value = serde_json::from_str(response.body()).unwrap();
        let expected =
            json!({ "type": "about:blank", "title": title, "status": status, "detail": text, "code": code });
        assert_eq!(body, expected);
        // Beside its type, the head is that of the plain answer.
        let mut headers = response.headers().clone();
        headers.remove(CONTENT_TYPE);
        assert_eq!(headers, *answer(&plain, request.clone()).await.headers());
        assert_eq!(headers.contains_key(RETRY_AFTER), status == 503);

        let response = answer(&layer, grpc(request.clone())).await;
        assert_eq!((response.status().as_u16(), response.body().as_str()), (200, ""));
        let (decoded, info) = details(&response);
        assert_eq!((decoded.code, decoded.message.as_str()), (grpc_code, text));
        assert_eq!((info.reason, info.domain.as_str()), (code.to_ascii_uppercase(), "tower-jwt-auth"));
        assert!(info.metadata.is_empty());
        let mut headers = response.headers().clone();
        headers.remove("grpc-status-details-bin");
        assert_eq!(headers, *answer(&plain, grpc(request)).await.headers());
    }
}

#[tokio::test]
async fn every_bad_token_gets_the_same_problem() {
    let world = quick_world();
    let layer = with_reasons(&world).reject_with(Problem);
    let mut seen = [BTreeSet::new(), BTreeSet::new()];
    let tokens = [
        "a.b.c".to_owned(),
        world.issuer.sign(json!({ "exp": 1 })),
        world.issuer.sign(json!({ "aud": "other" })),
        world.issuer.sign(json!({ "iss": "https://evil.example.com" })),
        world.issuer.sign(json!({ "why": "revoked" })),
        world.issuer.sign_with(json!({ "kid": "no-such-key" }), json!({})),
        "a".repeat(17 * 1024),
    ];
    for token in &tokens {
        let request = bearer(token);
        for (seen, request) in seen.iter_mut().zip([request.clone(), grpc(request)]) {
            let (parts, body) = answer(&layer, request).await.into_parts();
            seen.insert(format!("{} {:?} {body}", parts.status, parts.headers));
        }
    }
    assert_eq!(seen.map(|seen| seen.len()), [1, 1]);
}

#[tokio::test]
async fn a_problem_names_the_scopes_that_are_needed() {
    let world = quick_world();
    let inner = service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(String::new())) });
    let require = Require::scope("orders:read orders:write").reject_with(Problem);
    let service = with_reasons(&world).layer(require.layer(inner));
    let request = bearer(&world.issuer.sign(json!({ "scope": "orders:read" })));
    let response = service.clone().oneshot(request.clone()).await.unwrap();
    assert_eq!(response.status(), 403);
    let body: Value = serde_json::from_str(response.body()).unwrap();
    assert_eq!(
        (&body["scope"], &body["code"]),
        (&json!("orders:read orders:write"), &json!("insufficient_scope"))
    );
    let expected = r#"Bearer realm="api", error="insufficient_scope", error_description="The access token lacks a scope", scope="orders:read orders:write""#;
    assert_eq!(response.headers()[WWW_AUTHENTICATE], expected);
    let response = service.oneshot(grpc(request)).await.unwrap();
    let (status, info) = details(&response);
    assert_eq!((status.code, info.reason.as_str()), (7, "INSUFFICIENT_SCOPE"));
    assert_eq!(info.metadata, HashMap::from([("scope".to_owned(), "orders:read orders:write".to_owned())]));
}

#[tokio::test]
async fn a_scope_of_any_length_is_still_one_message() {
    let world = quick_world();
    let inner = service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(String::new())) });
    for length in [1, 10, 60, 100, 116, 127, 128, 200, 255, 256, 300, 16_383, 16_384] {
        let scope = "s".repeat(length);
        let service = with_reasons(&world).layer(Require::scope(&scope).reject_with(Problem).layer(inner));
        let response = service.oneshot(grpc(bearer(&world.issuer.sign(json!({}))))).await.unwrap();
        assert_eq!(details(&response).1.metadata["scope"], scope, "{length}");
    }
}

#[tokio::test]
async fn http_only_is_a_problem_in_http_for_grpc_too() {
    let world = quick_world();
    let layer = with_reasons(&world).http_only().reject_with(Problem);
    let response = answer(&layer, grpc(request_with(None))).await;
    assert_eq!((response.status().as_u16(), &response.headers()[CONTENT_TYPE]), (401, &PROBLEM));
    assert!(!response.headers().contains_key("grpc-status-details-bin"));
}

const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

fn says(text: &'static str) -> impl Fn(&Refusal<'_>) -> Response<String> + Clone {
    move |refusal: &Refusal<'_>| refusal.response(text.to_owned())
}

#[tokio::test]
async fn each_layer_answers_what_it_refuses_itself() {
    let world = quick_world();
    let inner = service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new("yes".to_owned())) });
    let inner_policy = Require::scope("b").reject_with(says("inner policy"));
    let outer_policy = Require::scope("a").reject_with(says("outer policy"));
    let second = JwtAuthLayer::new(world.verifier.clone())
        .token_from(tower_jwt_auth::TokenSource::header("x-token").unwrap())
        .realm("inside")
        .unwrap()
        .reject_with(says("inner layer"));
    let first = with_reasons(&world).realm("outside").unwrap().reject_with(says("outer layer"));
    let service = first.layer(outer_policy.layer(second.layer(inner_policy.layer(inner))));
    let with = |outer: Option<&str>, inner: Option<&str>| {
        let sign = |scope: &str| world.issuer.sign(json!({ "scope": scope }));
        let mut request = outer.map_or_else(|| request_with(None), |scope| bearer(&sign(scope)));
        if let Some(scope) = inner {
            request.headers_mut().insert("x-token", sign(scope).parse().unwrap());
        }
        request
    };
    for (outer, inside, body, status, challenge) in [
        (None, Some("b"), "outer layer", 401, r#"Bearer realm="outside""#),
        (
            Some("b"),
            Some("b"),
            "outer policy",
            403,
            r#"Bearer realm="outside", error="insufficient_scope", error_description="The access token lacks a scope", scope="a""#,
        ),
        (Some("a"), None, "inner layer", 401, r#"Bearer realm="inside""#),
        (
            Some("a"),
            Some("a"),
            "inner policy",
            403,
            r#"Bearer realm="inside", error="insufficient_scope", error_description="The access token lacks a scope", scope="b""#,
        ),
        (Some("a"), Some("b"), "yes", 200, ""),
    ] {
        let response = service.clone().oneshot(with(outer, inside)).await.unwrap();
        assert_eq!((response.body().as_str(), response.status().as_u16()), (body, status));
        let told = response.headers().get(WWW_AUTHENTICATE).map_or("", |value| value.to_str().unwrap());
        assert_eq!(told, challenge);
    }
}

#[tokio::test]
async fn challenge_and_status_stay_right_whatever_is_done_with_the_body() {
    let world = quick_world();
    let plain = with_reasons(&world);
    let layer = plain.clone().reject_with(|refusal: &Refusal<'_>| {
        // The body decides nothing, nor does what is added; taking things away takes purpose.
        let mut response =
            refusal.response(refusal.headers().len().to_string()).map(|body| format!("<p>{body}</p>"));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
        response
    });
    for reason in ["missing", "expired", "forbidden", "cross_site", "keys_unavailable", "not_configured"] {
        let request = if reason == "missing" {
            request_with(None)
        } else {
            bearer(&world.issuer.sign(json!({ "why": reason })))
        };
        let (mine, default) = (answer(&layer, request.clone()).await, answer(&plain, request).await);
        assert_eq!((mine.status(), verdict(&mine)), (default.status(), reason));
        for name in [WWW_AUTHENTICATE, CACHE_CONTROL, RETRY_AFTER] {
            assert_eq!(mine.headers().get(&name), default.headers().get(&name), "{reason} {name}");
        }
        assert!(mine.body().starts_with("<p>"));
    }
    let replaced = plain.reject_with(|_: &Refusal<'_>| {
        let mut response = Response::new("sign in".to_owned());
        *response.status_mut() = http::StatusCode::FOUND;
        response
    });
    assert_eq!(answer(&replaced, request_with(None)).await.status(), 302);
}

#[tokio::test]
async fn the_layer_answers_for_routes_that_have_no_answer_of_their_own() {
    use axum::Router;
    use axum::body::Body;
    use axum::routing::get;
    use http_body_util::BodyExt;
    use tower_jwt_auth::RawToken;

    let world = quick_world();
    let html = |refusal: &Refusal<'_>| refusal.response(Body::from("<p>no</p>"));
    let app = Router::new()
        .route("/page", get(|| async {}).route_layer(Require::scope("pages").reject_with(html)))
        .route("/api", get(|| async {}).route_layer(Require::scope("api").reject_with(Problem)))
        .route("/plain", get(|| async {}).route_layer(Require::scope("plain")))
        // This layer does not keep the token: a fault of ours, not of the caller.
        .route("/raw", get(|raw: RawToken| async move { raw.expose().to_owned() }))
        .layer(with_reasons(&world).reject_with(Problem));
    const BARE: &str = r#"{"code":"missing","detail":"The request carries no access token","status":401,"title":"Unauthorized","type":"about:blank"}"#;
    const SCOPE: &str = r#"{"code":"insufficient_scope","detail":"The access token lacks a scope","scope":"api","status":403,"title":"Forbidden","type":"about:blank"}"#;
    const PLAIN: &str = r#"{"code":"insufficient_scope","detail":"The access token lacks a scope","scope":"plain","status":403,"title":"Forbidden","type":"about:blank"}"#;
    const RAW: &str = r#"{"code":"not_configured","detail":"The service is not set up correctly","status":500,"title":"Internal Server Error","type":"about:blank"}"#;
    for (path, signed_in, status, body) in [
        ("/page", false, 401, BARE),
        ("/page", true, 403, "<p>no</p>"),
        ("/api", true, 403, SCOPE),
        ("/plain", true, 403, PLAIN),
        ("/raw", true, 500, RAW),
    ] {
        let request =
            if signed_in { world.issuer.request(json!({ "scope": "none" })) } else { Request::builder() };
        let request = request.uri(path).body(Body::empty()).unwrap();
        let (parts, sent) = app.clone().oneshot(request).await.unwrap().into_parts();
        assert_eq!(parts.status.as_u16(), status, "{path}");
        assert_eq!(sent.collect().await.unwrap().to_bytes(), body, "{path}");
        assert_eq!(parts.headers.contains_key(WWW_AUTHENTICATE), status != 500, "{path}");
    }
}
