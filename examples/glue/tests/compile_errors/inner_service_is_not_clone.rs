//! A request that waits for keys is answered by a clone of the inner service.

use tower::Layer;
use tower_jwt_auth::{JwtAuthLayer, Verifier};

struct NotClone;

fn protect(verifier: Verifier) {
    let _ = JwtAuthLayer::new(verifier).layer(NotClone);
}

fn main() {}
