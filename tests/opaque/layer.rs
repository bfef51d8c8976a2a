//! Behind the layer an opaque token is a token: the same answers, policies, records.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, Response, StatusCode, Version};
use axum::routing::get;
use serde_json::json;
use tower::ServiceExt;
use tower_jwt_auth::{
    Authority, Claims, Decision, Jwt, JwtAuthLayer, OpaqueTokens, Principal, Reason, Require, TestIssuer,
    Verifier,
};

use crate::table::{ISSUER, Table};

fn tokens() -> OpaqueTokens {
    OpaqueTokens::with_prefix("sk_")
}

fn app(authorities: impl IntoIterator<Item = Authority>) -> Router {
    Router::new()
        .route("/me", get(|user: Jwt<Claims>| async move { user.sub.clone().unwrap_or_default() }))
        .route("/admin", get(|_: Principal| async {}).route_layer(Require::scope("admin")))
        .layer(JwtAuthLayer::new(Verifier::<Claims>::new(authorities).unwrap()))
}

fn table() -> Table {
    Table::of(json!({ "sub": "bob", "scope": "orders:read" }))
}

async fn ask(app: &Router, path: &str, token: &str, content_type: &str) -> Response<Body> {
    let (method, version) = match content_type {
        "application/grpc" => (Method::POST, Version::HTTP_2),
        _ => (Method::GET, Version::HTTP_11),
    };
    let request = Request::builder()
        .method(method)
        .version(version)
        .uri(path)
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", content_type)
        .body(Body::empty())
        .unwrap();
    app.clone().oneshot(request).await.unwrap()
}

fn challenge(response: &Response<Body>) -> Option<&str> {
    response.headers().get("www-authenticate").map(|value| value.to_str().unwrap())
}

fn failing() -> Authority {
    let down = |_| async { Err::<Option<()>, _>(std::io::Error::other("away")) };
    Authority::opaque(tokens(), down).issuer(ISSUER).any_audience()
}

#[tokio::test]
async fn a_handler_sees_the_same_for_both_kinds_of_token() {
    let issuer = TestIssuer::new("https://id.example.com");
    let app = app([table().authority(tokens()).any_audience(), issuer.authority()]);
    let jwt = issuer.sign(json!({ "sub": "alice" }));
    for (token, name) in [("sk_1", "bob"), (&*jwt, "alice")] {
        let response = ask(&app, "/me", token, "application/json").await;
        assert_eq!(response.status(), StatusCode::OK);
        let body = axum::body::to_bytes(response.into_body(), 1000).await.unwrap();
        assert_eq!(body, name);
    }
}

#[tokio::test]
async fn answers_and_challenges_are_the_same() {
    let app = app([table().authority(tokens()).any_audience()]);
    let response = ask(&app, "/admin", "sk_1", "application/json").await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    let text = challenge(&response).unwrap();
    assert!(text.contains("insufficient_scope") && text.contains("scope=\"admin\""), "{text}");

    let none = Table::default();
    let app = self::app([none.authority(tokens()).any_audience()]);
    let response = ask(&app, "/me", "sk_1", "application/json").await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(challenge(&response).unwrap().contains("error=\"invalid_token\""));
    let response = ask(&app, "/me", "sk_2", "application/grpc").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["grpc-status"], "16");

    let app = self::app([failing()]);
    let response = ask(&app, "/me", "sk_1", "application/json").await;
    assert_eq!((response.status(), challenge(&response)), (StatusCode::SERVICE_UNAVAILABLE, None));
    let response = ask(&app, "/me", "sk_1", "application/grpc").await;
    assert_eq!(response.headers()["grpc-status"], "14");
}

#[tokio::test]
async fn an_optional_layer_refuses_a_bad_key_all_the_same() {
    let none = Table::default();
    let verifier = Verifier::<Claims>::new(none.authority(tokens()).any_audience()).unwrap();
    let app = Router::new().route("/", get(|| async {})).layer(JwtAuthLayer::new(verifier).optional());
    assert_eq!(ask(&app, "/", "sk_1", "text/plain").await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_decision_names_the_authority_and_whether_the_answer_was_kept() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&seen);
    let verifier = Verifier::<Claims>::new(table().authority(tokens()).any_audience()).unwrap();
    let layer = JwtAuthLayer::new(verifier).on_decision(move |decision: &Decision| {
        let authority = decision.authority().map(str::to_owned);
        notes.lock().unwrap().push((
            decision.outcome().as_str(),
            decision.reason().map(Reason::as_str),
            authority,
            decision.was_cached(),
        ));
    });
    let app = Router::new().route("/", get(|| async {})).layer(layer);
    for token in ["sk_1", "sk_1", "other"] {
        ask(&app, "/", token, "text/plain").await;
    }
    let shop = Some(ISSUER.to_owned());
    assert_eq!(
        *seen.lock().unwrap(),
        [
            ("accepted", None, shop.clone(), Some(false)),
            ("accepted", None, shop, Some(true)),
            ("refused", Some("malformed_token"), None, None),
        ]
    );
}
