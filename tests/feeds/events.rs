//! Security Event Tokens by push.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request};
use http_body_util::{Empty, Full};
use serde_json::{Value, json};
use tower::ServiceExt;
use tower_jwt_auth::{
    Authority, Reason, RemoteKeys, SecurityEvent, SecurityEvents, SecurityEventsBuilder, TestIssuer,
};

use super::support::{Answer, CLIENT, Down, Hanging, ISSUER, Stalled, World, following, post, send};

const SET: &str = "application/secevent+jwt";
const CAEP: &str = "https://schemas.openid.net/secevent/caep/event-type/";
const RISC: &str = "https://schemas.openid.net/secevent/risc/event-type/";

fn builder(world: &World) -> SecurityEventsBuilder {
    SecurityEvents::builder(world.provider.authority(), world.revocations.clone()).clock(world.clock.clone())
}

fn receiver(world: &World) -> SecurityEvents {
    builder(world).build().unwrap()
}

fn bob() -> Value {
    json!({ "format": "iss_sub", "iss": ISSUER, "sub": "bob" })
}

/// A Security Event Token with these claims; by default bob's sessions are revoked.
fn set(world: &World, changes: Value) -> String {
    let event = format!("{CAEP}session-revoked");
    let mut claims = json!({ "exp": null, "sub_id": bob(), "events": { event: {} } });
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    world.provider.sign_with(json!({ "typ": "secevent+jwt" }), claims)
}

fn refused(code: &str, description: &str) -> Answer {
    Answer { body: json!({ "err": code, "description": description }), ..Answer::empty(400) }
}

fn invalid() -> Answer {
    refused("invalid_request", "The body is not a valid Security Event Token")
}

/// The answer to a token, and whether bob's token is revoked then.
async fn answer_to(world: &World, token: String) -> (Answer, bool) {
    let access = world.access_token(json!({ "sub": "bob", "sid": "sid-7", "jti": "jti-7" }));
    assert_eq!(world.refusal(&access).await, None);
    let answer = send(&receiver(world), post(SET, token)).await;
    let refusal = world.refusal(&access).await;
    assert!(matches!(refusal, None | Some(Reason::Revoked)), "{refusal:?}");
    (answer, refusal.is_some())
}

async fn assert_refused(world: &World, token: String, expected: Answer) {
    assert_eq!(answer_to(world, token).await, (expected, false));
}

async fn assert_ignored(world: &World, changes: Value) {
    let shown = changes.to_string();
    assert_eq!(answer_to(world, set(world, changes)).await, (Answer::empty(202), false), "{shown}");
}

async fn assert_revoked(changes: Value) {
    let (world, shown) = (World::new(), changes.to_string());
    assert_eq!(answer_to(&world, set(&world, changes)).await, (Answer::empty(202), true), "{shown}");
}

#[tokio::test]
async fn each_event_of_the_table_revokes_the_tokens_of_the_user() {
    for uri in [
        format!("{CAEP}session-revoked"),
        format!("{CAEP}token-claims-change"),
        format!("{CAEP}credential-change"),
        format!("{RISC}sessions-revoked"),
        format!("{RISC}account-disabled"),
        format!("{RISC}account-purged"),
        format!("{RISC}account-credential-change-required"),
        format!("{RISC}credential-compromise"),
    ] {
        assert_revoked(json!({ "events": { uri: { "reason_admin": { "en": "x" } } } })).await;
    }
}

#[tokio::test]
async fn only_what_was_issued_before_the_event_is_revoked() {
    let world = World::new();
    let at = |seconds: u64| json!({ "events": { format!("{CAEP}token-claims-change"): { "event_timestamp": seconds } } });
    let before = world.access_token(json!({ "sub": "bob" }));
    let other = world.access_token(json!({ "sub": "eve" }));
    let happened = world.now();
    world.later(5);
    let since = world.access_token(json!({ "sub": "bob" }));
    world.later(5);
    assert_eq!(send(&receiver(&world), post(SET, set(&world, at(happened)))).await, Answer::empty(202));
    assert_eq!(world.refusal(&before).await, Some(Reason::Revoked));
    assert_eq!(world.refusal(&since).await, None);
    assert_eq!(world.refusal(&other).await, None);
    // A time that lies ahead shuts nobody out: what counts is when the event was told.
    let ahead = at(world.now() + 3600);
    assert_eq!(send(&receiver(&world), post(SET, set(&world, ahead))).await, Answer::empty(202));
    assert_eq!(world.refusal(&since).await, Some(Reason::Revoked));
    world.later(1);
    assert_eq!(world.refusal(&world.access_token(json!({ "sub": "bob" }))).await, None);
}

