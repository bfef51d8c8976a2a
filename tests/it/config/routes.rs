//! The tables `layer`, `require` and `routes`, by requests through a router.

use axum::Router;
use axum::body::Body;
use axum::routing::any;
use http::{HeaderMap, Method, Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt;
use tower_jwt_auth::{Claims, Config, TestIssuer};

fn app(issuer: &TestIssuer, rest: &str) -> Router {
    let authority = format!(
        "[[authorities]]\nissuer = 'https://id.example.com'\naudience = 'api'\nroles_at = '/roles'\njwks = '''{}'''\n",
        issuer.jwks()
    );
    let (first, rest) = rest.split_once("---").unwrap_or(("", rest));
    let config =
        Config::from_toml(&format!("{first}\n{authority}{rest}")).unwrap_or_else(|error| panic!("{error}"));
    let verifier = config.verifier_builder::<Claims>().unwrap().build().unwrap();
    let echo = |headers: HeaderMap| async move {
        headers.get("x-user").map(|user| user.to_str().unwrap().to_owned()).unwrap_or_default()
    };
    Router::new().fallback(any(echo)).layer(config.policies().unwrap()).layer(config.layer(verifier).unwrap())
}

async fn status(app: &Router, request: http::request::Builder) -> StatusCode {
    app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status()
}

fn request(method: &Method, path: &str, token: &str) -> http::request::Builder {
    Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"))
}

const ROUTES: &str = "
[layer]
optional = true
[require]
scopes = ['use']
[[routes]]
path = '/health'
anyone = true
[[routes]]
path = '/orders'
methods = ['GET']
scopes = ['orders:read']
[[routes]]
path = '/orders'
methods = ['POST', 'PUT']
scopes = ['orders:write']
[[routes]]
path = '/admin/{*rest}'
roles = ['admin']
";

#[tokio::test]
async fn each_route_has_its_policy() {
    let issuer = TestIssuer::new("https://id.example.com").audience("api");
    let app = app(&issuer, ROUTES);
    let token = |scope: &str, roles: Value| issuer.sign(json!({ "scope": scope, "roles": roles }));
    let (none, uses) = (json!([]), token("use", json!([])));
    for (method, path, token, expected) in [
        (Method::GET, "/else", &uses, 200),
        (Method::GET, "/else", &token("other", none.clone()), 403),
        (Method::GET, "/orders", &uses, 403),
        (Method::GET, "/orders", &token("orders:read", none.clone()), 403),
        (Method::GET, "/orders", &token("use orders:read", none.clone()), 200),
        (Method::HEAD, "/orders", &token("use orders:read", none.clone()), 200),
        (Method::PUT, "/orders/", &token("use orders:read", none.clone()), 403),
        (Method::PUT, "/orders/", &token("use orders:write", none.clone()), 200),
        (Method::GET, "/health/", &token("other", none.clone()), 403),
        (Method::DELETE, "/orders", &token("use orders:read orders:write", none), 403),
        (Method::GET, "/admin", &uses, 403),
        (Method::GET, "/admin/users/7", &uses, 403),
        (Method::GET, "/admin/users/7", &token("use", json!(["admin"])), 200),
        (Method::GET, "/%61dmin", &uses, 403),
        (Method::GET, "/%61dmin", &token("use", json!(["admin"])), 200),
        (Method::GET, "/admin%2Fx", &token("use", json!(["admin"])), 403),
        (Method::GET, "//admin", &token("use", json!(["admin"])), 403),
        (Method::GET, "/health", &token("other", json!([])), 200),
    ] {
        assert_eq!(status(&app, request(&method, path, token)).await, expected, "{method} {path}");
    }
    for (path, expected) in [("/health", 200), ("/else", 401), ("/orders", 401), ("//health", 401)] {
        assert_eq!(status(&app, Request::get(path)).await, expected, "{path}");
    }
}

#[tokio::test]
async fn what_is_not_listed_can_be_refused() {
    let issuer = TestIssuer::new("https://id.example.com").audience("api");
    let app = app(&issuer, "deny_unlisted = true---[[routes]]\npath = '/a'");
    let token = issuer.sign(json!({}));
    for (path, expected) in [("/a", 200), ("/b", 403), ("/", 403)] {
        assert_eq!(status(&app, request(&Method::GET, path, &token)).await, expected, "{path}");
    }
}

#[tokio::test]
async fn the_token_is_where_the_layer_table_says() {
    let issuer = TestIssuer::new("https://id.example.com").audience("api");
    let token = issuer.sign(json!({ "sub": "bob" }));
    let table = "[layer]\ntoken_from = ['bearer', 'header:x-token', 'cookie:session', 'insecure_query:t']\n\
                 trusted_origins = ['https://app.example.com']\nrealm = 'orders'\nclaim_headers = { x-user = 'sub' }";
    let app = app(&issuer, table);
    let get = || Request::get("/");
    for (request, expected) in [
        (request(&Method::GET, "/", &token), 200),
        (get().header("x-token", &token), 200),
        (get().header("cookie", format!("session={token}")), 200),
        (Request::get(format!("/?t={token}")), 200),
        (
            Request::post("/")
                .header("cookie", format!("session={token}"))
                .header("origin", "https://app.example.com"),
            200,
        ),
        (
            Request::post("/")
                .header("cookie", format!("session={token}"))
                .header("origin", "https://evil.example.com"),
            403,
        ),
        (get(), 401),
    ] {
        assert_eq!(status(&app, request).await, expected);
    }
    let refused = app.clone().oneshot(get().body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(refused.headers()["www-authenticate"], "Bearer realm=\"orders\"");
    let forged = request(&Method::GET, "/", &token).header("x-user", "root");
    let answer = app.oneshot(forged.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(axum::body::to_bytes(answer.into_body(), 100).await.unwrap(), "bob");
}

#[test]
fn a_role_needs_a_place_and_anyone_an_optional_layer() {
    let authority = format!("[[authorities]]\nissuer = 'a'\naudience = 'b'\nsecret = '{}'\n", super::SECRET);
    let error = Config::from_toml(&format!("{authority}[require]\nroles = ['admin']")).unwrap_err();
    assert_eq!(error.setting(), "authorities[0].roles_at", "{error}");
    let none = authority.replace("[[authorities]]", "[[authorities]]\nonly_roles = []");
    assert!(Config::from_toml(&format!("{none}[require]\nroles = ['admin']")).is_ok());
    let route = "[[routes]]\npath = '/a'\nanyone = true\nscopes = ['b']";
    let error = Config::from_toml(&format!("{authority}{route}")).unwrap_err();
    assert_eq!(error.problems().len(), 2, "{error}");
    for path in ["/admin/*", "/users/:id", "/admin{*rest}"] {
        let route = format!("[[routes]]\npath = '/good'\n[[routes]]\n[[routes]]\npath = '{path}'");
        let error = Config::from_toml(&format!("{authority}{route}")).unwrap_err();
        let told: Vec<&str> = error.problems().iter().map(|problem| problem.setting()).collect();
        assert_eq!(told, ["routes[1].path", "routes[2].path"], "{error}");
    }
    let error = Config::from_toml(&format!("deny_unlisted = true\n{authority}")).unwrap_err();
    assert_eq!(error.setting(), "deny_unlisted", "{error}");
}

#[tokio::test]
async fn an_optional_layer_lets_the_anonymous_through_where_nothing_is_asked() {
    let issuer = TestIssuer::new("https://id.example.com").audience("api");
    let optional = "[layer]\noptional = true\n";
    for (rest, root, admin) in [
        ("", 200, 200),
        ("[require]\nscopes = ['a']", 401, 401),
        ("[[routes]]\npath = '/admin'\nscopes = ['a']", 200, 401),
        ("[[routes]]\npath = '/admin'", 200, 401),
        ("[[routes]]\npath = '/admin'\nanyone = true", 200, 200),
    ] {
        let app = app(&issuer, &format!("{optional}{rest}"));
        assert_eq!(status(&app, Request::get("/")).await, root, "{rest}");
        assert_eq!(status(&app, Request::get("/admin")).await, admin, "{rest}");
        let bad = request(&Method::GET, "/", "a.b.c");
        assert_eq!(status(&app, bad).await, 401, "a bad token is refused: {rest}");
    }
}

/// One issuer has roles, and the other says that it has none.
#[tokio::test]
async fn tokens_of_an_issuer_without_roles_are_refused_where_roles_are_asked() {
    let issuer = TestIssuer::new("https://id.example.com").audience("api");
    let other = TestIssuer::new("https://partner.example").audience("api");
    let partner = format!(
        "[[authorities]]\nissuer = 'https://partner.example'\naudience = 'api'\nonly_roles = []\njwks = '''{}'''\n",
        other.jwks()
    );
    let app = app(&issuer, &format!("{partner}[[routes]]\npath = '/admin'\nroles = ['admin']"));
    let roles = json!({ "roles": ["admin"] });
    for (token, root, admin) in [(issuer.sign(&roles), 200, 200), (other.sign(&roles), 200, 403)] {
        assert_eq!(status(&app, request(&Method::GET, "/", &token)).await, root);
        assert_eq!(status(&app, request(&Method::GET, "/admin", &token)).await, admin);
    }
}
