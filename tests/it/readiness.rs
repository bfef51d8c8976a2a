//! The readiness contract of tower: who is called was polled ready, and no permit is lost or held in vain.

use std::convert::Infallible;
use std::future::{Ready, ready as now};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use http::{Request, Response};
use tokio::sync::Semaphore;
use tower::buffer::Buffer;
use tower::limit::ConcurrencyLimit;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_jwt_auth::{JwtAuthLayer, Reason};

use crate::services::{
    Gate, Strict, poll_once, quick_world, ready, reason_of, request_of, request_with, verifier, whoami,
};

#[tokio::test]
async fn the_ready_path_calls_the_very_instance_that_was_polled_ready() {
    let world = quick_world();
    let mut service = JwtAuthLayer::new(verifier(&world)).layer(Strict::new(service_fn(whoami)));
    for _ in 0..3 {
        ready(&mut service).await.unwrap();
        let response = service.call(request_of(&world.issuer, "bob")).await.unwrap();
        assert_eq!(response.body(), "bob");
        assert_eq!(service.get_ref().generation, 0, "nothing was cloned");
    }
}

#[tokio::test]
async fn the_waiting_path_polls_its_clone_ready_before_it_calls_it() {
    let world = quick_world();
    let gate = Gate::closed();
    let mut service = JwtAuthLayer::new(gate.verifier(&world)).layer(Strict::new(service_fn(whoami)));
    for _ in 0..3 {
        ready(&mut service).await.unwrap();
        let mut waiting = pin!(service.call(request_of(&world.issuer, "slow")));
        assert!(poll_once(waiting.as_mut()).await.is_pending());
        gate.open(1);
        assert_eq!(waiting.await.unwrap().body(), "slow");
    }
}

#[tokio::test]
async fn a_request_that_waits_is_woken_when_its_verdict_comes() {
    let world = quick_world();
    let gate = Gate::closed();
    let service = JwtAuthLayer::new(gate.verifier(&world)).layer(Strict::new(service_fn(whoami)));
    let waiting = tokio::spawn(service.clone().oneshot(request_of(&world.issuer, "slow")));
    let refused = tokio::spawn(service.oneshot(request_of(&world.issuer, "mallory")));
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished() && !refused.is_finished());
    gate.open(2);
    assert_eq!(waiting.await.unwrap().unwrap().body(), "slow");
    assert_eq!(reason_of(&refused.await.unwrap().unwrap()), Some(Reason::Revoked));
}

#[tokio::test]
async fn a_concurrency_limit_on_either_side_is_kept() {
    let world = quick_world();
    let gate = Gate::closed();
    gate.open(8);
    for verifier in [verifier(&world), gate.verifier(&world)] {
        let layer = JwtAuthLayer::new(verifier);
        let mut inside = layer.layer(ConcurrencyLimit::new(Strict::new(service_fn(whoami)), 1));
        let mut outside = ConcurrencyLimit::new(layer.layer(Strict::new(service_fn(whoami))), 1);
        for subject in ["bob", "slow", "bob", "slow"] {
            ready(&mut inside).await.unwrap();
            let response = inside.call(request_of(&world.issuer, subject)).await.unwrap();
            assert_eq!(response.body(), subject);
            ready(&mut outside).await.unwrap();
            let response = outside.call(request_of(&world.issuer, subject)).await.unwrap();
            assert_eq!(response.body(), subject);
        }
    }
}

#[tokio::test]
async fn a_buffer_on_either_side_is_kept() {
    let world = quick_world();
    let gate = Gate::closed();
    gate.open(8);
    for verifier in [verifier(&world), gate.verifier(&world)] {
        let layer = JwtAuthLayer::new(verifier);
        // Room for one: the place in the queue is what `poll_ready` reserves.
        let mut inside = layer.layer(Strict::new(Buffer::new(Strict::new(service_fn(whoami)), 1)));
        let mut outside = Buffer::new(layer.layer(Strict::new(service_fn(whoami))), 1);
        for subject in ["bob", "slow", "bob", "slow"] {
            ready(&mut inside).await.unwrap();
            let response = inside.call(request_of(&world.issuer, subject)).await.unwrap();
            assert_eq!(response.body(), subject);
            ready(&mut outside).await.unwrap();
            let response = outside.call(request_of(&world.issuer, subject)).await.unwrap();
            assert_eq!(response.body(), subject);
        }
        // Refusals need no place in the queue, and leave the one that was reserved usable.
        for _ in 0..3 {
            ready(&mut inside).await.unwrap();
            let response = inside.call(request_with(None)).await.unwrap();
            assert_eq!(reason_of(&response), Some(Reason::Missing));
        }
        ready(&mut inside).await.unwrap();
        assert_eq!(inside.call(request_of(&world.issuer, "bob")).await.unwrap().body(), "bob");
    }
}

