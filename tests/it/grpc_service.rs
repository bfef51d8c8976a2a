//! A tonic service behind the layer, called in memory.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use serde_json::json;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::service::Routes;
use tonic::service::interceptor::InterceptedService;
use tonic::{Code, Status};
use tonic_prost::ProstCodec;
use tower::{Layer, Service, ServiceExt};
use tower_jwt_auth::{AuthError, Claims, Jwt, JwtAuth, JwtAuthLayer, Principal, Reason, Verifier};

use crate::services::{quick_world, reason_of};
use crate::support::{User, World};

type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// `rpc Hello (StringValue) returns (StringValue)`, as generated code wraps it.
#[derive(Clone, Copy)]
struct Greeter;

/// The method as a user writes it.
async fn hello(request: tonic::Request<String>) -> Result<tonic::Response<String>, Status> {
    let user = Jwt::<User>::of(request.extensions())?;
    Ok(tonic::Response::new(format!("{} {}", request.get_ref(), user.sub)))
}

struct Method;

impl UnaryService<String> for Method {
    type Response = String;
    type Future = Later<Result<tonic::Response<String>, Status>>;

    fn call(&mut self, request: tonic::Request<String>) -> Self::Future {
        Box::pin(hello(request))
    }
}

impl Service<Request<Body>> for Greeter {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Later<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(async move {
            Ok(Grpc::new(ProstCodec::<String, String>::default()).unary(Method, request).await)
        })
    }
}

impl NamedService for Greeter {
    const NAME: &'static str = "test.Greeter";
}

/// A call with the message `hello`, by bob if it is signed.
fn call(signed_by: Option<&World>) -> Request<Body> {
    let message = &b"\0\0\0\0\x07\x0a\x05hello"[..];
    let mut request = match signed_by {
        Some(world) => world.issuer.request(json!({ "sub": "bob" })),
        None => Request::builder(),
    };
    request = request.method("POST").version(Version::HTTP_2).header("content-type", "application/grpc");
    request.body(Body::new(Full::from(message))).unwrap()
}

/// The gRPC status, and the body without its frame.
async fn outcome<S>(service: S, request: Request<Body>) -> (Code, String)
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let (parts, body) = service.oneshot(request).await.unwrap().into_parts();
    assert_eq!(parts.status, StatusCode::OK);
    assert_eq!(parts.headers["content-type"], "application/grpc");
    let body = body.collect().await.unwrap();
    let trailers = body.trailers().cloned().unwrap_or_default();
    let status = Status::from_header_map(&parts.headers).or_else(|| Status::from_header_map(&trailers));
    let message = body.to_bytes();
    let text = message.get(7..).map(|text| String::from_utf8(text.to_vec()).unwrap());
    (status.unwrap().code(), text.unwrap_or_default())
}

fn layer<C: serde::de::DeserializeOwned + Send + Sync + 'static>(world: &World) -> JwtAuthLayer<C> {
    JwtAuthLayer::new(Verifier::<C>::new(world.issuer.authority()).unwrap())
}

#[tokio::test]
async fn a_tonic_method_finds_the_claims_in_its_extensions() {
    let world = quick_world();
    let service = layer::<User>(&world).layer(Greeter);
    assert_eq!(outcome(service, call(Some(&world))).await, (Code::Ok, "hello bob".to_owned()));
}

#[tokio::test]
async fn a_refused_call_is_a_status_that_tonic_reads() {
    let world = quick_world();
    let service = layer::<User>(&world).layer(Greeter);
    assert_eq!(outcome(service.clone(), call(None)).await, (Code::Unauthenticated, String::new()));
    assert_eq!(outcome(service, call(Some(&quick_world()))).await.0, Code::Unauthenticated);
}

#[tokio::test]
async fn what_jwt_of_says_becomes_the_status_of_the_method() {
    let world = quick_world();
    // No layer, another claims type: ours.
    assert_eq!(outcome(Greeter, call(Some(&world))).await.0, Code::Internal);
    assert_eq!(outcome(layer::<Claims>(&world).layer(Greeter), call(Some(&world))).await.0, Code::Internal);
    // Anonymous: theirs.
    let optional = layer::<User>(&world).optional().layer(Greeter);
    assert_eq!(outcome(optional.clone(), call(None)).await.0, Code::Unauthenticated);
    assert_eq!(outcome(optional, call(Some(&world))).await.0, Code::Ok);
}

