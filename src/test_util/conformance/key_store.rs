//! The rules of a `KeyStore`.

use std::sync::Arc;

use super::checked::{Checked, Run, at_once, random};
use crate::store::{KeyDocument, KeyStore, StoreError};

type Store = Arc<dyn KeyStore>;

const ROUNDS: usize = 10;
const AT_ONCE: usize = 16;
/// What every store must hold: a set of public keys that was fetched may be that long.
const LARGE: usize = 1024 * 1024;

/// Runs the rules of a [`KeyStore`] against a store **that has no document yet**, and leaves one in it. The closure opens
/// another handle on the same store each time.
///
/// ```
/// # #[tokio::main] async fn main() {
/// use tower_jwt_auth::{FileKeyStore, conformance};
///
/// # let folder = std::env::temp_dir().join(format!("conformance-{}", std::process::id()));
/// # std::fs::create_dir(&folder).unwrap();
/// let path = folder.join("keys.json");
/// let checked = conformance::key_store(async || FileKeyStore::new(&path)).await;
/// assert!(checked.checks() > 50);
/// # std::fs::remove_dir_all(folder).unwrap();
/// # }
/// ```
///
/// # Panics
/// If a rule is broken; the text names it.
pub async fn key_store<S: KeyStore>(open: impl AsyncFn() -> S) -> Checked {
    let mut run = Run::of("KeyStore");
    let (one, two): (Store, Store) = (Arc::new(open().await), Arc::new(open().await));
    begins_empty(&mut run, &one).await;
    one_makes_the_first(&mut run, &one, &two).await;
    only_the_expected_one(&mut run, &one, &two).await;
    any_bytes(&mut run, &one, &two).await;
    sizes(&mut run, &one, &two).await;
    races(&mut run, &one, &two).await;
    counts(&mut run, &one, &two).await;

    run.rule("what was answered is there for a handle that is opened later");
    let kept = load(&run, &one).await;
    drop((one, two));
    let later: Store = Arc::new(open().await);
    run.same("the document", &load(&run, &later).await, &kept);
    run.rule("Debug does not show the document");
    let new = document("private-key-of-the-suite");
    swap(&run, &later, kept, new).await;
    let shown = format!("{later:?}");
    run.check(!shown.contains("private-key-of-the-suite"), || shown.clone());
    run.done()
}

/// Checks that a [`KeyStore`] that cannot read its document answers errors, and never "there is none": because its engine cannot
/// be reached, such as one with the address of a port on which nobody listens, or because the document is damaged.
///
/// # Panics
/// If it answers something else; the text names the rule.
pub async fn key_store_out_of_reach(store: impl KeyStore) -> Checked {
    let mut run = Run::of("KeyStore");
    run.rule("what cannot be read is an error, never None");
    run.err("load", store.load()).await;
    run.rule("what cannot be written is an error, neither true nor false");
    run.err("compare_and_swap", store.compare_and_swap(None, document("one"))).await;
    run.err("compare_and_swap", store.compare_and_swap(Some(document("one")), document("two"))).await;
    run.done()
}

fn document(bytes: impl AsRef<[u8]>) -> KeyDocument {
    KeyDocument::from_bytes(bytes.as_ref().to_vec())
}

async fn load(run: &Run, store: &Store) -> Option<KeyDocument> {
    run.ok("load", store.load()).await
}

async fn swap(run: &Run, store: &Store, expected: Option<KeyDocument>, new: KeyDocument) -> bool {
    run.ok("compare_and_swap", store.compare_and_swap(expected, new)).await
}

async fn begins_empty(run: &mut Run, one: &Store) {
    run.rule("a store without a document answers None");
    let found = load(run, one).await;
    run.check(found.is_none(), || format!("there is {found:?}; the suite needs a store that is empty"));
    run.rule("a swap that expects a document makes none");
    let swapped = swap(run, one, Some(document("other")), document("new")).await;
    run.same("the answer", &swapped, &false);
    run.same("the document", &load(run, one).await, &None);
}

async fn one_makes_the_first(run: &mut Run, one: &Store, two: &Store) {
    run.rule("of many that make the first document, one succeeds");
    let documents: Vec<_> = (0..AT_ONCE).map(|number| document(format!("first {number}"))).collect();
    race(run, one, two, None, documents).await;
    run.rule("a swap that expects no document replaces none");
    let before = load(run, one).await;
    for store in [one, two] {
        run.same("the answer", &swap(run, store, None, document("second")).await, &false);
        run.same("the document", &load(run, store).await, &before);
    }
}

/// Swaps at once. Checks that one of them succeeded, and that its document is there.
async fn race(run: &mut Run, one: &Store, two: &Store, expected: Option<KeyDocument>, new: Vec<KeyDocument>) {
    let calls = new.iter().enumerate().map(|(number, new)| {
        let store = Arc::clone(if number % 2 == 0 { one } else { two });
        let (expected, new) = (expected.clone(), new.clone());
        async move { store.compare_and_swap(expected, new).await }
    });
    let answers = at_once(calls).await;
    let mut won = Vec::new();
    for (answer, new) in answers.into_iter().zip(new) {
        if run.ok("compare_and_swap", answer.into()).await {
            won.push(new);
        }
    }
    run.same("the number of those that succeeded", &won.len(), &1);
    let stored = load(run, two).await;
    run.check(stored.as_ref() == won.first(), || "the document is not that of the one that succeeded".into());
}

async fn replace(run: &mut Run, store: &Store, new: &KeyDocument) {
    let expected = load(run, store).await;
    let swapped = swap(run, store, expected, new.clone()).await;
    run.same("the answer to a swap of the expected document", &swapped, &true);
}

