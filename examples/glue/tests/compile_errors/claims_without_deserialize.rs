//! A claims type is read from JSON.

use tower_jwt_auth::{Authority, Verifier};

struct User;

fn verifier(authority: Authority) {
    let _ = Verifier::<User>::new(authority);
}

fn main() {}