/// After a compromise the thief may have got tokens until it was told, and a closed account should have got none.
#[tokio::test]
async fn a_compromise_reaches_until_it_was_told() {
    for event in
        ["credential-compromise", "account-credential-change-required", "account-disabled", "account-purged"]
    {
        let world = World::new();
        let happened = world.now();
        world.later(5);
        let since = world.access_token(json!({ "sub": "bob" }));
        let told = json!({ "events": { format!("{RISC}{event}"): { "event_timestamp": happened } } });
        assert_eq!(send(&receiver(&world), post(SET, set(&world, told))).await, Answer::empty(202));
        assert_eq!(world.refusal(&since).await, Some(Reason::Revoked), "{event}");
        world.later(1);
        assert_eq!(world.refusal(&world.access_token(json!({ "sub": "bob" }))).await, None, "{event}");
    }
}

/// What one transmitter may say of an issuer is not for another one to say.
#[test]
fn tokens_of_is_for_one_transmitter() {
    let both = ["https://id.example", "https://vendor.example"];
    let both = both.map(|issuer| TestIssuer::new(issuer).audience("receiver").authority());
    let builder = SecurityEvents::builder(both, tower_jwt_auth::Revocations::in_memory());
    let error = builder.tokens_of("https://api.example").build().unwrap_err();
    assert!(error.to_string().contains("a receiver for each transmitter"), "{error}");
}

#[tokio::test]
async fn without_event_timestamp_toe_counts_and_then_iat() {
    for (changes, revoked) in [
        (json!({}), true),
        (json!({ "toe": 1_000 }), false),
        (json!({ "toe": 1_000, "iat": null }), false),
        // Milliseconds, as drafts had it, are no time at all.
        (
            json!({ "events": { format!("{CAEP}session-revoked"): { "event_timestamp": 1_700_000_000_000_u64 } } }),
            true,
        ),
        (json!({ "events": { format!("{CAEP}session-revoked"): { "event_timestamp": 1_000.5 } } }), false),
        (json!({ "events": { format!("{CAEP}session-revoked"): { "event_timestamp": "now" } } }), true),
    ] {
        let (world, shown) = (World::new(), changes.to_string());
        let (_, was_revoked) = answer_to(&world, set(&world, changes)).await;
        assert_eq!(was_revoked, revoked, "{shown}");
    }
}

#[tokio::test]
async fn a_session_that_is_named_ends_alone() {
    let world = World::new();
    let token = |sid: &str| world.access_token(json!({ "sub": "bob", "sid": sid }));
    let (named, other) = (token("sid-7"), token("sid-8"));
    let subject = json!({
        "format": "complex",
        "session": { "format": "opaque", "id": "sid-7" },
        "user": bob(),
        "tenant": { "format": "opaque", "id": "123456789" },
    });
    let event = set(&world, json!({ "sub_id": subject }));
    assert_eq!(send(&receiver(&world), post(SET, event.clone())).await, Answer::empty(202));
    assert_eq!(world.refusal(&named).await, Some(Reason::Revoked));
    assert_eq!(world.refusal(&other).await, None);
    let by_subject = builder(&world).by_subject().build().unwrap();
    assert_eq!(send(&by_subject, post(SET, event)).await, Answer::empty(202));
    assert_eq!(world.refusal(&other).await, Some(Reason::Revoked));
}

