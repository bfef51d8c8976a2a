//! What a layer does to the answer of the service inside it.

use std::sync::Arc;

use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, SET_COOKIE, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response};

use super::head::{Answers, Inside};
use super::provisional::{is_answered, refusal_from_inside};
use super::reject::{Reject, render};

/// What a layer still has to do when the service inside answers.
pub(crate) enum Completion<R> {
    Usual(Arc<Answers>),
    /// Boxed: it is rare and large.
    Special(Box<Special<R>>),
}

pub(crate) struct Special<R> {
    answers: Arc<Answers>,
    reject: R,
    /// The request, if the user's own `Reject` answers refusals from inside.
    head: Option<Parts>,
    set_cookie: Option<HeaderValue>,
}

impl<R: Clone> Completion<R> {
    pub(crate) fn new<A>(
        answers: &Arc<Answers>,
        reject: &R,
        request: &Request<A>,
        set_cookie: Option<HeaderValue>,
    ) -> Self {
        let everything = answers.inside == Inside::Everything;
        if !everything && set_cookie.is_none() {
            return Self::Usual(Arc::clone(answers));
        }
        let head = everything.then(|| head_of(request));
        let (answers, reject) = (Arc::clone(answers), reject.clone());
        Self::Special(Box::new(Special { answers, reject, head, set_cookie }))
    }
}

impl<R> Completion<R> {
    pub(crate) fn complete<B>(&mut self, response: &mut Response<B>)
    where
        R: Reject<B>,
    {
        match self {
            Self::Usual(answers) => complete(answers, response),
            Self::Special(special) => {
                special.answer_anew(response);
                complete(&special.answers, response);
                if let Some(cookie) = special.set_cookie.take() {
                    response.headers_mut().append(SET_COOKIE, cookie);
                }
            }
        }
    }
}

/// Adds the challenge of this layer to a refusal from inside, and what caches are to be told.
fn complete<B>(answers: &Answers, response: &mut Response<B>) {
    if matches!(answers.inside, Inside::ProvisionalPolicy | Inside::FinalPolicy) {
        return;
    }
    if let Some(error) = refusal_from_inside(response.extensions_mut()) {
        let headers = response.headers_mut();
        answers.replace_default_challenge(headers, &error);
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        response.extensions_mut().insert(error);
    }
    answers.caching.complete(response.headers_mut());
}

impl<R> Special<R> {
    /// Answers a refusal from inside as if it were the layer's own. Headers that services in between have added stay.
    fn answer_anew<B>(&mut self, response: &mut Response<B>)
    where
        R: Reject<B>,
    {
        let Some(head) = self.head.take() else { return };
        if is_answered(response.extensions()) {
            return;
        }
        let Some(error) = refusal_from_inside(response.extensions_mut()) else { return };
        let anew = render(&self.reject, error.into(), &self.answers, &head);
        let (before, _body) = std::mem::replace(response, anew).into_parts();
        keep(&before.headers, response.headers_mut());
        let anew = std::mem::replace(response.extensions_mut(), before.extensions);
        response.extensions_mut().extend(anew);
    }
}

fn keep(before: &HeaderMap, headers: &mut HeaderMap) {
    const OF_THE_BODY: [http::HeaderName; 3] = [CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING];
    for name in before.keys() {
        if !OF_THE_BODY.contains(name) && !headers.contains_key(name) {
            for value in before.get_all(name) {
                headers.append(name, value.clone());
            }
        }
    }
}

/// The head of a request, without its extensions.
fn head_of<A>(request: &Request<A>) -> Parts {
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.method = request.method().clone();
    parts.uri = request.uri().clone();
    parts.version = request.version();
    parts.headers = request.headers().clone();
    parts
}
