//! What the layer costs in memory. Alone in its binary, because the counter replaces the global allocator.
//!
//! `cargo test --test allocations -- --nocapture` prints the numbers.

#![allow(clippy::unwrap_used)]

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::hint::black_box;
use std::mem::size_of;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use allocation_counter::measure;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Extensions, Method, Request, Response, Version};
use serde::Deserialize;
use serde_json::json;
use tower::{Layer, Service};
use tower_jwt_auth::{
    Algorithm, Authority, Auto, Jwt, JwtAuth, JwtAuthLayer, KeySet, Principal, ResponseFuture, TestClock,
    TestIssuer, TokenCache, Verifier,
};

/// Claims without strings, so that nothing of what is counted is theirs.
#[derive(Deserialize)]
struct Numbers {
    level: u64,
}

/// The layer's own, whatever becomes of the request.
const LAYER: u64 = 5;

/// The verifiers of `jsonwebtoken` are boxed, cannot be kept, and want the signature as a vector.
const SIGNATURE_CHECK: u64 = if cfg!(feature = "aws-lc-rs") { 0 } else { 2 };

/// Hands back the extensions that it finds.
#[derive(Clone)]
struct Keep;

type Kept = Ready<Result<Response<Extensions>, Infallible>>;

impl Service<Request<()>> for Keep {
    type Response = Response<Extensions>;
    type Error = Infallible;
    type Future = Kept;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Kept {
        ready(Ok(Response::new(request.into_parts().0.extensions)))
    }
}

type Protected = JwtAuth<Keep, Numbers>;

fn protected(issuer: &TestIssuer, clock: &TestClock) -> Protected {
    let builder = Verifier::<Numbers>::builder().authority(issuer.authority()).clock(clock.clone());
    JwtAuthLayer::new(builder.build().unwrap()).layer(Keep)
}

/// Drives a call as a server does. Nothing here waits.
fn serve(service: &mut Protected, request: Request<()>) -> Response<Extensions> {
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_ready());
    match pin!(service.call(request)).poll(&mut cx) {
        Poll::Ready(Ok(response)) => response,
        Poll::Pending => unreachable!("all that is needed is in memory"),
    }
}

/// Allocations of one call, the making of the request and the dropping of the response left out.
fn count(service: &mut Protected, make: impl Fn() -> Request<()>, status: u16) -> u64 {
    // The first call pays for what is made once.
    serve(service, make());
    let counts = [(); 3].map(|()| {
        let (request, mut response) = (make(), None);
        let counted = measure(|| response = Some(serve(service, black_box(request))));
        assert_eq!(response.unwrap().status(), status);
        counted.count_total
    });
    assert!(counts.iter().all(|count| *count == counts[0]), "{counts:?}");
    counts[0]
}

fn with_token(token: &str) -> Request<()> {
    let mut request = Request::new(());
    request.headers_mut().insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
    request
}

