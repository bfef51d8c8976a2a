//! Files that nobody but this user can read or write: how they are opened, and what is refused.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::path::Path;

use super::StoreError;

/// Opens the file at `path` for reading; `None` if there is none.
///
/// # Errors
/// If it is not a regular file of this user that is closed to all others, or cannot be opened.
pub(super) fn open(path: &Path) -> Result<Option<File>, StoreError> {
    match open_with(OpenOptions::new().read(true), path) {
        Ok(file) => checked(file, path).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(why_not(path, &error)),
    }
}

/// Opens the file at `path`, which is made if there is none; only the lock on it matters.
///
/// # Errors
/// As [`open`].
pub(super) fn open_lock(path: &Path) -> Result<File, StoreError> {
    match open_with(OpenOptions::new().read(true).write(true).create(true).truncate(false), path) {
        Ok(file) => checked(file, path),
        Err(error) => Err(why_not(path, &error)),
    }
}

/// # Errors
/// If `path` is no directory, or somebody else could replace the files in it.
pub(super) fn check_directory(path: &Path) -> Result<(), StoreError> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(refused(path, "the directory does not exist", &remedy("mkdir -m 700", path)));
        }
        Err(error) => return Err(failed(path, "look at the directory", &error)),
    };
    if !metadata.is_dir() {
        return Err(refused(path, "is not a directory", "name a file in one"));
    }
    check_directory_access(path, &metadata)
}

/// Makes what was renamed in the directory survive a loss of power.
#[cfg(unix)]
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Other systems offer no way to open a directory for this.
#[cfg(not(unix))]
pub(super) fn sync_directory(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// A refusal that says what would mend it.
pub(super) fn refused(path: &Path, problem: &str, remedy: &str) -> StoreError {
    StoreError::new(format!("{}: {problem}; {remedy}", path.display()))
}

/// A step that the system refused.
pub(super) fn failed(path: &Path, step: &str, error: &io::Error) -> StoreError {
    StoreError::new(format!("{}: cannot {step}: {error}", path.display()))
}

fn remedy(command: &str, path: &Path) -> String {
    format!("`{command} {}`", path.display())
}

/// Judges the open file, not what may by now be at its path.
fn checked(file: File, path: &Path) -> Result<File, StoreError> {
    let metadata = file.metadata().map_err(|error| failed(path, "look at the file", &error))?;
    check_file(path, &metadata)?;
    Ok(file)
}

/// The rule behind a failure to open, if there is one.
fn why_not(path: &Path, error: &io::Error) -> StoreError {
    let rule = fs::symlink_metadata(path).map(|metadata| check_file(path, &metadata));
    match rule {
        Ok(Err(broken)) => broken,
        _ => failed(path, "open the file", error),
    }
}

fn check_file(path: &Path, metadata: &Metadata) -> Result<(), StoreError> {
    if metadata.is_symlink() {
        return Err(refused(path, "is a symbolic link", "name the file that it points to"));
    }
    if !metadata.is_file() {
        return Err(refused(path, "is not a regular file", "move it away, or name another one"));
    }
    check_file_access(path, metadata)
}

#[cfg(unix)]
fn open_with(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;

    use rustix::fs::OFlags;

    // Without `NONBLOCK` a named pipe would hang us before it can be refused.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    options.mode(0o600).custom_flags(flags.bits().cast_signed()).open(path)
}

#[cfg(unix)]
fn check_file_access(path: &Path, metadata: &Metadata) -> Result<(), StoreError> {
    use std::os::unix::fs::MetadataExt;

    let user = rustix::process::geteuid().as_raw();
    if metadata.uid() != user {
        let problem = format!("belongs to user {}, this process to user {user}", metadata.uid());
        return Err(refused(path, &problem, &remedy(&format!("chown {user}"), path)));
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        let remedy =
            format!("{}, and change the keys if anybody may have seen them", remedy("chmod 600", path));
        return Err(refused(path, &format!("its mode {mode:04o} opens it to others"), &remedy));
    }
    Ok(())
}

#[cfg(unix)]
fn check_directory_access(path: &Path, metadata: &Metadata) -> Result<(), StoreError> {
    use std::os::unix::fs::MetadataExt;

    const STICKY: u32 = 0o1000;
    let (user, owner) = (rustix::process::geteuid().as_raw(), metadata.uid());
    if owner != user && owner != 0 {
        let problem = format!("the directory belongs to user {owner}, this process to user {user}");
        return Err(refused(path, &problem, &remedy(&format!("chown {user}"), path)));
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o022 != 0 && mode & STICKY == 0 {
        let problem = format!("the mode {mode:04o} of the directory lets others replace the files in it");
        let remedy = format!("{}, or use a directory in it with mode 700", remedy("chmod go-w", path));
        return Err(refused(path, &problem, &remedy));
    }
    Ok(())
}

/// Without modes and owners, the access is what the directory hands on; only links are refused.
#[cfg(not(unix))]
fn open_with(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => Err(io::ErrorKind::PermissionDenied.into()),
        _ => options.open(path),
    }
}

#[cfg(not(unix))]
fn check_file_access(_path: &Path, _metadata: &Metadata) -> Result<(), StoreError> {
    Ok(())
}

#[cfg(not(unix))]
fn check_directory_access(_path: &Path, _metadata: &Metadata) -> Result<(), StoreError> {
    Ok(())
}
