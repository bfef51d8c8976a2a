//! How the endpoint learns who asks.

use std::collections::HashSet;

use axum::http::header::AUTHORIZATION;
use base64::Engine;
use serde_json::json;
use tower_jwt_auth::{
    Algorithm, Authority, Claims, Introspection, Reason, SigningKey, TestClock, UnixTime, Verifier,
};

use crate::server::{Question, Server, authority, percent_decoded};
use crate::table::{NOW, clock, reason, verifier};

/// The one question that this client asks.
async fn question(change: impl FnOnce(Introspection) -> Introspection) -> (Question, Server) {
    let server = Server::json(json!({ "active": true, "aud": "api" })).await;
    let verifier = verifier(authority(change(server.bare())), &clock());
    assert_eq!(reason(&verifier, "one").await, None);
    let [question] = &*server.questions() else { panic!() };
    (question.clone(), server)
}

#[tokio::test]
async fn client_secret_basic_encodes_before_it_joins() {
    let (id, secret) = ("orders:eu", "s:e c+r&e=t%ä");
    let (question, _) = question(|endpoint| endpoint.client_secret_basic(id, secret)).await;
    let value = question.header(AUTHORIZATION).unwrap().strip_prefix("Basic ").unwrap();
    let pair = base64::engine::general_purpose::STANDARD.decode(value).unwrap();
    let pair = String::from_utf8(pair).unwrap();
    let (encoded_id, encoded_secret) = pair.split_once(':').unwrap();
    assert_eq!((percent_decoded(encoded_id), percent_decoded(encoded_secret)), (id.into(), secret.into()));
    assert!(!encoded_secret.contains(':') && encoded_id == "orders%3Aeu");
    assert_eq!((question.field("client_id"), question.field("client_secret")), (None, None));
}

#[tokio::test]
async fn client_secret_post_stands_in_the_form() {
    let (question, _) = question(|endpoint| endpoint.client_secret_post("orders", "s&e=c")).await;
    assert_eq!(question.header(AUTHORIZATION), None);
    assert_eq!(question.field("client_id").as_deref(), Some("orders"));
    assert_eq!(question.field("client_secret").as_deref(), Some("s&e=c"));
    assert_eq!(question.field("token").as_deref(), Some("one"));
}

#[tokio::test]
async fn no_client_authentication_sends_nothing() {
    let (question, _) = question(Introspection::no_client_authentication).await;
    assert_eq!(question.header(AUTHORIZATION), None);
    assert_eq!(question.body, "token=one");
}

/// The claims of an assertion, verified with the client's key.
fn claims_of(assertion: &str, key: &SigningKey, audience: &str) -> Claims {
    let authority = Authority::keys(key.key_set()).issuer("orders").audience(audience).subject("orders");
    let verifier = Verifier::<Claims>::builder()
        .authority(authority)
        .clock(TestClock::at(UnixTime::from_secs(NOW)))
        .build()
        .unwrap();
    let jwt = verifier.verify(assertion).now().unwrap().unwrap();
    Claims::clone(&jwt)
}

#[tokio::test]
async fn private_key_jwt_is_an_assertion_for_the_endpoint() {
    let key = SigningKey::generate(Algorithm::ES256).unwrap();
    let (question, server) = question(|endpoint| endpoint.private_key_jwt("orders", key.clone())).await;
    assert_eq!(question.header(AUTHORIZATION), None);
    assert_eq!(
        question.field("client_assertion_type").as_deref(),
        Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
    );
    let claims = claims_of(&question.field("client_assertion").unwrap(), &key, &server.url());
    assert_eq!(claims.exp, Some(UnixTime::from_secs(NOW + 60)));
    assert_eq!(claims.iat, Some(UnixTime::from_secs(NOW)));
    assert!(claims.jti.unwrap().len() >= 16);
}

#[tokio::test]
async fn the_audience_of_assertions_can_be_set() {
    let key = SigningKey::generate(Algorithm::ES256).unwrap();
    let (question, _) = question(|endpoint| {
        endpoint.private_key_jwt("orders", key.clone()).assertion_audience("https://id.example.com")
    })
    .await;
    claims_of(&question.field("client_assertion").unwrap(), &key, "https://id.example.com");
}

#[tokio::test]
async fn each_question_has_an_assertion_of_its_own() {
    let server = Server::json(json!({ "active": true, "aud": "api" })).await;
    let key = SigningKey::generate(Algorithm::ES256).unwrap();
    let verifier = verifier(authority(server.bare().private_key_jwt("orders", key.clone())), &clock());
    for token in ["one", "two", "three"] {
        assert_eq!(reason(&verifier, token).await, None);
    }
    let ids: HashSet<_> = server
        .questions()
        .iter()
        .map(|question| claims_of(&question.field("client_assertion").unwrap(), &key, &server.url()).jti)
        .collect();
    assert_eq!(ids.len(), 3);
}

#[tokio::test]
async fn a_signer_that_fails_is_503() {
    #[derive(Debug)]
    struct Away(SigningKey);

    impl tower_jwt_auth::Signer for Away {
        fn key_set(&self) -> tower_jwt_auth::KeySet {
            self.0.key_set()
        }

        fn sign(&self, _: &[u8]) -> tower_jwt_auth::NowOrLater<Result<Vec<u8>, tower_jwt_auth::SignError>> {
            tower_jwt_auth::NowOrLater::later(async {
                Err(tower_jwt_auth::SignError::signer("the key service is away"))
            })
        }
    }

    let server = Server::json(json!({ "active": true, "aud": "api" })).await;
    let key = Away(SigningKey::generate(Algorithm::ES256).unwrap());
    let verifier = verifier(authority(server.bare().private_key_jwt("orders", key)), &clock());
    assert_eq!(reason(&verifier, "one").await, Some(Reason::RevocationUnavailable));
    assert_eq!(server.calls(), 0);
}
