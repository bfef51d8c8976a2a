//! A web API and a gRPC service on one port, behind one layer: each caller is refused in its own protocol.
//!
//! `cargo run --example axum_and_grpc_one_port`, then paste the lines that it prints. `PORT` changes the port.

use std::error::Error;

use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tonic::{Request, Response, Status};
use tower_jwt_auth::{Jwt, JwtAuthLayer, TestIssuer, Verifier};

mod greeter;
use greeter::greeter_server::{Greeter, GreeterServer, SERVICE_NAME};
use greeter::{HelloReply, HelloRequest};

#[derive(Deserialize)]
struct User {
    sub: String,
    name: String,
}

async fn me(user: Jwt<User>) -> Json<Value> {
    Json(json!({ "sub": user.sub, "name": user.name }))
}

struct MyGreeter;

#[tonic::async_trait]
impl Greeter for MyGreeter {
    async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        let user = Jwt::<User>::of(request.extensions())?;
        let message = format!("{}, {}", request.get_ref().greeting, user.name);
        Ok(Response::new(HelloReply { message }))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // A stand-in: real tokens come from your issuer, and you would name its keys with `Authority::keys(..)`.
    let issuer = TestIssuer::new("https://id.example.com").audience("shop");
    let verifier = Verifier::<User>::new(issuer.authority())?;
    let app = Router::new()
        .route("/me", get(me))
        // gRPC calls are `POST /package.Service/Method`.
        .route_service(&format!("/{SERVICE_NAME}/{{*method}}"), GreeterServer::new(MyGreeter))
        .layer(JwtAuthLayer::new(verifier));

    let port = std::env::var("PORT").unwrap_or_else(|_| "3000".to_owned());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    let address = listener.local_addr()?;
    let token = issuer.sign(json!({ "sub": "bob", "name": "Bob" }));
    println!("# HTTP: 401, then 200");
    println!("curl -i http://{address}/me");
    println!("curl -i http://{address}/me -H 'Authorization: Bearer {token}'\n");
    println!("# gRPC: Unauthenticated, then an answer");
    let call = format!(
        "-plaintext -import-path examples/greeter -proto greeter.proto -d '{{\"greeting\": \"Hello\"}}' \
         {address} {SERVICE_NAME}/SayHello"
    );
    println!("grpcurl {call}");
    println!("grpcurl -H 'Authorization: Bearer {token}' {call}\n");
    println!("listening on http://{address}");
    // `axum::serve` takes HTTP/1.1 and HTTP/2 without TLS on the same port.
    axum::serve(listener, app).await?;
    Ok(())
}
