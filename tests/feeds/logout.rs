//! OpenID Connect Back-Channel Logout.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{Method, Request};
use http_body_util::{Empty, Full};
use serde_json::{Value, json};
use tower::ServiceExt;
use tower_jwt_auth::{Authority, BackChannelLogout, Reason, RemoteKeys, Secret, TestIssuer, provider};

use super::support::{Answer, CLIENT, Down, Hanging, ISSUER, Stalled, World, following, post, send};

const FORM: &str = "application/x-www-form-urlencoded";
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

fn receiver(world: &World) -> BackChannelLogout {
    let builder = BackChannelLogout::builder(world.provider.authority(), world.revocations.clone());
    builder.clock(world.clock.clone()).build().unwrap()
}

/// The claims of a good logout token, with these changes.
fn claims(changes: Value) -> Value {
    let mut claims = json!({ "sub": "bob", "sid": "sid-7", "events": { EVENT: {} } });
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    claims
}

fn logout_token(world: &World, changes: Value) -> String {
    world.provider.sign_with(json!({ "typ": "logout+jwt" }), claims(changes))
}

fn form(token: &str) -> Request<Full<Bytes>> {
    post(FORM, format!("logout_token={token}"))
}

fn invalid(description: &str) -> Answer {
    Answer {
        body: json!({ "error": "invalid_request", "error_description": description }),
        ..Answer::empty(400)
    }
}

/// The answer to a token, which must leave the session as it was unless it is 200.
async fn answer_to(world: &World, token: &str) -> Answer {
    let access = world.access_token(json!({ "sub": "bob", "sid": "sid-7" }));
    assert_eq!(world.refusal(&access).await, None);
    let answer = send(&receiver(world), form(token)).await;
    let expected = (answer.status == 200).then_some(Reason::Revoked);
    assert_eq!(world.refusal(&access).await, expected, "{answer:?}");
    answer
}

async fn assert_refused(world: &World, token: &str) {
    assert_eq!(answer_to(world, token).await, invalid("The logout token is invalid"));
}

#[tokio::test]
async fn a_session_that_is_logged_out_is_refused_and_no_other() {
    let world = World::new();
    let token = |sub: &str, sid: &str| world.access_token(json!({ "sub": sub, "sid": sid }));
    let (out, same_session, other) = (token("bob", "sid-7"), token("x", "sid-7"), token("bob", "sid-8"));
    let answer = send(&receiver(&world), form(&logout_token(&world, json!({})))).await;
    assert_eq!(answer, Answer::empty(200));
    assert_eq!(world.refusal(&out).await, Some(Reason::Revoked));
    assert_eq!(world.refusal(&same_session).await, Some(Reason::Revoked));
    assert_eq!(world.refusal(&other).await, None);
}

#[tokio::test]
async fn without_sid_the_user_is_logged_out_everywhere_but_for_what_was_issued_since() {
    let world = World::new();
    let token = |sub: &str, sid: &str| world.access_token(json!({ "sub": sub, "sid": sid }));
    let (one, two, of_another) = (token("bob", "sid-7"), token("bob", "sid-8"), token("eve", "sid-9"));
    let logout = logout_token(&world, json!({ "sid": null }));
    world.later(1);
    let since = token("bob", "sid-10");
    assert_eq!(send(&receiver(&world), form(&logout)).await, Answer::empty(200));
    assert_eq!(world.refusal(&one).await, Some(Reason::Revoked));
    assert_eq!(world.refusal(&two).await, Some(Reason::Revoked));
    assert_eq!(world.refusal(&of_another).await, None);
    assert_eq!(world.refusal(&since).await, None);
}

#[tokio::test]
async fn without_sub_the_session_is_logged_out() {
    let world = World::new();
    assert_eq!(answer_to(&world, &logout_token(&world, json!({ "sub": null }))).await, Answer::empty(200));
}

