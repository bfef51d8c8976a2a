//! Tokens, requests, and what a page must contain.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use http::{Request, Response, header::AUTHORIZATION};
use serde_json::{Value, json};
use tower::{Service, ServiceExt};
use tower_jwt_auth::TestIssuer;

/// One request: its name in the table, its path, and its token.
pub struct Case {
    pub name: &'static str,
    path: &'static str,
    token: Option<String>,
}

/// The issuer that the programs trust.
pub struct Signer<'a> {
    pub issuer: &'a str,
    pub kid: &'a str,
    pub sign: &'a dyn Fn(Value, Value) -> String,
}

pub fn tokens(signer: &Signer<'_>) -> Vec<Case> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    // A claim or a member of the header that is given as null is left out.
    let claims = |changes: Value| {
        let mut claims = json!({ "sub": "bob", "aud": "api", "exp": now + 600, "roles": ["reader"] });
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        claims
    };
    let with = |changes: Value| Some((signer.sign)(json!({}), claims(changes)));
    let headed = |header: Value| Some((signer.sign)(header, claims(json!({}))));
    let part = |json: Value| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
    let forged = TestIssuer::new(signer.issuer).sign_with(json!({ "kid": signer.kid }), claims(json!({})));
    let unsigned = claims(json!({ "iss": signer.issuer }));
    let unsigned = format!("{}.{}.", part(json!({ "alg": "none", "kid": signer.kid })), part(unsigned));
    let me = |name, token| Case { name, path: "/me", token };
    let admin = |name, token| Case { name, path: "/admin", token };
    vec![
        me("a good token", with(json!({}))),
        me("no token", None),
        me("expired an hour ago", with(json!({ "exp": now - 3600 }))),
        me("expired 45 seconds ago", with(json!({ "exp": now - 45 }))),
        me("no `exp`", with(json!({ "exp": null }))),
        me("`nbf` in an hour", with(json!({ "nbf": now + 3600 }))),
        me("another audience", with(json!({ "aud": "billing" }))),
        me("no `aud`", with(json!({ "aud": null }))),
        me("another issuer", with(json!({ "iss": "https://other.example.com" }))),
        me("no `iss`", with(json!({ "iss": null }))),
        me("a signature by another key", Some(forged)),
        me("an unknown `kid`", headed(json!({ "kid": "unknown" }))),
        me("no `kid`", headed(json!({ "kid": null }))),
        me("`alg` is `none`", Some(unsigned)),
        me("`typ` is `logout+jwt`", headed(json!({ "typ": "logout+jwt" }))),
        me("an unknown extension in `crit`", headed(json!({ "crit": ["x"], "x": "y" }))),
        me(
            "bound to a key by `cnf`",
            with(json!({ "cnf": { "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" } })),
        ),
        admin("no role `admin`, where it is needed", with(json!({}))),
        admin("the role `admin`, where it is needed", with(json!({ "roles": ["admin"] }))),
        me("no `roles` at all, where none is needed", with(json!({ "roles": null }))),
    ]
}

/// The status that a program answers.
pub async fn status<S, B, R>(app: &S, body: B, case: &Case) -> u16
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: std::fmt::Debug,
{
    let mut request = Request::get(case.path);
    if let Some(token) = &case.token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    app.clone().oneshot(request.body(body).unwrap()).await.unwrap().status().as_u16()
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

/// The page shows both programs in full and nothing else as Rust, and its table says what they answered.
pub fn check_page(page: &str, program: &str, rows: &[(&str, u16, u16)]) {
    let text = read(page);
    let programs = ["before", "after"].map(|which| read(&format!("src/{program}_{which}.rs")));
    let blocks: Vec<&str> =
        text.split("```rust\n").skip(1).map(|rest| rest.split_once("```").unwrap().0).collect();
    assert_eq!(blocks, programs, "the Rust blocks of {page} are not the two programs");

    let mut table = String::from("| token | before | after | |\n|---|---|---|---|\n");
    for (name, before, after) in rows {
        let differs = if before == after { "" } else { "differs " };
        table.push_str(&format!("| {name} | {before} | {after} | {differs}|\n"));
    }
    assert!(text.contains(&format!("\n\n{table}\n")), "{page} should have this table:\n\n{table}");
}
