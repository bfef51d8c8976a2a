//! Tokens, requests, and what a page must contain.

use std::sync::{Arc, Mutex};

use axum::{Router, body::Body};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use http::{Request, Response, header::AUTHORIZATION, header::WWW_AUTHENTICATE};
use migrations::side_by_side::side_by_side;
use serde_json::{Value, json};
use tower::{Service, ServiceExt};
use tower_jwt_auth::{Claims, RemoteKeys, TestIssuer, TestProvider, Verifier};

/// One request: its name in the table, its path, and its token.
pub struct Case {
    pub name: &'static str,
    pub path: &'static str,
    authorization: Option<String>,
}

/// The issuer that the programs trust.
pub struct Signer<'a> {
    pub issuer: &'a str,
    pub kid: &'a str,
    pub sign: &'a dyn Fn(Value, Value) -> String,
}

/// What a caller has: roles in the program of one page, scopes in that of another.
pub enum Grants {
    Roles,
    Scopes,
}

impl Signer<'_> {
    /// A good token with these changes: a claim or a member of the header that is given as null is left out.
    pub fn token(&self, header: Value, changes: Value) -> String {
        (self.sign)(header, claims(changes))
    }
}

#[allow(clippy::disallowed_methods)] // the crates before read the system's clock as well
fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

pub fn claims(changes: Value) -> Value {
    let mut claims = json!({
        "sub": "bob", "aud": "api", "exp": now() + 600, "roles": ["reader"], "scope": "api:read",
    });
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    claims
}

pub fn tokens(signer: &Signer<'_>, grants: Grants) -> Vec<Case> {
    let now = now();
    let with = |changes: Value| signer.token(json!({}), changes);
    let headed = |header: Value| signer.token(header, json!({}));
    let part = |json: Value| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
    let forged = TestIssuer::new(signer.issuer).sign_with(json!({ "kid": signer.kid }), claims(json!({})));
    let unsigned = claims(json!({ "iss": signer.issuer }));
    let unsigned = format!("{}.{}.", part(json!({ "alg": "none", "kid": signer.kid })), part(unsigned));
    let case =
        |path, name, token: String| Case { name, path, authorization: Some(format!("Bearer {token}")) };
    let me = |name, token| case("/me", name, token);
    let admin = |name, token| case("/admin", name, token);
    let lower_case = Some(format!("bearer {}", with(json!({}))));
    let mut cases = vec![
        me("a good token", with(json!({}))),
        Case { name: "no token", path: "/me", authorization: None },
        Case {
            name: "a good token after `bearer`, in small letters",
            path: "/me",
            authorization: lower_case,
        },
        Case { name: "`Bearer` without a token", path: "/me", authorization: Some("Bearer".to_owned()) },
        me("`garbage`, which is no token", "garbage".to_owned()),
        me("expired an hour ago", with(json!({ "exp": now - 3600 }))),
        me("expired 45 seconds ago", with(json!({ "exp": now - 45 }))),
        me("no `exp`", with(json!({ "exp": null }))),
        me("`nbf` in an hour", with(json!({ "nbf": now + 3600 }))),
        me("`iat` in ten minutes", with(json!({ "iat": now + 600 }))),
        me("a number in `jti`", with(json!({ "jti": 7 }))),
        me("another audience", with(json!({ "aud": "billing" }))),
        me("no `aud`", with(json!({ "aud": null }))),
        me("another issuer", with(json!({ "iss": "https://other.example.com" }))),
        me("no `iss`", with(json!({ "iss": null }))),
        me("a signature by another key", forged),
        me("an unknown `kid`", headed(json!({ "kid": "unknown" }))),
        me("no `kid`", headed(json!({ "kid": null }))),
        me("`alg` is `none`", unsigned),
        me("`typ` is `logout+jwt`", headed(json!({ "typ": "logout+jwt" }))),
        me("an unknown extension in `crit`", headed(json!({ "crit": ["x"], "x": "y" }))),
        me(
            "an ID token, by its `at_hash`",
            with(json!({ "at_hash": "MTIzNDU2Nzg5MDEyMzQ1Ng", "scope": null })),
        ),
        me(
            "bound to a key by `cnf`",
            with(json!({ "cnf": { "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" } })),
        ),
    ];
    cases.extend(match grants {
        Grants::Roles => [
            admin("no role `admin`, where it is needed", with(json!({}))),
            admin("the role `admin`, where it is needed", with(json!({ "roles": ["admin"] }))),
            me("no `roles` at all, where none is needed", with(json!({ "roles": null }))),
        ],
        Grants::Scopes => [
            admin("no scope `api:admin`, where it is needed", with(json!({}))),
            admin(
                "the scope `api:admin`, where it is needed",
                with(json!({ "scope": "api:read api:admin" })),
            ),
            me("no scope `api:read`, which every token needs", with(json!({ "scope": "profile" }))),
        ],
    });
    cases
}

