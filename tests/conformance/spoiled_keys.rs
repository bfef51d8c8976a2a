//! Stores of keys that break one rule each.

use std::fmt;
use std::sync::{Arc, Mutex};

use tower_jwt_auth::{KeyDocument, KeyStore, NowOrLater, StoreError};

use super::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    NotEmptyAtFirst,
    MakesWhatIsNotThere,
    FirstInTwoSteps,
    NoneReplaces,
    IgnoresExpected,
    ComparesTrimmed,
    ComparesJson,
    OwnCopy,
    SameIsNoChange,
    KeepsText,
    CutsAtZero,
    CutsLong,
    TwoSteps,
    AnswersTrueAlways,
    EmptyIsWrittenAndRefused,
    Forgets,
    ShowsDocument,
    NoneOnError,
    FalseOnError,
}

/// The document, and what a handle has of its own.
struct Spoiled {
    stored: Arc<Mutex<Option<Vec<u8>>>>,
    seen: Mutex<Option<Vec<u8>>>,
    fault: Fault,
}

impl Debug for Spoiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fault {
            Fault::ShowsDocument => {
                let stored = self.stored.lock().unwrap();
                write!(f, "Spoiled({})", String::from_utf8_lossy(stored.as_deref().unwrap_or_default()))
            }
            _ => f.write_str("Spoiled(..)"),
        }
    }
}

fn json(bytes: &[u8]) -> Option<serde_json::Value> {
    serde_json::from_slice(bytes).ok()
}

impl Spoiled {
    fn fits(&self, stored: Option<&[u8]>, expected: Option<&[u8]>) -> bool {
        match (self.fault, stored, expected) {
            (Fault::MakesWhatIsNotThere, None, _)
            | (Fault::NoneReplaces, _, None)
            | (Fault::IgnoresExpected, Some(_), Some(_)) => true,
            (Fault::ComparesTrimmed, Some(stored), Some(expected)) => {
                stored.trim_ascii() == expected.trim_ascii()
            }
            (Fault::ComparesJson, Some(stored), Some(expected)) if json(stored).is_some() => {
                json(stored) == json(expected)
            }
            _ => stored == expected,
        }
    }

    fn written(&self, new: &[u8]) -> Vec<u8> {
        match self.fault {
            Fault::KeepsText => String::from_utf8_lossy(new).into_owned().into_bytes(),
            Fault::CutsAtZero => new.split(|byte| *byte == 0).next().unwrap().to_vec(),
            Fault::CutsLong => new[..new.len().min(65_536)].to_vec(),
            _ => new.to_vec(),
        }
    }
}

impl KeyStore for Spoiled {
    fn load(&self) -> NowOrLater<Result<Option<KeyDocument>, StoreError>> {
        let mut found = self.stored.lock().unwrap().clone();
        match self.fault {
            Fault::NotEmptyAtFirst if found.is_none() => found = Some(b"{}".to_vec()),
            Fault::OwnCopy if found.is_some() => {
                found = self.seen.lock().unwrap().get_or_insert_with(|| found.unwrap()).clone().into();
            }
            Fault::FalseOnError => return NowOrLater::ready(Err(StoreError::new("away"))),
            _ => {}
        }
        NowOrLater::ready(Ok(found.map(KeyDocument::from_bytes)))
    }

    fn compare_and_swap(
        &self,
        expected: Option<KeyDocument>,
        new: KeyDocument,
    ) -> NowOrLater<Result<bool, StoreError>> {
        let expected = expected.as_ref().map(KeyDocument::as_bytes);
        let mut stored = self.stored.lock().unwrap();
        let fits = self.fits(stored.as_deref(), expected);
        let written = self.written(new.as_bytes());
        match self.fault {
            Fault::NoneOnError => return NowOrLater::ready(Err(StoreError::new("away"))),
            Fault::FalseOnError => return NowOrLater::ready(Ok(false)),
            Fault::EmptyIsWrittenAndRefused if written.is_empty() => {
                *stored = Some(written);
                return NowOrLater::ready(Err(StoreError::new("empty")));
            }
            Fault::SameIsNoChange if fits && *stored == Some(written.clone()) => {
                return NowOrLater::ready(Ok(false));
            }
            Fault::FirstInTwoSteps | Fault::TwoSteps
                if fits && stored.is_none() == (self.fault == Fault::FirstInTwoSteps) =>
            {
                let shared = Arc::clone(&self.stored);
                return NowOrLater::later(async move {
                    tokio::task::yield_now().await;
                    *shared.lock().unwrap() = Some(written);
                    Ok(true)
                });
            }
            _ => {}
        }
        if fits {
            *stored = Some(written.clone());
            *self.seen.lock().unwrap() = Some(written);
        }
        let says_true =
            self.fault == Fault::AnswersTrueAlways && stored.as_deref() != expected && expected.is_some();
        NowOrLater::ready(Ok(fits || says_true))
    }
}

async fn suite(fault: Fault) -> Checked {
    if matches!(fault, Fault::NoneOnError | Fault::FalseOnError) {
        let store = Spoiled { stored: Arc::default(), seen: Mutex::default(), fault };
        return conformance::key_store_out_of_reach(store).await;
    }
    let stored = Arc::new(Mutex::default());
    let handles = Mutex::new(0);
    conformance::key_store(async || {
        *handles.lock().unwrap() += 1;
        let forgets = fault == Fault::Forgets && *handles.lock().unwrap() > 2;
        let stored = if forgets { Arc::default() } else { Arc::clone(&stored) };
        Spoiled { stored, seen: Mutex::default(), fault }
    })
    .await
}

#[test]
fn each_fault_is_called_by_its_rule() {
    runtime().block_on(suite(Fault::None));
    let exactly = "only the document that is exactly the expected one is replaced";
    assert_each_is_broken(
        [
            (Fault::NotEmptyAtFirst, "a store without a document answers None"),
            (Fault::MakesWhatIsNotThere, "a swap that expects a document makes none"),
            (Fault::FirstInTwoSteps, "of many that make the first document, one succeeds"),
            (Fault::NoneReplaces, "of many that make the first document, one succeeds"),
            (Fault::IgnoresExpected, exactly),
            (Fault::ComparesTrimmed, exactly),
            (Fault::ComparesJson, exactly),
            (Fault::AnswersTrueAlways, "a swap that expects a document makes none"),
            (Fault::OwnCopy, "a handle sees at once what another one has written"),
            (Fault::SameIsNoChange, "a document may be replaced by the same"),
            (Fault::KeepsText, "the bytes of a document are kept as they are"),
            (Fault::CutsAtZero, "the bytes of a document are kept as they are"),
            (Fault::CutsLong, "a document of 1 MiB is kept"),
            (
                Fault::EmptyIsWrittenAndRefused,
                "a document that is too large, or empty, is kept as it is or refused with an error",
            ),
            (Fault::TwoSteps, "of many that replace the same document at once, one succeeds"),
            (Fault::Forgets, "what was answered is there for a handle that is opened later"),
            (Fault::ShowsDocument, "Debug does not show the document"),
            (Fault::NoneOnError, "what cannot be read is an error, never None"),
            (Fault::FalseOnError, "what cannot be written is an error, neither true nor false"),
        ],
        suite,
    );
}