#[tokio::test]
async fn a_refused_request_loses_no_permit() {
    let world = quick_world();
    let gate = Gate::closed();
    gate.open(100);
    for verifier in [verifier(&world), gate.verifier(&world)] {
        let permits = Arc::new(Semaphore::new(2));
        let inner = Strict::new(service_fn(whoami));
        let limited = ConcurrencyLimit::with_semaphore(inner, Arc::clone(&permits));
        let mut service = JwtAuthLayer::new(verifier).layer(limited);
        for _ in 0..5 {
            for request in [
                request_with(None),
                request_with(Some("Bearer not.a.token")),
                request_with(Some("Bearer a b")),
            ] {
                ready(&mut service).await.unwrap();
                assert!(reason_of(&service.call(request.clone()).await.unwrap()).is_some());
                // As servers do it: a clone for each request.
                assert!(reason_of(&service.clone().oneshot(request).await.unwrap()).is_some());
            }
        }
        ready(&mut service).await.unwrap();
        assert_eq!(service.call(request_of(&world.issuer, "bob")).await.unwrap().body(), "bob");
        drop(service);
        assert_eq!(permits.available_permits(), 2);
    }
}

#[tokio::test]
async fn a_request_refused_after_waiting_loses_no_permit() {
    let world = quick_world();
    let gate = Gate::closed();
    let permits = Arc::new(Semaphore::new(1));
    let limited = ConcurrencyLimit::with_semaphore(service_fn(whoami), Arc::clone(&permits));
    let mut service = JwtAuthLayer::new(gate.verifier(&world)).layer(Strict::new(limited));
    for _ in 0..3 {
        gate.open(1);
        ready(&mut service).await.unwrap();
        let response = service.call(request_of(&world.issuer, "mallory")).await.unwrap();
        assert_eq!(reason_of(&response), Some(Reason::Revoked));
        assert_eq!(permits.available_permits(), 1);
    }
    ready(&mut service).await.unwrap();
    assert_eq!(service.call(request_of(&world.issuer, "bob")).await.unwrap().body(), "bob");
}

#[tokio::test]
async fn requests_that_wait_for_a_verdict_use_up_no_inner_permit() {
    let world = quick_world();
    let gate = Gate::closed();
    let permits = Arc::new(Semaphore::new(1));
    let limited = ConcurrencyLimit::with_semaphore(service_fn(whoami), Arc::clone(&permits));
    let mut service = JwtAuthLayer::new(gate.verifier(&world)).layer(Strict::new(limited));
    let mut waiting = Vec::new();
    for _ in 0..5 {
        // Would never come back if one of the waiting requests held the only permit.
        let got_ready = poll_once(pin!(ready(&mut service))).await;
        assert!(got_ready.is_ready(), "a waiting request holds the permit");
        waiting.push(Box::pin(service.call(request_of(&world.issuer, "slow"))));
    }
    for future in &mut waiting {
        assert!(poll_once(future.as_mut()).await.is_pending());
    }
    assert_eq!(permits.available_permits(), 1);

    // The same service, and another made by a layer that never waits around the same limit.
    ready(&mut service).await.unwrap();
    assert_eq!(service.call(request_of(&world.issuer, "bob")).await.unwrap().body(), "bob");
    let quick = JwtAuthLayer::new(verifier(&world)).layer(service.get_ref().clone());
    assert_eq!(quick.oneshot(request_of(&world.issuer, "amy")).await.unwrap().body(), "amy");

    gate.open(5);
    for future in waiting {
        assert_eq!(future.await.unwrap().body(), "slow");
    }
    assert_eq!(permits.available_permits(), 1);
}

