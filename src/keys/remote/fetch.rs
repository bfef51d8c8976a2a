//! The seam to HTTP.

use std::error::Error;
use std::fmt;

use bytes::Bytes;
use http::Response;

use crate::runtime::NowOrLater;

/// Gets a document over the network: the seam for a client, proxy, certificate authority or header of your own.
///
/// [`HttpFetch`](crate::HttpFetch) is the usual one.
pub trait Fetch: fmt::Debug + Send + Sync + 'static {
    /// GETs `url` and answers with status, headers and body, whatever the status. Redirects are answers, not followed.
    ///
    /// The future may be dropped when it takes too long.
    ///
    /// # Errors
    /// If there is no answer, or its body is longer than `max_bytes`.
    fn fetch(&self, url: &str, max_bytes: usize) -> NowOrLater<Result<Response<Bytes>, FetchError>>;

    /// The same with this `Accept`, for what is not a key set, such as a status list. Unless told, `Accept` is left as it is in
    /// [`Fetch::fetch`]: implement this if your client sets it.
    ///
    /// # Errors
    /// As for [`Fetch::fetch`].
    fn fetch_accepting(
        &self,
        _accept: &'static str,
        url: &str,
        max_bytes: usize,
    ) -> NowOrLater<Result<Response<Bytes>, FetchError>> {
        self.fetch(url, max_bytes)
    }
}

/// A document could not be had.
pub struct FetchError(Box<dyn Error + Send + Sync>);

impl FetchError {
    /// A failure with this cause.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)?;
        // The interesting part of what clients say lies deepest: "connection refused".
        let mut source = self.0.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl fmt::Debug for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for FetchError {}

impl<T: Fetch + ?Sized> Fetch for std::sync::Arc<T> {
    fn fetch(&self, url: &str, max_bytes: usize) -> NowOrLater<Result<Response<Bytes>, FetchError>> {
        (**self).fetch(url, max_bytes)
    }

    fn fetch_accepting(
        &self,
        accept: &'static str,
        url: &str,
        max_bytes: usize,
    ) -> NowOrLater<Result<Response<Bytes>, FetchError>> {
        (**self).fetch_accepting(accept, url, max_bytes)
    }
}
