//! Reads the files that a configuration names.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use zeroize::Zeroizing;

/// Bytes of a file at most. A JWK set of 1,000 keys has 400,000.
const MOST: u64 = 1024 * 1024;

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
