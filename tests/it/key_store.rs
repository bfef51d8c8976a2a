//! Stores of keys: what a file must be like, writers at the same time, and writers that are killed.

mod crash;
#[cfg(unix)]
mod rules;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{env, fs};

use tempfile::TempDir;
use tower_jwt_auth::{FileKeyStore, KeyDocument, KeyStore, MemoryKeyStore, StoreError};

fn document(text: impl AsRef<[u8]>) -> KeyDocument {
    KeyDocument::from_bytes(text.as_ref().to_vec())
}

/// Without a runtime a store answers at once.
fn load(store: &dyn KeyStore) -> Result<Option<KeyDocument>, StoreError> {
    store.load().now().expect("no runtime")
}

fn swap(store: &dyn KeyStore, expected: Option<&str>, new: &str) -> Result<bool, StoreError> {
    store.compare_and_swap(expected.map(document), document(new)).now().expect("no runtime")
}

/// A directory of its own, the path of a file in it that is not there, and a store of that.
fn place() -> (TempDir, PathBuf, FileKeyStore) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.json");
    let store = FileKeyStore::new(&path);
    (directory, path, store)
}

/// Sorted names of what is in a directory.
fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    names
}

/// Starts this test binary again, to run one of its workers.
fn start(worker: &str, path: &Path, crash_at: Option<usize>) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", worker, "--nocapture"]).env("KEY_STORE_OF_WORKER", path);
    if let Some(point) = crash_at {
        command.env("TOWER_JWT_AUTH_CRASH_AT", point.to_string());
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The store of a worker; `None` where it runs among all other tests and has nothing to do.
fn store_of_worker() -> Option<FileKeyStore> {
    env::var_os("KEY_STORE_OF_WORKER").map(FileKeyStore::new)
}

#[test]
fn a_document_is_replaced_only_if_it_is_the_expected_one() {
    let (directory, path, file) = place();
    for store in [&file as &dyn KeyStore, &MemoryKeyStore::new()] {
        assert_eq!(load(store).unwrap(), None);
        assert!(!swap(store, Some("one"), "two").unwrap(), "expected what is not there");
        assert_eq!(load(store).unwrap(), None);
        assert!(swap(store, None, "one").unwrap());
        assert!(!swap(store, None, "two").unwrap(), "expected nothing");
        assert!(!swap(store, Some("on"), "two").unwrap());
        assert!(!swap(store, Some("one "), "two").unwrap());
        assert_eq!(load(store).unwrap(), Some(document("one")));
        assert!(swap(store, Some("one"), "two").unwrap());
        assert!(swap(store, Some("two"), "two").unwrap(), "the same again");
        assert_eq!(load(store).unwrap(), Some(document("two")));
    }
    assert_eq!(fs::read(&path).unwrap(), b"two");
    assert_eq!(names(directory.path()), ["keys.json", "keys.json.lock"]);
    // Any bytes: the store does not look inside.
    let bytes: Vec<u8> = (0..=255).collect();
    assert!(file.compare_and_swap(Some(document("two")), document(&bytes)).now().unwrap().unwrap());
    assert_eq!(load(&file).unwrap().unwrap().as_bytes(), bytes);
}

#[test]
fn neither_store_nor_document_show_what_is_in_them() {
    let (_directory, path, store) = place();
    assert!(swap(&store, None, "private key").unwrap());
    let memory = MemoryKeyStore::new();
    assert!(swap(&memory, None, "private key").unwrap());
    let printed = format!("{store:?} {memory:?} {:?}", load(&store).unwrap());
    assert!(printed.contains("KeyDocument(11 bytes)"), "{printed}");
    assert!(!printed.contains("private key"), "{printed}");
    // Nor does an error tell the content of the file.
    fs::write(&path, vec![b'x'; 1024 * 1024 + 1]).unwrap();
    let error = load(&store).unwrap_err().to_string();
    assert!(error.len() < 300, "{error}");
}

/// In a runtime the work is done elsewhere: on this, its only thread, it would be ready at once.
#[tokio::test]
async fn in_a_runtime_nothing_blocks_its_thread() {
    let (_directory, _path, store) = place();
    assert!(store.load().now().is_none());
    assert!(store.compare_and_swap(None, document("one")).await.unwrap());
    assert_eq!(store.load().await.unwrap(), Some(document("one")));
    // A swap that was begun and is no longer awaited is done or not, as a unit.
    let mut begun = store.compare_and_swap(Some(document("one")), document("two"));
    let _ = poll_once(&mut begun);
    drop(begun);
    let now = store.load().await.unwrap().unwrap();
    assert!([document("one"), document("two")].contains(&now));
}

fn poll_once<F: Future + Unpin>(future: &mut F) -> bool {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    std::pin::Pin::new(future).poll(&mut cx).is_ready()
}

const INCREMENTS: u64 = 200;

#[test]
fn two_processes_that_count_lose_nothing() {
    let (directory, path, store) = place();
    let mut workers = [(); 2].map(|()| start("key_store::counting_worker", &path, None));
    // Each waits for the end of its input, so both begin together.
    workers.iter_mut().for_each(|worker| drop(worker.stdin.take()));
    for worker in workers {
        let output = worker.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        let line = said.lines().find(|line| line.contains("swaps")).expect("the worker has worked");
        println!("{line}");
    }
    let counted = load(&store).unwrap().unwrap();
    println!("counted: {}", String::from_utf8_lossy(counted.as_bytes()));
    assert_eq!(counted, document((2 * INCREMENTS).to_string()));
    assert_eq!(names(directory.path()), ["keys.json", "keys.json.lock"]);
}

/// Runs in a process of its own, for the test above.
#[test]
fn counting_worker() {
    let Some(store) = store_of_worker() else { return };
    std::io::read_to_string(std::io::stdin()).unwrap();
    let (mut done, mut lost) = (0, 0);
    while done < INCREMENTS {
        // Both begin without a document, and one of them makes the first.
        let old = load(&store).unwrap();
        let text = old.as_ref().map_or(&b"0"[..], KeyDocument::as_bytes);
        let number: u64 = std::str::from_utf8(text).unwrap().parse().unwrap();
        let new = document((number + 1).to_string());
        let swapped = store.compare_and_swap(old, new).now().unwrap().unwrap();
        *(if swapped { &mut done } else { &mut lost }) += 1;
    }
    println!("{done} swaps done, {lost} lost to the other process and tried again");
}