#[tokio::test]
async fn subjects_of_other_forms_are_understood() {
    assert_revoked(json!({ "sub_id": { "format": "opaque", "id": "sid-7" } })).await;
    assert_revoked(json!({ "sub_id": { "format": "opaque", "id": "bob" } })).await;
    assert_revoked(json!({ "sub_id": { "format": "jwt_id", "iss": ISSUER, "jti": "jti-7" } })).await;
    let email = json!({ "format": "email", "email": "bob@example.com" });
    assert_revoked(json!({ "sub_id": { "format": "aliases", "identifiers": [email, bob()] } })).await;
    let device = json!({ "format": "iss_sub", "iss": ISSUER, "sub": "laptop" });
    assert_revoked(json!({ "sub_id": { "format": "complex", "user": bob(), "device": device } })).await;
    // As it was before `sub_id`: RFC 8417 alone, and the transmitter of Google.
    assert_revoked(json!({ "sub_id": null, "sub": "bob" })).await;
    let within = json!({ "subject_type": "iss-sub", "iss": ISSUER, "sub": "bob" });
    let event = format!("{RISC}account-disabled");
    assert_revoked(json!({ "sub_id": null, "events": { event: { "subject": within } } })).await;
}

#[tokio::test]
async fn what_names_no_tokens_is_acknowledged() {
    let world = World::new();
    for subject in [
        json!({ "format": "email", "email": "bob@example.com" }),
        json!({ "format": "phone_number", "phone_number": "+12065550123" }),
        json!({ "format": "catalog_item", "catalog_id": "c0384/winter/2354122" }),
        json!({ "format": "iss_sub", "iss": "https://other.example.com", "sub": "bob" }),
        json!({ "format": "jwt_id", "iss": "https://other.example.com", "jti": "jti-7" }),
        json!({ "format": "complex", "tenant": { "format": "opaque", "id": "bob" } }),
        json!("bob"),
        Value::Null,
    ] {
        assert_ignored(&world, json!({ "sub_id": subject })).await;
    }
}

#[tokio::test]
async fn events_without_effect_are_acknowledged() {
    let world = World::new();
    let verification = "https://schemas.openid.net/secevent/ssf/event-type/verification";
    let stream = json!({ "format": "opaque", "id": "bob" });
    assert_ignored(&world, json!({ "sub_id": stream, "events": { verification: { "state": "x" } } })).await;
    for uri in [
        "https://schemas.openid.net/secevent/ssf/event-type/stream-updated".to_owned(),
        format!("{CAEP}assurance-level-change"),
        format!("{CAEP}device-compliance-change"),
        format!("{CAEP}session-established"),
        format!("{RISC}account-enabled"),
        format!("{RISC}opt-out-effective"),
        "urn:example:event".to_owned(),
        "http://schemas.openid.net/event/backchannel-logout".to_owned(),
    ] {
        assert_ignored(&world, json!({ "events": { uri: {} } })).await;
    }
    // A second factor was added.
    let uri = format!("{CAEP}credential-change");
    let created = json!({ "credential_type": "fido2-roaming", "change_type": "create" });
    assert_ignored(&world, json!({ "events": { uri: created } })).await;
}

#[tokio::test]
async fn several_events_of_one_token_have_their_effects() {
    assert_revoked(json!({ "events": {
        "urn:example:event": {},
        format!("{RISC}account-enabled"): {},
        format!("{RISC}account-disabled"): {},
    }}))
    .await;
}

#[tokio::test]
async fn the_table_can_be_narrowed() {
    let world = World::new();
    let only = builder(&world).only([SecurityEvent::AccountDisabled]).build().unwrap();
    let access = world.access_token(json!({ "sub": "bob" }));
    assert_eq!(send(&only, post(SET, set(&world, json!({})))).await, Answer::empty(202));
    assert_eq!(world.refusal(&access).await, None);
    let disabled = set(&world, json!({ "events": { format!("{RISC}account-disabled"): {} } }));
    assert_eq!(send(&only, post(SET, disabled)).await, Answer::empty(202));
    assert_eq!(world.refusal(&access).await, Some(Reason::Revoked));
}

