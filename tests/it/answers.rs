//! What a refused client is told: status, challenge, headers, in HTTP and in gRPC.

use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Version};
use serde_json::{Value, json};
use tower_jwt_auth::{AuthError, Claims, JwtAuthLayer, Reason, Refusal, Reject, Verifier};

use crate::services::{
    answer, bearer, layer_for, quick_world, reason_of, request_of, request_with, with_reasons,
};
use crate::support::{User, World};

/// All headers, so that nothing more is said than expected.
fn headers(expected: &[(&'static str, &str)]) -> HeaderMap {
    expected.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

fn post(mut request: Request<()>, version: Version, content_type: &str) -> Request<()> {
    *request.method_mut() = Method::POST;
    *request.version_mut() = version;
    request.headers_mut().insert(CONTENT_TYPE, content_type.parse().unwrap());
    request
}

fn grpc(request: Request<()>) -> Request<()> {
    post(request, Version::HTTP_2, "application/grpc")
}

/// A request for each way to be refused, and the reason that is expected.
fn refused(world: &World) -> Vec<(&'static str, Request<()>)> {
    let sign = |claims: Value| world.issuer.sign(claims);
    let sign_with = |header: Value| world.issuer.sign_with(header, json!({}));
    let good = sign(json!({}));
    let (input, signature) = good.rsplit_once('.').unwrap();
    let flipped = if signature.starts_with('A') { 'B' } else { 'A' };
    let mut twice = bearer(&good);
    twice.headers_mut().append(AUTHORIZATION, HeaderValue::from_static("Bearer a.b.c"));
    vec![
        ("missing", request_with(None)),
        ("missing", request_with(Some("Basic dXNlcjpwYXNz"))),
        ("malformed_request", request_with(Some("Bearer"))),
        ("malformed_request", bearer("a b")),
        ("malformed_request", twice),
        ("malformed_token", bearer("opaque")),
        ("malformed_token", bearer("a.b.c.d.e")),
        ("token_too_long", bearer(&"a".repeat(17 * 1024))),
        ("algorithm_not_allowed", bearer(&sign_with(json!({ "alg": "none" })))),
        ("algorithm_not_allowed", bearer(&sign_with(json!({ "alg": "HS512" })))),
        ("unknown_issuer", bearer(&sign(json!({ "iss": "https://evil.example.com" })))),
        ("unknown_key", bearer(&sign_with(json!({ "kid": "no-such-key" })))),
        ("bad_signature", bearer(&format!("{input}.{flipped}{}", &signature[1..]))),
        ("expired", bearer(&sign(json!({ "exp": 1_700_000_000 })))),
        ("not_yet_valid", bearer(&sign(json!({ "nbf": 99_000_000_000_u64 })))),
        ("wrong_audience", bearer(&sign(json!({ "aud": "other" })))),
        ("wrong_type", bearer(&sign_with(json!({ "typ": "logout+jwt" })))),
        ("missing_claim", bearer(&sign(json!({ "exp": null })))),
        ("invalid_claim", bearer(&sign(json!({ "exp": "tomorrow" })))),
        ("revoked", bearer(&sign(json!({ "why": "revoked" })))),
    ]
}

#[tokio::test]
async fn each_way_to_be_refused_is_answered_as_the_standard_says() {
    let world = quick_world();
    let layer = with_reasons(&world);
    for (code, request) in refused(&world) {
        let response = answer(&layer, request).await;
        assert_eq!(reason_of(&response).map(Reason::as_str), Some(code));
        let (status, challenge) = match code {
            "missing" => (401, r#"Bearer realm="api""#),
            "malformed_request" => (
                400,
                r#"Bearer realm="api", error="invalid_request", error_description="The request does not carry exactly one well-formed credential""#,
            ),
            _ => (
                401,
                r#"Bearer realm="api", error="invalid_token", error_description="The access token is invalid""#,
            ),
        };
        assert_eq!(response.status().as_u16(), status, "{code}");
        let expected = headers(&[("www-authenticate", challenge), ("cache-control", "no-store")]);
        assert_eq!(*response.headers(), expected, "{code}");
        assert_eq!(response.body(), "", "{code}");
    }
}

#[tokio::test]
async fn all_answers_to_a_bad_token_are_the_same_to_the_byte() {
    let world = quick_world();
    let layer = with_reasons(&world);
    for as_grpc in [false, true] {
        let mut seen = std::collections::BTreeSet::new();
        let mut causes = 0;
        for (code, request) in refused(&world) {
            if ["missing", "malformed_request"].contains(&code) {
                continue;
            }
            let request = if as_grpc { grpc(request) } else { request };
            let (parts, body) = answer(&layer, request).await.into_parts();
            // `Debug` of the parts shows the order of the headers, too.
            seen.insert(format!("{:?} {:?} {:?} {body:?}", parts.status, parts.version, parts.headers));
            causes += 1;
        }
        assert_eq!(seen.len(), 1, "{seen:#?}");
        assert_eq!(causes, 15);
    }
}

/// Handwritten from the table: code, HTTP status, error code of the challenge (`""`: none, `"-"`: no challenge),
/// gRPC status, text.
const TABLE: [(&str, u16, &str, &str, &str); 23] = {
    const BAD: (u16, &str, &str, &str) = (401, "invalid_token", "16", "The access token is invalid");
    const DOWN: &str = "Authentication is unavailable just now";
    const fn bad(code: &'static str) -> (&'static str, u16, &'static str, &'static str, &'static str) {
        (code, BAD.0, BAD.1, BAD.2, BAD.3)
    }
    [
        bad("algorithm_not_allowed"),
        bad("bad_signature"),
        ("cross_site", 403, "-", "7", "The request comes from another site"),
        bad("expired"),
        ("forbidden", 403, "-", "7", "The request is not permitted"),
        bad("inactive"),
        ("insufficient_scope", 403, "insufficient_scope", "7", "The access token lacks a scope"),
        (
            "insufficient_user_authentication",
            401,
            "insufficient_user_authentication",
            "16",
            "A stronger or more recent authentication is required",
        ),
        bad("invalid_claim"),
        ("keys_unavailable", 503, "-", "14", DOWN),
        (
            "malformed_request",
            400,
            "invalid_request",
            "16",
            "The request does not carry exactly one well-formed credential",
        ),
        bad("malformed_token"),
        ("missing", 401, "", "16", "The request carries no access token"),
        bad("missing_claim"),
        ("not_configured", 500, "-", "13", "The service is not set up correctly"),
        bad("not_yet_valid"),
        ("revocation_unavailable", 503, "-", "14", DOWN),
        bad("revoked"),
        bad("token_too_long"),
        bad("unknown_issuer"),
        bad("unknown_key"),
        bad("wrong_audience"),
        bad("wrong_type"),
    ]
};

#[tokio::test]
async fn a_check_may_refuse_for_any_reason_and_each_has_its_answer() {
    let world = quick_world();
    let layer = with_reasons(&world);
    assert!(Reason::all().iter().map(|reason| reason.as_str()).eq(TABLE.iter().map(|row| row.0)));
    for (code, status, error, grpc_status, text) in TABLE {
        let request = || world.issuer.request(json!({ "why": code })).body(()).unwrap();
        let challenge = match error {
            "-" => None,
            "" => Some(r#"Bearer realm="api""#.to_owned()),
            _ => Some(format!(r#"Bearer realm="api", error="{error}", error_description="{text}""#)),
        };
        let mut expected = headers(&[("cache-control", "no-store")]);
        if let Some(challenge) = &challenge {
            expected.insert(WWW_AUTHENTICATE, challenge.parse().unwrap());
        }

        let mut expected_http = expected.clone();
        if status == 503 {
            expected_http.insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        let response = answer(&layer, request()).await;
        assert_eq!(response.status().as_u16(), status, "{code}");
        assert_eq!(*response.headers(), expected_http, "{code}");
        assert_eq!(response.body(), "");
        let error = response.extensions().get::<AuthError>().unwrap();
        assert_eq!((error.reason().as_str(), error.signature_verified()), (code, true));

        expected.extend(headers(&[
            ("content-type", "application/grpc"),
            ("grpc-status", grpc_status),
            ("grpc-message", text),
        ]));
        let response = answer(&layer, grpc(request())).await;
        assert_eq!(response.status(), StatusCode::OK, "{code}");
        assert_eq!(*response.headers(), expected, "{code}");
        assert_eq!(response.body(), "");
        assert_eq!(reason_of(&response).map(Reason::as_str), Some(code));
    }
}

#[tokio::test(start_paused = true)]
async fn a_check_that_hangs_is_answered_with_503() {
    let world = quick_world();
    let hanging = world.issuer.authority().check_async(|_| std::future::pending());
    let layer = layer_for(&world, hanging);
    let response = answer(&layer, request_of(&world.issuer, "bob")).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(*response.headers(), headers(&[("cache-control", "no-store"), ("retry-after", "5")]));
    let error = response.extensions().get::<AuthError>().unwrap();
    assert_eq!(error.reason(), Reason::RevocationUnavailable);
    assert!(error.is_transient());
    let response = answer(&layer, grpc(request_of(&world.issuer, "bob"))).await;
    assert_eq!(
        (response.status(), &response.headers()["grpc-status"]),
        (StatusCode::OK, &"14".parse().unwrap())
    );
}

/// The status, and what a gRPC client would read.
async fn shape<R>(
    layer: &JwtAuthLayer<Claims, R>,
    request: Request<()>,
) -> (u16, Option<String>, Option<String>)
where
    R: Reject<String> + Clone,
{
    let response = answer(layer, request).await;
    let text =
        |name| response.headers().get(name).map(|value: &HeaderValue| value.to_str().unwrap().to_owned());
    (response.status().as_u16(), text("content-type"), text("grpc-status"))
}

#[tokio::test]
async fn only_a_real_grpc_call_is_answered_in_grpc_and_its_content_type_is_echoed() {
    let world = quick_world();
    let layer = with_reasons(&world);
    let (grpc_answer, http_answer) =
        (|echo: &str| (200, Some(echo.to_owned()), Some("16".to_owned())), (401, None, None));
    for content_type in [
        "application/grpc",
        "application/grpc+proto",
        "application/grpc-web",
        "application/grpc-web-text+proto",
    ] {
        let call = post(request_with(None), Version::HTTP_2, content_type);
        assert_eq!(shape(&layer, call).await, grpc_answer(content_type));
    }
    let web = post(request_with(None), Version::HTTP_11, "application/grpc-web+proto");
    assert_eq!(shape(&layer, web).await, grpc_answer("application/grpc-web+proto"));

    // A caller who could choose 200 for a refusal would pass a proxy that asks for permission.
    let native = post(request_with(None), Version::HTTP_11, "application/grpc");
    assert_eq!(shape(&layer, native).await, http_answer);
    for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE] {
        let mut call = grpc(request_with(None));
        *call.method_mut() = method;
        assert_eq!(shape(&layer, call).await, http_answer);
    }
    for content_type in ["application/json", "application/grpcx", "text/plain"] {
        let call = post(request_with(None), Version::HTTP_2, content_type);
        assert_eq!(shape(&layer, call).await, http_answer);
    }
    let mut two = grpc(request_with(None));
    two.headers_mut().append(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    assert_eq!(shape(&layer, two).await, http_answer);
}

#[tokio::test]
async fn http_only_never_answers_a_refusal_with_200() {
    let world = quick_world();
    let layer = with_reasons(&world).http_only();
    for (code, request) in refused(&world) {
        let response = answer(&layer, grpc(request)).await;
        assert!(response.status().is_client_error(), "{code}");
        assert!(!response.headers().contains_key("grpc-status"));
        assert!(response.headers().contains_key(WWW_AUTHENTICATE));
    }
    let web = post(request_with(None), Version::HTTP_11, "application/grpc-web");
    assert_eq!(answer(&layer, web).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(answer(&layer, grpc(request_of(&world.issuer, "bob"))).await.body(), "yes");
    // Also for an answer of the user's own that starts from the default one.
    let layer = layer.reject_with(|refusal: &Refusal<'_>| {
        assert!(!refusal.is_grpc());
        refusal.response("no".to_owned())
    });
    assert_eq!(answer(&layer, grpc(request_with(None))).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_realm_is_named_in_every_challenge_and_a_wrong_one_is_refused_at_start() {
    let world = quick_world();
    let layer = with_reasons(&world).realm("orders of acme").unwrap();
    for (code, request) in refused(&world) {
        for request in [request.clone(), grpc(request)] {
            let response = answer(&layer, request).await;
            let challenge = response.headers()[WWW_AUTHENTICATE].to_str().unwrap();
            assert!(challenge.starts_with(r#"Bearer realm="orders of acme""#), "{code}: {challenge}");
        }
    }
    for realm in ["", "a\"b", "a\\b", "a\r\nset-cookie: x", "caf\u{e9}"] {
        assert_eq!(with_reasons(&world).realm(realm).unwrap_err().setting(), "realm");
    }
}

#[tokio::test]
async fn optional_forgives_absence_and_nothing_else() {
    let world = quick_world();
    let layer = with_reasons(&world).optional();
    for (code, request) in refused(&world) {
        let response = answer(&layer, request).await;
        match code {
            // Nothing, or another scheme.
            "missing" => assert_eq!(response.body(), "yes"),
            "malformed_request" => assert_eq!(response.status(), StatusCode::BAD_REQUEST),
            _ => assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{code}"),
        }
        assert_eq!(reason_of(&response).is_none(), code == "missing");
    }
    for value in ["Basic dXNlcjpwYXNz, Bearer a.b.c", "", "Bearer a.b.c,", "Bearer "] {
        let response = answer(&layer, request_with(Some(value))).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{value:?}");
    }
    // A token that does not fit the claims type is there, and bad.
    let typed = Verifier::<User>::builder().authority(world.issuer.authority()).build().unwrap();
    let response = answer(&JwtAuthLayer::new(typed).optional(), bearer(&world.issuer.sign(json!({})))).await;
    assert_eq!(reason_of(&response), Some(Reason::MissingClaim));
}

#[tokio::test]
async fn a_token_is_good_until_its_last_second_and_the_answer_tells_nothing_of_it() {
    let world = quick_world();
    let layer = with_reasons(&world);
    let request = request_of(&world.issuer, "bob");
    // Ten minutes of life and thirty seconds of leeway.
    world.clock.advance(Duration::from_secs(629));
    assert_eq!(answer(&layer, request.clone()).await.body(), "yes");
    world.clock.advance(Duration::from_secs(1));
    let response = answer(&layer, request).await;
    assert_eq!(reason_of(&response), Some(Reason::Expired));
    assert!(!format!("{:?}", response.headers()).contains("exp"));
}
