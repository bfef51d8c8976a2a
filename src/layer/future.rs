//! The future of a response.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use serde::de::DeserializeOwned;
use tower_service::Service;

use super::layer::JwtAuthLayer;
use super::reject::Reject;
use crate::error::AuthError;
use crate::now_or_later::NowOrLater;
use crate::verify::{Jwt, Slot};

pin_project! {
    /// The response of a [`JwtAuth`](crate::JwtAuth) service.
    pub struct ResponseFuture<S, C, R, A, B>
    where
        S: Service<Request<A>>,
    {
        #[pin]
        state: State<S, C, R, A, B, S::Future>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, C, R, A, B, F> {
        /// The token was good: the inner service answers.
        Inner { #[pin] future: F },
        /// The token was refused.
        Rejected { response: Option<Response<B>> },
        /// The verdict needs the network. Boxed: it is rare and large.
        Waiting { waiting: Option<Box<Waiting<S, C, R, A>>> },
    }
}

struct Waiting<S, C, R, A> {
    /// `None` once the token was found good and the service has only to become ready.
    verification: Option<NowOrLater<Result<Jwt<C>, AuthError>>>,
    request: Request<A>,
    service: S,
    layer: JwtAuthLayer<C, R>,
}

impl<S, C, R, A, B> ResponseFuture<S, C, R, A, B>
where
    S: Service<Request<A>, Response = Response<B>>,
{
    pub(super) const fn inner(future: S::Future) -> Self {
        Self { state: State::Inner { future } }
    }

    pub(super) const fn rejected(response: Response<B>) -> Self {
        Self { state: State::Rejected { response: Some(response) } }
    }

    pub(super) fn waiting(
        verification: NowOrLater<Result<Jwt<C>, AuthError>>,
        request: Request<A>,
        service: S,
        layer: JwtAuthLayer<C, R>,
    ) -> Self {
        let waiting = Waiting { verification: Some(verification), request, service, layer };
        Self { state: State::Waiting { waiting: Some(Box::new(waiting)) } }
    }
}

impl<S, C, R, A, B> Future for ResponseFuture<S, C, R, A, B>
where
    S: Service<Request<A>, Response = Response<B>>,
    C: DeserializeOwned + Send + Sync + 'static,
    R: Reject<B>,
{
    type Output = Result<Response<B>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                StateProjection::Inner { future } => return future.poll(cx),
                StateProjection::Rejected { response } => {
                    // Polled again after it was done, which the contract of `Future` leaves open.
                    return response.take().map_or(Poll::Pending, |response| Poll::Ready(Ok(response)));
                }
                StateProjection::Waiting { waiting } => {
                    let Some(mut pending) = waiting.take() else { return Poll::Pending };
                    match pending.poll_verdict(cx) {
                        Poll::Pending => {
                            *waiting = Some(pending);
                            return Poll::Pending;
                        }
                        Poll::Ready(Err(error)) => {
                            let Waiting { request, layer, .. } = *pending;
                            let response = layer.refuse(error, request);
                            state.set(State::Rejected { response: Some(response) });
                        }
                        Poll::Ready(Ok(())) => match pending.service.poll_ready(cx) {
                            Poll::Pending => {
                                *waiting = Some(pending);
                                return Poll::Pending;
                            }
                            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                            Poll::Ready(Ok(())) => {
                                let Waiting { request, mut service, .. } = *pending;
                                state.set(State::Inner { future: service.call(request) });
                            }
                        },
                    }
                }
            }
        }
    }
}

impl<S, C, R, A> Waiting<S, C, R, A>
where
    C: Send + Sync + 'static,
{
    /// Awaits the verdict, and leaves the token in the request's extensions if it is good.
    fn poll_verdict(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), AuthError>> {
        if let Some(verification) = &mut self.verification {
            let jwt = ready!(Pin::new(verification).poll(cx))?;
            self.verification = None;
            Slot::Verified(Jwt::principal(&jwt)).put(self.request.extensions_mut());
        }
        Poll::Ready(Ok(()))
    }
}

impl<S, C, R, A, B> fmt::Debug for ResponseFuture<S, C, R, A, B>
where
    S: Service<Request<A>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Inner { .. } => "Inner",
            State::Rejected { .. } => "Rejected",
            State::Waiting { .. } => "Waiting",
        };
        f.debug_struct("ResponseFuture").field("state", &state).finish()
    }
}
