//! Real servers on loopback, asked by a real HTTP client and a real gRPC client.

use std::convert::Infallible;

use axum::Router;
use axum::routing::get;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request as HttpRequest, Response as HttpResponse, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Channel, Server};
use tonic::{Code, Request, Response, Status};
use tower::ServiceBuilder;
use tower_jwt_auth::{Jwt, JwtAuthLayer, TestIssuer, Verifier};

use crate::greeter::greeter_client::GreeterClient;
use crate::greeter::greeter_server::{Greeter, GreeterServer};
use crate::greeter::{HelloReply, HelloRequest};
use crate::http_client::HttpClient;
use crate::support::User;

const PLAIN: &str = "Bearer realm=\"api\"";
const INVALID: &str =
    "Bearer realm=\"api\", error=\"invalid_token\", error_description=\"The access token is invalid\"";

fn issuer() -> TestIssuer {
    TestIssuer::new("https://id.example.com").audience("api")
}

fn layer(issuer: &TestIssuer) -> JwtAuthLayer<User> {
    JwtAuthLayer::new(Verifier::<User>::new(issuer.authority()).unwrap())
}

/// The value of the `Authorization` header of Bob.
fn bob(issuer: &TestIssuer) -> String {
    format!("Bearer {}", issuer.sign(json!({ "sub": "bob", "name": "Bob" })))
}

/// The same, signed by somebody who pretends to be the issuer.
fn forged(issuer: &TestIssuer) -> String {
    let claims = json!({ "sub": "bob", "name": "Bob" });
    format!("Bearer {}", self::issuer().sign_with(json!({ "kid": issuer.kid() }), claims))
}

async fn me(user: Jwt<User>) -> String {
    user.name.clone()
}

async fn me_or_not(user: Option<Jwt<User>>) -> String {
    user.map_or_else(|| "stranger".to_owned(), |user| user.name.clone())
}

/// Greets who called; the anonymous by the name of stranger, where the layer lets them through.
struct MyGreeter;

#[tonic::async_trait]
impl Greeter for MyGreeter {
    async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        let greeting = request.get_ref().greeting.clone();
        let name = match greeting.as_str() {
            "Anyone" => {
                let user = Jwt::<User>::optional(request.extensions())?;
                user.map_or_else(|| "stranger".to_owned(), |user| user.name.clone())
            }
            _ => Jwt::<User>::of(request.extensions())?.name.clone(),
        };
        Ok(Response::new(HelloReply { message: format!("{greeting}, {name}") }))
    }
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

