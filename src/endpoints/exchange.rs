//! What both endpoints do: read a form, authenticate the client, answer in time.

use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use http::{HeaderMap, Method, Request, Response};

use super::answer::Refused;
use super::client::{AuthenticatedClient, ClientAuth, ClientCredentials};
use crate::runtime::deadline::within;
use crate::runtime::{NowOrLater, trace};
use crate::served::{BodyLimits, DocumentBody, Form};

/// Room for a token of 16 KiB, the longest that verifiers take, and for credentials.
const LIMITS: BodyLimits = BodyLimits { bytes: 32 * 1024, deadline: Duration::from_secs(10) };

/// For all that is asked: clients, stores, the user's functions.
const DEADLINE: Duration = Duration::from_secs(10);

/// The form of a POST.
pub(super) async fn read_form<B: http_body::Body>(request: Request<B>) -> Result<(HeaderMap, Form), Refused> {
    let (head, body) = request.into_parts();
    if head.method != Method::POST {
        return Err(Refused::NotPost);
    }
    let form = Form::read(&head.headers, body, LIMITS).await?;
    Ok((head.headers, form))
}

/// The client that asks.
pub(super) async fn authenticated(
    clients: &dyn ClientAuth,
    credentials: ClientCredentials,
) -> Result<AuthenticatedClient, Refused> {
    match clients.authenticate(credentials).await? {
        Some(client) => Ok(client),
        None => {
            trace::debug!("an endpoint for tokens refused a client: its credentials are not good");
            Err(Refused::InvalidClient)
        }
    }
}

/// The answer, also if what is asked hangs. Whoever gets no other one may ask again: nothing is left half done that a second try
/// would not do.
pub(super) fn answered(
    answer: impl Future<Output = Result<Response<DocumentBody>, Refused>> + Send + 'static,
) -> NowOrLater<Result<Response<DocumentBody>, Infallible>> {
    NowOrLater::later(async move {
        let answer = within(LIMITS.deadline + DEADLINE, answer).await.unwrap_or_else(|_late| {
            trace::error!(error = %_late, "an endpoint for tokens answers 503");
            Err(Refused::Unavailable)
        });
        Ok(answer.unwrap_or_else(Refused::response))
    })
}
