//! Whatever the service, the bodies, the claims: bounds are those of the work that is done, and no more.

use std::convert::Infallible;
use std::fmt::Debug;
use std::future::{Ready, ready as now};
use std::marker::PhantomPinned;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use http::{Request, Response, StatusCode};
use static_assertions::{assert_impl_all, assert_not_impl_any};
use tokio::task::LocalSet;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_jwt_auth::{Auto, JwtAuth, JwtAuthLayer, Principal, Reason, Refusal, Reject, ResponseFuture};

use crate::services::{
    Gate, Strict, poll_once, quick_world, reason_of, request_of, request_with, verifier, whoami,
};
use crate::support::User;

/// Neither `Send` nor `Clone` nor `Debug`.
struct RequestBody(Rc<str>);

/// Not `Send`; `Default`, which is all that the default answer wants.
#[derive(Default)]
struct ResponseBody(Option<Rc<str>>);

#[tokio::test]
async fn services_and_bodies_that_stay_on_one_thread_work_on_either_path() {
    let world = quick_world();
    let gate = Gate::closed();
    let calls = Rc::new(std::cell::Cell::new(0));
    let inner = {
        let calls = Rc::clone(&calls);
        service_fn(move |request: Request<RequestBody>| {
            let calls = Rc::clone(&calls);
            async move {
                calls.set(calls.get() + 1);
                tokio::task::yield_now().await;
                Ok::<_, Rc<str>>(Response::new(ResponseBody(Some(request.into_body().0))))
            }
        })
    };
    let local = LocalSet::new();
    for verifier in [verifier(&world), gate.verifier(&world)] {
        let service = JwtAuthLayer::new(verifier).layer(Strict::new(inner.clone()));
        let of = |subject| request_of(&world.issuer, subject).map(|()| RequestBody("payload".into()));
        let accepted = local.spawn_local(service.clone().oneshot(of("slow")));
        let refused =
            local.spawn_local(service.oneshot(request_with(None).map(|()| RequestBody("payload".into()))));
        gate.open(1);
        local
            .run_until(async {
                let response = accepted.await.unwrap().unwrap();
                assert_eq!(response.into_body().0.as_deref(), Some("payload"));
                let response = refused.await.unwrap().unwrap();
                assert_eq!(reason_of(&response), Some(Reason::Missing));
                assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
                assert!(response.into_body().0.is_none());
            })
            .await;
    }
    assert_eq!(calls.get(), 2);
}

/// No `Default`: nobody can make an empty one up.
#[derive(Debug, PartialEq)]
struct Page {
    title: &'static str,
}

async fn page(_: Request<()>) -> Result<Response<Page>, Infallible> {
    Ok(Response::new(Page { title: "home" }))
}

#[tokio::test]
async fn a_response_body_without_a_default_is_answered_by_a_function() {
    let world = quick_world();
    let gate = Gate::closed();
    gate.open(10);
    for verifier in [verifier(&world), gate.verifier(&world)] {
        let layer = JwtAuthLayer::new(verifier)
            .reject_with(|refusal: &Refusal<'_>| refusal.response(Page { title: "log in" }));
        let service = layer.layer(service_fn(page));
        let response = service.clone().oneshot(request_of(&world.issuer, "bob")).await.unwrap();
        assert_eq!(response.into_body(), Page { title: "home" });
        let response = service.clone().oneshot(request_with(None)).await.unwrap();
        assert_eq!((response.status().as_u16(), response.body()), (401, &Page { title: "log in" }));
        assert_eq!(reason_of(&response), Some(Reason::Missing));
    }
}

#[tokio::test]
async fn a_function_that_stays_on_one_thread_may_answer() {
    let world = quick_world();
    let title: Rc<std::cell::Cell<u32>> = Rc::default();
    let counted = Rc::clone(&title);
    let layer = JwtAuthLayer::new(verifier(&world)).reject_with(move |refusal: &Refusal<'_>| {
        counted.set(counted.get() + 1);
        refusal.response(Page { title: "log in" })
    });
    layer.layer(service_fn(page)).oneshot(request_with(None)).await.unwrap();
    assert_eq!(title.get(), 1);
}

#[test]
fn the_service_inside_can_be_seen_changed_and_taken_out() {
    let world = quick_world();
    let mut service = JwtAuthLayer::new(verifier(&world)).layer(vec![1]);
    assert_eq!(service.get_ref(), &[1]);
    service.get_mut().push(2);
    assert_eq!(service.clone().into_inner(), [1, 2]);
    // Also for something that is no service at all.
    #[derive(Clone)]
    struct Lonely;
    let Lonely = JwtAuthLayer::new(verifier(&world)).layer(Lonely).into_inner();
}

