//! The keys that were fetched last, kept in a store for the next process.

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::task::JoinSet;

use super::document::keys_of;
use super::settings::Found;
use super::source::{MAX_KEYS, lock, short};
use super::sync::{Mutex, timeout};
use crate::key_store::{KeyDocument, KeyStore};
use crate::keys::KeySet;
use crate::store_error::StoreError;
use crate::time::{Clock, UnixTime};
use crate::trace;

/// How long the store may take. Less than a request waits, so that a store that hangs refuses nobody.
pub(super) const STORE_TIME: Duration = Duration::from_secs(1);
/// How far the clocks of those who share a store may differ.
const CLOCKS_DIFFER: Duration = Duration::from_secs(300);
/// How often a write that others get in the way of is tried.
const ATTEMPTS: usize = 8;

const FORMAT: &str = "tower-jwt-auth fetched keys 1";
/// What the documents of key rings have in them: private keys, which are never written over.
const OF_A_RING: &[u8] = b"tower-jwt-auth key ring";

/// The store of one source, and the source to which its document is bound.
pub(super) struct Kept {
    store: Arc<dyn KeyStore>,
    url: String,
    found: Found,
    error: Mutex<Option<String>>,
}

/// Keys of an earlier process.
pub(super) struct Restored {
    pub(super) keys: KeySet,
    /// Since they were fetched.
    pub(super) age: Duration,
    pub(super) max_age: Option<Duration>,
}

#[derive(Deserialize, Serialize)]
struct Document<'d> {
    format: &'d str,
    #[serde(borrow)]
    url: Cow<'d, str>,
    found: &'d str,
    fetched_at: UnixTime,
    /// Seconds.
    max_age: Option<u64>,
    /// The set as the provider sent it: read again by the very rules of a fetch, it is the very same.
    #[serde(borrow)]
    jwks: &'d RawValue,
}

impl Kept {
    pub(super) fn new(store: Arc<dyn KeyStore>, url: String, found: Found) -> Self {
        Self { store, url, found, error: Mutex::new(None) }
    }

    /// Why the store failed the last time, if it did.
    pub(super) fn error(&self) -> Option<String> {
        lock(&self.error).clone()
    }

    /// What was kept, if it can be believed. However the store fails, there is then nothing.
    pub(super) async fn load(&self, clock: &dyn Clock) -> Option<Restored> {
        let store = Arc::clone(&self.store);
        let loaded = in_time(async move { store.load().await }).await;
        let now = clock.now();
        let read =
            loaded.and_then(|document| document.map(|document| self.restore(&document, now)).transpose());
        self.note(read, "kept keys cannot be restored").flatten()
    }

    /// Keeps a set, unless another process has kept one that was fetched later. A failure is noted: it must not keep
    /// the set from taking effect.
    pub(super) async fn save(&self, jwks: &[u8], fetched_at: UnixTime, max_age: Option<Duration>) {
        let written = match self.document(jwks, fetched_at, max_age) {
            Ok(document) => {
                let is_newer = {
                    let (url, found) = (self.url.clone(), self.found);
                    move |stored: &KeyDocument| {
                        let at = Document::read(stored, &url, found).map(|stored| stored.fetched_at);
                        // One from the future is no fetch at all.
                        at.is_ok_and(|at| at > fetched_at && at <= fetched_at.saturating_add(CLOCKS_DIFFER))
                    }
                };
                in_time(write(Arc::clone(&self.store), document, is_newer)).await
            }
            Err(why) => Err(why.to_string()),
        };
        self.note(written, "keys cannot be kept; a restart may bring back the ones before");
    }

    fn note<T>(&self, done: Result<T, String>, _what: &str) -> Option<T> {
        let (done, error) = match done {
            Ok(done) => (Some(done), None),
            Err(why) => {
                let why = short(&why);
                trace::warn!(url = self.url, error = why, "{_what}");
                (None, Some(why))
            }
        };
        *lock(&self.error) = error;
        done
    }

    fn document(
        &self,
        jwks: &[u8],
        fetched_at: UnixTime,
        max_age: Option<Duration>,
    ) -> Result<KeyDocument, serde_json::Error> {
        let document = Document {
            format: FORMAT,
            url: Cow::Borrowed(&self.url),
            found: name_of(self.found),
            fetched_at,
            max_age: max_age.map(|age| age.as_secs()),
            jwks: serde_json::from_slice(jwks)?,
        };
        serde_json::to_vec(&document).map(KeyDocument::from_bytes)
    }

    fn restore(&self, document: &KeyDocument, now: UnixTime) -> Result<Restored, String> {
        let document = Document::read(document, &self.url, self.found)?;
        if document.fetched_at > now.saturating_add(CLOCKS_DIFFER) {
            return Err("the kept keys were fetched in the future; see that the clock is right".to_owned());
        }
        let keys = keys_of(document.jwks.get().as_bytes(), MAX_KEYS).map_err(|failure| failure.why)?;
        Ok(Restored {
            keys,
            age: now.saturating_since(document.fetched_at),
            max_age: document.max_age.map(Duration::from_secs),
        })
    }
}

impl<'d> Document<'d> {
    /// # Errors
    /// If it is none of this version, or of another source.
    fn read(document: &'d KeyDocument, url: &str, found: Found) -> Result<Self, String> {
        let document: Self = serde_json::from_slice(document.as_bytes()).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            format!("the document of kept keys cannot be read (line {line}, column {column})")
        })?;
        if document.format != FORMAT {
            return Err("the document of kept keys is of another version".to_owned());
        }
        if document.url != url || document.found != name_of(found) {
            let kept = document.url.chars().take(200).collect::<String>();
            return Err(format!("the kept keys are those of {kept:?}; give each source a store of its own"));
        }
        Ok(document)
    }
}

const fn name_of(found: Found) -> &'static str {
    match found {
        Found::Directly => "jwks",
        Found::ByDiscovery => "oidc",
    }
}

/// Replaces what is stored, by compare-and-swap, unless it `is_newer`.
async fn write(
    store: Arc<dyn KeyStore>,
    document: KeyDocument,
    is_newer: impl Fn(&KeyDocument) -> bool,
) -> Result<(), StoreError> {
    for _ in 0..ATTEMPTS {
        let stored = store.load().await?;
        if stored.as_ref().is_some_and(is_of_a_ring) {
            return Err(StoreError::new("there are the private keys of a key ring; use a store of its own"));
        }
        if stored.as_ref().is_some_and(&is_newer) || store.compare_and_swap(stored, document.clone()).await? {
            return Ok(());
        }
    }
    Err(StoreError::new("others always wrote first"))
}

fn is_of_a_ring(document: &KeyDocument) -> bool {
    document.as_bytes().windows(OF_A_RING.len()).any(|bytes| bytes == OF_A_RING)
}

/// What a store says. It is asked in a task of its own: one that hangs or panics is a failure like any other.
async fn in_time<T: Send + 'static>(
    work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, String> {
    let mut task = JoinSet::new(); // aborted when it is dropped
    task.spawn(work);
    match timeout(STORE_TIME, task.join_next()).await {
        Ok(Some(Ok(answer))) => answer.map_err(|error| error.to_string()),
        Ok(_) => Err("the store panicked".to_owned()),
        Err(_) => Err(format!("the store did not answer within {STORE_TIME:?}")),
    }
}