#[tokio::test]
async fn by_subject_reaches_access_tokens_without_sid() {
    let world = World::new();
    let access = world.access_token(json!({ "sub": "bob" }));
    let logout = logout_token(&world, json!({}));
    assert_eq!(send(&receiver(&world), form(&logout)).await, Answer::empty(200));
    assert_eq!(world.refusal(&access).await, None, "it has no sid");
    let builder = BackChannelLogout::builder(world.provider.authority(), world.revocations.clone());
    let by_subject = builder.by_subject().clock(world.clock.clone()).build().unwrap();
    assert_eq!(send(&by_subject, form(&logout)).await, Answer::empty(200));
    assert_eq!(world.refusal(&access).await, Some(Reason::Revoked));
}

#[tokio::test]
async fn typ_may_be_that_of_older_providers() {
    for typ in [json!("logout+jwt"), json!("application/logout+jwt"), json!("JWT"), Value::Null] {
        let world = World::new();
        let token = world.provider.sign_with(json!({ "typ": typ }), claims(json!({})));
        assert_eq!(answer_to(&world, &token).await, Answer::empty(200), "{typ}");
    }
    // Keycloak says it in the payload as well.
    let world = World::new();
    assert_eq!(
        answer_to(&world, &logout_token(&world, json!({ "typ": "Logout" }))).await,
        Answer::empty(200)
    );
}

#[tokio::test]
async fn typ_can_be_required() {
    let world = World::new();
    let authority = world.provider.authority().typ("logout+jwt");
    let builder = BackChannelLogout::builder(authority, world.revocations.clone());
    let strict = builder.clock(world.clock.clone()).build().unwrap();
    let untyped = world.provider.sign_with(json!({ "typ": null }), claims(json!({})));
    assert_eq!(send(&strict, form(&untyped)).await.status, 400);
    assert_eq!(send(&strict, form(&logout_token(&world, json!({})))).await.status, 200);
}

