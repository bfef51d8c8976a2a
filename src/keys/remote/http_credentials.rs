//! What is sent to one server and to no other: headers, and a bearer token from a file.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::Url;
use tokio::sync::Semaphore;

use super::fetch::FetchError;
use crate::runtime::NowOrLater;
use crate::store::{StoreError, in_turn};

/// Headers of requests, each for the one origin (scheme, host and port; RFC 6454) that is meant to see it: a discovery
/// document may name keys at any other.
#[derive(Clone, Default)]
pub(super) struct Credentials {
    headers: Vec<(String, HeaderName, HeaderValue)>,
    tokens: Vec<TokenFile>,
}

/// A file with a bearer token, read for each fetch: whoever rotates the token writes another one into it.
#[derive(Clone)]
struct TokenFile {
    origin: String,
    path: PathBuf,
    turn: Arc<Semaphore>,
}

impl Credentials {
    pub(super) fn add_header(&mut self, origin: String, name: HeaderName, mut value: HeaderValue) {
        value.set_sensitive(true);
        self.headers.push((origin, name, value));
    }

    pub(super) fn add_token_file(&mut self, origin: String, path: PathBuf) {
        self.tokens.push(TokenFile { origin, path, turn: Arc::new(Semaphore::new(1)) });
    }

    /// The headers for this URL.
    ///
    /// # Errors
    /// If the token cannot be read.
    pub(super) fn headers_for(&self, url: &Url) -> NowOrLater<Result<HeaderMap, FetchError>> {
        let origin = origin_of(url);
        let mut headers = HeaderMap::new();
        for (_, name, value) in self.headers.iter().filter(|(for_whom, ..)| *for_whom == origin) {
            headers.append(name, value.clone());
        }
        let Some(file) = self.tokens.iter().find(|file| file.origin == origin) else {
            return NowOrLater::ready(Ok(headers));
        };
        let path = file.path.clone();
        let read = in_turn(&file.turn, move || {
            std::fs::read_to_string(&path)
                .map_err(|error| StoreError::new(format!("the token file {}: {error}", path.display())))
        });
        let path = file.path.clone();
        NowOrLater::later(async move {
            let text = read.await.map_err(FetchError::new)?;
            let mut value = HeaderValue::try_from(format!("Bearer {}", text.trim()))
                .ok()
                .filter(|_| !text.trim().is_empty() && !text.trim().contains(char::is_whitespace))
                .ok_or_else(|| {
                    FetchError::new(format!("the token file {} holds no token", path.display()))
                })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
            Ok(headers)
        })
    }
}

/// Scheme, host and port of a URL, as one text.
pub(super) fn origin_of(url: &Url) -> String {
    url.origin().ascii_serialization()
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers = self.headers.iter().map(|(origin, name, _)| (origin, name));
        let files = self.tokens.iter().map(|file| (&file.origin, &file.path));
        f.debug_struct("Credentials")
            .field("headers", &headers.collect::<Vec<_>>())
            .field("token_files", &files.collect::<Vec<_>>())
            .finish()
    }
}
