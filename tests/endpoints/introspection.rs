//! Token introspection (RFC 7662): what is said of which token to whom, signed answers (RFC 9701), and what is not known.

use std::time::Duration;

use bytes::Bytes;
use http::header::ACCEPT;
use http::{Method, Request};
use http_body_util::Full;
use jsonwebtoken::{DecodingKey, Validation, jwk::JwkSet};
use serde_json::{Value, json};
use tower_jwt_auth::{
    AuthError, AuthenticatedClient, Claims, ClientCredentials, Clock, IntrospectionEndpoint, Reason,
    Revocation, StoreError, Verifier,
};

use crate::support::{Answer, ISSUER, World, call, clients, post, post_as};

const ORDERS: &str = "orders:orders secret";

async fn ask(endpoint: &IntrospectionEndpoint, client: &str, token: &str) -> Answer {
    let answer = call(endpoint, post_as(&client.replace(' ', "+"), format!("token={token}"))).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    answer
}

async fn is_inactive(endpoint: &IntrospectionEndpoint, client: &str, token: &str) -> bool {
    let answer = ask(endpoint, client, token).await;
    answer.status == 200
        && answer.header("content-type") == "application/json"
        && answer.body == r#"{"active":false}"#
}

#[tokio::test]
async fn a_good_token_is_described() {
    let world = World::new();
    let endpoint = world.introspection().build().unwrap();
    let now = world.clock.now().as_secs();
    let plain = world.token("web-app", json!({ "jti": "id" }));
    let answer = ask(&endpoint, ORDERS, &plain).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/json"));
    let expected = json!({
        "active": true, "client_id": "web-app", "token_type": "Bearer", "exp": now + 600, "iat": now,
        "sub": "bob", "aud": "orders", "iss": ISSUER, "jti": "id",
    });
    assert_eq!(answer.json(), expected);

    let more = json!({
        "jti": "id", "nbf": now - 5, "scope": "read write", "acr": "2", "auth_time": now - 60, "aud": ["x", "orders"],
        "roles": ["clerk"], "sid": "s", "secret": "hidden", "username": "claimed", "active": false,
    });
    let endpoint = world.introspection().claim("roles").claim("sid").claim("absent");
    let endpoint = endpoint.username(|subject| async move { Ok(Some(format!("{subject} the builder"))) });
    let answer = ask(&endpoint.build().unwrap(), ORDERS, &world.token("web-app", more)).await;
    let expected = json!({
        "active": true, "client_id": "web-app", "token_type": "Bearer", "exp": now + 600, "iat": now, "nbf": now - 5,
        "sub": "bob", "aud": ["x", "orders"], "iss": ISSUER, "jti": "id", "scope": "read write", "acr": "2",
        "auth_time": now - 60, "roles": ["clerk"], "sid": "s", "username": "bob the builder",
    });
    assert_eq!(answer.json(), expected);
}

#[tokio::test]
async fn everything_else_is_inactive_and_no_more_is_said() {
    let world = World::new();
    let endpoint = world.introspection().build().unwrap();
    let good = world.token("web-app", json!({}));
    let now = world.clock.now().as_secs();
    let (head, signature) = good.rsplit_once('.').unwrap();
    let revoked = world.token("web-app", json!({}));
    world
        .revocations
        .revoke(
            world
                .verify(&revoked)
                .map(|jwt| tower_jwt_auth::Jwt::principal(&jwt))
                .unwrap()
                .revocation()
                .unwrap(),
        )
        .await
        .unwrap();
    let session = world.token("web-app", json!({ "sid": "over" }));
    world.revocations.revoke(Revocation::session(ISSUER, "over")).await.unwrap();
    for (token, why) in [
        (format!("{head}.{}", signature.chars().rev().collect::<String>()), "forged"),
        (World::new().token("web-app", json!({})), "of another key"),
        (world.token("web-app", json!({ "exp": now - 31, "iat": now - 60 })), "expired"),
        (world.token("web-app", json!({ "nbf": now + 31 })), "not yet valid"),
        (world.token("web-app", json!({ "aud": "films" })), "for another audience"),
        (world.token("web-app", json!({ "aud": "Orders" })), "for another audience"),
        (world.token("web-app", json!({ "token_use": "id" })), "of another kind"),
        (world.token("web-app", json!({ "cnf": "x" })), "bound to what nobody can ask for"),
        (revoked, "revoked"),
        (session, "of a session that is over"),
        ("a.b.c".to_owned(), "garbage"),
        ("x".to_owned(), "garbage"),
        ("A".repeat(64), "a guess"),
    ] {
        assert!(is_inactive(&endpoint, ORDERS, &token).await, "{why}");
    }
    assert!(!is_inactive(&endpoint, ORDERS, &good).await);
}