#[tokio::test]
async fn attack_a_nonce() {
    let world = World::new();
    for nonce in [json!("n-0S6_WzA2Mj"), json!(7), json!({}), json!("")] {
        assert_refused(&world, &logout_token(&world, json!({ "nonce": nonce }))).await;
    }
    // Null is there as well.
    let claims = claims(
        json!({ "iss": ISSUER, "aud": CLIENT, "iat": world.now(), "exp": world.now() + 60, "jti": "j" }),
    );
    let payload = claims.to_string().replacen('{', r#"{"nonce":null,"#, 1);
    let header = json!({ "alg": "ES256", "typ": "logout+jwt", "kid": world.provider.kid() }).to_string();
    assert_refused(&world, &world.provider.sign_raw(header, payload)).await;
}

#[tokio::test]
async fn attack_events_that_are_missing_or_no_object() {
    let world = World::new();
    for events in [
        json!(null),
        json!({}),
        json!([]),
        json!([EVENT]),
        json!(EVENT),
        json!(true),
        json!(7),
        json!({ EVENT: null }),
        json!({ EVENT: [] }),
        json!({ EVENT: true }),
        json!({ EVENT: "x" }),
        json!({ "https://schemas.openid.net/event/backchannel-logout": {} }),
        json!({ "https://schemas.openid.net/secevent/caep/event-type/session-revoked": {} }),
    ] {
        assert_refused(&world, &logout_token(&world, json!({ "events": events }))).await;
    }
}

#[tokio::test]
async fn attack_neither_sid_nor_sub() {
    let world = World::new();
    for changes in [
        json!({ "sid": null, "sub": null }),
        json!({ "sid": "" }),
        json!({ "sid": null, "sub": "" }),
        json!({ "sid": 7 }),
        json!({ "sid": ["sid-7"] }),
        json!({ "sub": 7 }),
    ] {
        assert_refused(&world, &logout_token(&world, changes)).await;
    }
}

#[tokio::test]
async fn attack_a_claim_that_is_missing_or_wrong() {
    let world = World::new();
    let now = world.now();
    for changes in [
        json!({ "aud": "api" }),
        json!({ "aud": "client-70" }),
        json!({ "aud": ["api"] }),
        json!({ "aud": null }),
        json!({ "iss": "https://id.example.com/" }),
        json!({ "iss": null }),
        json!({ "iat": null }),
        json!({ "iat": now + 31 }),
        json!({ "exp": null }),
        json!({ "exp": now - 30 }),
        json!({ "exp": "soon" }),
        json!({ "jti": null }),
        json!({ "jti": 7 }),
    ] {
        assert_refused(&world, &logout_token(&world, changes)).await;
    }
}

#[tokio::test]
async fn a_token_without_exp_is_taken_for_four_minutes_if_that_is_told() {
    let world = World::new();
    let builder = BackChannelLogout::builder(world.provider.authority(), world.revocations.clone());
    let lenient = builder.exp_may_lack().clock(world.clock.clone()).build().unwrap();
    let without = logout_token(&world, json!({ "exp": null }));
    let without_iat = logout_token(&world, json!({ "exp": null, "iat": null }));
    let with = logout_token(&world, json!({ "exp": world.now() + 10 }));
    assert_eq!(send(&lenient, form(&without)).await.status, 200);
    assert_eq!(send(&lenient, form(&without_iat)).await.status, 400);
    world.later(45);
    assert_eq!(send(&lenient, form(&with)).await.status, 400, "exp counts if it is there");
    world.later(240 - 45 + 29);
    assert_eq!(send(&lenient, form(&without)).await.status, 200);
    world.later(1);
    assert_eq!(send(&lenient, form(&without)).await.status, 400);
}

#[tokio::test]
async fn attack_alg_none() {
    let world = World::new();
    let good = logout_token(&world, json!({}));
    let payload = good.split('.').nth(1).unwrap();
    for header in ["eyJhbGciOiJub25lIiwidHlwIjoibG9nb3V0K2p3dCJ9", "eyJhbGciOiJuT25FIn0"] {
        assert_refused(&world, &format!("{header}.{payload}.")).await;
        assert_refused(&world, &format!("{header}.{payload}.{}", good.split('.').nth(2).unwrap())).await;
    }
}

#[tokio::test]
async fn attack_hs256_with_the_public_key() {
    let world = World::new();
    let public = world.provider.jwks();
    let mut secret = public.clone().into_bytes();
    // What the attacker signs with is what everybody can read. Our own Secret refuses to be made of it.
    assert!(Secret::from_bytes(secret.clone()).is_err());
    secret.truncate(64);
    let claims = claims(
        json!({ "iss": ISSUER, "aud": CLIENT, "iat": world.now(), "exp": world.now() + 60, "jti": "j" }),
    );
    let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    header.typ = Some("logout+jwt".to_owned());
    header.kid = Some(world.provider.kid().to_owned());
    for key in [public.as_bytes(), &secret] {
        let key = jsonwebtoken::EncodingKey::from_secret(key);
        assert_refused(&world, &jsonwebtoken::encode(&header, &claims, &key).unwrap()).await;
    }
}

#[tokio::test]
async fn attack_the_signature_of_another_key() {
    let world = World::new();
    let stranger = TestIssuer::new(ISSUER).audience(CLIENT).clock(world.clock.clone());
    let kid = world.provider.kid();
    let forged = stranger.sign_with(json!({ "typ": "logout+jwt", "kid": kid }), claims(json!({})));
    assert_refused(&world, &forged).await;
    let unknown = stranger.sign_with(json!({ "typ": "logout+jwt" }), claims(json!({})));
    assert_refused(&world, &unknown).await;
}

#[tokio::test]
async fn attack_an_id_token_for_a_logout_token() {
    let world = World::new();
    let id_token = world.provider.sign_with(
        json!({ "typ": "JWT" }),
        json!({ "sub": "bob", "sid": "sid-7", "nonce": "n", "auth_time": world.now(), "at_hash": "x" }),
    );
    assert_refused(&world, &id_token).await;
    let plain = world.provider.sign_with(json!({ "typ": null }), json!({ "sub": "bob", "sid": "sid-7" }));
    assert_refused(&world, &plain).await;
    // One that was made to look like it.
    assert_refused(&world, &logout_token(&world, json!({ "at_hash": "x" }))).await;
    assert_refused(&world, &logout_token(&world, json!({ "typ": "ID" }))).await;
    assert_refused(&world, &logout_token(&world, json!({ "token_use": "id" }))).await;
}

#[tokio::test]
async fn attack_an_access_token_for_a_logout_token() {
    let world = World::new();
    for header in [json!({ "typ": "at+jwt" }), json!({ "typ": "JWT" })] {
        let access = world.provider.sign_with(header, json!({ "sub": "bob", "sid": "sid-7", "scope": "x" }));
        assert_refused(&world, &access).await;
    }
    let typed = world.provider.sign_with(json!({ "typ": "at+jwt" }), claims(json!({})));
    assert_refused(&world, &typed).await;
    assert_refused(&world, &logout_token(&world, json!({ "token_use": "access" }))).await;
    assert_refused(&world, &logout_token(&world, json!({ "cnf": { "jkt": "x" } }))).await;
}

#[tokio::test]
async fn attack_a_security_event_for_a_logout_token() {
    let world = World::new();
    let event = world.provider.sign_with(json!({ "typ": "secevent+jwt" }), claims(json!({})));
    assert_refused(&world, &event).await;
}

#[tokio::test]
async fn attack_a_logout_token_for_an_access_token() {
    let world = World::new();
    for typ in [json!("logout+jwt"), json!("JWT"), json!("at+jwt"), Value::Null] {
        let token = world.provider.sign_with(json!({ "typ": typ }), claims(json!({ "aud": "api" })));
        assert_eq!(world.refusal(&token).await, Some(Reason::WrongType), "{typ}");
    }
}

/// Replaying has no effect beyond the first: the session is over already, and a later login has another `sid`, a later `iat`.
#[tokio::test]
async fn a_replayed_logout_token_is_harmless() {
    let world = World::new();
    let by_sid = logout_token(&world, json!({}));
    let by_sub = logout_token(&world, json!({ "sid": null }));
    let receiver = receiver(&world);
    for token in [&by_sid, &by_sub] {
        assert_eq!(send(&receiver, form(token)).await, Answer::empty(200));
    }
    world.later(1);
    let since = world.access_token(json!({ "sub": "bob", "sid": "sid-8" }));
    let entries = world.revocations.health().entries;
    for token in [&by_sid, &by_sub] {
        assert_eq!(send(&receiver, form(token)).await, Answer::empty(200));
    }
    assert_eq!(world.refusal(&since).await, None);
    assert_eq!(world.revocations.health().entries, entries, "memory does not grow by it");
    world.later(630);
    assert_eq!(send(&receiver, form(&by_sid)).await.status, 400, "it has expired");
}

#[tokio::test]
async fn attack_fields() {
    let world = World::new();
    let token = logout_token(&world, json!({}));
    let receiver = receiver(&world);
    for (body, description) in [
        (format!("logout_token={token}&logout_token={token}"), "There is more than one logout_token"),
        (format!("logout_token=&logout_token={token}"), "There is more than one logout_token"),
        (format!("logout_token={token}&logout%5Ftoken=x"), "There is more than one logout_token"),
        ("logout_token=".to_owned(), "There is no logout_token"),
        (format!("token={token}"), "There is no logout_token"),
        (format!("Logout_Token={token}"), "There is no logout_token"),
        (String::new(), "There is no logout_token"),
        (format!("logout_token={token}."), "The logout token is invalid"),
        (format!("logout_token={token}%00"), "The logout token is invalid"),
        ("logout_token=a.b.c".to_owned(), "The logout token is invalid"),
        ("logout_token=%FF".to_owned(), "The logout token is invalid"),
    ] {
        assert_eq!(send(&receiver, post(FORM, body.clone())).await, invalid(description), "{body}");
    }
    assert_eq!(world.revocations.health().entries, 0);
    let beside = format!("other=1&logout_token={token}&state=x");
    assert_eq!(send(&receiver, post(FORM, beside)).await, Answer::empty(200), "others are ignored");
}

#[tokio::test]
async fn attack_another_media_type() {
    let world = World::new();
    let body = format!("logout_token={}", logout_token(&world, json!({})));
    let refused = invalid("The body has to be application/x-www-form-urlencoded");
    for other in ["application/json", "multipart/form-data; boundary=x", "text/plain", "application/jwt", ""]
    {
        assert_eq!(send(&receiver(&world), post(other, body.clone())).await, refused, "{other}");
    }
    let missing = Request::builder().method(Method::POST).body(Full::new(Bytes::from(body.clone()))).unwrap();
    assert_eq!(send(&receiver(&world), missing).await, refused);
    let with_charset = post("Application/X-WWW-Form-Urlencoded; charset=UTF-8", body);
    assert_eq!(send(&receiver(&world), with_charset).await, Answer::empty(200));
}

#[tokio::test]
async fn attack_a_body_that_is_too_large() {
    let world = World::new();
    let token = logout_token(&world, json!({}));
    let beyond = format!("logout_token={token}&x={}", "x".repeat(32 * 1024));
    assert_eq!(send(&receiver(&world), post(FORM, beyond)).await, invalid("The body is too large"));
    let long = form(&"x".repeat(17 * 1024));
    assert_eq!(send(&receiver(&world), long).await, invalid("The logout token is invalid"));
}

#[tokio::test(start_paused = true)]
async fn attack_a_slow_body() {
    let world = World::new();
    let stalled = Request::builder().method(Method::POST).header(CONTENT_TYPE, FORM);
    let stalled = stalled.body(Stalled(Some("logout_token="))).unwrap();
    let begin = tokio::time::Instant::now();
    assert_eq!(send(&receiver(&world), stalled).await, Answer::empty(408));
    assert_eq!(begin.elapsed().as_secs(), 10);
}

#[tokio::test]
async fn attack_another_method() {
    let world = World::new();
    let token = logout_token(&world, json!({}));
    for method in [Method::GET, Method::PUT, Method::HEAD, Method::OPTIONS, Method::DELETE] {
        let uri = format!("/backchannel-logout?logout_token={token}");
        let request = Request::builder().method(&method).uri(uri).header(CONTENT_TYPE, FORM);
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        let response = receiver(&world).oneshot(request).await.unwrap();
        assert_eq!(response.status(), 405, "{method}");
        assert_eq!(response.headers()[ALLOW], "POST");
    }
    assert_eq!(world.revocations.health().entries, 0);
}

#[tokio::test]
async fn the_provider_is_asked_to_try_again_when_the_store_is_down() {
    let world = World::with(following(Down));
    let answer = send(&receiver(&world), form(&logout_token(&world, json!({})))).await;
    assert_eq!(answer, Answer::empty(503));
}

#[tokio::test(start_paused = true)]
async fn the_provider_is_asked_to_try_again_when_the_store_hangs() {
    let world = World::with(following(Hanging));
    let answer = send(&receiver(&world), form(&logout_token(&world, json!({})))).await;
    assert_eq!(answer, Answer::empty(503));
}

#[tokio::test]
async fn the_provider_is_asked_to_try_again_when_there_are_no_keys() {
    let world = World::new();
    // Nobody listens there.
    let keys = RemoteKeys::new("http://127.0.0.1:1/jwks.json").insecure_http_on_loopback();
    let authority = Authority::jwks(keys).issuer(ISSUER).audience(CLIENT);
    let receiver = BackChannelLogout::new(authority, world.revocations.clone()).unwrap();
    assert_eq!(send(&receiver, form(&logout_token(&world, json!({})))).await, Answer::empty(503));
}

#[test]
fn an_authority_of_another_kind_is_a_mistake() {
    let world = World::new();
    let problem = |authority: Authority| {
        let error = BackChannelLogout::new(authority, world.revocations.clone()).unwrap_err();
        error.problems().iter().map(|problem| problem.setting().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(problem(world.provider.authority().id_token()), ["id_token"]);
    assert_eq!(problem(world.provider.authority().rfc9068()), ["id_token"]);
    let keys = || Authority::keys(world.provider.key_set());
    assert_eq!(problem(keys().issuer(ISSUER)), ["audience"]);
    assert_eq!(problem(keys().audience(CLIENT)), ["issuer"]);
    let none = BackChannelLogout::new(Vec::new(), world.revocations.clone()).unwrap_err();
    assert_eq!(none.problems()[0].setting(), "authority");
    let preset = provider::google(CLIENT);
    assert!(BackChannelLogout::new(preset, world.revocations.clone()).is_err());
}
