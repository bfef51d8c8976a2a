//! Refusals from inside a layer: extractors, handlers, policies and tonic methods, completed by the layer around them.

use std::convert::Infallible;

use axum::body::Body;
use axum::routing::get;
use axum::{Json, Router};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, SET_COOKIE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version};
use http_body_util::BodyExt;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tower::{Layer, ServiceExt};
use tower_http::cors::CorsLayer;
use tower_jwt_auth::{
    Allowed, AuthError, Csrf, Jwt, JwtAuthLayer, Policy, Principal, Problem, Reason, Refusal, Require,
    RequireMethods, TestIssuer, TokenCookie, TokenSource, Verifier,
};
use tracing_subscriber::filter::LevelFilter;

use crate::services::quick_world;
use crate::support::{User, World, logged};

struct Admin;

impl Policy for Admin {
    fn require() -> Require {
        Require::scope("admin")
    }
}

async fn refuses() -> Result<(), AuthError> {
    Err(AuthError::insufficient_scope("of:handler"))
}

fn routes() -> Router {
    Router::new()
        .route("/jwt", get(|user: Jwt<User>| async move { user.sub.clone() }))
        .route("/principal", get(|_: Principal| async {}))
        .route("/allowed", get(|_: Allowed<Admin>| async {}))
        .route("/policy", get(|| async {}).route_layer(Require::scope("admin")))
        .route("/handler", get(refuses))
        .route("/public", get(|| async { "public" }).route_layer(Require::anyone()))
}

fn typed(world: &World) -> Verifier<User> {
    Verifier::builder().authority(world.issuer.authority()).clock(world.clock.clone()).build().unwrap()
}

fn layer(world: &World) -> JwtAuthLayer<User> {
    JwtAuthLayer::new(typed(world)).optional().realm("orders").unwrap()
}

async fn ask(app: &Router, path: &str, token: Option<&str>) -> (StatusCode, HeaderMap, String) {
    let mut request = Request::get(path).header("origin", "https://shop.example");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let (parts, body) = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().into_parts();
    let body = String::from_utf8(body.collect().await.unwrap().to_bytes().into()).unwrap();
    (parts.status, parts.headers, body)
}

