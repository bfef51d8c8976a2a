//! Verifies tokens that do not come with a request, here with the messages of a queue. No server, no HTTP.

use std::error::Error;

use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc;
use tower_jwt_auth::{AuthError, Jwt, TestIssuer, Verifier};

#[derive(Deserialize)]
struct Shop {
    sub: String,
    plan: String,
}

/// What producers put into the queue: who they are, and what they want.
struct Message {
    token: String,
    order: &'static str,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // A stand-in: real tokens come from your issuer, and you would name its keys with `Authority::keys(..)`.
    let issuer = TestIssuer::new("https://id.example.com").audience("orders-queue");
    let verifier = Verifier::<Shop>::new(issuer.authority())?;

    let (producer, mut queue) = mpsc::channel(8);
    let bakery = issuer.sign(json!({ "sub": "bakery", "plan": "pro" }));
    producer.send(Message { token: bakery, order: "flour" }).await?;
    let late = issuer.sign(json!({ "sub": "bakery", "plan": "pro", "exp": 1_700_000_000 }));
    producer.send(Message { token: late, order: "sugar" }).await?;
    let elsewhere = issuer.sign(json!({ "sub": "bakery", "plan": "pro", "aud": "newsletter" }));
    producer.send(Message { token: elsewhere, order: "yeast" }).await?;
    drop(producer);

    while let Some(message) = queue.recv().await {
        if let Err(error) = handle(&verifier, &message).await {
            // The reason is a stable code, good for a log or a metric.
            println!("{}: refused: {error}", message.order);
        }
    }
    Ok(())
}

async fn handle(verifier: &Verifier<Shop>, message: &Message) -> Result<(), AuthError> {
    // Ready at once with keys in memory, so nothing is awaited here in truth.
    let shop = verifier.verify(&message.token).await?;
    place_order(&shop, message.order);
    Ok(())
}

/// Asks for the proof, not for the claims: only who verified a token can call it.
fn place_order(shop: &Jwt<Shop>, order: &str) {
    println!("{order}: ordered by {} ({})", shop.sub, shop.plan);
}
