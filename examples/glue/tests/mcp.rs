use serde_json::json;
use tower_jwt_auth::{TestIssuer, Verifier};

#[allow(dead_code)]
#[path = "../examples/mcp.rs"]
mod example;
use example::call;

#[tokio::test]
async fn tools_see_who_calls() {
    let issuer = TestIssuer::new("https://id.example.com").audience("notes");
    let app = example::app(Verifier::new(issuer.authority()).unwrap());
    let url = format!("http://{}/mcp", crate::serve(app).await);
    let bob = issuer.sign(json!({ "sub": "bob", "scope": "notes:read" }));
    let alice = issuer.sign(json!({ "sub": "alice", "scope": "notes:read notes:delete" }));

    assert_eq!(call(&url, &bob, "whoami").await.unwrap(), r#"bob with the scopes ["notes:read"]"#);
    let said = call(&url, &alice, "whoami").await.unwrap();
    assert_eq!(said, r#"alice with the scopes ["notes:read", "notes:delete"]"#);
    assert_eq!(call(&url, &alice, "delete_notes").await.unwrap(), "deleted");
    let refused = call(&url, &bob, "delete_notes").await.unwrap_err().to_string();
    assert!(refused.contains("insufficient_scope"), "{refused}");

    let mallory = TestIssuer::new("https://id.example.com").audience("notes").sign(json!({ "sub": "bob" }));
    assert!(call(&url, &mallory, "whoami").await.is_err());
}
