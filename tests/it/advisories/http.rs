//! The request around the token: attacks 51, 52, 55 to 57 and 59 to 63.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::routing::get;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{Extensions, HeaderMap, Request, Response, StatusCode};
use serde_json::json;
use tower::{Layer, ServiceExt, service_fn};
use tower_jwt_auth::{AuthError, Claims, Jwt, JwtAuthLayer, Principal, Reason};
use tracing_subscriber::filter::LevelFilter;

use super::{answer, request};
use crate::policy::Bench;
use crate::support::logged;

fn layer(bench: &Bench) -> JwtAuthLayer<Claims> {
    JwtAuthLayer::new(bench.verifier(|authority| authority))
}

fn bearer(bench: &Bench) -> String {
    format!("Bearer {}", bench.sign(json!({ "sub": "bob" })))
}

/// Tokens that are bad, each in another way.
pub(super) fn bad_tokens(bench: &Bench) -> Vec<String> {
    let good = bench.sign(json!({}));
    let (input, _) = good.rsplit_once('.').unwrap();
    vec![
        "x".to_owned(),
        "a.b.c".to_owned(),
        "e30.e30.e30".to_owned(),
        "x".repeat(20_000),
        format!("{input}.{}", "A".repeat(43)),
        bench.issuer.sign_with(json!({ "kid": "nobody's" }), json!({})),
        bench.issuer.sign_with(json!({ "alg": "none" }), json!({})),
        bench.issuer.sign_with(json!({ "alg": "RS256" }), json!({})),
        bench.issuer.sign_with(json!({ "typ": "logout+jwt" }), json!({})),
        bench.issuer.sign_with(json!({ "crit": ["x"] }), json!({})),
        bench.issuer.sign_raw(bench.header(), "[]"),
        bench.issuer.sign_raw(bench.header(), [0xff]),
        bench.sign(json!({ "exp": 1 })),
        bench.sign(json!({ "nbf": 9_999_999_999_u64 })),
        bench.sign(json!({ "aud": "other" })),
        bench.sign(json!({ "iss": "other" })),
        bench.sign(json!({ "exp": "soon" })),
        bench.sign(json!({ "exp": null })),
        bench.sign(json!({ "cnf": { "jkt": "x" } })),
    ]
}

/// One of two credentials is used, and which one differs between the parties (also CVE-2026-26308 of Envoy).
#[tokio::test]
async fn attack_51_two_credentials() {
    let bench = Bench::new();
    let good = bearer(&bench);
    let joined = format!("{good}, {good}");
    let hidden = format!("Basic eA==, {good}");
    for layer in [layer(&bench), layer(&bench).optional()] {
        assert_eq!(answer(&layer, request(&[&good])).await.body(), "bob");
        for lines in [
            &[&*good, &*good][..],
            &[&good, "Bearer other"],
            &["Basic eA==", &good],
            &[&good, "Basic eA=="],
            &[&joined],
            &[&hidden],
        ] {
            let response = answer(&layer, request(lines)).await;
            assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{lines:?}");
            let challenge = response.headers()[WWW_AUTHENTICATE].to_str().unwrap();
            assert!(challenge.contains("error=\"invalid_request\""), "{challenge}");
        }
    }
}

/// Another header that looks like the right one is believed (CVE-2025-64484 of oauth2-proxy).
#[tokio::test]
async fn attack_52_twins_of_the_header() {
    let bench = Bench::new();
    for name in
        ["x-authorization", "authorization_", "x-forwarded-authorization", "proxy-authorization", "x-user"]
    {
        let twin = || Request::builder().header(name, bearer(&bench)).body(()).unwrap();
        assert_eq!(answer(&layer(&bench), twin()).await.status(), StatusCode::UNAUTHORIZED, "{name}");
        assert_eq!(answer(&layer(&bench).optional(), twin()).await.body(), "anonymous", "{name}");
    }
}

/// A token in the query ends up in logs and referrers; OAuth 2.1 has it ignored.
#[tokio::test]
async fn attack_55_token_in_the_query() {
    let bench = Bench::new();
    let uri = format!("/?access_token={0}&token={0}", bench.sign(json!({ "sub": "bob" })));
    let in_query = || Request::get(&uri).body(()).unwrap();
    let response = answer(&layer(&bench), in_query()).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(!response.headers()[WWW_AUTHENTICATE].to_str().unwrap().contains("error"));
    assert_eq!(answer(&layer(&bench).optional(), in_query()).await.body(), "anonymous");
}

/// What somebody else left in the extensions is taken for the verdict on this request.
#[tokio::test]
async fn attack_56_claims_left_in_the_extensions() {
    let bench = Bench::new();
    // The extensions as they are behind the layer, on a request that carries no token.
    let left = Arc::new(Mutex::new(Extensions::new()));
    let keep = Arc::clone(&left);
    let inner = service_fn(move |request: Request<()>| {
        *keep.lock().unwrap() = request.extensions().clone();
        std::future::ready(Ok::<_, Infallible>(Response::new(String::new())))
    });
    layer(&bench).layer(inner).oneshot(request(&[&bearer(&bench)])).await.unwrap();
    let stale = || {
        let mut request = request(&[]);
        *request.extensions_mut() = left.lock().unwrap().clone();
        request
    };
    assert!(Jwt::<Claims>::of(stale().extensions()).is_ok(), "they are there");
    assert_eq!(answer(&layer(&bench).optional(), stale()).await.body(), "anonymous");
    assert_eq!(answer(&layer(&bench), stale()).await.status(), StatusCode::UNAUTHORIZED);
}

