//! A predicate reads the claims type, not the handle on a token: such a policy would refuse every caller.

use tower_jwt_auth::{Principal, Require};

fn policy() -> Require {
    Require::that(|caller: &Principal| caller.subject() == Some("bob"))
}

fn main() {}
