//! What a file of keys must be like. Each refusal names the path and what would mend it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use tower_jwt_auth::{FileKeyStore, KeyStore, StoreError};

use super::{load, names, place, swap};

const MIB: usize = 1024 * 1024;

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Reading and writing are both refused, with a text that names `path` and `what`.
#[track_caller]
fn assert_refused(store: &dyn KeyStore, path: &Path, what: &[&str]) {
    let both: [Result<(), StoreError>; 2] = [load(store).map(|_| ()), swap(store, None, "new").map(|_| ())];
    for result in both {
        let error = result.expect_err("accepted").to_string();
        assert!(error.contains(path.to_str().unwrap()), "{error}");
        for what in what {
            assert!(error.contains(what), "{what:?} is not in: {error}");
        }
    }
}

#[test]
fn what_is_written_is_closed_to_others_even_where_it_was_laxer() {
    let (_directory, path, store) = place();
    assert!(swap(&store, None, "one").unwrap());
    assert_eq!((mode(&path), mode(&path.with_extension("json.lock"))), (0o600, 0o600));
    // A file that only its owner can read is fine, and is replaced all the same.
    for owner_only in [0o400, 0o700, 0o600] {
        chmod(&path, owner_only);
        assert!(swap(&store, Some("one"), "one").unwrap(), "{owner_only:o}");
        assert_eq!(mode(&path), 0o600);
    }
}

#[test]
fn a_file_or_a_lock_that_is_open_to_others_is_refused() {
    let (_directory, path, store) = place();
    assert!(swap(&store, None, "one").unwrap());
    let lock = path.with_extension("json.lock");
    for bit in [0o040, 0o020, 0o010, 0o004, 0o002, 0o001] {
        chmod(&path, 0o600 | bit);
        let text = format!("its mode 0{:o}", 0o600 | bit);
        assert_refused(&store, &path, &[&text, &format!("`chmod 600 {}`", path.display())]);
        chmod(&path, 0o600);

        chmod(&lock, 0o600 | bit);
        let error = swap(&store, Some("one"), "two").unwrap_err().to_string();
        assert!(error.contains(&format!("`chmod 600 {}`", lock.display())), "{error}");
        chmod(&lock, 0o600);
    }
    assert!(swap(&store, Some("one"), "two").unwrap());
}

#[test]
fn a_file_of_another_user_is_refused() {
    let (directory, path, store) = place();
    assert!(swap(&store, None, "one").unwrap());
    // Only the superuser can give a file away; who is not has one of the superuser at hand.
    if chown(&path, Some(12_345), None).is_ok() {
        assert_refused(&store, &path, &["belongs to user 12345", "`chown 0 "]);
        chown(&path, Some(0), None).unwrap();
        let lock = path.with_extension("json.lock");
        chown(&lock, Some(12_345), None).unwrap();
        let error = swap(&store, Some("one"), "two").unwrap_err().to_string();
        assert!(error.contains("belongs to user 12345") && error.contains("keys.json.lock"), "{error}");
        chown(&lock, Some(0), None).unwrap();
        assert!(swap(&store, Some("one"), "two").unwrap());
        // Whoever has the directory can replace what is in it.
        chown(directory.path(), Some(12_345), None).unwrap();
        assert_refused(&store, directory.path(), &["the directory belongs to user 12345", "`chown 0 "]);
    } else {
        let passwd = Path::new("/etc/passwd");
        let error = load(&FileKeyStore::new(passwd)).unwrap_err().to_string();
        assert!(error.contains("/etc/passwd: belongs to user 0") && error.contains("`chown"), "{error}");
    }
}

#[test]
fn a_symbolic_link_is_refused_whatever_it_points_to() {
    let (directory, path, store) = place();
    let good = directory.path().join("good.json");
    assert!(swap(&FileKeyStore::new(&good), None, "one").unwrap());
    for target in [good.as_path(), Path::new("nowhere"), directory.path(), path.as_path()] {
        symlink(target, &path).unwrap();
        assert_refused(&store, &path, &["is a symbolic link", "name the file that it points to"]);
        assert!(fs::symlink_metadata(&path).unwrap().is_symlink(), "it is still there");
        fs::remove_file(&path).unwrap();
    }
    assert!(!directory.path().join("nowhere").exists());
    // So is the lock: through a link it would be made, or truncated, elsewhere.
    let lock = path.with_extension("json.lock");
    let _ = fs::remove_file(&lock);
    symlink("nowhere", &lock).unwrap();
    let error = swap(&store, None, "one").unwrap_err().to_string();
    assert!(error.contains("keys.json.lock: is a symbolic link"), "{error}");
    assert!(!directory.path().join("nowhere").exists());
    assert_eq!(load(&store).unwrap(), None);
}

