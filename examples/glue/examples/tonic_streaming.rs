//! A gRPC service with a policy per method, whose streams end when the token of the call expires or is revoked.
//!
//! `cargo run -p glue --example tonic_streaming` makes the calls and ends.

use std::error::Error;
use std::pin::Pin;
use std::time::Duration;

use futures_util::{FutureExt, Stream, StreamExt, stream};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_stream::wrappers::{IntervalStream, TcpListenerStream};
use tonic::transport::Server;
use tonic::{Request, Response, Status};
use tower_jwt_auth::{Claims, JwtAuthLayer, Principal, Require, RequireMethods, TestIssuer, Verifier};

#[path = "prices/mod.rs"]
pub mod prices;
use prices::prices_client::PricesClient;
use prices::prices_server::{Prices, PricesServer};
use prices::{Price, PriceRequest};

/// Each method by its path. What is not listed, such as `Set`, nobody may call.
pub fn methods() -> RequireMethods {
    RequireMethods::deny_unlisted()
        .method("/prices.v1.Prices/Quote", Require::scope("prices:read"))
        .method("/prices.v1.Prices/Watch", Require::scope("prices:read prices:watch"))
}

pub struct Market;

#[tonic::async_trait]
impl Prices for Market {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<Price, Status>> + Send>>;

    async fn quote(&self, request: Request<PriceRequest>) -> Result<Response<Price>, Status> {
        Ok(Response::new(Price { article: request.into_inner().article, cents: 250 }))
    }

    async fn watch(&self, request: Request<PriceRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let ended = Principal::of(request.extensions())?.ended().boxed().shared();
        let article = request.into_inner().article;
        let ticks = IntervalStream::new(tokio::time::interval(Duration::from_millis(400))).enumerate();
        let prices =
            ticks.map(move |(tick, _)| Ok(Price { article: article.clone(), cents: 250 + tick as u64 }));
        // The layer judged the token when the call began; a stream that outlives it has to be ended here.
        let end = stream::once(ended.clone().map(|why| Err(Status::from(why))));
        Ok(Response::new(Box::pin(prices.take_until(ended).chain(end))))
    }

    async fn set(&self, request: Request<Price>) -> Result<Response<Price>, Status> {
        Ok(Response::new(request.into_inner()))
    }
}

pub async fn serve(listener: TcpListener, verifier: Verifier<Claims>) -> Result<(), tonic::transport::Error> {
    Server::builder()
        .layer(JwtAuthLayer::new(verifier)) // the first layer is the outermost
        .layer(methods())
        .add_service(PricesServer::new(Market))
        .serve_with_incoming(TcpListenerStream::new(listener))
        .await
}

/// A message with this token.
pub fn with_token<T>(message: T, token: &str) -> Result<Request<T>, Box<dyn Error>> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse()?);
    Ok(request)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // A stand-in: real tokens come from your issuer, and you would name its keys with `Authority::keys(..)`.
    let issuer =
        TestIssuer::new("https://id.example.com").audience("prices").lifetime(Duration::from_secs(2));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(serve(listener, Verifier::new(issuer.authority())?));
    let mut client = PricesClient::connect(url).await?;
    let flour = || PriceRequest { article: "flour".to_owned() };

    let reader = issuer.sign(json!({ "sub": "bob", "scope": "prices:read" }));
    let price = client.quote(with_token(flour(), &reader)?).await?.into_inner();
    println!("Quote as a reader: {} cents", price.cents);
    let set = client.set(with_token(price, &reader)?).await;
    println!("Set, which is not listed: {}", set.err().map_or("done".to_owned(), told));
    let watch = client.watch(with_token(flour(), &reader)?).await;
    println!("Watch as a reader: {}", watch.err().map_or("watching".to_owned(), told));

    let watcher = issuer.sign(json!({ "sub": "bob", "scope": "prices:read prices:watch" }));
    let mut prices = client.watch(with_token(flour(), &watcher)?).await?.into_inner();
    println!("Watch as a watcher, with a token for two seconds:");
    loop {
        match prices.message().await {
            Ok(Some(price)) => println!("  {} cents", price.cents),
            Ok(None) => break,
            Err(status) => {
                println!("  {}", told(status));
                break;
            }
        }
    }
    Ok(())
}

fn told(status: Status) -> String {
    format!("{:?}: {}", status.code(), status.message())
}
