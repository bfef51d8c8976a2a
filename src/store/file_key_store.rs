//! Keys in a file.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

use super::{KeyDocument, KeyStore};
use crate::store::private_file::{self, failed, refused};
use tokio::sync::Semaphore;

use crate::runtime::{NowOrLater, crash_point, trace};
use crate::store::StoreError;
use crate::store::blocking::in_turn;

/// Bytes of the largest document.
const MAX_BYTES: u64 = 1024 * 1024;

/// Keeps keys in a file that only this user can read and write, for processes on one machine.
///
/// The document's bytes are the file's content. A change is written beside it, synced, and renamed into place under an
/// exclusive lock on `<path>.lock`, so that whatever happens the file holds the old document or the new one. The
/// directory is synced too.
///
/// On Unix, each of these is an error that names the remedy, and never taken for "no document": a file or a lock that
/// others can read or write, that belongs to another user, that is a symbolic link or no regular file; a file that is
/// empty or larger than 1 MiB; a directory that is missing, or in which others can replace files. On other systems keep
/// it in a directory that is closed to others.
///
/// The file system must have locks (NFS without a lock daemon has none). A file that is mounted by itself into a
/// container cannot be replaced: mount its directory.
///
/// ```
/// use tower_jwt_auth::FileKeyStore;
///
/// let store = FileKeyStore::new("/var/lib/shop/keys.json");
/// ```
#[derive(Clone, Debug)]
pub struct FileKeyStore {
    path: PathBuf,
    /// One operation at a time: a lock may be held, a network file system may hang.
    turn: Arc<Semaphore>,
}

impl FileKeyStore {
    /// A store in the file at `path`, which is made by the first write; its directory must exist.
    ///
    /// A relative path is taken from the directory in which the process is now, also if it changes that later.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self { path: std::path::absolute(&path).unwrap_or(path), turn: Arc::new(Semaphore::new(1)) }
    }
}

impl KeyStore for FileKeyStore {
    fn load(&self) -> NowOrLater<Result<Option<KeyDocument>, StoreError>> {
        let path = self.path.clone();
        in_turn(&self.turn, move || {
            let place = Place::of(&path)?;
            private_file::check_directory(place.directory)?;
            place.read()
        })
    }

    fn compare_and_swap(
        &self,
        expected: Option<KeyDocument>,
        new: KeyDocument,
    ) -> NowOrLater<Result<bool, StoreError>> {
        let path = self.path.clone();
        in_turn(&self.turn, move || {
            let place = Place::of(&path)?;
            // What could not be read again is not written either.
            check_size(place.path, new.as_bytes().len() as u64, "it was not written")?;
            private_file::check_directory(place.directory)?;
            let _lock = place.lock()?;
            place.remove_leftovers();
            if place.read()? != expected {
                return Ok(false);
            }
            place.replace(&new)?;
            Ok(true)
        })
    }
}

/// The path of a store, taken apart.
struct Place<'p> {
    path: &'p Path,
    directory: &'p Path,
    name: &'p OsStr,
}

impl<'p> Place<'p> {
    fn of(path: &'p Path) -> Result<Self, StoreError> {
        match (path.parent(), path.file_name()) {
            (Some(directory), Some(name)) => Ok(Self { path, directory, name }),
            _ => Err(refused(path, "is not the path of a file", "give one such as /var/lib/shop/keys.json")),
        }
    }

    fn read(&self) -> Result<Option<KeyDocument>, StoreError> {
        let Some(mut file) = private_file::open(self.path)? else { return Ok(None) };
        let length = file.metadata().map_err(|error| failed(self.path, "look at the file", &error))?.len();
        let remedy = "restore it from a backup, or move it away to begin with new keys";
        check_size(self.path, length, remedy)?;
        // As large as the file from the start: a vector that grows leaves copies behind.
        let mut bytes = Zeroizing::new(vec![0; usize::try_from(length).unwrap_or_default()]);
        file.read_exact(&mut bytes).map_err(|error| failed(self.path, "read the file", &error))?;
        Ok(Some(KeyDocument::from_bytes(std::mem::take(&mut bytes))))
    }

    /// Waits until nobody else writes. Dropping the file, or dying, gives the lock back; the file itself stays.
    fn lock(&self) -> Result<File, StoreError> {
        let mut path = self.path.as_os_str().to_owned();
        path.push(".lock");
        let path = Path::new(&path);
        let file = private_file::open_lock(path)?;
        fs4::FileExt::lock(&file).map_err(|error| failed(path, "lock the file", &error))?;
        Ok(file)
    }

    /// Replaces the file as a unit, and durably.
    fn replace(&self, new: &KeyDocument) -> Result<(), StoreError> {
        crash_point::reach("compared");
        // Made with mode 0600, which is what this library is for.
        let mut file = tempfile::Builder::new()
            .prefix(&self.temporary_prefix())
            .tempfile_in(self.directory)
            .map_err(|error| failed(self.directory, "make a file in the directory", &error))?;
        crash_point::reach("temporary file made");
        file.write_all(new.as_bytes()).map_err(|error| failed(file.path(), "write the file", &error))?;
        crash_point::reach("temporary file written");
        file.as_file().sync_all().map_err(|error| failed(file.path(), "sync the file", &error))?;
        crash_point::reach("temporary file synced");
        file.persist(self.path).map_err(|error| failed(self.path, "replace the file", &error.error))?;
        crash_point::reach("renamed");
        private_file::sync_directory(self.directory)
            .map_err(|error| failed(self.directory, "sync the directory", &error))?;
        crash_point::reach("directory synced");
        Ok(())
    }

    fn temporary_prefix(&self) -> OsString {
        let mut prefix = OsString::from(".");
        prefix.push(self.name);
        prefix.push(".new-");
        prefix
    }

    /// Removes what writers left that were killed. They hold keys, but nothing depends on them being gone: in a shared
    /// directory one may belong to somebody else, who must not be able to stop us.
    fn remove_leftovers(&self) {
        let prefix = self.temporary_prefix();
        let is_ours = |name: &OsStr| {
            let rest = name.as_encoded_bytes().strip_prefix(prefix.as_encoded_bytes());
            rest.is_some_and(|rest| rest.iter().all(u8::is_ascii_alphanumeric))
        };
        let Ok(entries) = fs::read_dir(self.directory) else { return };
        for entry in entries.flatten().filter(|entry| is_ours(&entry.file_name())) {
            if fs::remove_file(entry.path()).is_err() {
                trace::warn!("a temporary file beside the key store cannot be removed");
            }
        }
    }
}

fn check_size(path: &Path, length: u64, remedy: &str) -> Result<(), StoreError> {
    match length {
        0 => Err(refused(path, "the document is empty", remedy)),
        1..=MAX_BYTES => Ok(()),
        _ => Err(refused(path, "the document is larger than 1 MiB", remedy)),
    }
}
