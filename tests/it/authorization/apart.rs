//! What one authority or client grants is not what another does.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use serde_json::json;
use tower_jwt_auth::{Principal, Reason, Require};

use super::Desk;
use crate::support::refusal;

#[tokio::test]
async fn roles_are_not_gathered_across_clients_or_authorities() {
    let desk = Desk::new();
    let admin = Require::role("admin");
    let at = |client: &str| json!({ "resource_access": { client: { "roles": ["admin"] } } });
    for (issuer, client, passes) in [("a", "a", true), ("a", "b", false), ("b", "a", false), ("b", "b", true)]
    {
        let principal = desk.principal(issuer, at(client));
        assert_eq!(admin.decide(&principal).await.is_ok(), passes, "{issuer} {client}");
    }
    let everywhere = json!({
        "roles": "top",
        "realm_access": { "roles": ["realm"] },
        "resource_access": { "a": { "roles": ["of a"] }, "b": { "roles": ["of b"] } },
        "groups": ["group"],
    });
    for (issuer, roles) in
        [("id", vec!["top"]), ("a", vec!["of a"]), ("b", vec!["of b"]), ("partner", vec![])]
    {
        let principal = desk.principal(issuer, everywhere.clone());
        assert_eq!(principal.roles().unwrap().collect::<Vec<_>>(), roles, "{issuer}");
    }
    let principal = desk.principal("bare", everywhere);
    assert_eq!(principal.roles().err().unwrap().reason(), Reason::NotConfigured);
}

#[tokio::test]
async fn a_cap_holds_for_its_authority_alone_and_grants_nothing() {
    let desk = Desk::new();
    let claims = json!({ "scp": ["read", "write"], "roles": ["admin", "viewer"],
        "realm_access": { "roles": ["admin", "viewer"] } });
    let granted = |principal: &Principal| {
        let roles: Vec<String> = principal.roles().unwrap().map(str::to_owned).collect();
        (principal.scopes().map(str::to_owned).collect::<Vec<_>>(), roles)
    };
    let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let partner = granted(&desk.principal("partner", claims.clone()));
    assert_eq!(partner, (list(&["read"]), list(&["viewer"])));
    let own = granted(&desk.principal("id", claims));
    assert_eq!(own, (list(&["read", "write"]), list(&["admin", "viewer"])));
    assert_eq!(granted(&desk.principal("partner", json!({}))), (vec![], vec![]));
    // One authority's lack of a place is no other's.
    assert!(Require::role("admin").decide(&desk.principal("id", json!({ "roles": "admin" }))).await.is_ok());
}

#[test]
fn a_member_that_stands_twice_where_a_policy_reads_refuses_the_token() {
    let desk = Desk::new();
    let refused = |issuer: &str, claims: &str| {
        let (_, issuer) = desk.issuers.iter().find(|(name, _)| *name == issuer).unwrap();
        // Of the kit's own header and payload, so that nothing but the claims is odd.
        let token = issuer.sign(json!({}));
        let [header, payload, _] = token.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
        let [header, payload] = [header, payload].map(decoded);
        let payload = payload.replacen('{', &format!("{{{claims},"), 1);
        refusal(&desk.verifier, &issuer.sign_raw(header, payload)).0
    };
    assert_eq!(refused("id", r#""roles":["user"]"#), "accepted");
    for twice in [
        r#""roles":["user"],"roles":["admin"]"#,
        r#""roles":["user"],"r\u006fles":["admin"]"#,
        r#""acr":"bronze","acr":"gold""#,
        r#""auth_time":1,"auth_time":1800000000"#,
        r#""scope":"read","scope":"write""#,
        r#""scp":"read","\u0073cp":["write"]"#,
    ] {
        assert_eq!(refused("id", twice), "malformed_token", "{twice}");
    }
    assert_eq!(refused("id", r#""roles":{"user":1,"user":2}"#), "invalid_claim");
    for twice in [
        r#""resource_access":{"a":{"roles":["user"],"roles":["admin"]}}"#,
        r#""resource_access":{"a":{"roles":["user"]},"a":{"roles":["admin"]}}"#,
        r#""resource_access":{"a":{"roles":["user"]},"\u0061":{"roles":["admin"]}}"#,
        r#""resource_access":{"b":{},"a":{"roles":["user"]},"b":{}}"#,
    ] {
        assert_eq!(refused("a", twice), "invalid_claim", "{twice}");
    }
}

fn decoded(segment: &str) -> String {
    String::from_utf8(BASE64URL.decode(segment).unwrap()).unwrap()
}
