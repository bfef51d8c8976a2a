//! What a layer covers in an axum router, for random shapes of routers, against the rules as they are documented:
//! `.layer` covers the routes that were added before it and the fallback, `.route_layer` the routes only, and no
//! layer what is added later. No handler here takes an extractor, so nothing else protects it.

mod shape;

use std::cell::Cell;

use axum::Router;
use axum::body::Body;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Request, StatusCode};
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::json;
use tower::ServiceExt;
use tower_jwt_auth::{JwtAuthLayer, Require};

use self::shape::{Model, Step, build, steps};
use crate::services::{quick_world, verifier};
use crate::support::User;

/// Known paths, with a slash too few or too many, encoded, and with something behind them.
const PATHS: [&str; 22] = [
    "/",
    "/a",
    "/a/",
    "/a/b",
    "/a/b/",
    "/a%2fb",
    "/a%2Fb",
    "/%61",
    "//a",
    "/b",
    "/b?a=/n/a",
    "/n",
    "/n/",
    "/n/a",
    "/n/a/",
    "/n%2fa",
    "/n/x/y",
    "/n/m/a",
    "/n/m/x",
    "/m/b",
    "/m/n",
    "/x",
];

const METHODS: [Method; 5] = [Method::GET, Method::HEAD, Method::POST, Method::DELETE, Method::OPTIONS];

async fn answer(app: &Router, method: &Method, path: &str, bearer: Option<&HeaderValue>) -> (u16, bool) {
    let mut request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    if let Some(bearer) = bearer {
        request.headers_mut().insert(AUTHORIZATION, bearer.clone());
    }
    let response = app.clone().oneshot(request).await.unwrap();
    (response.status().as_u16(), response.headers().contains_key(WWW_AUTHENTICATE))
}

/// How many shapes are tried, and how many answers of each kind they must have given at least.
const SHAPES: u32 = 320;
const OF_EACH_KIND: u32 = 500;

/// Compares every answer of random routers with what the rules say: `refused` without a token where a layer
/// covers, and in all other cases what the route itself answers.
fn compare<L>(layer: &L, bearer: &HeaderValue, refused: (u16, bool))
where
    L: tower::Layer<axum::routing::Route> + Clone + Send + Sync + 'static,
    L::Service: shape::Inner,
    <L::Service as tower::Service<axum::extract::Request>>::Future: Send,
{
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (covered, open) = (Cell::new(0), Cell::new(0));
    let mut runner =
        TestRunner::new(Config { cases: SHAPES, failure_persistence: None, ..Config::default() });
    let compared = runner.run(&steps(), |steps: Vec<Step>| {
        let (app, model): (Router, Model) = build(&steps, layer);
        for path in PATHS {
            for method in &METHODS {
                let end = model.end_of(method, path.split('?').next().unwrap_or_default());
                let without = runtime.block_on(answer(&app, method, path, None));
                let with = runtime.block_on(answer(&app, method, path, Some(bearer)));
                let expected = if end.covered { refused } else { (end.status, false) };
                if without != expected || with != (end.status, false) {
                    let text = format!("{method} {path}: {without:?} and {with:?} for {end:?} in {model:#?}");
                    return Err(TestCaseError::fail(text));
                }
                let count = if end.covered { &covered } else { &open };
                count.set(count.get() + 1);
            }
        }
        Ok(())
    });
    if let Err(error) = compared {
        panic!("{error}");
    }
    println!("{SHAPES} shapes: {} places covered, {} open", covered.get(), open.get());
    // Otherwise the shapes say nothing.
    assert!(covered.get() >= OF_EACH_KIND && open.get() >= OF_EACH_KIND);
}

#[test]
fn nothing_that_a_layer_covers_answers_without_a_token_and_the_rest_is_what_the_rules_say() {
    let world = quick_world();
    let layer = JwtAuthLayer::<User>::new(verifier(&world));
    let bearer = world.issuer.bearer(json!({ "sub": "bob" }));
    compare(&layer, &bearer, (401, true));
}

#[test]
fn nothing_that_a_policy_covers_answers_where_the_layer_was_forgotten() {
    let world = quick_world();
    let bearer = world.issuer.bearer(json!({ "sub": "bob" }));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: 64, failure_persistence: None, ..Config::default() });
    let compared = runner.run(&steps(), |steps: Vec<Step>| {
        let (app, model): (Router, Model) = build(&steps, &Require::authenticated());
        for path in PATHS {
            let end = model.end_of(&Method::GET, path.split('?').next().unwrap_or_default());
            let expected = if end.covered { StatusCode::INTERNAL_SERVER_ERROR.as_u16() } else { end.status };
            for bearer in [None, Some(&bearer)] {
                let seen = runtime.block_on(answer(&app, &Method::GET, path, bearer));
                proptest::prop_assert_eq!(seen, (expected, false), "{} in {:#?}", path, model);
            }
        }
        Ok(())
    });
    if let Err(error) = compared {
        panic!("{error}");
    }
}
