//! A reverse proxy with the layer in front: it verifies the token, takes it out, and tells the server behind it who the caller is.
//! Bodies are streamed both ways; `WebSocket`s and gRPC pass through.
//!
//! `BACKEND=http://127.0.0.1:8080 cargo run -p glue --example gateway` prints a token and its address. `PORT` changes the port.

use std::convert::Infallible;
use std::error::Error;

use futures_util::TryFutureExt;
use http_body_util::BodyExt;
use http_body_util::combinators::BoxBody;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE};
use hyper::http::uri::{Authority, Scheme};
use hyper::{Request, Response, StatusCode, Uri, Version};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tower::{Layer, Service, service_fn};
use tower_jwt_auth::{Claims, ConfigError, JwtAuthLayer, TestIssuer, Verifier};

pub type Body = BoxBody<Bytes, hyper::Error>;

/// The proxy in front of this server: anything but a good token is refused here.
pub fn gateway(
    verifier: Verifier<Claims>,
    backend: Authority,
) -> Result<
    impl Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future: Send> + Clone + Send,
    ConfigError,
> {
    let auth = JwtAuthLayer::new(verifier)
        .remove_credential() // the token goes no further than its audience
        .claim_header("x-user-id", "sub")? // whatever the client sends by these names is removed
        .claim_header("x-user-roles", "roles")?;
    let http1 = Client::builder(TokioExecutor::new()).build_http();
    let http2 = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    Ok(auth.layer(service_fn(move |request: Request<Incoming>| {
        // gRPC needs HTTP/2 all the way. A server that speaks HTTP/1 alone gets `http1` for both.
        let client = if request.version() == Version::HTTP_2 { http2.clone() } else { http1.clone() };
        forward(client, backend.clone(), request).or_else(|error| async move {
            eprintln!("the backend does not answer: {error}");
            let mut answer = Response::new(Body::default());
            *answer.status_mut() = StatusCode::BAD_GATEWAY;
            Ok(answer)
        })
    })))
}

async fn forward(
    client: Client<HttpConnector, Incoming>,
    backend: Authority,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Box<dyn Error + Send + Sync>> {
    let host = request.headers_mut().remove(HOST).or_else(|| request.uri().host()?.parse().ok());
    let upgrade = request.headers().get(UPGRADE).cloned();
    let client_side = upgrade.is_some().then(|| hyper::upgrade::on(&mut request));

    let mut uri = std::mem::take(request.uri_mut()).into_parts();
    (uri.scheme, uri.authority) = (Some(Scheme::HTTP), Some(backend));
    *request.uri_mut() = Uri::from_parts(uri)?;
    let headers = request.headers_mut();
    remove_hop_by_hop(headers);
    if let Some(upgrade) = &upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, upgrade.clone());
    }
    // What the client says of the way so far is its own word.
    headers.remove("forwarded");
    headers.remove("x-forwarded-for");
    headers.insert("x-forwarded-proto", HeaderValue::from_static("http")); // https, where this ends TLS
    match host {
        Some(host) => headers.insert("x-forwarded-host", host),
        None => headers.remove("x-forwarded-host"),
    };

    let mut answer = client.request(request).await?;
    let server_side = hyper::upgrade::on(&mut answer);
    let accepted = answer.headers().get(UPGRADE).cloned();
    remove_hop_by_hop(answer.headers_mut());
    if let (StatusCode::SWITCHING_PROTOCOLS, Some(client_side), Some(accepted)) =
        (answer.status(), client_side, accepted)
    {
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
        answer.headers_mut().insert(UPGRADE, accepted);
        tokio::spawn(async move {
            let (client, server) = (client_side.await?, server_side.await?);
            let (mut client, mut server) = (TokioIo::new(client), TokioIo::new(server));
            tokio::io::copy_bidirectional(&mut client, &mut server).await?;
            Ok::<_, Box<dyn Error + Send + Sync>>(())
        });
    }
    Ok(answer.map(BodyExt::boxed))
}

/// Headers that are for one connection alone (RFC 9110 section 7.6.1).
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let options: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .filter_map(|option| option.trim().parse().ok())
        .collect();
    options.iter().for_each(|option| drop(headers.remove(option)));
    for name in [CONNECTION, UPGRADE, TRANSFER_ENCODING] {
        headers.remove(name);
    }
    for name in ["keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization"] {
        headers.remove(name);
    }
    // gRPC asks for it, and it is true here.
    if headers.remove(TE).is_some_and(|te| te == "trailers") {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

/// Serves HTTP/1 and HTTP/2 on one port.
pub async fn serve<S>(listener: TcpListener, service: S) -> std::io::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static,
{
    loop {
        let (stream, _): (TcpStream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            // A client that goes away is its own affair.
            let _ = server.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
        });
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let backend: Uri =
        std::env::var("BACKEND").map_err(|_| "BACKEND is not set: name the server behind")?.parse()?;
    let backend = backend.into_parts().authority.ok_or("BACKEND has no host: begin with http://")?;
    // A stand-in: real tokens come from your issuer, and you would name its keys with `Authority::oidc(..)`.
    let issuer = TestIssuer::new("https://id.example.com").audience("gateway");
    println!("curl -H 'authorization: Bearer {}'", issuer.sign(json!({ "sub": "bob", "roles": ["clerk"] })));

    let service = gateway(Verifier::new(issuer.authority())?, backend)?;
    let port = std::env::var("PORT").unwrap_or_else(|_| "3000".to_owned());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(serve(listener, service).await?)
}
