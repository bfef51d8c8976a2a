//! gRPC over loopback: a tonic server on one core, a tonic client on another.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::time::Instant;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint, Server as TonicServer};
use tonic::{Request, Response, Status};
use tower_jwt_auth::{Authority, Jwt, JwtAuthLayer, KeySet, TokenCache, Verifier};

use crate::contenders::{for_decode, resource_server, runtime};
use crate::goodput::{Server, on_the_second_core};
use crate::rounds::median;
use crate::tokens::{AUDIENCE, Algorithm, Claims, ISSUER, Keys};

#[allow(clippy::all, missing_docs, unused_qualifications, dead_code)]
mod greeter {
    include!("../../../examples/greeter/greeter.v1.rs");
}
use greeter::greeter_client::GreeterClient;
use greeter::greeter_server::{Greeter, GreeterServer};
use greeter::{HelloReply, HelloRequest};

const NAMES: [&str; 5] =
    ["none", "ours", "ours, cached", "tonic with jsonwebtoken", "tower-oauth2-resource-server"];
const ROUNDS: usize = 9;
const WINDOW: Duration = Duration::from_millis(1500);
const CALLS_AT_ONCE: usize = 32;

/// Finds the subject where the contender puts it.
#[derive(Clone)]
struct MyGreeter(fn(&tonic::Extensions) -> Option<usize>);

#[tonic::async_trait]
impl Greeter for MyGreeter {
    async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        let subject = (self.0)(request.extensions()).ok_or_else(|| Status::internal("no claims"))?;
        std::hint::black_box(subject);
        Ok(Response::new(HelloReply { message: "hello".to_owned() }))
    }
}

/// Serves on a port that it prints, with the token to send, until it is killed.
pub fn serve(name: &str, keys: &Keys) {
    runtime().block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{} {}", listener.local_addr().unwrap(), keys.good());
        let incoming = TcpListenerStream::new(listener);
        let plain =
            |extensions: &tonic::Extensions| extensions.get::<Claims>().map(|claims| claims.sub.len());
        let mut server = TonicServer::builder().tcp_nodelay(true);
        match name {
            "none" => {
                server
                    .add_service(GreeterServer::new(MyGreeter(|_| Some(0))))
                    .serve_with_incoming(incoming)
                    .await
            }
            "ours" | "ours, cached" => {
                let set = KeySet::from_jwks_with_secrets(keys.jwks(1)).unwrap();
                let authority = Authority::keys(set).issuer(ISSUER).audience(AUDIENCE);
                let mut verifier = Verifier::<Claims>::builder().authority(authority);
                if name == "ours, cached" {
                    verifier = verifier.cache(TokenCache::new());
                }
                let greeter =
                    MyGreeter(|extensions| Jwt::<Claims>::of(extensions).ok().map(|user| user.sub.len()));
                let layer = JwtAuthLayer::new(verifier.build().unwrap());
                server
                    .layer(layer)
                    .add_service(GreeterServer::new(greeter))
                    .serve_with_incoming(incoming)
                    .await
            }
            "tonic with jsonwebtoken" => {
                let state = Arc::new(for_decode(keys));
                let check = move |mut request: Request<()>| {
                    let refused = || Status::unauthenticated("refused");
                    let value = request.metadata().get("authorization").ok_or_else(refused)?;
                    let token = value
                        .to_str()
                        .ok()
                        .and_then(|text| text.strip_prefix("Bearer "))
                        .ok_or_else(refused)?;
                    let token =
                        jsonwebtoken::decode::<Claims>(token, &state.0, &state.1).map_err(|_| refused())?;
                    request.extensions_mut().insert(token.claims);
                    Ok(request)
                };
                let service = GreeterServer::with_interceptor(MyGreeter(plain), check);
                server.add_service(service).serve_with_incoming(incoming).await
            }
            "tower-oauth2-resource-server" => {
                let rules = resource_server(&keys.jwks(1), keys.algorithm).await;
                let layer = rules.into_layer::<tonic::body::Body>();
                server
                    .layer(layer)
                    .add_service(GreeterServer::new(MyGreeter(plain)))
                    .serve_with_incoming(incoming)
                    .await
            }
            other => panic!("{other} is none of {NAMES:?}"),
        }
        .unwrap();
    });
}

/// Calls per second, as a share of those without a layer.
pub fn measure(runtime: &Runtime, algorithm: Algorithm) {
    on_the_second_core();
    let servers = NAMES.map(|name| Server::start("serve-grpc", name, algorithm));
    let clients: Vec<(Channel, String)> = servers
        .iter()
        .map(|server| {
            let endpoint = Endpoint::new(format!("http://{}", server.address)).unwrap().tcp_nodelay(true);
            (runtime.block_on(endpoint.connect()).unwrap(), server.good[0].clone())
        })
        .collect();
    let mut rates: Vec<Vec<f64>> = NAMES.iter().map(|_| Vec::new()).collect();
    for round in 0..ROUNDS {
        for turn in 0..NAMES.len() {
            let index = (round + turn) % NAMES.len();
            let (channel, token) = &clients[index];
            rates[index].push(runtime.block_on(rate(channel, token)));
        }
    }
    for (name, own) in NAMES.iter().zip(&rates) {
        let share = median(own.iter().zip(&rates[0]).map(|(one, none)| one / none).collect());
        crate::line("grpc", &algorithm.name(), name, share, median(own.clone()));
    }
}

async fn rate(channel: &Channel, token: &str) -> f64 {
    let value: MetadataValue<_> = format!("Bearer {token}").parse().unwrap();
    let start = Instant::now();
    let callers: Vec<_> = (0..CALLS_AT_ONCE)
        .map(|_| {
            let (mut client, value) = (GreeterClient::new(channel.clone()), value.clone());
            tokio::spawn(async move {
                let mut calls = 0;
                while start.elapsed() < WINDOW {
                    let mut request = Request::new(HelloRequest { greeting: "Hello".to_owned() });
                    request.metadata_mut().insert("authorization", value.clone());
                    client.say_hello(request).await.unwrap();
                    calls += 1;
                }
                calls
            })
        })
        .collect();
    let mut calls = 0;
    for caller in callers {
        calls += caller.await.unwrap();
    }
    f64::from(calls) / start.elapsed().as_secs_f64()
}