/// A named pipe must not hang the reader either.
#[test]
fn what_is_no_regular_file_is_refused() {
    let (directory, path, store) = place();
    fs::create_dir(&path).unwrap();
    assert_refused(&store, &path, &["is not a regular file", "move it away"]);
    fs::remove_dir(&path).unwrap();

    let listener = UnixListener::bind(&path).unwrap();
    assert_refused(&store, &path, &["is not a regular file"]);
    drop(listener);
    fs::remove_file(&path).unwrap();

    let made = std::process::Command::new("mkfifo").args(["-m", "600"]).arg(&path).status().unwrap();
    assert!(made.success());
    assert_refused(&store, &path, &["is not a regular file"]);
    fs::rename(&path, path.with_extension("json.lock")).unwrap();
    let error = swap(&store, None, "one").unwrap_err().to_string();
    assert!(error.contains("keys.json.lock: is not a regular file"), "{error}");
    drop(directory);
}

#[test]
fn an_empty_document_and_one_above_a_mebibyte_are_refused() {
    let (_directory, path, store) = place();
    let (largest, above) = ("x".repeat(MIB), "x".repeat(MIB + 1));
    for (bad, what) in [("", "is empty"), (above.as_str(), "is larger than 1 MiB")] {
        let error = swap(&store, None, bad).unwrap_err().to_string();
        assert!(error.contains(what) && error.contains("it was not written"), "{error}");
        assert_eq!(load(&store).unwrap(), None);
    }
    for smallest_and_largest in ["x", &largest] {
        let was = load(&store).unwrap();
        let new = super::document(smallest_and_largest);
        assert!(store.compare_and_swap(was, new.clone()).now().unwrap().unwrap());
        assert_eq!(load(&store).unwrap(), Some(new));
    }
    // The file is there with mode 0600: what is wrong is its size alone.
    for (bad, what) in [("", "is empty"), (above.as_str(), "is larger than 1 MiB")] {
        fs::write(&path, bad).unwrap();
        assert_refused(&store, &path, &[what, "restore it from a backup"]);
    }
}

#[test]
fn a_directory_must_be_there_and_closed_to_others() {
    let (directory, path, store) = place();
    for (open, sticky) in [(0o777, 0o1777), (0o770, 0o1770), (0o702, 0o1702), (0o720, 0o3720)] {
        chmod(directory.path(), open);
        let what = format!("the mode 0{open:o} of the directory");
        assert_refused(&store, directory.path(), &[&what, "`chmod go-w"]);
        assert_eq!(names(directory.path()), [""; 0], "nothing was written");
        chmod(directory.path(), sticky);
        assert_eq!(load(&store).unwrap(), None, "{sticky:o}");
    }
    chmod(directory.path(), 0o755);
    assert_eq!(load(&store).unwrap(), None, "others may look at names");

    let missing = directory.path().join("missing");
    let create = format!("`mkdir -m 700 {}`", missing.display());
    assert_refused(&FileKeyStore::new(missing.join("keys.json")), &missing, &["does not exist", &create]);

    assert!(swap(&store, None, "one").unwrap());
    assert_refused(&FileKeyStore::new(path.join("keys.json")), &path, &["is not a directory"]);
    for no_file in ["/", "/tmp/.."] {
        assert_refused(&FileKeyStore::new(no_file), Path::new(no_file), &["is not the path of a file"]);
    }
    assert!(load(&FileKeyStore::new("")).is_err());
}

#[test]
fn a_relative_path_is_that_of_the_moment_of_its_making() {
    let printed = format!("{:?}", FileKeyStore::new("keys.json"));
    let absolute = std::env::current_dir().unwrap().join("keys.json");
    assert!(printed.contains(absolute.to_str().unwrap()), "{printed}");
}
