use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use tower::ServiceExt;
use tower_jwt_auth::{TestIssuer, Verifier};

#[allow(dead_code)]
#[path = "../examples/openapi.rs"]
mod example;

#[tokio::test]
async fn the_document_says_what_the_routes_demand() {
    let issuer = TestIssuer::new("https://id.example.com").audience("orders");
    let app = example::app(Verifier::new(issuer.authority().roles_at("/roles")).unwrap());
    let ask = async |method: &str, path: &str, claims: Option<Value>| {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(claims) = claims {
            request = request.header("authorization", issuer.bearer(claims));
        }
        app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    };
    let document: Value =
        serde_json::from_str(&crate::text(ask("GET", "/openapi.json", None).await).await).unwrap();
    assert_eq!(
        document["components"]["securitySchemes"]["oauth2"]["flows"]["clientCredentials"]["scopes"],
        json!({ "orders:read": "", "orders:write": "" })
    );

    for (method, path, scopes) in [
        ("get", "/orders", json!(["orders:read"])),
        ("post", "/orders", json!(["orders:read", "orders:write"])),
        ("delete", "/orders/{id}", json!(["orders:write"])),
    ] {
        let documented = &document["paths"][path][method]["security"];
        assert_eq!(documented, &json!([{ "oauth2": scopes }]), "{method} {path}");

        let route = (method.to_uppercase(), path.replace("{id}", "7"));
        let status = async |claims| ask(&route.0, &route.1, claims).await.status().as_u16();
        let names: Vec<&str> =
            scopes.as_array().unwrap().iter().map(|scope| scope.as_str().unwrap()).collect();
        assert_eq!(status(None).await, 401);
        assert_eq!(status(Some(json!({ "scope": names.join(" "), "roles": ["admin"] }))).await, 200);
        // Without any one of the scopes that the document names, the route refuses.
        for lacking in &names {
            let others: Vec<&str> = names.iter().filter(|name| *name != lacking).copied().collect();
            assert_eq!(status(Some(json!({ "scope": others.join(" "), "roles": ["admin"] }))).await, 403);
        }
    }
    let without_role = ask("DELETE", "/orders/7", Some(json!({ "scope": "orders:write" }))).await;
    assert_eq!(without_role.status(), 403);
    assert_eq!(
        document["paths"]["/orders/{id}"]["delete"]["responses"]["403"]["description"],
        r#"needs (scope("orders:write") and role("admin"))"#
    );
}
