//! A hyper server without a framework, for HTTP/1.1 and HTTP/2.
//!
//! `cargo run --example hyper_raw`, then paste the `curl` lines that it prints. `PORT` changes the port.

use std::error::Error;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use tower::ServiceBuilder;
use tower_jwt_auth::{AuthError, Claims, Jwt, JwtAuthLayer, TestIssuer, Verifier};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // A stand-in: real tokens come from your issuer, and you would name its keys with `Authority::keys(..)`.
    let issuer = TestIssuer::new("https://id.example.com").audience("hyper");
    let verifier = Verifier::<Claims>::new(issuer.authority())?;
    let service = ServiceBuilder::new().layer(JwtAuthLayer::new(verifier)).service_fn(hello);

    let port = std::env::var("PORT").unwrap_or_else(|_| "3000".to_owned());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    let url = format!("http://{}", listener.local_addr()?);
    println!("curl -i {url}");
    println!("curl -i {url} -H 'Authorization: Bearer {}'", issuer.sign(json!({ "sub": "bob" })));
    println!("listening on {url}");
    loop {
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(async move {
            let server = Builder::new(TokioExecutor::new());
            if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
                eprintln!("a connection broke: {error}");
            }
        });
    }
}

/// Reached only with a good token.
async fn hello(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, AuthError> {
    let user = Jwt::<Claims>::of(request.extensions())?;
    let text = format!("hello {}\n", user.sub.as_deref().unwrap_or("nobody"));
    Ok(Response::new(Full::from(text)))
}
