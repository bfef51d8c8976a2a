//! The layer among others: axum's routing, and the usual layers of tower-http.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, AUTHORIZATION, CONTENT_LENGTH, ORIGIN,
    WWW_AUTHENTICATE,
};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::json;
use tower::{ServiceBuilder, ServiceExt};
use tower_http::classify::{GrpcFailureClass, ServerErrorsFailureClass};
use tower_http::cors::{Any, CorsLayer};
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;
use tower_jwt_auth::{AuthError, Jwt, JwtAuthLayer, Principal, Reason, Verifier};
use tracing::Span;

use crate::services::{Gate, quick_world, reason_of, verifier};
use crate::support::{User, World};

fn layer(world: &World) -> JwtAuthLayer<User> {
    JwtAuthLayer::new(verifier(world))
}

async fn me(user: Jwt<User>) -> String {
    user.sub.clone()
}

fn request(method: Method, path: &str, signed_by: Option<&World>) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    if let Some(world) = signed_by {
        request.headers_mut().insert(AUTHORIZATION, world.issuer.bearer(json!({ "sub": "bob" })));
    }
    request
}

async fn send(app: &Router, request: Request<Body>) -> Response<Body> {
    app.clone().oneshot(request).await.unwrap()
}

/// The statuses of a GET without a token, and with one.
async fn statuses(app: &Router, path: &str, world: &World) -> (u16, u16) {
    let anonymous = send(app, request(Method::GET, path, None)).await.status();
    let bob = send(app, request(Method::GET, path, Some(world))).await.status();
    (anonymous.as_u16(), bob.as_u16())
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().into()).unwrap()
}

#[tokio::test]
async fn layer_covers_unknown_paths_and_route_layer_does_not() {
    let world = quick_world();
    let routes = || Router::new().route("/me", get(me));
    let by_layer = routes().layer(layer(&world));
    assert_eq!(statuses(&by_layer, "/me", &world).await, (401, 200));
    assert_eq!(statuses(&by_layer, "/unknown", &world).await, (401, 404));
    let by_route_layer = routes().route_layer(layer(&world));
    assert_eq!(statuses(&by_route_layer, "/me", &world).await, (401, 200));
    assert_eq!(statuses(&by_route_layer, "/unknown", &world).await, (404, 404));
}

#[tokio::test]
async fn only_what_was_added_before_the_layer_is_covered_and_extractors_fail_closed_elsewhere() {
    let world = quick_world();
    for app in [
        Router::new().route("/before", get(me)).layer(layer(&world)),
        Router::new().route("/before", get(me)).route_layer(layer(&world)),
    ] {
        let app = app.route("/after", get(me)).route("/open", get(async || "open"));
        assert_eq!(statuses(&app, "/before", &world).await, (401, 200));
        assert_eq!(statuses(&app, "/after", &world).await, (500, 500));
        assert_eq!(statuses(&app, "/open", &world).await, (200, 200));
    }
}

#[tokio::test]
async fn a_fallback_is_covered_by_layer_only() {
    let world = quick_world();
    let routes = || Router::new().route("/me", get(me)).fallback(async || "fallback");
    assert_eq!(statuses(&routes().layer(layer(&world)), "/else", &world).await, (401, 200));
    assert_eq!(statuses(&routes().route_layer(layer(&world)), "/else", &world).await, (200, 200));
    let later = Router::new().route("/me", get(me)).layer(layer(&world)).fallback(async || "fallback");
    assert_eq!(statuses(&later, "/else", &world).await, (200, 200));
}

#[tokio::test]
async fn nested_and_merged_routers_are_covered_as_their_place_says() {
    let world = quick_world();
    let inside = || Router::new().route("/me", get(me));
    // A layer within covers what is nested, and not its surroundings.
    let within = Router::new()
        .route("/open", get(async || "open"))
        .nest("/api", inside().layer(layer(&world)))
        .merge(Router::new().route("/merged", get(me)).layer(layer(&world)));
    assert_eq!(statuses(&within, "/api/me", &world).await, (401, 200));
    assert_eq!(statuses(&within, "/merged", &world).await, (401, 200));
    assert_eq!(statuses(&within, "/open", &world).await, (200, 200));
    // A layer around covers all.
    let around = Router::new()
        .nest("/api", inside())
        .merge(Router::new().route("/merged", get(me)))
        .layer(layer(&world));
    for path in ["/api/me", "/merged"] {
        assert_eq!(statuses(&around, path, &world).await, (401, 200), "{path}");
    }
    assert_eq!(statuses(&around, "/api/unknown", &world).await, (401, 404));
    // Two layers, two issuers: the inner one has the last word, and no token satisfies both.
    let other = quick_world();
    let both = Router::new().nest("/api", inside().layer(layer(&other))).layer(layer(&world));
    assert_eq!(statuses(&both, "/api/me", &world).await, (401, 401));
    assert_eq!(statuses(&both, "/api/me", &other).await, (401, 401));
}