#[tokio::test]
async fn a_transmitter_may_speak_for_another_issuer_if_that_is_told() {
    let world = World::new();
    let transmitter = TestIssuer::new("https://ssf.example.com").audience(CLIENT).clock(world.clock.clone());
    let event = format!("{RISC}account-disabled");
    let of = |subject: &Value| {
        let claims = json!({ "exp": null, "sub_id": subject, "events": { event.as_str(): {} } });
        transmitter.sign_with(json!({ "typ": "secevent+jwt" }), claims)
    };
    let builder = || SecurityEvents::builder(transmitter.authority(), world.revocations.clone());
    let alone = builder().clock(world.clock.clone()).build().unwrap();
    let told = builder().tokens_of(ISSUER).clock(world.clock.clone()).build().unwrap();
    for subject in [bob(), json!({ "format": "opaque", "id": "eve" })] {
        let name = subject.get("sub").or(subject.get("id")).unwrap();
        let access = world.access_token(json!({ "sub": name }));
        assert_eq!(send(&alone, post(SET, of(&subject))).await, Answer::empty(202));
        assert_eq!(world.refusal(&access).await, None);
        assert_eq!(send(&told, post(SET, of(&subject))).await, Answer::empty(202));
        assert_eq!(world.refusal(&access).await, Some(Reason::Revoked), "{name}");
    }
}

#[tokio::test]
async fn a_replayed_event_is_harmless() {
    let world = World::new();
    let event = set(&world, json!({}));
    let receiver = receiver(&world);
    assert_eq!(send(&receiver, post(SET, event.clone())).await, Answer::empty(202));
    world.later(3600);
    let since = world.access_token(json!({ "sub": "bob" }));
    let entries = world.revocations.health().entries;
    assert_eq!(send(&receiver, post(SET, event)).await, Answer::empty(202));
    assert_eq!(world.refusal(&since).await, None);
    assert_eq!(world.revocations.health().entries, entries);
}

#[tokio::test]
async fn exp_is_not_needed_and_counts_if_it_is_there() {
    let world = World::new();
    world.later(100_000);
    let old = set(&world, json!({ "iat": world.now() - 90_000 }));
    assert_eq!(send(&receiver(&world), post(SET, old)).await, Answer::empty(202));
    let expired = set(&world, json!({ "exp": world.now() - 30 }));
    assert_eq!(send(&receiver(&world), post(SET, expired)).await, invalid());
}

#[tokio::test]
async fn attack_a_claim_that_is_missing_or_wrong() {
    let world = World::new();
    let audience = refused("invalid_audience", "The audience is not that of the stream");
    for aud in [json!("api"), json!(["client-70"]), Value::Null] {
        assert_refused(&world, set(&world, json!({ "aud": aud })), audience.clone()).await;
    }
    let issuer = refused("invalid_issuer", "The issuer is not that of the stream");
    assert_refused(&world, set(&world, json!({ "iss": "https://id.example.com/" })), issuer).await;
    for changes in [
        json!({ "iss": null }),
        json!({ "iat": null }),
        json!({ "iat": world.now() + 31 }),
        json!({ "jti": null }),
        json!({ "jti": 7 }),
        json!({ "aud": 7 }),
        json!({ "toe": "now" }),
        json!({ "at_hash": "x" }),
        json!({ "token_use": "access" }),
        json!({ "typ": "Refresh" }),
    ] {
        assert_refused(&world, set(&world, changes), invalid()).await;
    }
}

#[tokio::test]
async fn attack_events_that_are_missing_or_no_objects() {
    let world = World::new();
    let uri = format!("{CAEP}session-revoked");
    for events in [
        Value::Null,
        json!({}),
        json!([]),
        json!([uri]),
        json!(uri),
        json!({ uri.as_str(): null }),
        json!({ uri.as_str(): [] }),
        json!({ uri.as_str(): true }),
        json!({ uri.as_str(): {}, "urn:example:event": 7 }),
    ] {
        assert_refused(&world, set(&world, json!({ "events": events })), invalid()).await;
    }
}

#[tokio::test]
async fn attack_another_typ() {
    let world = World::new();
    let claims = json!({ "sub_id": bob(), "events": { format!("{CAEP}session-revoked"): {} } });
    for typ in [json!("JWT"), json!("at+jwt"), json!("logout+jwt"), json!("secevent"), Value::Null] {
        let token = world.provider.sign_with(json!({ "typ": typ }), claims.clone());
        assert_refused(&world, token, invalid()).await;
    }
    let long = world.provider.sign_with(json!({ "typ": "application/SecEvent+JWT" }), claims);
    assert_eq!(answer_to(&world, long).await, (Answer::empty(202), true));
}

