//! A policy around a service: its answers, its readiness, and what a long-lived connection does.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::routing::any;
use http::{Request, Response};
use serde_json::json;
use tokio::sync::Semaphore;
use tower::limit::ConcurrencyLimit;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_jwt_auth::{Allowed, AuthError, Jwt, Policy, Principal, Reason, Refusal, Require, RequireMethods};

use super::{Desk, PATH, challenge_of, grpc, http, routes, send};
use crate::services::{
    Strict, poll_once, quick_world, ready, reason_of, request_of, request_with, verifier, whoami,
};
use crate::support::{User, World, verify};

struct Writers;

impl Policy for Writers {
    fn require() -> Require {
        Require::scope("write")
    }
}

struct OwnersOfTheShop;

impl Policy for OwnersOfTheShop {
    fn require() -> Require {
        Require::ask("owner", |principal: Principal| async move { Ok(principal.subject() == Some("bob")) })
    }
}

#[tokio::test]
async fn a_guard_proves_its_policy_and_is_the_principal() {
    let desk = Desk::new();
    let app = Router::new()
        .route("/write", any(async |writer: Allowed<Writers>| writer.subject().unwrap().to_owned()))
        .route("/own", any(async |_: Allowed<OwnersOfTheShop>| "yes"))
        .layer(desk.layer());
    for (path, claims, status) in [
        ("/write", json!({ "sub": "bob", "scope": "write" }), 200),
        ("/write", json!({ "sub": "bob", "scope": "read" }), 403),
        ("/own", json!({ "sub": "bob" }), 200),
        ("/own", json!({ "sub": "eve" }), 403),
        ("/own", json!({}), 403),
    ] {
        let response = send(app.clone(), http(path, Some(&desk.token("id", claims)))).await;
        assert_eq!(response.status(), status, "{path}");
    }
}

#[tokio::test]
async fn refusals_have_the_realm_of_the_layer_around_and_are_only_http_if_that_is() {
    let desk = Desk::new();
    let token = desk.token("id", json!({}));
    let guarded = || Router::new().route(PATH, any(async |_: Allowed<Writers>| "yes"));
    let listed = || RequireMethods::deny_unlisted().method(PATH, Require::scope("write"));
    for app in [routes().route_layer(Require::scope("write")), routes().route_layer(listed()), guarded()] {
        let app = app.layer(desk.layer().realm("shop").unwrap().http_only());
        for request in [http(PATH, Some(&token)), grpc(PATH, Some(&token))] {
            let response = send(app.clone(), request).await;
            assert_eq!(response.status(), 403);
            assert!(!response.headers().contains_key("grpc-status"));
            assert_eq!(response.headers()["cache-control"], "no-store");
            let challenge = challenge_of(&response).unwrap();
            assert!(
                challenge.starts_with("Bearer realm=\"shop\", error=\"insufficient_scope\""),
                "{challenge}"
            );
            assert!(challenge.ends_with(", scope=\"write\""), "{challenge}");
            let error = response.extensions().get::<AuthError>().unwrap();
            assert_eq!(error.reason(), Reason::InsufficientScope);
            assert!(error.signature_verified(), "the token was good");
        }
    }
}

#[tokio::test]
async fn a_policy_can_answer_in_its_own_words_and_keeps_status_and_challenge() {
    let desk = Desk::new();
    let policy = Require::scope("write").reject_with(|refusal: &Refusal<'_>| {
        refusal.response(axum::body::Body::from(format!("{} needs write", refusal.uri().path())))
    });
    let map = RequireMethods::unlisted(Require::scope("write")).reject_with(|refusal: &Refusal<'_>| {
        refusal.response(axum::body::Body::from(format!("{} needs write", refusal.uri().path())))
    });
    for app in [routes().route_layer(policy), routes().route_layer(map)] {
        let app = app.layer(desk.layer());
        let response = send(app.clone(), http(PATH, Some(&desk.token("id", json!({}))))).await;
        assert_eq!(response.status(), 403);
        assert!(challenge_of(&response).unwrap().ends_with(", scope=\"write\""));
        let body = axum::body::to_bytes(response.into_body(), 100).await.unwrap();
        assert_eq!(body, "/shop.Orders/List needs write");
        let good = desk.token("id", json!({ "scope": "write" }));
        assert_eq!(send(app, http(PATH, Some(&good))).await.status(), 200);
    }
}

/// Asks about `slow` for as long as the gate is closed; all others are answered at once.
fn gated(gate: &Arc<Semaphore>) -> Require {
    let gate = Arc::clone(gate);
    Require::ask("gate", move |principal: Principal| {
        let gate = Arc::clone(&gate);
        async move {
            if principal.subject() == Some("slow") {
                gate.acquire().await.unwrap().forget();
            }
            Ok(principal.subject() != Some("mallory"))
        }
    })
}

fn layer(world: &World) -> tower_jwt_auth::JwtAuthLayer<User> {
    tower_jwt_auth::JwtAuthLayer::new(verifier(world))
}