#[tokio::test]
async fn a_resource_server_sees_what_is_for_it() {
    let world = World::new();
    let endpoint = world.introspection().build().unwrap();
    let token = |audience: Value| world.token("web-app", json!({ "aud": audience }));
    for (audience, orders, shelf) in [
        (json!("orders"), true, false),
        (json!(["films", "orders"]), true, true),
        (json!("books"), false, true),
        (json!("shelf"), false, false),
        (json!(["x", "y"]), false, false),
    ] {
        let token = token(audience.clone());
        assert_eq!(!is_inactive(&endpoint, ORDERS, &token).await, orders, "{audience}");
        assert_eq!(!is_inactive(&endpoint, "shelf:shelf secret", &token).await, shelf, "{audience}");
        assert!(!is_inactive(&endpoint, "gateway:gateway secret", &token).await, "{audience}");
    }
}

#[tokio::test]
async fn refresh_tokens_are_active_where_they_may_be_seen() {
    let world = World::new();
    let endpoint = world.introspection().username(|_| async { Ok(Some("Bob".into())) }).build().unwrap();
    let grant = world.refresh.begin("orders/bob").await.unwrap();
    let expected = json!({
        "active": true, "exp": grant.session.expires_at().as_secs(), "iat": grant.session.created_at().as_secs(),
        "sub": "orders/bob", "iss": ISSUER, "username": "Bob",
    });
    assert_eq!(ask(&endpoint, ORDERS, grant.token.as_str()).await.json(), expected);
    assert!(is_inactive(&endpoint, "gateway:gateway secret", grant.token.as_str()).await, "not its business");

    let load = |_| std::future::ready(Ok::<_, StoreError>(Some(())));
    let next = world.refresh.rotate(&grant.token, load).await.unwrap();
    assert!(is_inactive(&endpoint, ORDERS, grant.token.as_str()).await, "spent, if only a moment ago");
    world.clock.advance(Duration::from_secs(60));
    assert!(is_inactive(&endpoint, ORDERS, grant.token.as_str()).await, "spent");
    assert!(!is_inactive(&endpoint, ORDERS, next.token.as_str()).await, "to ask ends no session");

    let unset = IntrospectionEndpoint::builder(&world.issuer, clients).build().unwrap();
    assert!(is_inactive(&unset, ORDERS, next.token.as_str()).await);
    world.refresh.end(&next.token).await.unwrap();
    assert!(is_inactive(&endpoint, ORDERS, next.token.as_str()).await);
    let old = world.refresh.begin("orders/bob").await.unwrap();
    world.clock.advance(Duration::from_secs(400 * 24 * 3600));
    assert!(is_inactive(&endpoint, ORDERS, old.token.as_str()).await, "expired");
}

#[tokio::test]
async fn a_resource_server_has_a_secret() {
    let world = World::new();
    // Whoever accepts every name lets nobody in by it.
    let lax = |credentials: ClientCredentials| async move {
        Ok::<Option<AuthenticatedClient>, StoreError>(Some(credentials.client().any_audience()))
    };
    let endpoint = IntrospectionEndpoint::builder(&world.issuer, lax).build().unwrap();
    let token = world.token("web-app", json!({}));
    for form in ["client_id=spa", "client_id=spa&client_secret="] {
        let answer = call(&endpoint, post(format!("{form}&token={token}"))).await;
        assert_eq!(answer.error(), (401, "invalid_client".into()));
        assert!(answer.header("www-authenticate").starts_with("Basic "));
    }
    let endpoint = world.introspection().build().unwrap();
    for wrong in ["orders:", "orders:guess", "nobody:x"] {
        assert_eq!(ask(&endpoint, wrong, &token).await.error(), (401, "invalid_client".into()));
    }
    let mut two = post_as("gateway:gateway+secret", format!("client_id=orders&token={token}"));
    assert_eq!(call(&endpoint, two).await.error(), (400, "invalid_request".into()));
    two = post_as("gateway:gateway+secret", format!("token={token}&token={token}"));
    assert_eq!(call(&endpoint, two).await.error(), (400, "invalid_request".into()));
    for method in [Method::GET, Method::HEAD] {
        let request =
            Request::builder().method(method).uri(format!("/?token={token}")).body(Full::<Bytes>::default());
        let answer = call(&endpoint, request.unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "POST"));
    }
}

