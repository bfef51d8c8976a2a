//! A gRPC service, and a client in the same process that is refused without a token and answered with one.
//!
//! `cargo run --example tonic_server` ends after the two calls; `-- --serve` keeps serving. `PORT` sets the port.

use std::error::Error;

use serde::Deserialize;
use serde_json::json;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};
use tower_jwt_auth::{Jwt, JwtAuthLayer, TestIssuer, Verifier};

mod greeter;
use greeter::greeter_client::GreeterClient;
use greeter::greeter_server::{Greeter, GreeterServer};
use greeter::{HelloReply, HelloRequest};

#[derive(Deserialize)]
struct User {
    name: String,
}

struct MyGreeter;

#[tonic::async_trait]
impl Greeter for MyGreeter {
    async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        // Fails closed: without the layer around the service this is an error, never an anonymous user.
        let user = Jwt::<User>::of(request.extensions())?;
        let message = format!("{}, {}", request.get_ref().greeting, user.name);
        Ok(Response::new(HelloReply { message }))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // A stand-in: real tokens come from your issuer, and you would name its keys with `Authority::keys(..)`.
    let issuer = TestIssuer::new("https://id.example.com").audience("greeter");
    let verifier = Verifier::<User>::new(issuer.authority())?;

    let port = std::env::var("PORT").unwrap_or_else(|_| "50051".to_owned());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let server = Server::builder()
        .layer(JwtAuthLayer::new(verifier))
        .add_service(GreeterServer::new(MyGreeter))
        .serve_with_incoming(TcpListenerStream::new(listener));
    let server = tokio::spawn(server);
    println!("listening on {url}");

    let mut client = GreeterClient::connect(url).await?;
    let hello = || Request::new(HelloRequest { greeting: "Hello".to_owned() });
    match client.say_hello(hello()).await {
        Ok(_) => return Err("the call without a token was answered".into()),
        Err(status) => println!("without a token: {:?}: {}", status.code(), status.message()),
    }
    let token = issuer.sign(json!({ "sub": "bob", "name": "Bob" }));
    let mut request = hello();
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse()?);
    let reply = client.say_hello(request).await?;
    println!("with a token: {}", reply.into_inner().message);

    if std::env::args().any(|argument| argument == "--serve") {
        println!("authorization: Bearer {token}");
        server.await??;
    }
    Ok(())
}
