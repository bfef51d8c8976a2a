//! The signing side: tokens, private keys, the ring with its stores, and what is published.

mod crash;
mod documents;
mod formats;
mod hidden;
mod issuing;
mod opening;
mod replicas;
mod ring;
mod settings;
mod vectors;

use std::path::Path;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use serde_json::Value;
use tower_jwt_auth::{KeyDocument, KeyStore, NowOrLater, StoreError, UnixTime};

const ISS: &str = "https://id.example.com";
/// When these tests begin.
const START: UnixTime = UnixTime::from_secs(1_800_000_000);

fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/private").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn text(name: &str) -> String {
    String::from_utf8(fixture(name)).unwrap()
}

/// The JSON of a token's part: 0 is the header, 1 the claims.
fn part(token: &str, index: usize) -> Value {
    let encoded = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&BASE64URL.decode(encoded).unwrap()).unwrap()
}

fn kid(token: &str) -> String {
    part(token, 0)["kid"].as_str().unwrap().to_owned()
}

/// A store that tests look into, write into, and switch off.
#[derive(Clone, Debug, Default)]
struct Shelf(Arc<Mutex<Content>>);

#[derive(Default)]
struct Content {
    document: Option<Vec<u8>>,
    broken: bool,
    swaps: usize,
    /// So many swaps are lost to somebody else.
    lose: usize,
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Content")
    }
}

impl Shelf {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes()).unwrap()
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().document.clone().unwrap()
    }

    fn put(&self, bytes: impl Into<Vec<u8>>) {
        self.0.lock().unwrap().document = Some(bytes.into());
    }

    fn put_json(&self, json: &Value) {
        self.put(json.to_string());
    }

    fn empty(&self) {
        self.0.lock().unwrap().document = None;
    }

    fn break_down(&self, broken: bool) {
        self.0.lock().unwrap().broken = broken;
    }

    fn lose(&self, swaps: usize) {
        self.0.lock().unwrap().lose = swaps;
    }

    fn swaps(&self) -> usize {
        self.0.lock().unwrap().swaps
    }
}

impl KeyStore for Shelf {
    fn load(&self) -> NowOrLater<Result<Option<KeyDocument>, StoreError>> {
        let content = self.0.lock().unwrap();
        NowOrLater::ready(match content.broken {
            true => Err(StoreError::new("out of order")),
            false => Ok(content.document.clone().map(KeyDocument::from_bytes)),
        })
    }

    fn compare_and_swap(
        &self,
        expected: Option<KeyDocument>,
        new: KeyDocument,
    ) -> NowOrLater<Result<bool, StoreError>> {
        let mut content = self.0.lock().unwrap();
        if content.broken {
            return NowOrLater::ready(Err(StoreError::new("out of order")));
        }
        if content.lose > 0 {
            content.lose -= 1;
            return NowOrLater::ready(Ok(false));
        }
        let same = content.document.as_deref() == expected.as_ref().map(KeyDocument::as_bytes);
        if same {
            content.document = Some(new.as_bytes().to_vec());
            content.swaps += 1;
        }
        NowOrLater::ready(Ok(same))
    }
}