#[tokio::test]
async fn what_is_not_known_is_not_said() {
    let world = World::new();
    let token = world.token("web-app", json!({}));
    let unavailable = |answer: Answer| (answer.status.as_u16(), answer.header("retry-after").to_owned());
    let expected = (503, "5".to_owned());

    let grant = world.refresh.begin("orders/bob").await.unwrap();
    world.book.breaks(&["load"]);
    assert_eq!(
        unavailable(ask(&world.introspection().build().unwrap(), ORDERS, grant.token.as_str()).await),
        expected
    );
    world.book.breaks(&[]);
    let names = world.introspection().username(|_| async { Err(StoreError::new("away")) }).build().unwrap();
    assert_eq!(unavailable(ask(&names, ORDERS, &token).await), expected);

    // A check of the user's: a refusal is one, and no answer is none.
    for (reason, is_known) in [(Reason::Revoked, true), (Reason::RevocationUnavailable, false)] {
        let authority = world.issuer.authority().check(move |_| Err(AuthError::new(reason)));
        let endpoint = world.introspection().authority(authority).build().unwrap();
        match is_known {
            true => assert!(is_inactive(&endpoint, ORDERS, &token).await),
            false => assert_eq!(unavailable(ask(&endpoint, ORDERS, &token).await), expected),
        }
    }
    // An authority that names an audience takes no others, whoever asks.
    let endpoint = world.introspection().authority(world.issuer.authority()).build().unwrap();
    let films = world.token("web-app", json!({ "aud": "films" }));
    assert!(is_inactive(&endpoint, "shelf:shelf secret", &films).await);
    assert!(!is_inactive(&endpoint, "gateway:gateway secret", &token).await);
}

#[tokio::test]
async fn a_bound_token_is_active_and_its_key_is_told() {
    let world = World::new();
    let endpoint = world.introspection().build().unwrap();
    for (confirmation, token_type) in
        [(json!({ "jkt": "x" }), "DPoP"), (json!({ "x5t#S256": "y" }), "Bearer")]
    {
        let token = world.token("web-app", json!({ "cnf": confirmation }));
        let answer = ask(&endpoint, ORDERS, &token).await.json();
        assert_eq!((&answer["cnf"], &answer["token_type"]), (&confirmation, &json!(token_type)));
        assert_eq!(world.refusal(&token), Some("invalid_claim"), "nobody is let in by it alone");
    }
}

#[tokio::test]
async fn a_signed_answer_is_for_the_one_who_asked() {
    let world = World::new();
    let endpoint = world.introspection().build().unwrap();
    let good = world.token("web-app", json!({ "jti": "id" }));
    for (token, is_active) in [(&*good, true), ("a.b.c", false)] {
        let plain = ask(&endpoint, ORDERS, token).await.json();
        let mut request = post_as("orders:orders+secret", format!("token={token}"));
        request.headers_mut().insert(ACCEPT, "application/token-introspection+jwt".parse().unwrap());
        let answer = call(&endpoint, request).await;
        assert_eq!(answer.header("content-type"), "application/token-introspection+jwt");
        assert_eq!(answer.header("cache-control"), "no-store");
        let signed = std::str::from_utf8(&answer.body).unwrap();

        let header = jsonwebtoken::decode_header(signed).unwrap();
        let keys = call(&world.issuer.jwks_service(), Request::new(())).await.json();
        let keys: JwkSet = serde_json::from_value(keys).unwrap();
        let key = DecodingKey::from_jwk(keys.find(header.kid.as_ref().unwrap()).unwrap()).unwrap();
        let mut validation = Validation::new(jsonwebtoken::Algorithm::ES256);
        validation.set_audience(&["orders"]);
        validation.set_issuer(&[ISSUER]);
        validation.required_spec_claims = ["iss".to_owned(), "aud".to_owned()].into();
        validation.validate_exp = false;
        let claims = jsonwebtoken::decode::<Value>(signed, &key, &validation).unwrap().claims;
        assert_eq!(header.typ.as_deref(), Some("token-introspection+jwt"));
        let now = world.clock.now().as_secs();
        assert_eq!(
            claims,
            json!({ "iss": ISSUER, "aud": "orders", "iat": now, "token_introspection": plain })
        );
        assert_eq!(claims["token_introspection"]["active"], is_active);

        // It opens nothing, not even for a verifier that takes every `typ` of old.
        let lax = Verifier::<Claims>::new(world.issuer.authority().typ("token-introspection+jwt")).unwrap();
        assert_eq!(world.refusal(signed), Some("wrong_type"));
        assert_eq!(lax.verify(signed).now().unwrap().unwrap_err().reason(), Reason::MissingClaim);
    }
    let mut other = post_as("gateway:gateway+secret", format!("token={good}"));
    other
        .headers_mut()
        .insert(ACCEPT, "text/html, application/token-introspection+jwt;q=0.1".parse().unwrap());
    let answer = call(&endpoint, other).await;
    let payload = std::str::from_utf8(&answer.body).unwrap().split('.').nth(1).unwrap();
    use base64::Engine;
    let payload = base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&payload).unwrap()["aud"], "gateway");
}

#[tokio::test]
async fn a_claim_does_not_replace_a_member() {
    let world = World::new();
    for name in ["active", "sub", "username", "exp"] {
        let error = world.introspection().claim(name).build().unwrap_err();
        assert_eq!(error.setting(), "claim", "{name}");
    }
}
