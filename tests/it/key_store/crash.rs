//! A writer is killed (kill -9) before and after every step of a write.

#![cfg(unix)]

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use tower_jwt_auth::KeyStore;

use super::{document, load, names, place, start, store_of_worker, swap};

/// Larger than what a file system writes as a unit.
fn new() -> String {
    "new ".repeat(50_000)
}

/// Runs in a process of its own, for the tests below.
#[test]
fn worker() {
    let Some(store) = store_of_worker() else { return };
    let old = load(&store).unwrap();
    let swapped = store.compare_and_swap(old, document(new())).now().unwrap().unwrap();
    println!("swapped: {swapped}");
}

/// Lets the worker die at its n-th point, and tells the name of that; `None` if it ended unharmed.
fn kill_at(point: usize, path: &Path) -> Option<String> {
    let output = start("key_store::crash::worker", path, Some(point)).wait_with_output().unwrap();
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() {
        assert!(said.contains("swapped: true"), "{said}");
        return None;
    }
    assert_eq!(output.status.signal(), Some(9), "{said}{complained}");
    let named = format!("crash point {point}: ");
    Some(complained.lines().find_map(|line| line.strip_prefix(&named)).unwrap().to_owned())
}

fn is_leftover(name: &&String) -> bool {
    name.starts_with(".keys.json.new-")
}

/// The points that a write of today has; a new one belongs into the table, and an old one must not get lost.
const POINTS: [(&str, bool); 6] = [
    ("compared", false),
    ("temporary file made", false),
    ("temporary file written", false),
    ("temporary file synced", false),
    ("renamed", true),
    ("directory synced", true),
];

#[test]
fn a_killed_writer_leaves_the_old_document_or_the_new_one() {
    println!(
        "| killed at | document before | document after | temporary files after | after the next write |"
    );
    println!("|---|---|---|---|---|");
    for before in [None, Some("old")] {
        let mut killed = Vec::new();
        for point in 1.. {
            let (directory, path, store) = place();
            if let Some(before) = before {
                assert!(swap(&store, None, before).unwrap());
            }
            let Some(name) = kill_at(point, &path) else { break };
            let after = load(&store).unwrap();
            let is_new = after == Some(document(new()));
            assert!(is_new || after == before.map(document), "{name}: neither the old one nor the new one");
            let leftovers = names(directory.path()).iter().filter(is_leftover).count();

            // The next writer has the lock, and cleans up.
            let was = after.as_ref().map(|document| String::from_utf8(document.as_bytes().to_vec()).unwrap());
            assert!(swap(&store, was.as_deref(), "next").unwrap(), "{name}");
            assert_eq!(load(&store).unwrap(), Some(document("next")), "{name}");
            assert_eq!(names(directory.path()), ["keys.json", "keys.json.lock"], "{name}");
            let after = if is_new { "new" } else { before.unwrap_or("none") };
            println!("| {name} | {} | {after} | {leftovers} | next, 0 |", before.unwrap_or("none"));
            killed.push((name, is_new));
        }
        let killed: Vec<(&str, bool)> =
            killed.iter().map(|(name, is_new)| (name.as_str(), *is_new)).collect();
        assert_eq!(killed, POINTS);
    }
}

#[test]
fn writers_that_are_killed_one_after_the_other_leave_no_heap() {
    let (directory, path, store) = place();
    assert!(swap(&store, None, "old").unwrap());
    let written = 1 + POINTS.iter().position(|(name, _)| *name == "temporary file written").unwrap();
    for _ in 0..5 {
        assert!(kill_at(written, &path).is_some());
        assert_eq!(names(directory.path()).iter().filter(is_leftover).count(), 1, "one writer's at most");
        assert_eq!(load(&store).unwrap(), Some(document("old")));
    }
    // Also a swap that finds another document cleans up.
    assert!(!swap(&store, None, "other").unwrap());
    assert_eq!(names(directory.path()), ["keys.json", "keys.json.lock"]);
}

#[test]
fn only_leftovers_of_this_very_store_are_removed() {
    let (directory, _path, store) = place();
    let others = [".keys.json.new-a.b", ".keys.json.newer", ".other.json.new-abc", "keys.json.new-abc"];
    for name in others.into_iter().chain([".keys.json.new-AbC123"]) {
        fs::write(directory.path().join(name), "x").unwrap();
    }
    // A directory cannot be removed as a file; that stops nobody.
    fs::create_dir(directory.path().join(".keys.json.new-dir")).unwrap();
    assert!(swap(&store, None, "one").unwrap());
    let left = names(directory.path());
    assert!(!left.iter().any(|name| name == ".keys.json.new-AbC123"), "{left:?}");
    for name in others {
        assert!(left.iter().any(|one| one == name), "{name} is gone: {left:?}");
    }
}
