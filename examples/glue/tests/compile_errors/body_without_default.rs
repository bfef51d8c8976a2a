//! A reverse proxy that hands on the bodies of its backend.

use tower_jwt_auth::{Auto, Reject};

struct Unmakeable;

fn answers<R: Reject<Unmakeable>>(_: R) {}

fn main() {
    answers(Auto);
}
