//! Prints, as one JSON array, a token of each public-key algorithm and the JWK set that its issuer publishes.

use serde_json::{Value, json};
use tower_jwt_auth::{Algorithm, TestIssuer};

fn main() {
    use Algorithm::*;
    let algorithms = [RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA, Ed25519];
    let all: Vec<Value> = algorithms
        .into_iter()
        .map(|algorithm| {
            let issuer = TestIssuer::with_algorithm("https://id.example.com", algorithm).audience("api");
            json!({
                "alg": algorithm.as_str(),
                "token": issuer.sign(json!({ "sub": "bob" })),
                "jwks": serde_json::from_str::<Value>(&issuer.jwks()).unwrap_or_default(),
            })
        })
        .collect();
    println!("{}", Value::Array(all));
}