async fn only_the_expected_one(run: &mut Run, one: &Store, two: &Store) {
    run.rule("only the document that is exactly the expected one is replaced");
    let stored = document(r#"{"keys":[1,2],"next":"a"}"#);
    replace(run, one, &stored).await;
    let others: [&[u8]; 9] = [
        br#"{"keys":[1,2],"next":"a""#,
        br#"{"keys":[1,2],"next":"a"} "#,
        b" {\"keys\":[1,2],\"next\":\"a\"}",
        br#"{"keys":[1,2],"next":"A"}"#,
        br#"{"next":"a","keys":[1,2]}"#,
        br#"{"keys": [1,2], "next": "a"}"#,
        b"{\"keys\":[1,2],\"next\":\"a\"}\n",
        b"{\"keys\":[1,2],\"next\":\"a\"}\0",
        b"",
    ];
    for other in others {
        let swapped = swap(run, two, Some(document(other)), document("new")).await;
        let name = || format!("{:?} was taken for the stored document", String::from_utf8_lossy(other));
        run.check(!swapped, name);
        run.same("the document", &load(run, one).await, &Some(stored.clone()));
    }
    run.rule("a handle sees at once what another one has written");
    for (writer, reader, text) in [(one, two, "by one"), (two, one, "by two")] {
        replace(run, writer, &document(text)).await;
        run.same("the document", &load(run, reader).await, &Some(document(text)));
    }
    run.rule("a document may be replaced by the same");
    replace(run, one, &document("by two")).await;
    run.same("the document", &load(run, one).await, &Some(document("by two")));
}

async fn any_bytes(run: &mut Run, one: &Store, two: &Store) {
    run.rule("the bytes of a document are kept as they are");
    let all: Vec<u8> = (0..=255).collect();
    let documents: [&[u8]; 8] = [
        &all,
        b"\0",
        b"\0\0after",
        b"\xff\xfe not UTF-8 \xc3\x28",
        b"{\"b\":1,\"a\":2,\"b\":3,\"from a later version\":{\"n\":1.0e2}}",
        b" \r\n\t ",
        "\u{feff}\u{e9} e\u{301} \u{1f980}".as_bytes(),
        b"'; DROP TABLE keys; -- \\ \" % _ $1 ?1 {}",
    ];
    for bytes in documents {
        replace(run, one, &document(bytes)).await;
        let found = load(run, two).await;
        run.check(found == Some(document(bytes)), || {
            format!("{:?} came back as {:?}", bytes, found.as_ref().map(KeyDocument::as_bytes))
        });
        // It must be recognised too.
        replace(run, two, &document("between")).await;
    }
}

async fn sizes(run: &mut Run, one: &Store, two: &Store) {
    run.rule("a document of 1 MiB is kept");
    for length in [1, 64 * 1024, LARGE] {
        // Bytes that no compression makes shorter.
        let bytes: Vec<u8> = std::iter::repeat_with(random).flatten().take(length).collect();
        replace(run, one, &document(&bytes)).await;
        let found = load(run, two).await;
        run.check(found == Some(document(&bytes)), || format!("{length} bytes came back as {found:?}"));
        let mut other = bytes;
        if let Some(last) = other.last_mut() {
            *last ^= 1;
        }
        run.same("the answer", &swap(run, two, Some(document(other)), document("new")).await, &false);
    }
    run.rule("a document that is too large, or empty, is kept as it is or refused with an error");
    for bytes in [Vec::new(), vec![b'x'; 4 * LARGE]] {
        let before = load(run, one).await;
        let new = document(&bytes);
        let answer = one.compare_and_swap(before.clone(), new.clone());
        let is_kept = run.answer("compare_and_swap", answer).await.unwrap_or_default();
        let expected = if is_kept { Some(new) } else { before };
        run.same("the document", &load(run, two).await, &expected);
    }
    replace(run, one, &document("small again")).await;
}

async fn races(run: &mut Run, one: &Store, two: &Store) {
    run.rule("of many that replace the same document at once, one succeeds");
    for round in 0..ROUNDS {
        let expected = load(run, one).await;
        let new = (0..AT_ONCE).map(|number| document(format!("round {round}, {number}"))).collect();
        race(run, one, two, expected, new).await;
    }
}

async fn counts(run: &mut Run, one: &Store, two: &Store) {
    const WORKERS: usize = 4;
    const EACH: usize = 10;
    run.rule("no change is lost between those that try again until they succeed");
    replace(run, one, &document("0")).await;
    let workers = (0..WORKERS).map(|number| {
        let store = Arc::clone(if number % 2 == 0 { one } else { two });
        async move {
            let mut done = 0;
            while done < EACH {
                let old = store.load().await?;
                let text = old.as_ref().map(|old| String::from_utf8_lossy(old.as_bytes()).into_owned());
                let number: usize = text.and_then(|text| text.parse().ok()).unwrap_or_default();
                if store.compare_and_swap(old, document((number + 1).to_string())).await? {
                    done += 1;
                } else {
                    tokio::task::yield_now().await;
                }
            }
            Ok::<_, StoreError>(())
        }
    });
    for answer in at_once(workers).await {
        run.ok("load and compare_and_swap", answer.into()).await;
    }
    let counted = load(run, two).await;
    let counted = counted.map(|counted| String::from_utf8_lossy(counted.as_bytes()).into_owned());
    run.same("the number that was counted to", &counted, &Some((WORKERS * EACH).to_string()));
}
