//! The gateway between real clients and real servers.

use std::io::{BufRead, BufReader};
use std::pin::Pin;
use std::process::{Child, Command, Stdio};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::extract::ws::{Message as WsMessage, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use futures_util::{SinkExt, Stream, StreamExt, stream};
use http_body_util::BodyExt;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::json;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tonic::Status;
use tower_jwt_auth::{TestIssuer, Verifier};

#[allow(dead_code)]
#[path = "../examples/gateway.rs"]
mod example;
#[path = "../examples/prices/mod.rs"]
mod prices;
use prices::prices_client::PricesClient;
use prices::prices_server::{Prices, PricesServer};
use prices::{Price, PriceRequest};

/// A gateway in front of this server, and the issuer that it trusts.
async fn in_front_of(backend: &str) -> (TestIssuer, String) {
    let issuer = TestIssuer::new("https://id.example.com").audience("gateway");
    let service =
        example::gateway(Verifier::new(issuer.authority()).unwrap(), backend.parse().unwrap()).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(example::serve(listener, service));
    (issuer, address)
}

fn client() -> Client<hyper_util::client::legacy::connect::HttpConnector, Body> {
    Client::builder(TokioExecutor::new()).build_http()
}

/// What a server sees of a request.
async fn echo_headers(headers: HeaderMap) -> String {
    let lines = headers.iter().map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap()));
    lines.collect()
}

#[tokio::test]
async fn the_server_behind_hears_who_it_is_and_sees_no_token() {
    let backend = crate::serve(Router::new().fallback(echo_headers)).await;
    let (issuer, address) = in_front_of(&backend).await;
    let token = issuer.sign(json!({ "sub": "bob", "roles": ["clerk", "editor"] }));
    let request = |authorization: &str| {
        Request::get(format!("http://{address}/orders?page=2"))
            .header("authorization", authorization)
            .header("x-user-id", "admin")
            .header("X-User-Roles", "root")
            .header("x_user_id", "admin")
            .header("connection", "x-user-id, x-secret-of-this-hop")
            .header("x-secret-of-this-hop", "1")
            .header("x-forwarded-host", "evil.example")
            .header("x-forwarded-for", "evil.example")
            .header("accept", "text/plain")
            .body(Body::empty())
            .unwrap()
    };
    let answer = client().request(request(&format!("Bearer {token}"))).await.unwrap();
    assert_eq!(answer.status(), 200);
    let seen = String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap();
    let lines: Vec<&str> = seen.lines().collect();
    assert!(lines.contains(&"x-user-id: bob") && lines.contains(&"x-user-roles: clerk,editor"), "{seen}");
    assert!(
        lines.contains(&"accept: text/plain") && lines.contains(&format!("host: {backend}").as_str()),
        "{seen}"
    );
    assert!(lines.contains(&format!("x-forwarded-host: {address}").as_str()), "{seen}");
    for absent in ["authorization", "admin", "root", "x-secret-of-this-hop", "evil.example", &token] {
        assert!(!seen.contains(absent), "{absent}: {seen}");
    }
    for bad in ["Bearer x.y.z", "Basic Ym9iOg=="] {
        let answer = client().request(request(bad)).await.unwrap();
        assert_eq!(answer.status(), 401, "{bad}");
        assert!(answer.headers().contains_key("www-authenticate"));
    }
}

#[tokio::test]
async fn a_server_that_is_down_is_a_bad_gateway() {
    let (issuer, address) = in_front_of("127.0.0.1:1").await;
    let request = Request::get(format!("http://{address}/"))
        .header("authorization", format!("Bearer {}", issuer.sign(json!({}))))
        .body(Body::empty())
        .unwrap();
    assert_eq!(client().request(request).await.unwrap().status(), 502);
}

#[tokio::test]
async fn a_websocket_passes_through() {
    async fn chat(headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
        let user = headers["x-user-id"].to_str().unwrap().to_owned();
        upgrade.on_upgrade(async move |mut socket| {
            while let Some(Ok(WsMessage::Text(text))) = socket.recv().await {
                if socket.send(WsMessage::text(format!("{user}: {text}"))).await.is_err() {
                    return;
                }
            }
        })
    }
    let backend = crate::serve(Router::new().route("/chat", any(chat))).await;
    let (issuer, address) = in_front_of(&backend).await;
    let handshake = |token: &str| {
        let mut request = format!("ws://{address}/chat").into_client_request().unwrap();
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        request
    };
    let (mut socket, answer) = connect_async(handshake(&issuer.sign(json!({ "sub": "bob" })))).await.unwrap();
    assert_eq!(answer.status(), 101);
    for text in ["hello", "again", &"x".repeat(100_000)] {
        socket.send(Message::text(text)).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(format!("bob: {text}")));
    }
    let Err(Error::Http(refused)) = connect_async(handshake("x.y.z")).await else { panic!("not refused") };
    assert_eq!(refused.status(), 401);
}

/// A server that trusts the gateway: it has no layer of its own.
struct Market;

#[tonic::async_trait]
impl Prices for Market {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<Price, Status>> + Send>>;