#[tokio::test]
async fn a_method_router_can_be_covered_alone() {
    let world = quick_world();
    let open_get = get(async || "open").merge(post(me).layer(layer(&world)));
    let app = Router::new().route("/orders", open_get);
    assert_eq!(send(&app, request(Method::GET, "/orders", None)).await.status(), StatusCode::OK);
    assert_eq!(send(&app, request(Method::POST, "/orders", None)).await.status(), StatusCode::UNAUTHORIZED);
    let response = send(&app, request(Method::POST, "/orders", Some(&world))).await;
    assert_eq!(text(response).await, "bob");
}

#[tokio::test]
async fn every_method_is_covered_and_a_wrong_one_is_told_to_the_known_only() {
    let world = quick_world();
    let by_layer = Router::new().route("/me", get(me)).layer(layer(&world));
    let by_route_layer = Router::new().route("/me", get(me)).route_layer(layer(&world));
    for app in [&by_layer, &by_route_layer] {
        for method in [Method::GET, Method::HEAD] {
            let refused = send(app, request(method.clone(), "/me", None)).await;
            assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
            assert!(refused.headers().contains_key(WWW_AUTHENTICATE));
            assert_eq!(text(refused).await, "");
            assert_eq!(send(app, request(method, "/me", Some(&world))).await.status(), StatusCode::OK);
        }
        let head = send(app, request(Method::HEAD, "/me", Some(&world))).await;
        assert_eq!(head.headers()[CONTENT_LENGTH], "3");
        assert_eq!(text(head).await, "");
        for method in [Method::POST, Method::DELETE, Method::OPTIONS, Method::from_bytes(b"QUERY").unwrap()] {
            let known = send(app, request(method.clone(), "/me", Some(&world))).await;
            assert_eq!(known.status(), StatusCode::METHOD_NOT_ALLOWED);
            let unknown = send(app, request(method.clone(), "/me", None)).await;
            assert_eq!(unknown.status(), StatusCode::UNAUTHORIZED, "{method}");
        }
    }
}

/// As a browser asks before it sends the token.
fn preflight() -> Request<Body> {
    Request::options("/me")
        .header(ORIGIN, "https://app.example.com")
        .header("access-control-request-method", "GET")
        .header("access-control-request-headers", "authorization")
        .body(Body::empty())
        .unwrap()
}

