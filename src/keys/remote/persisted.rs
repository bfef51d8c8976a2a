//! The keys that were fetched last, kept in a store for the next process.

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::task::JoinSet;

use super::document::{MAX_KEYS, keys_of, short};
use super::endpoint::KeyEndpoint;
use super::sync::{Mutex, lock, timeout};
use crate::keys::KeySet;
use crate::runtime::{Clock, UnixTime, trace};
use crate::store::{KeyDocument, KeyStore, StoreError};

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
pub(super) struct PersistedKeys {
    store: Arc<dyn KeyStore>,
    url: String,
    found: KeyEndpoint,
    error: Mutex<Option<String>>,
}

/// Keys of an earlier process.
pub(super) struct Restored {
    pub(super) keys: KeySet,
    pub(super) fetched_at: UnixTime,
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

impl PersistedKeys {
    pub(super) fn new(store: Arc<dyn KeyStore>, url: String, found: KeyEndpoint) -> Self {
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

    /// Keeps a set: `keys`, and the text that they were read from. If another process has kept one that seems to be
    /// fetched later, clocks may differ, so what is kept is what both have. A failure is noted: it must not keep the set
    /// from taking effect.
    pub(super) async fn save(
        &self,
        jwks: &[u8],
        keys: &KeySet,
        fetched_at: UnixTime,
        max_age: Option<Duration>,
    ) {
        let place = Place { url: self.url.clone(), found: self.found };
        let written = match place.document(jwks, fetched_at, max_age) {
            Ok(document) => {
                let keys = keys.clone();
                let what_for = move |stored: Option<&KeyDocument>| {
                    let Some(theirs) = stored.and_then(|stored| place.later_set(stored, fetched_at)) else {
                        return Ok(Some(document.clone()));
                    };
                    // Neither may bring back what the other has seen removed.
                    let (of_us, of_them) = (keys.without(&theirs), theirs.without(&keys));
                    if of_them.is_empty() {
                        return Ok(None);
                    }
                    if of_us.is_empty() {
                        return Ok(Some(document.clone()));
                    }
                    let both = keys.without(&of_us).to_public_jwks();
                    place.document(both.as_bytes(), fetched_at, max_age).map(Some)
                };
                in_time(write(Arc::clone(&self.store), what_for)).await
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

    fn restore(&self, document: &KeyDocument, now: UnixTime) -> Result<Restored, String> {
        let document = Document::read(document, &self.url, self.found)?;
        if document.fetched_at > now.saturating_add(CLOCKS_DIFFER) {
            return Err("the kept keys were fetched in the future; see that the clock is right".to_owned());
        }
        let keys = keys_of(document.jwks.get().as_bytes(), MAX_KEYS).map_err(|failure| failure.why)?;
        Ok(Restored {
            keys,
            fetched_at: document.fetched_at,
            age: now.saturating_since(document.fetched_at),
            max_age: document.max_age.map(Duration::from_secs),
        })
    }
}

/// The source to which a document is bound.
struct Place {
    url: String,
    found: KeyEndpoint,
}

impl Place {
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

    /// The keys that are stored, if they seem to be fetched after this. One from the future is no fetch at all.
    fn later_set(&self, stored: &KeyDocument, fetched_at: UnixTime) -> Option<KeySet> {
        let stored = Document::read(stored, &self.url, self.found).ok()?;
        let later = fetched_at < stored.fetched_at;
        let plausible = stored.fetched_at <= fetched_at.saturating_add(CLOCKS_DIFFER);
        (later && plausible).then(|| keys_of(stored.jwks.get().as_bytes(), MAX_KEYS).ok()).flatten()
    }
}

impl<'d> Document<'d> {
    /// # Errors
    /// If it is none of this version, or of another source.
    fn read(document: &'d KeyDocument, url: &str, found: KeyEndpoint) -> Result<Self, String> {
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

const fn name_of(found: KeyEndpoint) -> &'static str {
    match found {
        KeyEndpoint::JwkSet => "jwks",
        KeyEndpoint::Discovery => "oidc",
        KeyEndpoint::PemOfKid => "pem",
    }
}

/// Replaces what is stored, by compare-and-swap, by `what_for` it, if anything.
async fn write(
    store: Arc<dyn KeyStore>,
    what_for: impl Fn(Option<&KeyDocument>) -> Result<Option<KeyDocument>, serde_json::Error>,
) -> Result<(), StoreError> {
    for _ in 0..ATTEMPTS {
        let stored = store.load().await?;
        if stored.as_ref().is_some_and(is_of_a_ring) {
            return Err(StoreError::new("there are the private keys of a key ring; use a store of its own"));
        }
        let Some(document) = what_for(stored.as_ref()).map_err(StoreError::new)? else { return Ok(()) };
        if store.compare_and_swap(stored, document).await? {
            return Ok(());
        }
    }
    Err(StoreError::new("others always wrote first"))
}

fn is_of_a_ring(document: &KeyDocument) -> bool {
    // A provider may write these words into its set.
    let read = serde_json::from_slice::<Document<'_>>(document.as_bytes());
    let of_fetched_keys = read.is_ok_and(|document| document.format == FORMAT);
    !of_fetched_keys && document.as_bytes().windows(OF_A_RING.len()).any(|bytes| bytes == OF_A_RING)
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
