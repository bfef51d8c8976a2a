//! Answers that are signed (RFC 9701), and each way to forge one.

use http::header::ACCEPT;
use serde_json::{Value, json};
use tower_jwt_auth::{Authority, Claims, Introspection, Jwt, Reason, TestIssuer, Verifier};

use crate::server::{ISSUER, Says, Server, authority};
use crate::table::{NOW, clock, reason, verdict, verifier};

const MEDIA_TYPE: &str = "application/token-introspection+jwt";

/// The authorization server.
fn signer() -> TestIssuer {
    TestIssuer::new(ISSUER).clock(clock())
}

fn header() -> Value {
    json!({ "typ": "token-introspection+jwt" })
}

fn answer() -> Value {
    json!({
        "iss": ISSUER, "aud": "orders", "iat": NOW, "exp": null, "sub": null, "jti": null,
        "token_introspection": { "active": true, "sub": "bob", "aud": "api", "exp": NOW + 600 },
    })
}

fn changed(name: &str, value: Value) -> Value {
    let mut answer = answer();
    answer[name] = value;
    answer
}

fn keys(signer: &TestIssuer) -> Authority {
    Authority::keys(signer.key_set()).issuer(ISSUER).audience("orders")
}

/// What becomes of a token that this is answered about.
async fn of(signer: &TestIssuer, media_type: &'static str, body: String) -> (Option<Reason>, Server) {
    let server = Server::start(Says::Body(200, media_type, body)).await;
    let endpoint: Introspection = server.endpoint().signed_answers(keys(signer));
    (reason(&verifier(authority(endpoint), &clock()), "one").await, server)
}

async fn of_signed(header: Value, answer: Value) -> Option<Reason> {
    let signer = signer();
    let body = signer.sign_with(header, answer);
    of(&signer, MEDIA_TYPE, body).await.0
}

const UNAVAILABLE: Option<Reason> = Some(Reason::RevocationUnavailable);

#[tokio::test]
async fn a_signed_answer_is_verified_and_its_inside_is_the_answer() {
    let signer = signer();
    let server = Server::start(Says::Body(200, MEDIA_TYPE, signer.sign_with(header(), answer()))).await;
    let verifier = verifier(authority(server.endpoint().signed_answers(keys(&signer))), &clock());
    let jwt = verdict(&verifier, "one").await.unwrap();
    assert_eq!(Jwt::principal(&jwt).subject(), Some("bob"));
    assert!(jwt.other.get("token_introspection").is_none());
    assert_eq!(server.questions()[0].header(ACCEPT), Some(MEDIA_TYPE));
}

#[tokio::test]
async fn the_media_type_may_have_parameters_and_the_type_its_long_form() {
    let signer = signer();
    let body = signer.sign_with(json!({ "typ": "application/token-introspection+JWT" }), answer());
    let media_type = "Application/Token-Introspection+JWT; charset=utf-8";
    assert_eq!(of(&signer, media_type, body).await.0, None);
}

#[tokio::test]
async fn inactive_is_401_when_it_is_signed() {
    let answer = changed("token_introspection", json!({ "active": false }));
    assert_eq!(of_signed(header(), answer).await, Some(Reason::Inactive));
}

#[tokio::test]
async fn the_inside_is_judged_like_any_answer() {
    let inside = |inside: Value| of_signed(header(), changed("token_introspection", inside));
    assert_eq!(inside(json!({ "active": true, "aud": "billing" })).await, Some(Reason::WrongAudience));
    assert_eq!(inside(json!({ "active": true, "aud": "api", "exp": 1 })).await, Some(Reason::Expired));
    let other = json!({ "active": true, "aud": "api", "iss": "https://evil.example.com" });
    assert_eq!(inside(other).await, Some(Reason::UnknownIssuer));
    assert_eq!(inside(json!({ "active": "true", "aud": "api" })).await, UNAVAILABLE);
    assert_eq!(inside(json!("bob")).await, UNAVAILABLE);
}

#[tokio::test]
async fn attack_an_answer_without_a_signature() {
    let plain = json!({ "active": true, "sub": "bob", "aud": "api" }).to_string();
    assert_eq!(of(&signer(), "application/json", plain.clone()).await.0, UNAVAILABLE);
    assert_eq!(of(&signer(), MEDIA_TYPE, plain).await.0, UNAVAILABLE);
    let signer = signer();
    let body = signer.sign_with(header(), answer());
    assert_eq!(of(&signer, "application/json", body).await.0, UNAVAILABLE);
}

#[tokio::test]
async fn attack_an_answer_that_another_key_signed() {
    let body = TestIssuer::new(ISSUER).clock(clock()).sign_with(header(), answer());
    assert_eq!(of(&signer(), MEDIA_TYPE, body).await.0, UNAVAILABLE);
}

#[tokio::test]
async fn attack_another_jwt_of_the_same_issuer_in_place_of_an_answer() {
    for typ in [json!("at+jwt"), json!("JWT"), json!(null), json!("secevent+jwt")] {
        assert_eq!(of_signed(json!({ "typ": typ }), answer()).await, UNAVAILABLE, "{typ}");
    }
}

#[tokio::test]
async fn attack_a_jwt_answer_for_another_audience() {
    assert_eq!(of_signed(header(), changed("aud", json!("billing"))).await, UNAVAILABLE);
    assert_eq!(of_signed(header(), changed("aud", json!(null))).await, UNAVAILABLE);
}

#[tokio::test]
async fn attack_an_answer_of_another_issuer() {
    assert_eq!(of_signed(header(), changed("iss", json!("https://evil.example.com"))).await, UNAVAILABLE);
    assert_eq!(of_signed(header(), changed("iss", json!(null))).await, UNAVAILABLE);
}

#[tokio::test]
async fn attack_an_old_answer() {
    assert_eq!(of_signed(header(), changed("iat", json!(NOW - 320))).await, None);
    assert_eq!(of_signed(header(), changed("iat", json!(NOW - 330))).await, UNAVAILABLE);
    assert_eq!(of_signed(header(), changed("iat", json!(NOW + 31))).await, UNAVAILABLE);
    assert_eq!(of_signed(header(), changed("iat", json!(null))).await, UNAVAILABLE);
}

#[tokio::test]
async fn attack_an_answer_that_says_nothing_of_the_token() {
    assert_eq!(of_signed(header(), changed("token_introspection", json!(null))).await, UNAVAILABLE);
    let mut outside = changed("token_introspection", json!(null));
    outside["active"] = json!(true);
    assert_eq!(of_signed(header(), outside).await, UNAVAILABLE);
}

#[tokio::test]
async fn an_answer_is_no_token() {
    let signer = signer();
    let verifier = Verifier::<Claims>::builder().authority(keys(&signer)).clock(clock()).build().unwrap();
    let refused = verifier.verify(&signer.sign_with(header(), answer())).now().unwrap().unwrap_err();
    assert_eq!(refused.reason(), Reason::WrongType);
}

#[tokio::test]
async fn who_signs_and_for_whom_has_to_be_said() {
    let signer = signer();
    let key_set = || Authority::keys(signer.key_set());
    for keys in [
        key_set().any_issuer().audience("orders"),
        key_set().issuer(ISSUER).any_audience(),
        key_set().issuer(ISSUER).audience("orders").rfc9068().id_token(),
        authority(Introspection::new("https://id.example.com/").no_client_authentication()),
    ] {
        let endpoint = Introspection::new("https://id.example.com/").no_client_authentication();
        assert!(Verifier::<Claims>::new(authority(endpoint.signed_answers(keys))).is_err());
    }
}
