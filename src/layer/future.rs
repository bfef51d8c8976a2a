//! The future of a response, the same for every layer that may refuse.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{HeaderValue, Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::answer::{Answers, Completion, Refused, Reject, refuse};
use super::authentication::Authentication;
use super::forward::Forwarded;
use crate::runtime::NowOrLater;

pin_project! {
    /// The response of a service that may refuse requests.
    pub struct ResponseFuture<S, R, A, B>
    where
        S: Service<Request<A>>,
    {
        #[pin]
        state: State<S, R, A, B, S::Future>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, R, A, B, F> {
        /// The request was let through: the inner service answers.
        Inner { #[pin] future: F, completion: Completion<R> },
        /// The request was refused.
        Rejected { response: Option<Response<B>> },
        /// The verdict needs the network. Boxed: it is rare and large.
        Waiting { waiting: Option<Box<Waiting<S, R, A>>> },
    }
}

/// What a layer decides about a request: it passes, with something new in it or not, or is refused.
pub(crate) type Verdict = NowOrLater<Result<Pass, Refused>>;

/// What a request that passes carries on.
#[derive(Default)]
pub(crate) struct Pass {
    pub(crate) authentication: Option<Authentication>,
    pub(crate) forwarded: Option<Box<Forwarded>>,
    /// Told to the browser whatever the inner service answers.
    pub(crate) set_cookie: Option<HeaderValue>,
}

/// A request that waits for its verdict.
pub(crate) struct Waiting<S, R, A> {
    /// `None` once the request may pass and the service has only to become ready.
    pub(crate) verdict: Option<Verdict>,
    pub(crate) set_cookie: Option<HeaderValue>,
    pub(crate) request: Request<A>,
    pub(crate) service: S,
    pub(crate) reject: R,
    pub(crate) answers: Arc<Answers>,
}

impl<S, R, A, B> ResponseFuture<S, R, A, B>
where
    S: Service<Request<A>, Response = Response<B>> + Clone,
    R: Reject<B> + Clone,
{
    /// Acts on a verdict: calls `inner`, which was polled ready, or refuses, or waits.
    pub(crate) fn new(
        inner: &mut S,
        reject: &R,
        answers: &Arc<Answers>,
        mut request: Request<A>,
        verdict: Verdict,
    ) -> Self {
        let state = match verdict.into_now() {
            Ok(Ok(pass)) => {
                let set_cookie = pass.put(&mut request);
                let completion = Completion::new(answers, reject, &request, set_cookie);
                // The very instance that was polled ready.
                State::Inner { future: inner.call(request), completion }
            }
            Ok(Err(refused)) => State::rejected(refuse(reject, refused, answers, request)),
            Err(later) => {
                // The instance that was polled ready may hold a permit (of a concurrency limit, say). Replacing
                // it gives that back, so that requests which wait for a verdict use up nothing inside. The clone
                // is polled ready before it is called.
                *inner = inner.clone();
                let waiting = Waiting {
                    verdict: Some(later),
                    set_cookie: None,
                    request,
                    service: inner.clone(),
                    reject: reject.clone(),
                    answers: Arc::clone(answers),
                };
                State::Waiting { waiting: Some(Box::new(waiting)) }
            }
        };
        Self { state }
    }
}

impl<S, R, A, B> Future for ResponseFuture<S, R, A, B>
where
    S: Service<Request<A>, Response = Response<B>>,
    R: Reject<B> + Clone,
{
    type Output = Result<Response<B>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                StateProjection::Inner { future, completion } => {
                    let mut answered = ready!(future.poll(cx));
                    if let Ok(response) = &mut answered {
                        completion.complete(response);
                    }
                    return Poll::Ready(answered);
                }
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
                        Poll::Ready(Err(refused)) => {
                            let Waiting { request, reject, answers, .. } = *pending;
                            state.set(State::rejected(refuse(&reject, refused, &answers, request)));
                        }
                        Poll::Ready(Ok(())) => match pending.service.poll_ready(cx) {
                            Poll::Pending => {
                                *waiting = Some(pending);
                                return Poll::Pending;
                            }
                            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                            Poll::Ready(Ok(())) => {
                                let Waiting { request, mut service, reject, answers, set_cookie, .. } =
                                    *pending;
                                let completion = Completion::new(&answers, &reject, &request, set_cookie);
                                state.set(State::Inner { future: service.call(request), completion });
                            }
                        },
                    }
                }
            }
        }
    }
}

impl<S, R, A, B, F> State<S, R, A, B, F> {
    fn rejected(response: Response<B>) -> Self {
        Self::Rejected { response: Some(response) }
    }
}

impl<S, R, A> Waiting<S, R, A> {
    /// Awaits the verdict, and puts what it brings into the request if it is good.
    fn poll_verdict(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Refused>> {
        if let Some(verdict) = &mut self.verdict {
            let pass = ready!(Pin::new(verdict).poll(cx))?;
            self.verdict = None;
            self.set_cookie = pass.put(&mut self.request);
        }
        Poll::Ready(Ok(()))
    }
}

impl Pass {
    pub(super) fn is_anonymous(&self) -> bool {
        self.authentication.as_ref().is_none_or(Authentication::is_anonymous)
    }

    /// Puts what is new into the request; gives back the `Set-Cookie` of its answer.
    fn put<A>(self, request: &mut Request<A>) -> Option<HeaderValue> {
        if let Some(authentication) = self.authentication {
            authentication.put(request.extensions_mut());
        }
        if let Some(forwarded) = self.forwarded {
            forwarded.put(request);
        }
        self.set_cookie
    }
}

impl<S, R, A, B> fmt::Debug for ResponseFuture<S, R, A, B>
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