#[tokio::test]
async fn a_preflight_passes_with_cors_outside_and_is_refused_with_cors_inside() {
    let world = quick_world();
    let cors = || {
        CorsLayer::new()
            .allow_origin(Any)
            .allow_headers([AUTHORIZATION])
            .allow_methods([Method::GET])
            .expose_headers([WWW_AUTHENTICATE])
    };
    let mut from_browser = request(Method::GET, "/me", None);
    from_browser.headers_mut().insert(ORIGIN, HeaderValue::from_static("https://app.example.com"));

    // In axum the last layer is the outermost; in a ServiceBuilder the first.
    let routes = || Router::new().route("/me", get(me));
    let one_by_one = routes().layer(layer(&world)).layer(cors());
    let in_a_stack = routes().layer(ServiceBuilder::new().layer(cors()).layer(layer(&world)));
    for outside in [one_by_one, in_a_stack] {
        assert_eq!(send(&outside, preflight()).await.status(), StatusCode::OK);
        // The page can read why it was refused.
        let refused = send(&outside, from_browser.clone_head()).await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(refused.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert_eq!(refused.headers()[ACCESS_CONTROL_EXPOSE_HEADERS], "www-authenticate");
    }

    let inside = routes().layer(cors()).layer(layer(&world));
    assert_eq!(send(&inside, preflight()).await.status(), StatusCode::UNAUTHORIZED);
    let refused = send(&inside, from_browser.clone_head()).await;
    assert!(!refused.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
}

/// The same request again: bodies cannot be cloned, but these are empty.
trait CloneHead {
    fn clone_head(&self) -> Self;
}

impl CloneHead for Request<Body> {
    fn clone_head(&self) -> Self {
        let mut head = Self::new(Body::empty());
        *head.method_mut() = self.method().clone();
        *head.uri_mut() = self.uri().clone();
        *head.headers_mut() = self.headers().clone();
        head
    }
}

/// What a trace layer was told.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn add(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[tokio::test]
async fn a_trace_outside_sees_each_refusal_and_its_reason() {
    let world = quick_world();
    let log = Log::default();
    let failing = world.issuer.authority().check(|who: &Principal| match who.subject() {
        Some("bob") => Ok(()),
        _ => Err(AuthError::new(Reason::RevocationUnavailable)),
    });
    let trace = {
        let (responses, failures) = (log.clone(), log.clone());
        TraceLayer::new_for_http()
            .on_response(move |response: &Response<Body>, _: Duration, _: &Span| {
                let reason = response.extensions().get::<AuthError>().map(ToString::to_string);
                responses.add(format!("{} {}", response.status().as_u16(), reason.unwrap_or_default()));
            })
            .on_failure(move |class: ServerErrorsFailureClass, _: Duration, _: &Span| {
                failures.add(format!("failure {class}"));
            })
    };
    let verifier = Verifier::<User>::new(failing).unwrap();
    let app = Router::new().route("/me", get(me)).layer(JwtAuthLayer::new(verifier)).layer(trace);

    send(&app, request(Method::GET, "/me", Some(&world))).await;
    assert_eq!(log.take(), ["200 "]);
    send(&app, request(Method::GET, "/me", None)).await;
    assert_eq!(log.take(), ["401 missing"]);
    let mut expired = request(Method::GET, "/me", None);
    expired.headers_mut().insert(AUTHORIZATION, world.issuer.bearer(json!({ "sub": "bob", "exp": 1 })));
    send(&app, expired).await;
    assert_eq!(log.take(), ["401 expired (exp)"]);
    // Ours, so it counts as a failure.
    let mut amy = request(Method::GET, "/me", None);
    amy.headers_mut().insert(AUTHORIZATION, world.issuer.bearer(json!({ "sub": "amy" })));
    send(&app, amy).await;
    assert_eq!(log.take(), ["503 revocation_unavailable", "failure Status code: 503 Service Unavailable"]);
}

#[tokio::test]
async fn a_grpc_trace_outside_reads_the_status_of_a_refusal() {
    let world = quick_world();
    let log = Log::default();
    let failures = log.clone();
    let trace = TraceLayer::new_for_grpc()
        .on_failure(move |class: GrpcFailureClass, _: Duration, _: &Span| failures.add(class.to_string()));
    let app = Router::new().route("/svc/Method", post(me)).layer(layer(&world)).layer(trace);
    let mut call = request(Method::POST, "/svc/Method", None);
    *call.version_mut() = http::Version::HTTP_2;
    call.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    assert_eq!(send(&app, call).await.status(), StatusCode::OK);
    assert_eq!(log.take(), ["Status: Unauthenticated: The request carries no access token"]);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_outside_ends_a_request_that_waits_and_leaves_the_service_usable() {
    let world = quick_world();
    let gate = Gate::closed();
    let timeout = TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, Duration::from_secs(1));
    let app =
        Router::new().route("/me", get(me)).layer(JwtAuthLayer::new(gate.verifier(&world))).layer(timeout);
    let slow = || {
        let mut request = request(Method::GET, "/me", None);
        request.headers_mut().insert(AUTHORIZATION, world.issuer.bearer(json!({ "sub": "slow" })));
        request
    };
    assert_eq!(send(&app, slow()).await.status(), StatusCode::GATEWAY_TIMEOUT);
    let response = send(&app, request(Method::GET, "/me", Some(&world))).await;
    assert_eq!(text(response).await, "bob");
    gate.open(1);
    assert_eq!(text(send(&app, slow()).await).await, "slow");
}

#[tokio::test(start_paused = true)]
async fn a_timeout_inside_counts_from_the_verdict_and_does_not_touch_refusals() {
    let world = quick_world();
    let gate = Gate::closed();
    let timeout = TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, Duration::from_secs(1));
    let app = Router::new()
        .route("/me", get(me))
        .route("/hang", get(|_: Jwt<User>| std::future::pending::<()>()))
        .layer(timeout)
        .layer(JwtAuthLayer::new(gate.verifier(&world)));
    let refused = send(&app, request(Method::GET, "/hang", None)).await;
    assert_eq!(reason_of(&refused), Some(Reason::Missing));
    let ended = send(&app, request(Method::GET, "/hang", Some(&world))).await;
    assert_eq!(ended.status(), StatusCode::GATEWAY_TIMEOUT);

    // Three seconds for the verdict, of the five that checks may take here.
    let mut slow = request(Method::GET, "/me", None);
    slow.headers_mut().insert(AUTHORIZATION, world.issuer.bearer(json!({ "sub": "slow" })));
    let waiting = tokio::spawn(app.oneshot(slow));
    tokio::task::yield_now().await;
    tokio::time::advance(Duration::from_secs(3)).await;
    gate.open(1);
    assert_eq!(text(waiting.await.unwrap().unwrap()).await, "slow");
}
