//! The table: policy x token x what HTTP and gRPC clients are told, the same in each of the places of a policy.

use std::cell::RefCell;
use std::fmt::Write as _;

use axum::Router;
use axum::body::Body;
use axum::routing::any;
use http::{Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::json;
use tonic::Status;
use tower_jwt_auth::{Allowed, AuthError, Policy, Require, RequireMethods};

use super::rows::{self, Caller, Row};
use super::{Desk, PATH, challenge_of, grpc, http, routes, send};

thread_local! {
    static CURRENT: RefCell<Require> = RefCell::new(Require::any([]));
}

/// The policy of the row that is being tested.
struct Current;

impl Policy for Current {
    fn require() -> Require {
        CURRENT.with_borrow(Clone::clone)
    }
}

fn guarded() -> Router {
    Router::new().route(PATH, any(async |_: Allowed<Current>| "yes"))
}

/// The row's routes behind the layer that its caller meets.
fn behind(desk: &Desk, caller: &Caller, routes: Router) -> Router {
    match caller {
        Caller::Token(..) => routes.layer(desk.layer()),
        Caller::Anonymous => routes.layer(desk.layer().optional()),
        Caller::NoLayer => routes,
    }
}

fn token(desk: &Desk, caller: &Caller) -> Option<String> {
    match caller {
        Caller::Token(issuer, claims) => Some(desk.token(issuer, claims.clone())),
        Caller::Anonymous => None,
        Caller::NoLayer => Some(desk.token("id", json!({ "scope": "read" }))),
    }
}

type Seen = (u16, Option<String>, i32);

/// Status and challenge in HTTP, status in gRPC. `guard`: axum answers in HTTP, and tonic makes the status from
/// the error.
async fn seen(app: Router, token: Option<&str>, guard: bool) -> Seen {
    let in_http = send(app.clone(), http(PATH, token)).await;
    let (status, challenge) = (in_http.status().as_u16(), challenge_of(&in_http));
    assert_eq!(body(in_http).await == "yes", status == 200);
    let in_grpc = send(app, grpc(PATH, token)).await;
    let code = if guard {
        let error = in_grpc.extensions().get::<AuthError>().cloned();
        error.map_or(0, |error| Status::from(error).code() as i32)
    } else {
        assert_eq!(in_grpc.status(), StatusCode::OK);
        assert_eq!(challenge_of(&in_grpc), challenge, "the same challenge in gRPC");
        in_grpc.headers().get("grpc-status").map_or(0, |code| code.to_str().unwrap().parse().unwrap())
    };
    assert_eq!(body(in_grpc).await == "yes", code == 0);
    (status, challenge, code)
}

async fn body(response: Response<Body>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().into()).unwrap()
}

/// A reader must see which space it is.
fn visible(text: &str) -> String {
    let escaped = |letter: char| {
        if letter.is_ascii() { letter.to_string() } else { letter.escape_unicode().to_string() }
    };
    text.chars().map(escaped).collect()
}

fn write_row(table: &mut String, Row { policy, caller, expected }: &Row) {
    let caller = match caller {
        Caller::Token(issuer, claims) => format!("{issuer}: `{}`", visible(&claims.to_string())),
        Caller::Anonymous => "none, optional layer".to_owned(),
        Caller::NoLayer => "good, no layer".to_owned(),
    };
    let (status, challenge, grpc) = expected;
    let challenge = challenge.map_or("none".to_owned(), |challenge| format!("`{challenge}`"));
    writeln!(table, "| `{policy}` | {caller} | {status} | {challenge} | {grpc} |").unwrap();
}

#[tokio::test(start_paused = true)]
async fn every_policy_means_the_same_as_a_layer_as_a_guard_and_in_a_map_in_http_and_in_grpc() {
    let desk = Desk::new();
    let rows = rows::all();
    let mut table = "| policy | token | HTTP | challenge | gRPC |\n|---|---|---|---|---|\n".to_owned();
    for row in &rows {
        let token = token(&desk, &row.caller);
        CURRENT.set(row.policy.clone());
        let policy = || row.policy.clone();
        let listed = RequireMethods::deny_unlisted().method(PATH, policy());
        let unlisted = RequireMethods::unlisted(policy()).method("/shop.Orders/Other", Require::any([]));
        let twice =
            RequireMethods::deny_unlisted().method(PATH, Require::authenticated()).method(PATH, policy());
        let places = [
            ("a layer", routes().route_layer(policy()), false),
            ("a layer around everything", routes().layer(policy()), false),
            ("a guard", guarded(), true),
            ("a map", routes().route_layer(listed), false),
            ("a map, not listed", routes().route_layer(unlisted), false),
            ("a map, listed twice", routes().route_layer(twice), false),
        ];
        let expected = (row.expected.0, row.expected.1.map(str::to_owned), row.expected.2);
        for (place, app, guard) in places {
            let app = behind(&desk, &row.caller, app);
            let seen = seen(app, token.as_deref(), guard).await;
            let mut described = String::new();
            write_row(&mut described, row);
            assert_eq!(seen, expected, "as {place}: {described}");
        }
        write_row(&mut table, row);
    }
    println!("{table}\n{} rows, six places each", rows.len());
    assert!(rows.len() >= 45);
}