async fn serve_axum(app: Router) -> String {
    let (listener, url) = listen().await;
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

async fn serve_tonic(layer: JwtAuthLayer<User>) -> String {
    let (listener, url) = listen().await;
    let server = Server::builder().layer(layer).add_service(GreeterServer::new(MyGreeter));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    url
}

fn one_port(layer: JwtAuthLayer<User>) -> Router {
    Router::new()
        .route("/me", get(me))
        .route_service("/greeter.v1.Greeter/{*method}", GreeterServer::new(MyGreeter))
        .layer(layer)
}

async fn call(
    client: &mut GreeterClient<Channel>,
    greeting: &str,
    authorization: Option<&str>,
) -> Result<String, Status> {
    let mut request = Request::new(HelloRequest { greeting: greeting.to_owned() });
    if let Some(value) = authorization {
        request.metadata_mut().insert("authorization", value.parse().unwrap());
    }
    client.say_hello(request).await.map(|reply| reply.into_inner().message)
}

#[tokio::test]
async fn axum_over_both_versions_of_http() {
    let issuer = issuer();
    let app = Router::new()
        .route("/maybe", get(me_or_not))
        .route_layer(layer(&issuer).optional())
        .merge(Router::new().route("/me", get(me)).route_layer(layer(&issuer)))
        .route("/", get(|| async { "public" }));
    let url = serve_axum(app).await;
    let (good, forged) = (bob(&issuer), forged(&issuer));
    for (client, version) in [(HttpClient::http1(), Version::HTTP_11), (HttpClient::http2(), Version::HTTP_2)]
    {
        let (me, maybe) = (format!("{url}/me"), format!("{url}/maybe"));
        let good = &[("authorization", good.as_str())][..];
        let forged = &[("authorization", forged.as_str())][..];
        let public = client.get(&url, &[]).await;
        assert_eq!((public.parts(), public.version), ((200, None, "public"), version));
        assert_eq!(client.get(&me, good).await.parts(), (200, None, "Bob"));
        assert_eq!(client.get(&me, &[]).await.parts(), (401, Some(PLAIN), ""));
        let refused = client.get(&me, forged).await;
        assert_eq!(refused.parts(), (401, Some(INVALID), ""));
        assert_eq!(refused.header("cache-control"), Some("no-store"));
        assert_eq!(client.get(&maybe, good).await.parts(), (200, None, "Bob"));
        assert_eq!(client.get(&maybe, &[]).await.parts(), (200, None, "stranger"));
        assert_eq!(client.get(&maybe, forged).await.parts(), (401, Some(INVALID), ""));
        let twice = client.get(&me, &[good, good].concat()).await;
        assert_eq!(twice.status, 400, "two credentials");
    }
}

#[tokio::test]
async fn a_connection_survives_a_refusal() {
    let issuer = issuer();
    let url = serve_axum(Router::new().route("/me", get(me)).layer(layer(&issuer))).await;
    let stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    // A body that nobody reads must not end the connection either.
    for (authorization, expected) in [(bob(&issuer), 200), (forged(&issuer), 401), (bob(&issuer), 200)] {
        let request = HttpRequest::get("/me").header("host", "localhost");
        let request = request.header("authorization", authorization).body(Full::new(Bytes::from("body")));
        sender.ready().await.unwrap();
        let response = sender.send_request(request.unwrap()).await.unwrap();
        assert_eq!(response.status(), expected);
        http_body_util::BodyExt::collect(response.into_body()).await.unwrap();
    }
}

#[tokio::test]
async fn tonic_refuses_and_answers_a_tonic_client() {
    let issuer = issuer();
    let mut client = GreeterClient::connect(serve_tonic(layer(&issuer)).await).await.unwrap();
    let good = bob(&issuer);
    assert_eq!(call(&mut client, "Hello", Some(&good)).await.unwrap(), "Hello, Bob");
    for authorization in [None, Some(forged(&issuer)), Some(format!("{good}, {good}"))] {
        let status = call(&mut client, "Hello", authorization.as_deref()).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
        assert!(!status.message().is_empty());
    }
    assert_eq!(call(&mut client, "Hello", Some(&good)).await.unwrap(), "Hello, Bob");
}

#[tokio::test]
async fn tonic_with_an_optional_token() {
    let issuer = issuer();
    let mut client = GreeterClient::connect(serve_tonic(layer(&issuer).optional()).await).await.unwrap();
    assert_eq!(call(&mut client, "Anyone", None).await.unwrap(), "Anyone, stranger");
    assert_eq!(call(&mut client, "Anyone", Some(&bob(&issuer))).await.unwrap(), "Anyone, Bob");
    let status = call(&mut client, "Anyone", Some(&forged(&issuer))).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    let status = call(&mut client, "Hello", None).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated, "the method demands what the layer does not");
}

#[tokio::test]
async fn tonic_without_the_layer_fails_closed() {
    let (listener, url) = listen().await;
    let server = Server::builder().add_service(GreeterServer::new(MyGreeter));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    let mut client = GreeterClient::connect(url).await.unwrap();
    for greeting in ["Hello", "Anyone"] {
        let status = call(&mut client, greeting, Some(&bob(&issuer()))).await.unwrap_err();
        assert_eq!(status.code(), Code::Internal);
    }
}

#[tokio::test]
async fn one_tonic_service_can_be_wrapped_alone() {
    use tower::Layer;
    let issuer = issuer();
    let (listener, url) = listen().await;
    let server = Server::builder().add_service(layer(&issuer).layer(GreeterServer::new(MyGreeter)));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    let mut client = GreeterClient::connect(url).await.unwrap();
    assert_eq!(call(&mut client, "Hello", Some(&bob(&issuer))).await.unwrap(), "Hello, Bob");
    assert_eq!(call(&mut client, "Hello", None).await.unwrap_err().code(), Code::Unauthenticated);
}