/// `?` in a method loses nothing: the layer around it adds its challenge, and says it in the log.
#[tokio::test]
async fn a_refusal_in_a_method_gets_the_challenge_of_the_layer() {
    #[derive(Clone, Copy)]
    struct Refusing;

    struct RefusingMethod;

    impl UnaryService<String> for RefusingMethod {
        type Response = String;
        type Future = Later<Result<tonic::Response<String>, Status>>;

        fn call(&mut self, _: tonic::Request<String>) -> Self::Future {
            Box::pin(async { Err(AuthError::insufficient_scope("orders:write"))? })
        }
    }

    impl Service<Request<Body>> for Refusing {
        type Response = Response<Body>;
        type Error = Infallible;
        type Future = Later<Result<Response<Body>, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request<Body>) -> Self::Future {
            Box::pin(async move {
                Ok(Grpc::new(ProstCodec::<String, String>::default()).unary(RefusingMethod, request).await)
            })
        }
    }

    let world = quick_world();
    let service = layer::<User>(&world).realm("orders").unwrap().layer(Refusing);
    let response = service.oneshot(call(Some(&world))).await.unwrap();
    assert_eq!(response.headers()["grpc-status"], "7");
    let expected = r#"Bearer realm="orders", error="insufficient_scope", error_description="The access token lacks a scope", scope="orders:write""#;
    assert_eq!(response.headers()["www-authenticate"], expected);
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(reason_of(&response), Some(Reason::InsufficientScope));

    // An anonymous caller of an optional layer, refused by `Jwt::of` in the method.
    let optional = layer::<User>(&world).realm("orders").unwrap().optional().layer(Greeter);
    let response = optional.oneshot(call(None)).await.unwrap();
    assert_eq!(
        (&response.headers()["grpc-status"], &response.headers()["www-authenticate"]),
        (&http::HeaderValue::from_static("16"), &http::HeaderValue::from_static(r#"Bearer realm="orders""#),)
    );
}

#[test]
fn each_reason_has_its_code_and_its_public_text_and_keeps_the_error_as_source() {
    for reason in Reason::all() {
        let expected = match reason.as_str() {
            "forbidden" | "insufficient_scope" | "cross_site" => Code::PermissionDenied,
            "keys_unavailable" | "revocation_unavailable" => Code::Unavailable,
            "not_configured" => Code::Internal,
            _ => Code::Unauthenticated,
        };
        let error = AuthError::new(*reason).with_claim("sub").with_source("kept from the client");
        let status = Status::from(error);
        assert_eq!((status.code(), status.message()), (expected, reason.public_text()));
        let source = std::error::Error::source(&status).unwrap().downcast_ref::<AuthError>().unwrap();
        assert_eq!((source.reason(), source.claim()), (*reason, Some("sub")));
        assert!(status.metadata().is_empty() && status.details().is_empty());
    }
}

#[tokio::test]
async fn a_wrapped_service_keeps_its_name_and_can_be_routed() {
    fn name_of<S: NamedService>(_: &S) -> &'static str {
        S::NAME
    }
    let world = quick_world();
    let protected: JwtAuth<Greeter, User> = layer::<User>(&world).layer(Greeter);
    assert_eq!(name_of(&protected), "test.Greeter");
    let routes = Routes::new(protected).prepare();
    for (caller, code) in [(Some(&world), Code::Ok), (None, Code::Unauthenticated)] {
        let mut request = call(caller);
        *request.uri_mut() = "/test.Greeter/Hello".parse().unwrap();
        assert_eq!(outcome(routes.clone(), request).await.0, code);
    }
}

#[tokio::test]
async fn an_interceptor_inside_sees_the_principal() {
    let world = quick_world();
    let only_bob = |request: tonic::Request<()>| match Principal::of(request.extensions())?.subject() {
        Some("bob") => Ok(request),
        _ => Err(Status::permission_denied("not bob")),
    };
    // As `Server::builder().layer(..)` puts it: around the routes.
    let inside = Routes::new(InterceptedService::new(Greeter, only_bob)).prepare();
    let at = |mut request: Request<Body>| {
        *request.uri_mut() = "/test.Greeter/Hello".parse().unwrap();
        request
    };
    let service = layer::<User>(&world).layer(inside.clone());
    assert_eq!(outcome(service, at(call(Some(&world)))).await.0, Code::Ok);
    assert_eq!(outcome(inside, at(call(Some(&world)))).await.0, Code::Internal);
}