/// Requests to the route that anybody may use.
pub fn optional(signer: &Signer<'_>) -> Vec<Case> {
    let front = |name, authorization| Case { name, path: "/", authorization };
    let bearer = |changes| Some(format!("Bearer {}", signer.token(json!({}), changes)));
    vec![
        front("the optional route: no token", None),
        front("the optional route: a good token", bearer(json!({}))),
        front("the optional route: expired an hour ago", bearer(json!({ "exp": now() - 3600 }))),
        front("the optional route: `Bearer` without a token", Some("Bearer".to_owned())),
        front("the optional route: `Basic` credentials", Some("Basic Ym9iOnNlY3JldA==".to_owned())),
    ]
}

/// The JSON that a program answers.
pub async fn json(app: &Router, path: &str) -> Value {
    let answer = app.clone().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
    let body = axum::body::to_bytes(answer.into_body(), 10_000).await.unwrap();
    serde_json::from_slice(&body).unwrap()
}

/// The head of what a program answers.
pub async fn answer<S, B, R>(app: &S, body: B, case: &Case) -> http::response::Parts
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: std::fmt::Debug,
{
    let mut request = Request::get(case.path);
    if let Some(authorization) = &case.authorization {
        request = request.header(AUTHORIZATION, authorization);
    }
    app.clone().oneshot(request.body(body).unwrap()).await.unwrap().into_parts().0
}

/// The status that a program answers.
pub async fn status<S, B, R>(app: &S, body: B, case: &Case) -> u16
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: std::fmt::Debug,
{
    answer(app, body, case).await.status.as_u16()
}

/// The URL of this JWK set, on loopback. Unlike `TestProvider` it looks away from a query, which jwt-authorizer sends.
pub async fn serve(jwks: String) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
    let answer = axum::routing::get(|| async move { ([("content-type", "application/json")], jwks) });
    let app = axum::Router::new().route("/jwks.json", answer);
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

/// A file beside this package's manifest.
pub fn read(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Keys at a plain URL on loopback, allowed by the name of the host alone.
pub fn plain_http(url: &str) -> RemoteKeys {
    let host = url.strip_prefix("http://").unwrap().split('/').next().unwrap();
    RemoteKeys::new(url).insecure_http_hosts([host])
}

/// Both programs, asked with the same requests.
pub struct Both<'a> {
    pub before: &'a Router,
    pub after: &'a Router,
}