/// A route that the layer does not cover serves strangers.
#[tokio::test]
async fn attack_57_a_route_outside_the_layer_is_closed() {
    let nothing = Extensions::new();
    assert_eq!(Jwt::<Claims>::of(&nothing).unwrap_err().reason(), Reason::NotConfigured);
    assert_eq!(Jwt::<Claims>::optional(&nothing).unwrap_err().reason(), Reason::NotConfigured);
    assert_eq!(Principal::of(&nothing).unwrap_err().reason(), Reason::NotConfigured);
    assert_eq!(Principal::optional(&nothing).unwrap_err().reason(), Reason::NotConfigured);

    let bench = Bench::new();
    let app: Router = Router::new()
        .route("/inside", get(async |_: Jwt| "in"))
        .layer(layer(&bench).optional())
        .route("/outside", get(async |_: Jwt| "out"))
        .route("/outside-optional", get(async |_: Option<Jwt>| "out"));
    let status = async |path: &str, token: bool| {
        let mut request = Request::get(path);
        if token {
            request = request.header(AUTHORIZATION, bearer(&bench));
        }
        app.clone().oneshot(request.body(axum::body::Body::empty()).unwrap()).await.unwrap().status().as_u16()
    };
    assert_eq!((status("/inside", true).await, status("/inside", false).await), (200, 401));
    assert_eq!((status("/outside", true).await, status("/outside", false).await), (500, 500));
    assert_eq!(status("/outside-optional", true).await, 500);
}

/// Optional authentication turns a bad token into an anonymous caller (CVE-2021-21378 of Envoy).
#[tokio::test]
async fn attack_59_bad_token_where_none_is_needed() {
    let bench = Bench::new();
    let optional = layer(&bench).optional();
    assert_eq!(answer(&optional, request(&[])).await.body(), "anonymous");
    for token in bad_tokens(&bench) {
        let response = answer(&optional, request(&[&format!("Bearer {token}")])).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{token}");
        assert_eq!(response.body(), "");
    }
    for line in ["Bearer", "Bearer ", "Bearer a b", ""] {
        assert_eq!(answer(&optional, request(&[line])).await.status(), StatusCode::BAD_REQUEST, "{line:?}");
    }
}

/// The answer tells which check failed, and so helps to guess (CVE-2019-7644 of Auth0).
#[tokio::test]
async fn attack_60_all_bad_tokens_read_the_same() {
    let bench = Bench::new();
    let mut seen: Option<HeaderMap> = None;
    for token in bad_tokens(&bench) {
        let response = answer(&layer(&bench), request(&[&format!("Bearer {token}")])).await;
        assert_eq!((response.status(), response.body().as_str()), (StatusCode::UNAUTHORIZED, ""));
        let headers = response.headers().clone();
        assert_eq!(&headers, seen.get_or_insert_with(|| headers.clone()), "{token}");
    }
    assert!(seen.unwrap().contains_key(WWW_AUTHENTICATE));
}

/// Text of the token, or of a check, gets into the headers of the answer.
#[tokio::test]
async fn attack_61_no_foreign_text_in_the_answer() {
    let bench = Bench::new();
    let claim = "x\r\nset-cookie: session=CANARY";
    let verifier = bench.verifier(|authority| {
        authority
            .check(move |_| Err(AuthError::new(Reason::InvalidClaim).with_claim(claim).with_source("CANARY")))
    });
    let response = answer(&JwtAuthLayer::new(verifier), request(&[&bearer(&bench)])).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let headers = format!("{:?}", response.headers());
    assert!(!headers.contains("CANARY") && !headers.contains("set-cookie"), "{headers}");
    for realm in ["a\"b", "a\\b", "a\r\nb", "caf\u{e9}", ""] {
        assert_eq!(layer(&bench).realm(realm).unwrap_err().setting(), "realm");
    }
}

/// A name or a value of the token forges lines in the log (CVE-2024-45808 of Envoy), and secrets get there.
#[tokio::test]
async fn attack_62_and_63_no_text_of_the_token_in_the_log() {
    let bench = Bench::new();
    let canary = "CANARY\r\n1970-01-01 ERROR forged";
    let text = logged(LevelFilter::TRACE, async {
        let tokens = [
            bench.issuer.sign_with(json!({ "kid": canary }), json!({})),
            bench.issuer.sign_with(json!({ "alg": canary }), json!({})),
            bench.issuer.sign_with(json!({ "typ": canary }), json!({})),
            bench.sign(json!({ "iss": canary })),
            bench.sign(json!({ "aud": canary })),
            bench.sign(json!({ "exp": canary })),
            bench.sign(json!({ canary: 1, "sub": 7 })),
            bench.sign(json!({ "sub": canary, "email": canary })),
        ];
        for token in &tokens {
            answer(&layer(&bench), request(&[&format!("Bearer {token}")])).await;
        }
    })
    .await;
    assert!(text.contains("unknown_key") && text.contains("wrong_audience"), "it is logged: {text}");
    assert!(!text.contains("CANARY") && !text.contains("forged") && !text.contains("eyJ"), "{text}");
}

/// Each bad token makes an error line, so that anybody can fill the log (seen in several Rust crates).
#[tokio::test]
async fn peers_an_error_line_for_each_bad_token() {
    let bench = Bench::new();
    let text = logged(LevelFilter::INFO, async {
        for token in bad_tokens(&bench) {
            answer(&layer(&bench), request(&[&format!("Bearer {token}")])).await;
        }
        answer(&layer(&bench), request(&[])).await;
        answer(&layer(&bench), request(&["Bearer a b"])).await;
    })
    .await;
    assert_eq!(text, "");
    let ours = logged(LevelFilter::INFO, async {
        assert!(Jwt::<Claims>::of(&Extensions::new()).is_err());
    })
    .await;
    assert!(ours.contains("ERROR"), "a mistake of ours is loud: {ours:?}");
}
