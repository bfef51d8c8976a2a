//! Token revocation (RFC 7009): what is revoked and for whom, what an answer tells, and stores that fail.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Method, Request};
use http_body::Frame;
use http_body_util::Full;
use serde_json::json;
use tower_jwt_auth::{Clock, RevocationEndpoint};

use crate::support::{Answer, World, call, clients, post, post_as};

const WEB_APP: &str = "web-app:sesame";

async fn revoke(endpoint: &RevocationEndpoint, client: &str, token: &str) -> Answer {
    call(endpoint, post_as(client, format!("token={token}"))).await
}

#[tokio::test]
async fn an_access_token_is_revoked_and_no_other() {
    let world = World::new();
    let endpoint = world.revocation_endpoint();
    let (token, other) =
        (world.token("web-app", json!({ "sid": "s" })), world.token("web-app", json!({ "sid": "s" })));
    assert!(world.verify(&token).is_ok());

    let answer = revoke(&endpoint, WEB_APP, &token).await;
    assert!(answer.is_empty_ok(), "{answer:?}");
    assert_eq!(world.refusal(&token), Some("revoked"));
    assert_eq!(world.refusal(&other), None, "the same session, another jti");

    // And in every process that follows the store.
    world.other_revocations.ready().await;
    let elsewhere = |token: &str| world.elsewhere.verify(token).now().unwrap().is_ok();
    while elsewhere(&token) {
        tokio::task::yield_now().await;
    }
    assert!(elsewhere(&other));
}

#[tokio::test]
async fn a_refresh_token_ends_its_session_and_the_access_tokens_of_it() {
    let world = World::new();
    let endpoint = world.revocation_endpoint();
    let (grant, kept) = (
        world.refresh.begin("web-app/bob").await.unwrap(),
        world.refresh.begin("web-app/bob").await.unwrap(),
    );
    let token = world.token("web-app", json!({ "sid": grant.session.sid() }));
    let other = world.token("web-app", json!({ "sid": kept.session.sid() }));

    assert!(revoke(&endpoint, WEB_APP, grant.token.as_str()).await.is_empty_ok());
    assert_eq!((world.refusal(&token), world.refusal(&other)), (Some("revoked"), None));
    assert!(world.can_rotate(&kept.token).await);
    // Replayed: it is not exchanged any more, and to revoke it again changes nothing.
    assert!(!world.can_rotate(&grant.token).await);
    world.book.take();
    assert!(revoke(&endpoint, WEB_APP, grant.token.as_str()).await.is_empty_ok());
    assert_eq!(world.book.take(), [("load", 1)]);
}

#[tokio::test]
async fn a_spent_refresh_token_ends_the_session_too() {
    let world = World::new();
    let grant = world.refresh.begin("web-app/bob").await.unwrap();
    let load = |_| std::future::ready(Ok::<_, std::io::Error>(Some(())));
    let next = world.refresh.rotate(&grant.token, load).await.unwrap();
    assert!(revoke(&world.revocation_endpoint(), WEB_APP, grant.token.as_str()).await.is_empty_ok());
    assert!(!world.can_rotate(&next.token).await);
}

#[tokio::test]
async fn a_session_that_expired_still_revokes_its_access_tokens() {
    let world = World::new();
    let grant = world.refresh.begin("web-app/bob").await.unwrap();
    world.clock.advance(Duration::from_secs(400 * 24 * 3600));
    let token = world.token("web-app", json!({ "sid": grant.session.sid() }));
    assert!(revoke(&world.revocation_endpoint(), WEB_APP, grant.token.as_str()).await.is_empty_ok());
    assert_eq!(world.refusal(&token), Some("revoked"));
}

#[tokio::test]
async fn another_clients_tokens_live_on_and_the_answer_says_nothing() {
    let world = World::new();
    let endpoint = world.revocation_endpoint();
    let own = world.token("other", json!({}));
    let foreign = world.token("web-app", json!({}));
    let azp = world.token("web-app", json!({ "azp": "other" }));
    let nobodys = world.token("other", json!({ "client_id": null }));
    let listed = world.token("other", json!({ "client_id": null, "azp": ["other"] }));
    let grant = world.refresh.begin("web-app/bob").await.unwrap();
    let expired = world.token("other", json!({ "exp": world.clock.now().as_secs() - 3600, "iat": 1 }));
    let (head, signature) = own.rsplit_once('.').unwrap();
    let forged = format!("{head}.{}", signature.chars().rev().collect::<String>());
    let guessed = format!("{}{}", &grant.token.as_str()[..8], "A".repeat(56));
    let stranger = World::new().token("other", json!({}));

    let expected = revoke(&endpoint, "other:open", &own).await;
    assert!(expected.is_empty_ok());
    assert_eq!(world.refusal(&own), Some("revoked"));
    world.book.take();
    for token in [&*foreign, &azp, &nobodys, &listed, &expired, &forged, &stranger, "a.b.c", "..", "é.x.y"] {
        assert_eq!(revoke(&endpoint, "other:open", token).await, expected, "{token}");
        assert_eq!(world.book.take(), [], "{token}");
    }
    for token in [grant.token.as_str(), &guessed, &"A".repeat(64)] {
        assert_eq!(revoke(&endpoint, "other:open", token).await, expected, "{token}");
        assert_eq!(world.book.take(), [("load", 1)], "the same work: {token}");
    }
    for token in ["x", &"A".repeat(63), &"=".repeat(64)] {
        assert_eq!(revoke(&endpoint, "other:open", token).await, expected, "{token}");
    }
    assert_eq!(world.refusal(&foreign), None);
    assert_eq!(world.refusal(&azp), None, "client_id counts before azp");
    assert!(world.can_rotate(&grant.token).await);
}