impl Both<'_> {
    pub async fn statuses(&self, cases: &[Case]) -> Vec<(&'static str, u16, u16)> {
        let mut rows = Vec::new();
        for case in cases {
            let before = status(self.before, Body::empty(), case).await;
            rows.push((case.name, before, status(self.after, Body::empty(), case).await));
        }
        rows
    }

    /// The rows of the page's table of challenges.
    pub async fn challenges(&self, cases: &[Case]) -> Vec<[String; 3]> {
        let mut rows = Vec::new();
        for case in cases.iter().filter(|case| CHALLENGED.contains(&case.name)) {
            let before = challenge(answer(self.before, Body::empty(), case).await);
            let after = challenge(answer(self.after, Body::empty(), case).await);
            rows.push([case.name.to_owned(), before, after]);
        }
        rows
    }

    /// A good token, before and after the provider signs with a key that it has not announced. In the end the provider has
    /// one key again. Nothing may have made the programs look for a key that is not there.
    pub async fn rotation(&self, provider: &TestProvider) -> [String; 3] {
        let good = || Case {
            name: "a token by a key that the provider published a moment ago",
            path: "/me",
            authorization: Some(format!("Bearer {}", provider.sign(claims(json!({}))))),
        };
        assert_eq!(self.statuses(&[good()]).await[0].1, 200);
        provider.rotate();
        let (name, before, after) = self.statuses(&[good()]).await[0];
        provider.retire_old_keys();
        [name.to_owned(), before.to_string(), after.to_string()]
    }

    /// Both in one service: the program before answers as it does alone, and each difference is reported.
    pub async fn check_side_by_side(&self, verifier: Verifier<Claims>, cases: &[Case]) {
        let reports = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&reports);
        let both = side_by_side(self.before.clone(), verifier, move |line| notes.lock().unwrap().push(line));
        let mut expected = Vec::new();
        for case in cases {
            let before = status(self.before, Body::empty(), case).await;
            let accepted = !matches!(status(self.after, Body::empty(), case).await, 400 | 401);
            assert_eq!(status(&both, Body::empty(), case).await, before, "side by side: {}", case.name);
            if case.authorization.is_some() && accepted == (before == 401) {
                let new = if accepted { "accepts" } else { "refuses" };
                expected.push(format!("{}: {before} before, and the new layer {new} the token", case.path));
            }
        }
        assert!(!expected.is_empty());
        assert_eq!(*reports.lock().unwrap(), expected);
    }
}

const CHALLENGED: [&str; 4] = [
    "no token",
    "expired an hour ago",
    "no role `admin`, where it is needed",
    "no scope `api:admin`, where it is needed",
];

fn challenge(answer: http::response::Parts) -> String {
    match answer.headers.get(WWW_AUTHENTICATE) {
        Some(value) => format!("{}, `{}`", answer.status.as_u16(), value.to_str().unwrap()),
        None => format!("{}, none", answer.status.as_u16()),
    }
}

/// The page has this table.
pub fn check_table(page: &str, head: &str, rows: &[[String; 3]]) {
    let mut table = format!("| {head} | before | after |\n|---|---|---|\n");
    for [name, before, after] in rows {
        table.push_str(&format!("| {name} | {before} | {after} |\n"));
    }
    assert!(read(page).contains(&format!("\n\n{table}\n")), "{page} should have this table:\n\n{table}");
}

/// The page shows both programs in full and nothing else as Rust, and its table says what they answered.
pub fn check_page(page: &str, program: &str, rows: &[(&str, u16, u16)]) {
    let text = read(page);
    let programs = ["before", "after"].map(|which| read(&format!("src/{program}_{which}.rs")));
    assert_eq!(rust_blocks(&text), programs, "the Rust blocks of {page} are not the two programs");

    let mut table = String::from("| token | before | after | |\n|---|---|---|---|\n");
    for (name, before, after) in rows {
        let differs = if before == after { "" } else { "differs " };
        table.push_str(&format!("| {name} | {before} | {after} | {differs}|\n"));
    }
    assert!(text.contains(&format!("\n\n{table}\n")), "{page} should have this table:\n\n{table}");
}

pub fn rust_blocks(text: &str) -> Vec<&str> {
    text.split("```rust\n").skip(1).map(|rest| rest.split_once("```").unwrap().0).collect()
}
