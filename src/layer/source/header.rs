//! A header of its own.

use http::{HeaderMap, HeaderName, header};

use super::authorization::{is_token_char, is_token68};
use crate::error::{ConfigError, Reason};

/// Whether a server further in may take one name for the other: CGI turns all but letters and digits into `_`.
pub(crate) fn is_twin(one: &str, other: &str) -> bool {
    let same = |(a, b): (u8, u8)| {
        a.eq_ignore_ascii_case(&b) || !(a.is_ascii_alphanumeric() || b.is_ascii_alphanumeric())
    };
    one.len() == other.len() && one.bytes().zip(other.bytes()).all(same)
}

/// Removes the header `name` and all its twins.
pub(crate) fn remove(headers: &mut HeaderMap, name: &HeaderName) {
    let twins: Vec<HeaderName> =
        headers.keys().filter(|one| is_twin(one.as_str(), name.as_str())).cloned().collect();
    for twin in twins {
        headers.remove(twin);
    }
}

pub(super) fn checked_name(name: &str) -> Result<HeaderName, ConfigError> {
    let refused =
        |remedy: &str| ConfigError::new("TokenSource::header", format!("{name:?} cannot be used"), remedy);
    let parsed: HeaderName = name.parse().map_err(|_| refused("give the name of a header"))?;
    match parsed {
        header::AUTHORIZATION => Err(refused("use TokenSource::bearer()")),
        header::COOKIE => Err(refused("use TokenSource::cookie(..)")),
        header::SEC_WEBSOCKET_PROTOCOL => Err(refused("use TokenSource::websocket_protocol(..)")),
        name => Ok(name),
    }
}

pub(super) fn checked_prefix(prefix: String) -> Result<String, ConfigError> {
    if !prefix.is_empty() && prefix.bytes().all(is_token_char) {
        return Ok(prefix);
    }
    Err(ConfigError::new(
        "TokenSource::header_with_prefix",
        format!("the prefix {prefix:?} is not a word"),
        "use letters, digits and hyphens, without the space behind it",
    ))
}

/// The token of the header `name`, which may stand once.
pub(super) fn token<'r>(
    headers: &'r HeaderMap,
    name: &HeaderName,
    prefix: Option<&str>,
) -> Result<Option<&'r str>, Reason> {
    let mut lines = headers.get_all(name).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    if lines.next().is_some() {
        return Err(Reason::MalformedRequest);
    }
    let value = line.to_str().map_err(|_| Reason::MalformedRequest)?;
    let token = match prefix {
        None => value,
        Some(prefix) => match value.split_once(' ') {
            Some((word, rest)) if word.eq_ignore_ascii_case(prefix) => rest.trim_start_matches(' '),
            _ => return Err(Reason::MalformedRequest),
        },
    };
    // A balancer of AWS pads each segment. Whether padding may be there is for the authority to say.
    let mut segments = token.split('.').filter(|segment| !segment.is_empty()).peekable();
    let is_token = segments.peek().is_some() && segments.all(is_token68);
    if is_token { Ok(Some(token)) } else { Err(Reason::MalformedRequest) }
}