fn challenge(headers: &HeaderMap) -> &str {
    headers.get(WWW_AUTHENTICATE).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn every_refusal_from_inside_has_the_realm_of_the_layer() {
    let world = quick_world();
    let app = routes().layer(layer(&world));
    let token = world.issuer.sign(json!({ "sub": "bob" }));
    for (path, token, status, expected) in [
        ("/jwt", None, 401, r#"Bearer realm="orders""#),
        ("/principal", None, 401, r#"Bearer realm="orders""#),
        ("/allowed", None, 401, r#"Bearer realm="orders""#),
        ("/policy", None, 401, r#"Bearer realm="orders""#),
        (
            "/allowed",
            Some(&token),
            403,
            r#"Bearer realm="orders", error="insufficient_scope", error_description="The access token lacks a scope", scope="admin""#,
        ),
        (
            "/policy",
            Some(&token),
            403,
            r#"Bearer realm="orders", error="insufficient_scope", error_description="The access token lacks a scope", scope="admin""#,
        ),
        (
            "/handler",
            Some(&token),
            403,
            r#"Bearer realm="orders", error="insufficient_scope", error_description="The access token lacks a scope", scope="of:handler""#,
        ),
    ] {
        let (answered, headers, body) = ask(&app, path, token.map(String::as_str)).await;
        assert_eq!((answered.as_u16(), challenge(&headers), body.as_str()), (status, expected, ""), "{path}");
        assert_eq!(headers[CACHE_CONTROL], "no-store", "{path}");
    }
}

#[tokio::test]
async fn one_answer_of_ones_own_reaches_everything_inside() {
    let world = quick_world();
    // CORS between layer and routes: what it adds must stay.
    let app = routes().layer(CorsLayer::permissive()).layer(layer(&world).reject_with(Problem));
    let token = world.issuer.sign(json!({ "sub": "bob" }));
    for (path, token, status, code) in [
        ("/jwt", None, 401, "missing"),
        ("/principal", None, 401, "missing"),
        ("/policy", None, 401, "missing"),
        ("/allowed", Some(&token), 403, "insufficient_scope"),
        ("/policy", Some(&token), 403, "insufficient_scope"),
        ("/handler", Some(&token), 403, "insufficient_scope"),
    ] {
        let (answered, headers, body) = ask(&app, path, token.map(String::as_str)).await;
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!((answered.as_u16(), &body["code"]), (status, &json!(code)), "{path}");
        assert_eq!(headers[CONTENT_TYPE], "application/problem+json", "{path}");
        assert!(headers.contains_key("access-control-allow-origin"), "{path}");
        assert!(challenge(&headers).starts_with(r#"Bearer realm="orders""#), "{path}");
    }
    assert_eq!(ask(&app, "/jwt", Some(&token)).await.2, "bob");
}

#[tokio::test]
async fn a_handler_that_answers_by_itself_is_left_alone() {
    let world = quick_world();
    let teapot = || async {
        let mut response = axum::response::IntoResponse::into_response((StatusCode::IM_A_TEAPOT, "short"));
        // An error that somebody keeps for a log is no refusal.
        response.extensions_mut().insert(AuthError::new(Reason::Forbidden));
        response
    };
    let app = Router::new().route("/", get(teapot)).layer(layer(&world).reject_with(Problem));
    let (status, headers, body) = ask(&app, "/", None).await;
    assert_eq!((status.as_u16(), body.as_str(), challenge(&headers)), (418, "short", ""));
}

#[tokio::test]
async fn anyone_passes_where_the_policy_says_so_and_a_bad_token_does_not() {
    let world = quick_world();
    let app = routes().layer(layer(&world));
    assert_eq!(ask(&app, "/public", None).await.2, "public");
    let good = world.issuer.sign(json!({ "sub": "bob" }));
    assert_eq!(ask(&app, "/public", Some(&good)).await.2, "public");
    assert_eq!(ask(&app, "/public", Some("not.a.token")).await.0, 401);
    // Fails closed: the layer around it was forgotten, or lets nobody anonymous through.
    assert_eq!(ask(&routes(), "/public", None).await.0, 500);
    let strict = routes().layer(JwtAuthLayer::new(world.verifier.clone()));
    assert_eq!(ask(&strict, "/public", None).await.0, 401);
}

#[tokio::test]
async fn anyone_may_call_a_method_that_says_so_and_no_other() {
    let world = quick_world();
    let methods = RequireMethods::unlisted(Require::authenticated())
        .method("/grpc.health.v1.Health/Check", Require::anyone())
        .method("/shop.Orders/List", Require::any([Require::scope("orders:read"), Require::anyone()]))
        .method("/shop.Orders/Delete", Require::all([Require::anyone(), Require::scope("orders:write")]))
        .method("/shop.Orders/Never", Require::not(Require::anyone()));
    let inner = tower::service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(())) });
    let service = layer(&world).layer(methods.layer(inner));
    let call = |path: &str, token: Option<&str>| {
        let mut request =
            Request::post(path).version(Version::HTTP_2).header(CONTENT_TYPE, "application/grpc");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        service.clone().oneshot(request.body(()).unwrap())
    };
    let status = |response: Response<()>| {
        response.headers().get("grpc-status").map_or(0, |code| code.to_str().unwrap().parse().unwrap())
    };
    let writer = world.issuer.sign(json!({ "sub": "bob", "scope": "orders:write" }));
    for (path, anonymous, with_token) in [
        ("/grpc.health.v1.Health/Check", 0, 0),
        ("/shop.Orders/List", 0, 0),
        ("/shop.Orders/Delete", 16, 0),
        ("/shop.Orders/Never", 16, 7),
        ("/shop.Orders/Unlisted", 16, 0),
    ] {
        assert_eq!(status(call(path, None).await.unwrap()), anonymous, "{path}");
        assert_eq!(status(call(path, Some(&writer)).await.unwrap()), with_token, "{path}");
        assert_eq!(status(call(path, Some("not.a.token")).await.unwrap()), 16, "{path}");
    }
}

/// One claims type for several issuers: the tag is `iss`.
#[test]
fn a_claims_type_by_issuer() {
    #[derive(Debug, Deserialize)]
    #[serde(tag = "iss")]
    enum Caller {
        #[serde(rename = "https://people.example")]
        Person { name: String },
        #[serde(rename = "https://machines.example")]
        Machine { serial: u64 },
    }
    let people = TestIssuer::new("https://people.example");
    let machines = TestIssuer::new("https://machines.example");
    let verifier = Verifier::<Caller>::new([people.authority(), machines.authority()]).unwrap();
    let verify = |token: &str| verifier.verify(token).now().unwrap();
    assert!(
        matches!(&*verify(&people.sign(json!({ "name": "bob" }))).unwrap(), Caller::Person { name } if name == "bob")
    );
    assert!(matches!(
        &*verify(&machines.sign(json!({ "serial": 7 }))).unwrap(),
        Caller::Machine { serial: 7 }
    ));
    // A field of the other variant does not help.
    let refused = verify(&people.sign(json!({ "serial": 7 }))).unwrap_err();
    assert_eq!((refused.reason(), refused.claim()), (Reason::MissingClaim, Some("name")));
}

#[tokio::test]
async fn an_expired_token_is_anonymous_where_that_was_asked_for() {
    let world = quick_world();
    let cookie = TokenCookie::new("__Host-access").unwrap();
    let app = routes().layer(
        JwtAuthLayer::new(typed(&world))
            .token_from([TokenSource::bearer(), cookie.source(Csrf::same_origin())])
            .optional_or_expired(),
    );
    let stale = world.issuer.sign(json!({ "sub": "bob", "exp": 1_000_000_000 }));
    assert_eq!(ask(&app, "/public", Some(&stale)).await.2, "public");
    assert_eq!(ask(&app, "/jwt", Some(&stale)).await.0, 401);
    // Every other bad token is refused as ever.
    for bad in
        [world.issuer.sign(json!({ "sub": "bob", "aud": "other" })), format!("{stale}x"), "a.b.c".into()]
    {
        assert_eq!(ask(&app, "/public", Some(&bad)).await.0, 401, "{bad}");
    }
    let request = Request::get("/public").header("cookie", format!("__Host-access={stale}"));
    let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 200);
    let cleared = response.headers()[SET_COOKIE].to_str().unwrap();
    assert!(cleared.starts_with("__Host-access=;") && cleared.contains("Max-Age=0"), "{cleared}");
}

#[tokio::test]
async fn a_refusal_can_send_a_browser_to_the_login() {
    let world = quick_world();
    let to_login = |refusal: &Refusal<'_>| {
        let mut response = refusal.response(Body::empty());
        let wants_html = refusal.headers().get("accept").is_some_and(|value| value == "text/html");
        if refusal.error().reason().status() == StatusCode::UNAUTHORIZED && wants_html {
            *response.status_mut() = StatusCode::SEE_OTHER;
            response.headers_mut().insert("location", HeaderValue::from_static("/login"));
        }
        response
    };
    let app = routes().layer(layer(&world).reject_with(to_login));
    let request = Request::get("/jwt").header("accept", "text/html").body(Body::empty()).unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["location"]),
        (303, &HeaderValue::from_static("/login"))
    );
    assert_eq!(ask(&app, "/jwt", None).await.0, 401);
}