#[tokio::test]
async fn a_layer_serves_many_services_of_different_types() {
    let world = quick_world();
    let layer = JwtAuthLayer::new(verifier(&world)).reject_with(Teapot);
    let text = layer.layer(service_fn(async |request: Request<()>| {
        let subject = Principal::of(request.extensions()).unwrap().subject().map(str::to_owned);
        Ok::<_, Infallible>(Response::new(subject.unwrap_or_default()))
    }));
    let bytes =
        layer.layer(service_fn(|_: Request<Vec<u8>>| now(Ok::<_, &str>(Response::new(b"x".to_vec())))));
    assert_eq!(text.oneshot(request_of(&world.issuer, "bob")).await.unwrap().body(), "bob");
    let refused = bytes.oneshot(Request::new(vec![1])).await.unwrap();
    assert_eq!((refused.status(), refused.body().as_slice()), (StatusCode::IM_A_TEAPOT, &b"teapot"[..]));
}

/// An answer for every body that can be made of text.
#[derive(Clone)]
struct Teapot;

impl<B: From<&'static str>> Reject<B> for Teapot {
    fn reject(&self, _: &Refusal<'_>) -> Response<B> {
        let mut response = Response::new("teapot".into());
        *response.status_mut() = StatusCode::IM_A_TEAPOT;
        response
    }
}

#[tokio::test]
async fn a_future_that_is_polled_after_its_end_does_not_panic() {
    let world = quick_world();
    let gate = Gate::closed();
    gate.open(1);
    for (request, verifier) in [
        (request_with(None), verifier(&world)),
        (request_of(&world.issuer, "mallory"), gate.verifier(&world)),
    ] {
        let mut service = JwtAuthLayer::new(verifier).layer(service_fn(whoami));
        let mut future = pin!(service.call(request));
        assert!(reason_of(&future.as_mut().await.unwrap()).is_some());
        assert!(poll_once(future.as_mut()).await.is_pending());
    }
}

/// What has no bounds at all: neither `Send`, `Sync`, `Clone`, `Debug` nor `Unpin`.
struct Nothing(#[allow(dead_code)] *const (), #[allow(dead_code)] PhantomPinned);

/// A service with a future of type `F`.
#[derive(Clone, Debug)]
struct Of<F>(fn() -> F);

impl<A, F: Future<Output = Result<Response<()>, Infallible>>> Service<Request<A>> for Of<F> {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = F;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<A>) -> F {
        self.0()
    }
}

type Plain = Ready<Result<Response<()>, Infallible>>;

/// A future that may not be moved, nor to another thread.
struct Stuck(#[allow(dead_code)] Nothing);

impl Future for Stuck {
    type Output = Result<Response<()>, Infallible>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Pending
    }
}

// Claims need no `Clone` and no `Debug` for any of this.
assert_not_impl_any!(User: Clone);
assert_impl_all!(JwtAuthLayer<User>: Clone, Debug, Send, Sync, Unpin);
assert_impl_all!(JwtAuth<Of<Plain>, User>: Clone, Debug, Send, Sync, Unpin);
assert_impl_all!(ResponseFuture<Of<Plain>, Auto, (), ()>: Debug, Send, Unpin);

// What the service, the bodies and the answer lack, the layer lacks too, and nothing else.
assert_not_impl_any!(JwtAuth<Nothing, User>: Clone, Debug, Send, Sync, Unpin);
assert_not_impl_any!(JwtAuthLayer<User, Nothing>: Clone, Send, Sync, Unpin);
assert_impl_all!(JwtAuthLayer<User, Nothing>: Debug);
assert_impl_all!(JwtAuth<Of<Plain>, User, Nothing>: Debug);
assert_not_impl_any!(ResponseFuture<Of<Plain>, Auto, Nothing, ()>: Send);
assert_not_impl_any!(ResponseFuture<Of<Plain>, Auto, (), Nothing>: Send);
assert_impl_all!(ResponseFuture<Of<Plain>, Auto, Nothing, Nothing>: Debug, Unpin);
assert_not_impl_any!(ResponseFuture<Of<Stuck>, Auto, (), ()>: Send, Unpin);
assert_impl_all!(ResponseFuture<Of<Stuck>, Auto, (), ()>: Debug);
