//! One request of one case again and again, for callgrind to count. See `benches/instructions.py`.

mod cases;

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use axum::body::Body;
use axum::http::{Request, Response};
use tower_jwt_auth::{JwtAuthLayer, Revocation, Revocations, TokenCache, UnixTime, Verifier};
use tower_layer::Layer;
use tower_service::Service;

use cases::{Case, Handler, ISSUER, NOON, Noon, User, answer, case, request};

const NAMES: [&str; 22] = [
    "bare",
    "accepted, HS256",
    "accepted, RS256",
    "accepted, ES256",
    "accepted, EdDSA",
    "accepted, HS256, 16 authorities",
    "accepted, HS256, 1000 keys",
    "accepted, cached, HS256",
    "accepted, cached, RS256",
    "accepted, HS256, 1000 revocations",
    "accepted, cached, HS256, 1000 revocations",
    "refused, no token",
    "refused, 8 KiB without dots",
    "refused, 8 KiB in three segments of garbage",
    "refused, good header and 8 KiB of garbage, RS256",
    "refused, unknown kid",
    "refused, expired, HS256",
    "refused, expired, RS256",
    "refused, other audience, RS256",
    "refused, bad signature, HS256",
    "refused, bad signature, RS256",
    "refused, bad signature, cached, RS256",
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, calls] = arguments.as_slice() else {
        println!("{}", NAMES.join("\n"));
        return;
    };
    let calls: usize = calls.parse().expect("a number of calls");
    if name == "bare" {
        return run(Handler, None, calls);
    }
    let Case { authorities, token } = case(name);
    let mut verifier = Verifier::<User>::builder().authorities(authorities).clock(Noon);
    if name.contains("cached") {
        verifier = verifier.cache(TokenCache::new());
    }
    if name.contains("revocations") {
        verifier = verifier.revocations(revocations());
    }
    let verifier = verifier.build().unwrap();
    run(JwtAuthLayer::new(verifier).layer(Handler), token.as_deref(), calls);
}

/// A thousand, of every kind, and none of them concerns the token.
fn revocations() -> Revocations {
    let revocations = Revocations::builder().clock(Noon).build().unwrap();
    let all = (0..1000).map(|number| match number % 4 {
        0 => Revocation::session(ISSUER, format!("session-{number}")),
        1 => Revocation::token(ISSUER, format!("token-{number}"), UnixTime::from_secs(NOON + 600)),
        2 => Revocation::subject(ISSUER, format!("subject-{number}")),
        _ => Revocation::issuer(format!("https://other-{number}.example.com")),
    });
    let mut context = Context::from_waker(Waker::noop());
    assert!(pin!(revocations.revoke_all(all)).poll(&mut context).is_ready());
    revocations
}

/// Calls `service` a few times so that it has seen the token, and then `calls` times under `counted`.
fn run<S>(mut service: S, token: Option<&str>, calls: usize)
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    for _ in 0..8 {
        let status = answer(&mut service, request(token));
        assert_eq!(status.is_success(), cases::EXPECTED.with(std::cell::Cell::get), "{status}");
    }
    for _ in 0..calls {
        counted(&mut service, request(token));
    }
}

/// The function that callgrind is told to collect.
#[inline(never)]
fn counted<S>(service: &mut S, request: Request<Body>)
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    std::hint::black_box(answer(service, request));
}
