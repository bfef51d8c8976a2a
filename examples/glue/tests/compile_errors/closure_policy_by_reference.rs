//! A policy outlives the function that makes it.

use tower_jwt_auth::{Claims, Require};

fn policy(owner: String) -> Require {
    Require::that(|claims: &Claims| claims.sub.as_ref() == Some(&owner))
}

fn main() {}