#[tokio::test]
async fn after_their_verdict_requests_queue_for_the_inner_limit() {
    let world = quick_world();
    let gate = Gate::closed();
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let inner = {
        let (running, most) = (Arc::clone(&running), Arc::clone(&most));
        service_fn(move |request: Request<()>| {
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            async move {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                running.fetch_sub(1, Ordering::SeqCst);
                whoami(request).await
            }
        })
    };
    let service =
        JwtAuthLayer::new(gate.verifier(&world)).layer(Strict::new(ConcurrencyLimit::new(inner, 1)));
    let all: Vec<_> =
        (0..8).map(|_| tokio::spawn(service.clone().oneshot(request_of(&world.issuer, "slow")))).collect();
    gate.open(8);
    for one in all {
        assert_eq!(one.await.unwrap().unwrap().body(), "slow");
    }
    assert_eq!(most.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_client_that_hangs_up_at_any_stage_leaves_everything_usable() {
    let world = quick_world();
    let gate = Gate::closed();
    let permits = Arc::new(Semaphore::new(1));
    let busy = Arc::new(Semaphore::new(0));
    let inner = {
        let busy = Arc::clone(&busy);
        service_fn(move |request: Request<()>| {
            let busy = Arc::clone(&busy);
            async move {
                let _permit = busy.acquire().await.unwrap();
                whoami(request).await
            }
        })
    };
    let limited = ConcurrencyLimit::with_semaphore(inner, Arc::clone(&permits));
    let mut service = JwtAuthLayer::new(gate.verifier(&world)).layer(Strict::new(limited));

    // While it waits for the verdict, polled or not.
    ready(&mut service).await.unwrap();
    drop(service.call(request_of(&world.issuer, "slow")));
    ready(&mut service).await.unwrap();
    let mut future = Box::pin(service.call(request_of(&world.issuer, "slow")));
    assert!(poll_once(future.as_mut()).await.is_pending());
    drop(future);
    assert_eq!(permits.available_permits(), 1);

    // While it waits for the service: somebody else has the permit.
    let taken = Arc::clone(&permits).try_acquire_owned().unwrap();
    let mut future = Box::pin(service.clone().oneshot(request_of(&world.issuer, "bob")));
    assert!(poll_once(future.as_mut()).await.is_pending());
    drop((future, taken));
    assert_eq!(permits.available_permits(), 1);

    // While the service works.
    let mut future = Box::pin(service.clone().oneshot(request_of(&world.issuer, "bob")));
    assert!(poll_once(future.as_mut()).await.is_pending());
    assert_eq!(permits.available_permits(), 0);
    drop(future);
    assert_eq!(permits.available_permits(), 1);

    busy.add_permits(1);
    gate.open(1);
    ready(&mut service).await.unwrap();
    assert_eq!(service.call(request_of(&world.issuer, "slow")).await.unwrap().body(), "slow");
}

/// No `Error`, no `Debug`, no `Send`: whatever a service fails with.
struct Odd(Rc<str>);

/// Fails to become ready after so many times, and fails to answer.
#[derive(Clone)]
struct Failing {
    ready: Rc<AtomicUsize>,
}

impl Failing {
    fn after(times: usize) -> Self {
        Self { ready: Rc::new(AtomicUsize::new(times)) }
    }
}

impl Service<Request<()>> for Failing {
    type Response = Response<String>;
    type Error = Odd;
    type Future = Ready<Result<Response<String>, Odd>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Odd>> {
        let left = self.ready.load(Ordering::SeqCst);
        if left == 0 {
            return Poll::Ready(Err(Odd("never ready again".into())));
        }
        self.ready.store(left - 1, Ordering::SeqCst);
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        now(Err(Odd("out of order".into())))
    }
}

#[tokio::test]
async fn an_inner_service_that_fails_to_become_ready_is_heard() {
    let world = quick_world();
    let gate = Gate::closed();
    let mut service = JwtAuthLayer::new(verifier(&world)).layer(Failing::after(0));
    assert_eq!(&*ready(&mut service).await.err().unwrap().0, "never ready again");

    // Ready when the request came, broken when its verdict did.
    let mut service = JwtAuthLayer::new(gate.verifier(&world)).layer(Failing::after(1));
    assert!(ready(&mut service).await.is_ok());
    let mut waiting = pin!(service.call(request_of(&world.issuer, "slow")));
    assert!(poll_once(waiting.as_mut()).await.is_pending());
    gate.open(1);
    assert_eq!(&*waiting.await.err().unwrap().0, "never ready again");
}

#[tokio::test]
async fn errors_of_the_inner_service_pass_untouched_and_refusals_are_none() {
    let world = quick_world();
    let gate = Gate::closed();
    gate.open(1);
    for verifier in [verifier(&world), gate.verifier(&world)] {
        let mut service = JwtAuthLayer::new(verifier).layer(Failing::after(100));
        assert!(ready(&mut service).await.is_ok());
        let error = service.call(request_of(&world.issuer, "slow")).await.err().unwrap();
        assert_eq!(&*error.0, "out of order");
        assert!(ready(&mut service).await.is_ok());
        let refused = service.call(request_with(None)).await.ok().unwrap();
        assert_eq!(reason_of(&refused), Some(Reason::Missing));
    }
}

#[tokio::test]
async fn a_refused_request_never_reaches_the_service() {
    let world = quick_world();
    let gate = Gate::closed();
    gate.open(1);
    let calls = Arc::new(AtomicUsize::new(0));
    let inner = {
        let calls = Arc::clone(&calls);
        service_fn(move |_: Request<()>| {
            calls.fetch_add(1, Ordering::SeqCst);
            now(Ok::<_, Infallible>(Response::new(String::new())))
        })
    };
    let service = JwtAuthLayer::new(gate.verifier(&world)).layer(inner);
    for request in [
        request_with(None),
        request_with(Some("Bearer not.a.token")),
        request_of(&world.issuer, "mallory"),
        world.issuer.request(serde_json::json!({ "sub": "bob", "exp": 1 })).body(()).unwrap(),
    ] {
        assert!(reason_of(&service.clone().oneshot(request).await.unwrap()).is_some());
    }
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    service.oneshot(request_of(&world.issuer, "bob")).await.unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}
