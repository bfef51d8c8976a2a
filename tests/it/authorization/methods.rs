//! Policies by gRPC method, around tonic's routes.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use axum::Router;
use axum::routing::any;
use http::{Request, Response, StatusCode, Version};
use serde_json::{Value, json};
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic::{Code, Status};
use tower::{Layer, Service, ServiceExt};
use tower_jwt_auth::{Reason, Require, RequireMethods};

use super::{Desk, answering, http, send};

/// Answers every method with success, as a service does that has them all.
#[derive(Clone, Copy)]
struct Orders;

impl Service<Request<Body>> for Orders {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        let response =
            Response::builder().header("grpc-status", "0").header("content-type", "application/grpc");
        ready(Ok(response.body(Body::default()).unwrap()))
    }
}

impl NamedService for Orders {
    const NAME: &'static str = "shop.Orders";
}

async fn code<S>(service: S, desk: &Desk, path: &str, claims: Value) -> Code
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let request = Request::post(path)
        .version(Version::HTTP_2)
        .header("content-type", "application/grpc")
        .header("authorization", format!("Bearer {}", desk.token("id", claims)));
    let response = service.oneshot(request.body(Body::default()).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    Status::from_header_map(response.headers()).unwrap().code()
}

/// As `Server::builder().layer(auth).layer(methods)` puts it.
async fn in_server(desk: &Desk, methods: &RequireMethods, path: &str, claims: Value) -> Code {
    let routes = Routes::new(Orders).prepare();
    code(desk.layer().layer(methods.layer(routes)), desk, path, claims).await
}

fn reader() -> Value {
    json!({ "scope": "read" })
}

fn admin() -> Value {
    json!({ "scope": "read", "roles": ["admin"] })
}

#[tokio::test]
async fn each_method_has_its_policy_and_what_is_not_listed_is_denied_or_has_the_other_one() {
    let desk = Desk::new();
    let listed = |methods: RequireMethods| {
        methods
            .method("/shop.Orders/List", Require::scope("read"))
            .method("/shop.Orders/Delete", Require::role("admin"))
    };
    let denied = listed(RequireMethods::deny_unlisted());
    let others = listed(RequireMethods::unlisted(Require::role("admin")));
    for (path, by_reader, by_admin, others_by_admin) in [
        ("/shop.Orders/List", Code::Ok, Code::Ok, Code::Ok),
        ("/shop.Orders/Delete", Code::PermissionDenied, Code::Ok, Code::Ok),
        ("/shop.Orders/Added", Code::PermissionDenied, Code::PermissionDenied, Code::Ok),
        // Another spelling is another method.
        ("/shop.Orders/list", Code::PermissionDenied, Code::PermissionDenied, Code::Ok),
        ("/shop.Orders/List/", Code::PermissionDenied, Code::PermissionDenied, Code::Ok),
        ("/shop.Orders/%4Cist", Code::PermissionDenied, Code::PermissionDenied, Code::Ok),
        ("/shop.Orders//List", Code::PermissionDenied, Code::PermissionDenied, Code::Ok),
        // Whether there is such a service is told to those who may ask.
        ("/shop.Unknown/List", Code::PermissionDenied, Code::PermissionDenied, Code::Unimplemented),
        ("/shop.Orders%2fList", Code::PermissionDenied, Code::PermissionDenied, Code::Unimplemented),
    ] {
        assert_eq!(in_server(&desk, &denied, path, reader()).await, by_reader, "{path}");
        assert_eq!(in_server(&desk, &denied, path, admin()).await, by_admin, "{path}");
        assert_eq!(in_server(&desk, &others, path, reader()).await, by_reader, "{path}");
        assert_eq!(in_server(&desk, &others, path, admin()).await, others_by_admin, "{path}");
    }
    let list = "/shop.Orders/List?x=/shop.Orders/Delete";
    assert_eq!(in_server(&desk, &denied, list, reader()).await, Code::Ok);
}

#[tokio::test]
async fn a_method_that_is_listed_twice_needs_both() {
    let desk = Desk::new();
    let path = "/shop.Orders/List";
    let (read, boss) = (Require::scope("read"), Require::role("admin"));
    for [first, second] in [[read.clone(), boss.clone()], [boss, read]] {
        let methods = RequireMethods::deny_unlisted().method(path, first).method(path, second);
        assert_eq!(in_server(&desk, &methods, path, admin()).await, Code::Ok);
        assert_eq!(in_server(&desk, &methods, path, reader()).await, Code::PermissionDenied);
        let role_only = json!({ "roles": "admin" });
        assert_eq!(in_server(&desk, &methods, path, role_only).await, Code::PermissionDenied);
    }
}

#[tokio::test]
async fn a_path_that_can_never_match_closes_what_is_not_listed() {
    let desk = Desk::new();
    for wrong in [
        "",
        "/",
        "List",
        "shop.Orders/List",
        "/shop.Orders",
        "/shop.Orders/",
        "//List",
        "/shop/Orders/List",
        "/shop.Orders/List/",
        "/shop.Orders/List ",
        "/shop.Orders/Li%73t",
        "/shop.Orders/List?x",
        "/shop.Orders/L\u{ef}st",
    ] {
        for methods in [RequireMethods::deny_unlisted(), RequireMethods::unlisted(Require::authenticated())] {
            let methods = methods
                .method("/shop.Orders/Get", Require::scope("read"))
                .method(wrong, Require::role("admin"));
            assert_eq!(
                in_server(&desk, &methods, "/shop.Orders/List", admin()).await,
                Code::Internal,
                "{wrong:?}"
            );
            assert_eq!(in_server(&desk, &methods, "/shop.Orders/Get", reader()).await, Code::Ok, "{wrong:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_single_service_keeps_its_name_within_a_policy_and_is_routed() {
    let desk = Desk::new();
    let path = "/shop.Orders/List";
    let methods = RequireMethods::deny_unlisted().method(path, Require::scope("read"));
    let by_policy = Routes::new(desk.layer().layer(Require::scope("read").layer(Orders))).prepare();
    let by_method = Routes::new(desk.layer().layer(methods.layer(Orders))).prepare();
    for routes in [by_policy, by_method] {
        assert_eq!(code(routes.clone(), &desk, path, reader()).await, Code::Ok);
        assert_eq!(code(routes, &desk, path, json!({})).await, Code::PermissionDenied);
    }
    // A question that cannot be answered.
    let down = answering("owner", Err(Reason::RevocationUnavailable));
    let routes = Routes::new(desk.layer().layer(down.layer(Orders))).prepare();
    assert_eq!(code(routes, &desk, path, reader()).await, Code::Unavailable);
    let forgotten = Routes::new(Require::scope("read").layer(Orders)).prepare();
    assert_eq!(code(forgotten, &desk, path, reader()).await, Code::Internal);
}

#[tokio::test]
async fn a_map_within_a_nested_router_finds_no_method_and_stays_closed() {
    let desk = Desk::new();
    let methods = RequireMethods::deny_unlisted().method("/shop.Orders/List", Require::authenticated());
    let service = || Router::new().route("/List", any(async || "yes"));
    let token = desk.token("id", admin());
    let within =
        Router::new().nest("/shop.Orders", service().route_layer(methods.clone())).layer(desk.layer());
    assert_eq!(send(within, http("/shop.Orders/List", Some(&token))).await.status(), 403);
    let around = Router::new().nest("/shop.Orders", service()).route_layer(methods).layer(desk.layer());
    assert_eq!(send(around, http("/shop.Orders/List", Some(&token))).await.status(), 200);
}
