//! The shortest way through everything, with each algorithm.

use serde_json::json;
use tower_jwt_auth::Jwt;

use crate::support::{World, algorithms, refusal, verify};

#[test]
fn a_signed_token_is_verified_and_a_changed_one_is_not() {
    for algorithm in algorithms() {
        let world = World::with_algorithm(algorithm);
        let token = world.issuer.sign(json!({ "sub": "bob", "scope": "a b", "plan": "pro" }));
        let jwt = verify(&world.verifier, &token).unwrap_or_else(|error| panic!("{algorithm}: {error:?}"));
        assert_eq!(jwt.sub.as_deref(), Some("bob"));
        assert_eq!(jwt.other["plan"], "pro");
        let principal = Jwt::principal(&jwt);
        assert_eq!(principal.subject(), Some("bob"));
        assert_eq!(principal.issuer(), Some("https://id.example.com"));
        assert!(principal.audience().eq(["api"]));
        assert!(principal.scopes().eq(["a", "b"]));
        assert_eq!(principal.claim::<String>("plan").as_deref(), Some("pro"));
        let (input, signature) = token.rsplit_once('.').unwrap();
        let flipped = if signature.starts_with('A') { 'B' } else { 'A' };
        let forged = format!("{input}.{flipped}{}", &signature[1..]);
        assert_eq!(refusal(&world.verifier, &forged).0, "bad_signature", "{algorithm}");
    }
}

#[test]
fn rotation_is_followed() {
    let mut world = World::new();
    let old = world.issuer.sign(json!({}));
    world.issuer.rotate();
    let new = world.issuer.sign(json!({}));
    assert!(verify(&world.verifier, &old).is_ok());
    assert!(verify(&world.verifier, &new).is_ok());
    world.issuer.retire_old_keys();
    assert_eq!(refusal(&world.verifier, &old).0, "unknown_key");
    assert!(verify(&world.verifier, &new).is_ok());
}