#[tokio::test]
async fn attack_tokens_of_other_kinds() {
    let world = World::new();
    let id_token = json!({ "sub": "bob", "nonce": "n", "auth_time": world.now(), "at_hash": "x" });
    let access = json!({ "sub": "bob", "scope": "x", "client_id": "y" });
    let logout =
        json!({ "sub": "bob", "events": { "http://schemas.openid.net/event/backchannel-logout": {} } });
    for (typ, claims) in [("JWT", id_token), ("at+jwt", access), ("logout+jwt", logout)] {
        assert_refused(&world, world.provider.sign_with(json!({ "typ": typ }), &claims), invalid()).await;
        // Even where the header says otherwise: only what tells of an event is taken, and this tells of none that counts.
        let disguised = world.provider.sign_with(json!({ "typ": "secevent+jwt" }), &claims);
        assert!(!answer_to(&world, disguised).await.1, "{typ}");
    }
}

#[tokio::test]
async fn attack_an_event_for_an_access_token() {
    let world = World::new();
    for typ in [json!("secevent+jwt"), json!("JWT"), json!("at+jwt"), Value::Null] {
        let claims =
            json!({ "aud": "api", "sub": "bob", "events": { format!("{CAEP}session-established"): {} } });
        let token = world.provider.sign_with(json!({ "typ": typ }), claims);
        assert_eq!(world.refusal(&token).await, Some(Reason::WrongType), "{typ}");
    }
}

#[tokio::test]
async fn attack_alg_none_and_other_keys() {
    let world = World::new();
    let key = refused("invalid_key", "The signature is not by a key of the issuer");
    let good = set(&world, json!({}));
    let payload = good.split('.').nth(1).unwrap();
    let none = format!("eyJhbGciOiJub25lIiwidHlwIjoic2VjZXZlbnQrand0In0.{payload}.");
    assert_refused(&world, none.clone(), invalid()).await;
    assert_refused(&world, format!("{none}{}", good.split('.').nth(2).unwrap()), key.clone()).await;
    let stranger = TestIssuer::new(ISSUER).audience(CLIENT).clock(world.clock.clone());
    let claims = json!({ "sub_id": bob(), "events": { format!("{CAEP}session-revoked"): {} } });
    let header = json!({ "typ": "secevent+jwt", "kid": world.provider.kid() });
    assert_refused(&world, stranger.sign_with(header, &claims), key.clone()).await;
    assert_refused(&world, stranger.sign_with(json!({ "typ": "secevent+jwt" }), &claims), key.clone()).await;
    let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    header.typ = Some("secevent+jwt".to_owned());
    header.kid = Some(world.provider.kid().to_owned());
    let secret = jsonwebtoken::EncodingKey::from_secret(world.provider.jwks().as_bytes());
    let claims = json!({
        "iss": ISSUER, "aud": CLIENT, "iat": world.now(), "jti": "j", "sub_id": bob(),
        "events": { format!("{CAEP}session-revoked"): {} },
    });
    assert_refused(&world, jsonwebtoken::encode(&header, &claims, &secret).unwrap(), key).await;
}

#[tokio::test]
async fn attack_a_transmitter_without_its_credential() {
    let world = World::new();
    let (old, new) = ("Bearer 0123456789abcdef0123456789abcdef", "Bearer fedcba9876543210fedcba9876543210");
    let receiver = builder(&world).authorization(old).authorization(new).build().unwrap();
    let request = |lines: &[&str]| {
        let mut request = post(SET, set(&world, json!({})));
        for line in lines {
            request.headers_mut().append(AUTHORIZATION, line.parse().unwrap());
        }
        request
    };
    let refused = refused("authentication_failed", "The Authorization header is not that of the stream");
    for lines in [
        &[][..],
        &[""],
        &["Bearer"],
        &["Bearer 0123456789abcdef0123456789abcdee"],
        &["bearer 0123456789abcdef0123456789abcdef"],
        &["0123456789abcdef0123456789abcdef"],
        &[old, old],
        &[old, "x"],
    ] {
        assert_eq!(send(&receiver, request(lines)).await, refused, "{lines:?}");
    }
    assert_eq!(world.revocations.health().entries, 0);
    for good in [old, new] {
        assert_eq!(send(&receiver, request(&[good])).await, Answer::empty(202));
    }
    let shown = format!("{:?} {receiver:?}", builder(&world).authorization(old));
    assert!(!shown.contains("0123456789abcdef"), "{shown}");
}