#[tokio::test(start_paused = true)]
async fn the_instance_that_is_called_was_polled_ready_whether_a_question_waits_or_not() {
    let world = quick_world();
    let gate = Arc::new(Semaphore::new(0));
    for (policy, subject, permits) in
        [(Require::authenticated(), "bob", 0), (gated(&gate), "bob", 0), (gated(&gate), "slow", 1)]
    {
        let mut service = layer(&world).layer(policy.layer(Strict::new(service_fn(whoami))));
        for _ in 0..3 {
            ready(&mut service).await.unwrap();
            let mut answered = pin!(service.call(request_of(&world.issuer, subject)));
            if permits > 0 {
                assert!(poll_once(answered.as_mut()).await.is_pending());
                gate.add_permits(permits);
            }
            assert_eq!(answered.await.unwrap().body(), subject);
        }
    }
    // In memory: not even a clone.
    let mut service = layer(&world).layer(Require::authenticated().layer(Strict::new(service_fn(whoami))));
    ready(&mut service).await.unwrap();
    assert_eq!(service.call(request_of(&world.issuer, "bob")).await.unwrap().body(), "bob");
    assert_eq!(service.get_ref().get_ref().generation, 0);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_question_uses_up_no_permit_inside() {
    let world = quick_world();
    let gate = Arc::new(Semaphore::new(0));
    let limited = ConcurrencyLimit::new(Strict::new(service_fn(whoami)), 1);
    let mut service = layer(&world).layer(gated(&gate).layer(limited));
    ready(&mut service).await.unwrap();
    let mut slow = pin!(service.call(request_of(&world.issuer, "slow")));
    assert!(poll_once(slow.as_mut()).await.is_pending());
    for (subject, refused) in [("bob", None), ("mallory", Some(Reason::Forbidden)), ("bob", None)] {
        assert!(
            matches!(poll_once(pin!(ready(&mut service))).await, Poll::Ready(Ok(()))),
            "a permit is free"
        );
        let response = service.call(request_of(&world.issuer, subject)).await.unwrap();
        assert_eq!(reason_of(&response), refused);
    }
    gate.add_permits(1);
    assert_eq!(slow.await.unwrap().body(), "slow");
}

#[tokio::test]
async fn who_is_refused_never_reaches_the_service() {
    let world = quick_world();
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let inner = service_fn(move |_: Request<()>| {
        counter.fetch_add(1, Ordering::Relaxed);
        async { Ok::<_, Infallible>(Response::new(String::new())) }
    });
    let gate = Arc::new(Semaphore::new(0));
    for policy in [Require::scope("write"), Require::any([]), Require::all([gated(&gate), gated(&gate)])] {
        let guarded = policy.layer(Strict::new(inner.clone()));
        for (service, request) in [
            (layer(&world).layer(guarded.clone()), request_of(&world.issuer, "mallory")),
            (layer(&world).optional().layer(guarded.clone()), request_with(None)),
        ] {
            assert!(reason_of(&service.oneshot(request).await.unwrap()).is_some(), "{policy}");
        }
        let forgotten = guarded.oneshot(request_of(&world.issuer, "bob")).await.unwrap();
        assert_eq!(reason_of(&forgotten), Some(Reason::NotConfigured), "{policy}");
    }
    assert_eq!(calls.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn the_innermost_layer_decides_whom_a_policy_judges() {
    let (outer, inner) = (quick_world(), quick_world());
    let bob = Require::that(|user: &User| user.sub == "bob");
    let service = bob.layer(Strict::new(service_fn(whoami)));
    // Within an optional layer the caller is anonymous, whoever an outer one says it is.
    let anonymous = layer(&inner).optional().layer(service.clone());
    let emptied = tower::ServiceBuilder::new()
        .layer(layer(&outer))
        .map_request(|mut request: Request<()>| {
            request.headers_mut().remove("authorization");
            request
        })
        .service(anonymous);
    let response = emptied.oneshot(request_of(&outer.issuer, "bob")).await.unwrap();
    assert_eq!(reason_of(&response), Some(Reason::Missing));
    let response = layer(&outer).layer(service).oneshot(request_of(&outer.issuer, "bob")).await.unwrap();
    assert_eq!(response.body(), "bob");
}

#[tokio::test(start_paused = true)]
async fn a_principal_tells_when_its_token_ends() {
    let world = quick_world();
    let jwt = verify(&world.verifier, &world.issuer.sign(json!({}))).unwrap();
    let principal = Jwt::principal(&jwt);
    // The kit's tokens live ten minutes, of which four are over.
    world.clock.advance(Duration::from_secs(240));
    let mut expired = pin!(principal.ended());
    drop((jwt, principal));
    assert!(poll_once(expired.as_mut()).await.is_pending());
    tokio::time::advance(Duration::from_secs(358)).await;
    assert!(poll_once(expired.as_mut()).await.is_pending());
    tokio::time::advance(Duration::from_secs(3)).await;
    assert!(poll_once(expired.as_mut()).await.is_ready());

    // At or after `exp`, at once; in the year 9999, not yet.
    let token = |exp: u64| {
        let claims = json!({ "exp": exp });
        Jwt::principal(&verify(&world.verifier, &world.issuer.sign(claims)).unwrap())
    };
    let now = tower_jwt_auth::Clock::now(&world.clock).as_secs();
    assert!(poll_once(pin!(token(now).ended())).await.is_ready());
    let mut far = pin!(token(253_402_300_799).ended());
    tokio::time::advance(Duration::from_secs(86_400)).await;
    assert!(poll_once(far.as_mut()).await.is_pending());
}