#[tokio::test]
async fn one_port_answers_each_caller_in_its_protocol() {
    let issuer = issuer();
    let url = serve_axum(one_port(layer(&issuer))).await;
    let (me, good) = (format!("{url}/me"), bob(&issuer));
    for client in [HttpClient::http1(), HttpClient::http2()] {
        assert_eq!(client.get(&me, &[]).await.parts(), (401, Some(PLAIN), ""));
        assert_eq!(client.get(&me, &[("authorization", &good)]).await.parts(), (200, None, "Bob"));
    }
    let mut client = GreeterClient::connect(url).await.unwrap();
    assert_eq!(call(&mut client, "Hello", None).await.unwrap_err().code(), Code::Unauthenticated);
    assert_eq!(call(&mut client, "Hello", Some(&good)).await.unwrap(), "Hello, Bob");
}

/// A proxy that asks for permission takes any 2xx for a yes, so only a real gRPC call may be refused with 200.
#[tokio::test]
async fn what_only_looks_like_grpc_is_refused_in_http() {
    let issuer = issuer();
    let url = serve_axum(one_port(layer(&issuer))).await;
    let (http1, http2) = (HttpClient::http1(), HttpClient::http2());
    let method = format!("{url}/greeter.v1.Greeter/SayHello");
    let grpc = [("content-type", "application/grpc")];
    for client in [&http1, &http2] {
        for path in [format!("{url}/me"), method.clone()] {
            assert_eq!(client.get(&path, &grpc).await.parts(), (401, Some(PLAIN), ""));
        }
    }
    // Native gRPC over HTTP/1.1 does not exist.
    assert_eq!(http1.grpc(&url, &[]).await.parts(), (401, Some(PLAIN), ""));
    let http_only = serve_axum(one_port(layer(&issuer).http_only())).await;
    assert_eq!(http2.grpc(&http_only, &[]).await.parts(), (401, Some(PLAIN), ""));
}

#[tokio::test]
async fn a_refused_grpc_call_is_trailers_only() {
    let issuer = issuer();
    let client = HttpClient::http2();
    for url in [serve_axum(one_port(layer(&issuer))).await, serve_tonic(layer(&issuer)).await] {
        let forged = forged(&issuer);
        let headers = [("authorization", forged.as_str())];
        for (headers, challenge) in [(&[][..], PLAIN), (&headers[..], INVALID)] {
            let answer = client.grpc(&url, headers).await;
            assert_eq!((answer.status.as_u16(), answer.version), (200, Version::HTTP_2));
            assert_eq!(answer.header("content-type"), Some("application/grpc"));
            assert_eq!(answer.header("grpc-status"), Some("16"));
            assert!(answer.header("grpc-message").is_some());
            assert_eq!(answer.header("www-authenticate"), Some(challenge));
            assert!(answer.body.is_empty() && answer.trailers.is_none(), "{answer:?}");
        }
        let good = bob(&issuer);
        let answer = client.grpc(&url, &[("authorization", &good)]).await;
        assert_eq!((answer.status.as_u16(), answer.header("grpc-status")), (200, None));
        assert_eq!(answer.trailer("grpc-status"), Some("0"));
        assert!(answer.body.ends_with(b"Hello, Bob"));
    }
}

#[tokio::test]
async fn hyper_without_a_framework() {
    async fn hello(request: HttpRequest<Incoming>) -> Result<HttpResponse<Full<Bytes>>, Infallible> {
        let name = Jwt::<User>::of(request.extensions()).map(|user| user.name.clone());
        Ok(HttpResponse::new(name.unwrap_or_else(|error| error.to_string()).into()))
    }

    let issuer = issuer();
    let service = ServiceBuilder::new().layer(layer(&issuer)).service_fn(hello);
    let (listener, url) = listen().await;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = hyper_util::service::TowerToHyperService::new(service.clone());
            let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            tokio::spawn(async move {
                server.serve_connection(TokioIo::new(stream), service).await.unwrap();
            });
        }
    });
    let (good, forged) = (bob(&issuer), forged(&issuer));
    for client in [HttpClient::http1(), HttpClient::http2()] {
        assert_eq!(client.get(&url, &[("authorization", &good)]).await.parts(), (200, None, "Bob"));
        assert_eq!(client.get(&url, &[]).await.parts(), (401, Some(PLAIN), ""));
        assert_eq!(client.get(&url, &[("authorization", &forged)]).await.parts(), (401, Some(INVALID), ""));
        let posted = client.request(Method::POST, &url, &[], Bytes::from("unread")).await;
        assert_eq!(posted.parts(), (401, Some(PLAIN), ""));
    }
}