#[test]
fn a_credential_that_is_no_secret_is_a_mistake() {
    let world = World::new();
    for value in ["", "Bearer x", " Bearer 0123456789abcdef0123456789", "Bearer 0123456789abcdef\n0123456789"]
    {
        let error = builder(&world).authorization(value).build().unwrap_err();
        assert_eq!(error.problems()[0].setting(), "authorization", "{value:?}");
        assert!(value.is_empty() || !error.to_string().contains(value), "{error}");
    }
    let error = SecurityEvents::new(world.provider.authority().rfc9068(), world.revocations).unwrap_err();
    assert_eq!(error.problems()[0].setting(), "id_token");
}

#[tokio::test]
async fn attack_bodies() {
    let world = World::new();
    let event = set(&world, json!({}));
    let receiver = receiver(&world);
    let media_type = refused("invalid_request", "The body has to be application/secevent+jwt");
    for other in ["application/jwt", "application/x-www-form-urlencoded", "application/json", ""] {
        assert_eq!(send(&receiver, post(other, event.clone())).await, media_type, "{other}");
    }
    let large = refused("invalid_request", "The body is too large");
    assert_eq!(send(&receiver, post(SET, "x".repeat(32 * 1024 + 1))).await, large);
    for body in
        [String::new(), "x".repeat(32 * 1024), format!("{event}.{event}"), format!("{event}\n{event}")]
    {
        assert_eq!(send(&receiver, post(SET, body)).await, invalid());
    }
    assert_eq!(world.revocations.health().entries, 0);
    assert_eq!(send(&receiver, post(SET, format!("{event}\r\n"))).await, Answer::empty(202));
}

#[tokio::test(start_paused = true)]
async fn attack_a_slow_body() {
    let world = World::new();
    let stalled = Request::builder().method(Method::POST).header(CONTENT_TYPE, SET);
    let stalled = stalled.body(Stalled(Some("eyJ"))).unwrap();
    let begin = tokio::time::Instant::now();
    assert_eq!(send(&receiver(&world), stalled).await, Answer::empty(408));
    assert_eq!(begin.elapsed(), Duration::from_secs(10));
}

#[tokio::test]
async fn attack_another_method() {
    let world = World::new();
    for method in [Method::GET, Method::PUT, Method::HEAD, Method::OPTIONS] {
        let request = Request::builder().method(&method).header(CONTENT_TYPE, SET);
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        let response = receiver(&world).oneshot(request).await.unwrap();
        assert_eq!(response.status(), 405, "{method}");
        assert_eq!(response.headers()[ALLOW], "POST");
    }
}

#[tokio::test(start_paused = true)]
async fn the_transmitter_is_asked_to_try_again_when_the_store_is_down_or_hangs() {
    for revocations in [following(Down), following(Hanging)] {
        let world = World::with(revocations);
        assert_eq!(send(&receiver(&world), post(SET, set(&world, json!({})))).await, Answer::empty(503));
        // What needs no store does not fail with it.
        let verification = "https://schemas.openid.net/secevent/ssf/event-type/verification";
        let verification = set(&world, json!({ "events": { verification: {} } }));
        assert_eq!(send(&receiver(&world), post(SET, verification)).await, Answer::empty(202));
    }
}

#[tokio::test]
async fn the_transmitter_is_asked_to_try_again_when_there_are_no_keys() {
    let world = World::new();
    let keys = RemoteKeys::new("http://127.0.0.1:1/jwks.json").insecure_http_on_loopback();
    let authority = Authority::jwks(keys).issuer(ISSUER).audience(CLIENT);
    let receiver = SecurityEvents::new(authority, world.revocations.clone()).unwrap();
    let request: Request<Full<Bytes>> = post(SET, set(&world, json!({})));
    assert_eq!(send(&receiver, request).await, Answer::empty(503));
}
