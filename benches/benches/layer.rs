//! One request through a `JwtAuthLayer`, in wall time: `cargo bench -p benches`. For counts that do not depend on the machine see
//! `benches/instructions.py`, for other crates beside this one `benches/rivals`.

#[path = "../src/bin/instructions/cases.rs"]
mod cases;

use divan::Bencher;
use tower_jwt_auth::{JwtAuth, JwtAuthLayer, TokenCache, Verifier};
use tower_layer::Layer;

use cases::{Case, Handler, Noon, User, answer, case, request};

fn main() {
    divan::main();
}

fn layer(
    name: &str,
    change: fn(JwtAuthLayer<User>) -> JwtAuthLayer<User>,
) -> (JwtAuth<Handler, User>, Option<String>) {
    let Case { authorities, token } = case(name);
    let mut verifier = Verifier::<User>::builder().authorities(authorities).clock(Noon);
    if name.contains("cached") {
        verifier = verifier.cache(TokenCache::new());
    }
    (change(JwtAuthLayer::new(verifier.build().unwrap())).layer(Handler), token)
}

/// Requests are made outside of what is timed.
fn requests(
    bencher: Bencher<'_, '_>,
    name: &str,
    change: fn(JwtAuthLayer<User>) -> JwtAuthLayer<User>,
    passes: bool,
) {
    let (service, token) = layer(name, change);
    let mut first = service.clone();
    for _ in 0..8 {
        let status = answer(&mut first, request(token.as_deref()));
        assert_eq!(status.is_success(), passes, "{name}: {status}");
    }
    bencher
        .with_inputs(|| (service.clone(), request(token.as_deref())))
        .bench_values(|(mut service, request)| answer(&mut service, request));
}

#[divan::bench]
fn bare(bencher: Bencher<'_, '_>) {
    bencher.with_inputs(|| request(None)).bench_values(|request| answer(&mut Handler, request));
}

#[divan::bench(args = ["HS256", "RS256", "PS256", "ES256", "ES384", "EdDSA"], threads = [1, 2])]
fn accepted(bencher: Bencher<'_, '_>, algorithm: &str) {
    requests(bencher, &format!("accepted, {algorithm}"), |layer| layer, true);
}

#[divan::bench(args = ["HS256", "RS256", "ES256", "EdDSA"], threads = [1, 2])]
fn cached(bencher: Bencher<'_, '_>, algorithm: &str) {
    requests(bencher, &format!("accepted, cached, {algorithm}"), |layer| layer, true);
}

#[divan::bench(args = [2, 10, 100, 1000])]
fn keys(bencher: Bencher<'_, '_>, count: usize) {
    requests(bencher, &format!("accepted, HS256, {count} keys"), |layer| layer, true);
}

#[divan::bench(args = [2, 4, 16])]
fn authorities(bencher: Bencher<'_, '_>, count: usize) {
    requests(bencher, &format!("accepted, HS256, {count} authorities"), |layer| layer, true);
}

#[divan::bench(args = [
    "no token",
    "8 KiB without dots",
    "8 KiB in three segments of garbage",
    "good header and 8 KiB of garbage, RS256",
    "unknown kid",
    "expired, HS256",
    "expired, RS256",
    "other audience, RS256",
    "bad signature, HS256",
    "bad signature, RS256",
    "bad signature, cached, RS256",
])]
fn refused(bencher: Bencher<'_, '_>, why: &str) {
    requests(bencher, &format!("refused, {why}"), |layer| layer, false);
}

#[divan::bench(args = ["HS256", "no token"])]
fn optional(bencher: Bencher<'_, '_>, token: &str) {
    requests(bencher, token, JwtAuthLayer::optional, true);
}