#[tokio::test]
async fn azp_names_the_client_where_client_id_does_not() {
    let world = World::new();
    let token = world.token("", json!({ "client_id": null, "azp": "web-app" }));
    assert!(revoke(&world.revocation_endpoint(), WEB_APP, &token).await.is_empty_ok());
    assert_eq!(world.refusal(&token), Some("revoked"));
}

#[tokio::test]
async fn every_audience_of_the_issuer_and_every_binding_is_revoked() {
    let world = World::new();
    for more in [json!({ "aud": "films" }), json!({ "cnf": { "jkt": "x" } })] {
        let token = world.token("web-app", more);
        world.book.take();
        assert!(revoke(&world.revocation_endpoint(), WEB_APP, &token).await.is_empty_ok());
        assert_eq!(world.book.take(), [("append", 1)]);
    }
}

#[tokio::test]
async fn a_token_is_revoked_before_it_is_valid() {
    let world = World::new();
    let now = world.clock.now().as_secs();
    let token = world.token("web-app", json!({ "nbf": now + 300 }));
    assert_eq!(world.refusal(&token), Some("not_yet_valid"));
    assert!(revoke(&world.revocation_endpoint(), WEB_APP, &token).await.is_empty_ok());
    world.clock.advance(Duration::from_secs(301));
    assert_eq!(world.refusal(&token), Some("revoked"));
}

#[tokio::test]
async fn the_hint_decides_nothing() {
    for hint in ["access_token", "refresh_token", "id_token", "", "%00", "access_token%20refresh_token"] {
        let world = World::new();
        let grant = world.refresh.begin("web-app/bob").await.unwrap();
        let token = world.token("web-app", json!({}));
        for token in [token.as_str(), grant.token.as_str()] {
            let form = format!("token_type_hint={hint}&token={token}&other=x");
            assert!(call(&world.revocation_endpoint(), post_as(WEB_APP, form)).await.is_empty_ok(), "{hint}");
        }
        assert_eq!(world.refusal(&token), Some("revoked"), "{hint}");
        assert!(!world.can_rotate(&grant.token).await, "{hint}");
    }
}

#[tokio::test]
async fn a_request_has_one_token_in_one_form() {
    let world = World::new();
    let endpoint = world.revocation_endpoint();
    let token = world.token("web-app", json!({}));
    for form in [
        String::new(),
        "token=".to_owned(),
        "Token=x".to_owned(),
        format!("token={token}&token={token}"),
        format!("token={token}&token="),
        format!("token={token}&%74oken=x"),
        format!("token={token}&token_type_hint=access_token&token_type_hint=access_token"),
    ] {
        let answer = call(&endpoint, post_as(WEB_APP, form.clone())).await;
        assert_eq!(answer.error(), (400, "invalid_request".into()), "{form}");
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    for media_type in ["application/json", "multipart/form-data; boundary=x", "text/plain"] {
        let mut request = post_as(WEB_APP, format!("token={token}"));
        request.headers_mut().insert(CONTENT_TYPE, media_type.parse().unwrap());
        assert_eq!(call(&endpoint, request).await.error(), (400, "invalid_request".into()), "{media_type}");
    }
    // In the query it is not looked for: it would be in every log.
    let mut request = post_as(WEB_APP, "");
    *request.uri_mut() = format!("/revoke?token={token}").parse().unwrap();
    assert_eq!(call(&endpoint, request).await.error().0, 400);
    assert_eq!(world.refusal(&token), None);

    let large = post_as(WEB_APP, format!("token={}", "x".repeat(32 * 1024)));
    assert_eq!(call(&endpoint, large).await.error(), (413, "invalid_request".into()));
    let fits = post_as(WEB_APP, format!("token={}", "x".repeat(32 * 1024 - 6)));
    assert!(call(&endpoint, fits).await.is_empty_ok());
}

#[tokio::test]
async fn other_methods_are_not_allowed() {
    let world = World::new();
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let request =
            Request::builder().method(method.clone()).uri("/?token=x").body(Full::<Bytes>::default());
        let answer = call(&world.revocation_endpoint(), request.unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "POST"), "{method}");
    }
}