    async fn quote(&self, request: tonic::Request<PriceRequest>) -> Result<tonic::Response<Price>, Status> {
        let article = request.metadata().get("x-user-id").unwrap().to_str().unwrap().to_owned();
        Ok(tonic::Response::new(Price { article, cents: 250 }))
    }

    async fn watch(
        &self,
        _: tonic::Request<PriceRequest>,
    ) -> Result<tonic::Response<Self::WatchStream>, Status> {
        let prices = (0..1000).map(|cents| Ok(Price { article: "flour".to_owned(), cents }));
        let end = [Err(Status::out_of_range("the market has closed"))];
        Ok(tonic::Response::new(Box::pin(stream::iter(prices.chain(end)))))
    }

    async fn set(&self, request: tonic::Request<Price>) -> Result<tonic::Response<Price>, Status> {
        Ok(tonic::Response::new(request.into_inner()))
    }
}

#[tokio::test]
async fn grpc_passes_through_with_its_streams_and_trailers() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let backend = listener.local_addr().unwrap().to_string();
    let server = tonic::transport::Server::builder().add_service(PricesServer::new(Market));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    let (issuer, address) = in_front_of(&backend).await;
    let mut client = PricesClient::connect(format!("http://{address}")).await.unwrap();
    let token = issuer.sign(json!({ "sub": "bob" }));
    let request = |token: &str| {
        let mut request = tonic::Request::new(PriceRequest { article: "flour".to_owned() });
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        request
    };
    assert_eq!(client.quote(request(&token)).await.unwrap().into_inner().article, "bob");
    let mut prices = client.watch(request(&token)).await.unwrap().into_inner();
    for cents in 0..1000 {
        assert_eq!(prices.message().await.unwrap().unwrap().cents, cents);
    }
    let end = prices.message().await.unwrap_err();
    assert_eq!((end.code(), end.message()), (tonic::Code::OutOfRange, "the market has closed"));
    // Refused in gRPC's own words, by the gateway.
    assert_eq!(client.quote(request("x.y.z")).await.unwrap_err().code(), tonic::Code::Unauthenticated);
    assert_eq!(client.watch(request("x.y.z")).await.unwrap_err().code(), tonic::Code::Unauthenticated);
}

/// The example as a process of its own, so that its memory can be looked at.
struct Gateway {
    process: Child,
    address: String,
    token: String,
}

impl Gateway {
    fn in_front_of(backend: &str) -> Self {
        let test = std::env::current_exe().unwrap();
        let target = test.parent().and_then(|deps| deps.parent()).unwrap();
        let mut command = Command::new(target.join("examples/gateway"));
        command.env("BACKEND", format!("http://{backend}")).env("PORT", "0").stdout(Stdio::piped());
        let mut process = command.spawn().unwrap(); // `cargo test -p glue` builds it
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        let token = lines.next().unwrap();
        let token =
            token.strip_prefix("curl -H 'authorization: Bearer ").unwrap().trim_end_matches('\'').to_owned();
        let address = lines.next().unwrap().strip_prefix("listening on http://").unwrap().to_owned();
        Self { process, address, token }
    }

    /// The most memory that it had so far, in MiB.
    fn peak(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() / 1024
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const MIB: usize = 1 << 20;

/// `GATEWAY_MIB` makes the bodies longer.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn long_bodies_are_streamed_at_constant_memory() {
    let mebibytes: usize = std::env::var("GATEWAY_MIB").map_or(128, |text| text.parse().unwrap());
    let zeros = move || {
        let chunk = Bytes::from(vec![0; MIB]);
        stream::iter((0..mebibytes).map(move |_| Ok::<_, std::io::Error>(chunk.clone())))
    };
    let count = async |body: Body| {
        let mut body = body.into_data_stream();
        let mut bytes = 0;
        while let Some(chunk) = body.next().await {
            bytes += chunk.unwrap().len();
        }
        (bytes / MIB).to_string()
    };
    let download = get(move || async move { Body::from_stream(zeros()).into_response() });
    let backend = crate::serve(Router::new().route("/down", download).route("/up", post(count))).await;
    let gateway = Gateway::in_front_of(&backend);
    let request = |method: &str, path: &str| {
        Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", gateway.address))
            .header("authorization", format!("Bearer {}", gateway.token))
    };
    let small = client().request(request("POST", "/up").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(small.status(), StatusCode::OK);
    let before = gateway.peak();

    let answer = client().request(request("GET", "/down").body(Body::empty()).unwrap()).await.unwrap();
    let mut body = Body::new(answer.into_body()).into_data_stream();
    let mut bytes = 0;
    while let Some(chunk) = body.next().await {
        bytes += chunk.unwrap().len();
    }
    assert_eq!(bytes, mebibytes * MIB);
    let upload = Body::from_stream(zeros());
    let answer = client().request(request("POST", "/up").body(upload).unwrap()).await.unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), mebibytes.to_string());
    let after = gateway.peak();
    println!(
        "{mebibytes} MiB down and as many up: the gateway had {before} MiB at most before, {after} MiB after"
    );
    assert!(after < before + 32, "{before} MiB before, {after} MiB after {mebibytes} MiB");
}
