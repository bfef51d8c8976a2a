//! Where others find the endpoints (RFC 8414 section 2).

use http::Request;
use serde_json::json;

use crate::support::{ISSUER, World, call};

#[tokio::test]
async fn the_metadata_name_the_endpoints() {
    let world = World::new();
    let metadata = world.issuer.metadata().revocation_endpoint("/oauth/revoke");
    let metadata = metadata.introspection_endpoint("https://tokens.example.com/introspect").build().unwrap();
    let document = call(&metadata, Request::new(())).await.json();
    assert_eq!(document["issuer"], ISSUER);
    assert_eq!(document["revocation_endpoint"], format!("{ISSUER}/oauth/revoke"));
    assert_eq!(
        document["revocation_endpoint_auth_methods_supported"],
        json!(["client_secret_basic", "client_secret_post", "none"])
    );
    assert_eq!(document["introspection_endpoint"], "https://tokens.example.com/introspect");
    assert_eq!(
        document["introspection_endpoint_auth_methods_supported"],
        json!(["client_secret_basic", "client_secret_post"])
    );
    assert_eq!(document["introspection_signing_alg_values_supported"], json!(["ES256"]));
}

#[tokio::test]
async fn an_endpoint_is_a_url_that_others_can_use() {
    let world = World::new();
    for wrong in
        ["oauth/revoke", "http://id.example.com/revoke", "https://a:b@id.example.com/", "https://id/#x"]
    {
        let error = world.issuer.metadata().revocation_endpoint(wrong).build().unwrap_err();
        assert_eq!(error.setting(), "revocation_endpoint", "{wrong}");
        let error = world.issuer.metadata().introspection_endpoint(wrong).build().unwrap_err();
        assert_eq!(error.setting(), "introspection_endpoint", "{wrong}");
    }
}
