use axum::{Router, routing::get};
use serde_json::json;
use tower_jwt_auth::{Claims, JwtAuthLayer, TestIssuer, Verifier};

#[allow(dead_code)]
#[path = "../examples/axum_nested.rs"]
mod example;

#[tokio::test]
async fn each_path_answers_as_its_layers_say() {
    let issuer = TestIssuer::new("https://id.example.com").audience("shop");
    let app = example::app(Verifier::new(issuer.authority().roles_at("/roles")).unwrap());
    let bob = issuer.sign(json!({ "sub": "bob" }));
    let admin = issuer.sign(json!({ "sub": "alice", "roles": ["admin"] }));
    let table = [
        ("/", "200 hello stranger", "200 hello bob", "200 hello alice"),
        ("/nothing", "404 no such page", "404 no such page", "404 no such page"),
        ("/api/orders", "401", "200 orders of bob", "200 orders of alice"),
        ("/api/nothing", "401", "404 no such call", "404 no such call"),
        ("/api/admin/users", "401", "403", "200 all users"),
        ("/api/admin/nothing", "401", "404 no such admin page", "404 no such admin page"),
        ("/api/admin/users/", "401", "404 no such admin page", "404 no such admin page"),
        ("/shop/cart", "401", "200 orders of bob", "200 orders of alice"),
        ("/shop/nothing", "404 no such page", "404 no such page", "404 no such page"),
        ("/shop/terms", "200 the terms", "200 the terms", "200 the terms"),
    ];
    for (path, nobody, bobs, admins) in table {
        let ask = async |token: Option<&str>| example::ask(&app, path, token).await.unwrap();
        assert_eq!(ask(None).await, nobody, "{path} as nobody");
        assert_eq!(ask(Some(&bob)).await, bobs, "{path} as bob");
        assert_eq!(ask(Some(&admin)).await, admins, "{path} as an admin");
    }
}

#[tokio::test]
async fn a_nested_router_without_a_fallback_has_that_of_the_outer_one() {
    let issuer = TestIssuer::new("https://id.example.com").audience("shop");
    let auth = JwtAuthLayer::new(Verifier::<Claims>::new(issuer.authority()).unwrap());
    let api = Router::new().route("/orders", get(|| async { "orders" })).layer(auth);
    let app = Router::new().nest("/api", api.clone());
    let outer = Router::new().nest("/api", api).fallback(|| async { "the outer fallback" });
    assert_eq!(example::ask(&app, "/api/orders", None).await.unwrap(), "401");
    assert_eq!(example::ask(&app, "/api/nothing", None).await.unwrap(), "404");
    assert_eq!(example::ask(&outer, "/api/nothing", None).await.unwrap(), "200 the outer fallback");
}
