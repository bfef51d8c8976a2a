//! Fetches one list, and believes of it what its signature and the rules allow.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::CONTENT_ENCODING;

use super::list::StatusList;
use super::list_token::ListClaims;
use crate::keys::{Failure, Fetch, body_of, without_query};
use crate::runtime::{Clock, UnixTime};
use crate::verify::{Jwt, Verifier};

const MEDIA_TYPE: &str = "application/statuslist+jwt";

/// How far the clocks of the provider and this service may differ.
pub(super) const LEEWAY: Duration = Duration::from_secs(30);

pub(super) struct Loader {
    pub(super) fetch: Arc<dyn Fetch>,
    /// Knows the keys of the lists, which are not those of the tokens.
    pub(super) verifier: Verifier<ListClaims>,
    pub(super) list_bytes: usize,
    pub(super) max_age: Option<Duration>,
    pub(super) fetch_time: Duration,
    pub(super) clock: Arc<dyn Clock>,
}

/// A list that is good.
pub(super) struct Loaded {
    pub(super) list: StatusList,
    pub(super) issued_at: UnixTime,
    pub(super) valid_until: UnixTime,
    pub(super) ttl: Option<Duration>,
}

/// Bytes of a document whose list has so many bytes: each base64 makes four of three, and what cannot be compressed grows a
/// little.
pub(super) const fn document_bytes(list_bytes: usize) -> usize {
    list_bytes.saturating_mul(2).saturating_add(16 * 1024)
}

impl Loader {
    /// # Errors
    /// Why there is no list to be believed.
    pub(super) async fn load(&self, uri: &str) -> Result<Loaded, Failure> {
        match tokio::time::timeout(self.fetch_time, self.load_at_leisure(uri)).await {
            Ok(loaded) => loaded,
            Err(_) => Err(Failure::new(format!("no answer within {:?}", self.fetch_time))),
        }
    }

    async fn load_at_leisure(&self, uri: &str) -> Result<Loaded, Failure> {
        let (place, most) = (without_query(uri), document_bytes(self.list_bytes));
        let refused = |why: String| Failure::new(format!("{place}: {why}"));
        let answer = self.fetch.fetch_accepting(MEDIA_TYPE, uri, most).await;
        let answer = answer.map_err(|error| refused(error.to_string()))?;
        // A fetcher of the user's own may not have counted.
        if answer.body().len() > most {
            return Err(refused(format!("the body has more than {most} bytes")));
        }
        let (headers, body) = body_of(place, answer, self.clock.now())?;
        if headers
            .get(CONTENT_ENCODING)
            .is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
        {
            return Err(refused("the body is encoded, which was not asked for".to_owned()));
        }
        let verifier = self.verifier.clone();
        // Hashing and reading megabytes would hold up the runtime's thread.
        let verdict = away(move || {
            let text = std::str::from_utf8(body.trim_ascii()).unwrap_or_default();
            verifier.verify(text)
        });
        let jwt: Jwt<ListClaims> = verdict
            .await?
            .await
            .map_err(|error| refused(format!("the status list token is refused: {error}")))?;
        if jwt.sub != uri {
            return Err(refused(
                "the status list token is of another list: its `sub` is not the URI".to_owned(),
            ));
        }
        let issued_at = jwt.iat;
        // Those of the verifier, which the verdict of a later time has to agree with.
        let expires = Jwt::principal(&jwt).expires_at();
        let too_old = self.max_age.map(|age| issued_at.saturating_add(age));
        let valid_until = too_old.into_iter().fold(expires, UnixTime::min).saturating_add(LEEWAY);
        let (list_bytes, ttl) = (self.list_bytes, jwt.ttl);
        let list = away(move || jwt.list(list_bytes)).await?.map_err(refused)?;
        Ok(Loaded { list, issued_at, valid_until, ttl })
    }
}

/// The output of `work`, from a thread where it may take its time.
async fn away<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(|stopped| Failure::new(stopped.to_string()))
}

impl fmt::Debug for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loader").field("fetch", &self.fetch).finish_non_exhaustive()
    }
}