#[test]
fn allocations_and_sizes_stay_within_their_bounds() {
    let clock = TestClock::now();
    let issuer = TestIssuer::with_algorithm("https://id.example.com", Algorithm::HS256).clock(clock.clone());
    let mut service = protected(&issuer, &clock);
    // As an identity provider sends it, with claims that the type does not know.
    let claims = json!({
        "sub": "auth0|5f7c8ec7c33c6c004bbafe82",
        "aud": ["test", "https://api.example.com"],
        "scope": "openid profile email orders:read orders:write",
        "client_id": "my_client_id_of_32_characters_xx",
        "name": "Bob \u{e9}",
        "level": 7,
    });
    let good = issuer.sign(&claims);
    let mut expired = claims.clone();
    expired["exp"] = json!(1_700_000_000);
    let expired = issuer.sign(&expired);
    let forged = format!("{}{}", &good[..good.len() - 6], "AAAAAA");

    let accepted = count(&mut service, || with_token(&good), 200);
    println!("accepted: {accepted}");
    assert!(accepted <= LAYER + SIGNATURE_CHECK, "{accepted}");

    // `serde_json` keeps a stack for what it skips, once for a token.
    let mut nested = claims.clone();
    nested["realm_access"] = json!({ "roles": ["a", "b", { "c": [null] }] });
    nested["address"] = json!({ "city": ["x"] });
    let nested = issuer.sign(&nested);
    let accepted = count(&mut service, || with_token(&nested), 200);
    println!("accepted, with nested claims that nobody reads: {accepted}");
    assert!(accepted <= LAYER + SIGNATURE_CHECK + 1, "{accepted}");

    // A token that was seen before costs what puts it into the request.
    let builder = Verifier::<Numbers>::builder().authority(issuer.authority()).clock(clock.clone());
    let verifier = builder.cache(TokenCache::new()).build().unwrap();
    let mut caching = JwtAuthLayer::new(verifier).layer(Keep);
    let cached = count(&mut caching, || with_token(&good), 200);
    println!("accepted, cached: {cached}");
    assert!(cached <= 3 + u64::from(cfg!(not(feature = "aws-lc-rs"))), "{cached}");

    let grpc = |mut request: Request<()>| {
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        request.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/grpc"));
        request
    };
    for (name, make) in [
        ("missing", (&|| Request::new(())) as &dyn Fn() -> Request<()>),
        ("malformed request", &|| with_token("a b")),
        ("malformed token", &|| with_token("not.a.token")),
        ("bad signature", &|| with_token(&forged)),
        ("expired", &|| with_token(&expired)),
    ] {
        let status = if name == "malformed request" { 400 } else { 401 };
        let checked = matches!(name, "bad signature" | "expired");
        let bound = LAYER + if checked { SIGNATURE_CHECK } else { 0 };
        let refused = count(&mut service, make, status);
        let in_grpc = count(&mut service, || grpc(make()), 200);
        println!("refused, {name}: {refused}; in gRPC: {in_grpc}");
        assert!(refused <= bound, "{name}: {refused}");
        assert!(in_grpc <= bound, "{name} in gRPC: {in_grpc}");
    }

    // What is kept, for the memory model of docs/performance.md. What aws-lc allocates in C is not counted.
    let keys = |count: usize| {
        let keys = (0..count).map(|number| issuer.key_set().with_kid(format!("key-{number}")).unwrap());
        keys.reduce(|all, one| all.merge(&one)).unwrap()
    };
    let authority = |keys: &KeySet, name: usize| {
        Authority::keys(keys.clone()).issuer(format!("https://{name}.example.com")).audience("api")
    };
    let built = |authorities: Vec<Authority>| {
        let mut kept = None;
        let info = measure(|| kept = Some(Verifier::<Numbers>::new(authorities).unwrap()));
        info.bytes_current
    };
    let (one, many) = (keys(1), keys(101));
    let each_key = (built(vec![authority(&many, 0)]) - built(vec![authority(&one, 0)])) / 100;
    let authorities = |count: usize| (0..count).map(|name| authority(&one, name)).collect::<Vec<_>>();
    let each_authority = (built(authorities(101)) - built(authorities(1))) / 100;
    println!("kept for a further key: {each_key} bytes, for a further authority: {each_authority} bytes");
    let tokens: Vec<String> =
        (0..2000).map(|number| issuer.sign(json!({ "sub": number.to_string(), "level": 7 }))).collect();
    let builder = Verifier::<Numbers>::builder().authority(issuer.authority()).clock(clock.clone());
    let verifier = builder.cache(TokenCache::new()).build().unwrap();
    let payload = 3 * tokens[0].split('.').nth(1).unwrap().len() / 4;
    let kept =
        measure(|| tokens.iter().for_each(|token| drop(verifier.verify(token).now().unwrap().unwrap())));
    let each_token = usize::try_from(kept.bytes_current).unwrap() / tokens.len();
    println!("kept for a cached token: {each_token} bytes, of which its payload has {payload}");
    assert!(each_token <= 160 + 400 + 2 * payload, "{each_token}");

    // All handles are on one memory.
    let extensions = serve(&mut service, with_token(&good)).into_body();
    let looked = measure(|| {
        let jwt = Jwt::<Numbers>::of(&extensions).unwrap();
        let copy = jwt.clone();
        let principal = Jwt::principal(&copy);
        let same = Principal::of(&extensions).unwrap();
        assert_eq!((jwt.level, principal.subject()), (7, same.subject()));
        assert_eq!(same.scopes().count(), 5);
    });
    println!("handles: {}", looked.count_total);
    assert_eq!(looked.count_total, 0);

    // The fast path has no box, so the future holds the inner one or a response, and two words: which of them it is,
    // and what caches are to be told.
    let inner = size_of::<Ready<Result<Response<()>, Infallible>>>();
    let future = size_of::<ResponseFuture<Small, Auto, (), ()>>();
    println!("inner future: {inner} bytes, response future: {future} bytes");
    assert!(future <= inner + 2 * size_of::<usize>(), "{future} > {inner} + 16");
    let service_size = size_of::<JwtAuth<(), Numbers>>();
    println!("service around nothing: {service_size} bytes");
    assert!(service_size <= 4 * size_of::<usize>());
}

/// A service with a small future.
#[derive(Clone)]
struct Small;

impl Service<Request<()>> for Small {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(Response::new(())))
    }
}
