//! Reads the files that a configuration names.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use zeroize::Zeroizing;

/// Bytes of a file at most. A JWK set of 1,000 keys has 400,000.
const MOST: u64 = 1024 * 1024;

/// The path as a mistake shows it, unless it seems to be the contents. Where they are a secret on one line (`secret`), it is a path
/// if its folder is there.
pub(super) fn shown_path(path: &Path, secret: bool) -> Option<String> {
    let shown = path.to_str()?;
    let is_line = shown.len() < 256 && !shown.contains(['\n', '=']);
    let folder = path.parent().filter(|folder| folder.parent().is_some());
    let is_place = path.exists() || folder.is_some_and(Path::is_dir);
    (is_line && (is_place || !secret)).then(|| shown.to_owned())
}

/// The text of a file, which may be secret.
///
/// # Errors
/// In words, if it cannot be read. What would never end, or wait for somebody who writes, is not opened.
pub(super) fn text_of(path: &Path) -> Result<Zeroizing<String>, String> {
    let said = |error: std::io::Error| error.to_string();
    if !fs::metadata(path).map_err(said)?.is_file() {
        return Err("it is not a file".to_owned());
    }
    let mut text = Zeroizing::new(String::new());
    let read = File::open(path).map_err(said)?.take(MOST + 1).read_to_string(&mut text).map_err(said)?;
    match u64::try_from(read) {
        Ok(read) if read <= MOST => Ok(text),
        _ => Err(format!("it has more than {MOST} bytes")),
    }
}