#[tokio::test]
async fn claims_are_answered_as_json() {
    #[derive(Deserialize, Serialize)]
    struct Me {
        sub: String,
    }
    let world = quick_world();
    let builder = Verifier::<Me>::builder().authority(world.issuer.authority()).clock(world.clock.clone());
    let app = Router::new()
        .route("/me", get(|user: Jwt<Me>| async move { Json(user) }))
        .layer(JwtAuthLayer::new(builder.build().unwrap()));
    let token = world.issuer.sign(json!({ "sub": "bob", "secret": "of the token" }));
    assert_eq!(ask(&app, "/me", Some(&token)).await.2, r#"{"sub":"bob"}"#);
}

#[test]
fn events_say_method_and_path_and_both_claims_types() {
    #[derive(Deserialize)]
    struct Other {}
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let world = quick_world();
    let app = routes().layer(layer(&world));
    let builder = Verifier::<Other>::builder().authority(world.issuer.authority()).clock(world.clock.clone());
    let other = routes().layer(JwtAuthLayer::new(builder.build().unwrap()));
    let token = world.issuer.sign(json!({ "sub": "bob" }));
    let log = runtime.block_on(logged(LevelFilter::DEBUG, async {
        ask(&app, "/jwt?secret=7", None).await;
        ask(&app, "/principal", Some("not.a.token")).await;
        ask(&other, "/jwt", Some(&token)).await;
    }));
    assert!(log.contains("method=GET path=\"/jwt\"") && !log.contains("secret=7"), "{log}");
    assert!(log.contains("path=\"/principal\""), "{log}");
    assert!(log.contains("support::User") && log.contains("Other"), "{log}");
    // Once each.
    assert_eq!(log.matches("request refused").count(), 3, "{log}");
}