/// Brings what it has, and then nothing more.
struct Hangs(VecDeque<Bytes>);

impl http_body::Body for Hangs {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.pop_front().map_or(Poll::Pending, |data| Poll::Ready(Some(Ok(Frame::data(data)))))
    }
}

#[tokio::test(start_paused = true)]
async fn what_hangs_is_given_up() {
    let world = World::new();
    let endpoint = world.revocation_endpoint();
    let slow = post_as(WEB_APP, "").map(|_| Hangs([Bytes::from_static(b"token=x")].into()));
    assert_eq!(call(&endpoint, slow).await.error(), (408, "invalid_request".into()));
    // A function of the user's.
    let grant = world.refresh.begin("hangs").await.unwrap();
    let answer = revoke(&endpoint, WEB_APP, grant.token.as_str()).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "5"));
}

#[tokio::test]
async fn what_cannot_be_revoked_is_said() {
    let world = World::new();
    let grant = world.refresh.begin("web-app/bob").await.unwrap();
    let token = world.token("web-app", json!({ "sid": grant.session.sid() }));
    let unsupported = (400, "unsupported_token_type".to_owned());

    let sessions = world.revocation().refresh_tokens(world.refresh.clone(), |_, _| async { Ok(true) });
    let sessions = sessions.build().unwrap();
    for jwt in [&*token, "a.b.c"] {
        assert_eq!(revoke(&sessions, WEB_APP, jwt).await.error(), unsupported);
    }
    let tokens = world.revocation().revocations(world.revocations.clone()).build().unwrap();
    for opaque in [grant.token.as_str(), "x"] {
        assert_eq!(revoke(&tokens, WEB_APP, opaque).await.error(), unsupported);
    }
    assert_eq!(world.refusal(&token), None);
    // What each can do it does.
    assert!(revoke(&sessions, WEB_APP, grant.token.as_str()).await.is_empty_ok());
    assert_eq!(world.refusal(&token), None, "without revocations it lives until it expires");
    assert!(!world.can_rotate(&grant.token).await);
    assert!(revoke(&tokens, WEB_APP, &token).await.is_empty_ok());
    assert_eq!(world.refusal(&token), Some("revoked"));

    let error = RevocationEndpoint::builder(&world.issuer, clients).build().unwrap_err();
    assert!(error.remedy().contains(".revocations(..)"), "{error}");
}

#[tokio::test]
async fn a_store_that_fails_is_no_success() {
    let world = World::new();
    let endpoint = world.revocation_endpoint();
    let grant = world.refresh.begin("web-app/bob").await.unwrap();
    let token = world.token("web-app", json!({ "sid": grant.session.sid() }));
    for broken in ["load", "append", "remove"] {
        world.book.breaks(&[broken]);
        let answer = revoke(&endpoint, WEB_APP, grant.token.as_str()).await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "5"), "{broken}");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert!(!answer.body.windows(6).any(|window| window == b"broken"), "the cause is for the log");
        // The session can still be found, so that a second try can do all of it.
        world.book.breaks(&[]);
        assert_eq!(world.refresh.sessions("web-app/bob").await.unwrap().len(), 1, "{broken}");
    }
    assert!(revoke(&endpoint, WEB_APP, grant.token.as_str()).await.is_empty_ok());
    assert!(!world.can_rotate(&grant.token).await);
    assert_eq!(world.refusal(&token), Some("revoked"));

    let asks = world.refresh.begin("broken").await.unwrap();
    assert_eq!(revoke(&endpoint, WEB_APP, asks.token.as_str()).await.status, 503);
}

#[tokio::test]
async fn a_revocation_is_written_once_but_again_if_it_failed() {
    let world = World::new();
    let endpoint = world.revocation_endpoint();
    let token = world.token("web-app", json!({}));
    world.book.breaks(&["append"]);
    assert_eq!(revoke(&endpoint, WEB_APP, &token).await.status, 503);
    // This process refuses it already; the others have not heard of it.
    assert_eq!(world.refusal(&token), Some("revoked"));
    world.book.breaks(&[]);
    world.book.take();
    for _ in 0..20 {
        assert!(revoke(&endpoint, WEB_APP, &token).await.is_empty_ok());
    }
    assert_eq!(world.book.take(), [("append", 1)]);
}

#[tokio::test]
async fn the_public_client_revokes_its_own() {
    let world = World::new();
    let endpoint = world.revocation_endpoint();
    let (own, foreign) = (world.token("spa", json!({})), world.token("web-app", json!({})));
    for token in [&own, &foreign] {
        assert!(call(&endpoint, post(format!("client_id=spa&token={token}"))).await.is_empty_ok());
    }
    assert_eq!((world.refusal(&own), world.refusal(&foreign)), (Some("revoked"), None));
}
