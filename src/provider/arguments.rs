//! The arguments of presets: an issuer is made of them, and issuers are compared exactly.

use crate::error::ConfigError;
use crate::jose::is_guid;
use crate::verify::Authority;

pub(super) type Checked<'a> = Result<&'a str, ConfigError>;

/// The authority, or one that says why there is none when the verifier is built.
pub(super) fn or_failed(made: Result<Authority, ConfigError>) -> Authority {
    made.unwrap_or_else(Authority::failed)
}

fn refused(argument: &'static str, value: &str, problem: &str, remedy: &str) -> ConfigError {
    ConfigError::new(argument, format!("{value:?} {problem}"), remedy)
}

/// A host name alone, as in `tenant.eu.auth0.com`.
pub(super) fn host<'a>(argument: &'static str, value: &'a str, example: &str) -> Checked<'a> {
    let remedy = format!("give the host alone, such as {example}");
    let refused = |problem| Err(refused(argument, value, problem, &remedy));
    if value.contains("://") {
        return refused("has a scheme");
    }
    if value.contains('/') {
        return refused("has a slash");
    }
    if value.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return refused("has capital letters, and issuers are compared exactly");
    }
    if !value.contains('.') || value.len() > 253 || !value.split('.').all(is_dns_label) {
        return refused("is not a host name");
    }
    Ok(value)
}

/// One label of a host name, as in `my-team`.
pub(super) fn label<'a>(argument: &'static str, value: &'a str, example: &str) -> Checked<'a> {
    if is_dns_label(value) {
        return Ok(value);
    }
    let remedy = format!("give the name alone, in small letters, such as {example}");
    Err(refused(argument, value, "is not a name of letters, digits and hyphens", &remedy))
}

fn is_dns_label(label: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&label.len())
        && label.bytes().all(fits)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// The URL of a server, without a slash at its end. That it is https is checked with the keys.
pub(super) fn base_url<'a>(argument: &'static str, value: &'a str, example: &str) -> Checked<'a> {
    let remedy = format!("give the URL without a slash at its end, such as {example}");
    let refused = |problem| Err(refused(argument, value, problem, &remedy));
    if value.ends_with('/') {
        return refused("ends with a slash");
    }
    issuer_url(argument, value, example)
}

/// An issuer that is a URL, with or without a slash at its end.
pub(super) fn issuer_url<'a>(argument: &'static str, value: &'a str, example: &str) -> Checked<'a> {
    let remedy = format!("give the URL as the tokens' `iss` begins, such as {example}");
    let refused = |problem| Err(refused(argument, value, problem, &remedy));
    if !value.starts_with("https://") && !value.starts_with("http://") {
        return refused("does not begin with https://");
    }
    if value.contains(['?', '#']) {
        return refused("has a query or a fragment");
    }
    if value.contains("/.well-known/") {
        return refused("is a document, not an issuer");
    }
    Ok(value)
}

/// A name that becomes a part of a URL as it is.
pub(super) fn segment<'a>(argument: &'static str, value: &'a str, example: &str) -> Checked<'a> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    if !value.is_empty() && value.bytes().all(fits) && !matches!(value, "." | "..") {
        return Ok(value);
    }
    let remedy = format!("give the name alone, such as {example}");
    Err(refused(argument, value, "is not a name of letters, digits and -._~", &remedy))
}

/// A GUID of small letters, as tokens have it.
pub(super) fn guid<'a>(argument: &'static str, value: &'a str) -> Checked<'a> {
    if is_guid(value) {
        return Ok(value);
    }
    let remedy = "give the GUID in small letters, such as 8eaef023-2b34-4da1-9baa-8bc8c9d6a490; \
                  a domain, `common` and `organizations` are no tenant of their own in `iss`";
    Err(refused(argument, value, "is not a GUID", remedy))
}

/// The numeric id of something, as its text.
pub(super) fn digits<'a>(argument: &'static str, value: &'a str) -> Checked<'a> {
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(value);
    }
    Err(refused(
        argument,
        value,
        "is not a numeric id",
        "give the id, such as 69629006; a name can change hands",
    ))
}

/// A text without white space around it.
pub(super) fn named<'a>(argument: &'static str, value: &'a str, remedy: &str) -> Checked<'a> {
    if !value.is_empty() && value.trim() == value {
        return Ok(value);
    }
    Err(refused(argument, value, "is empty or has white space around it", remedy))
}

/// At least one such text.
pub(super) fn several<S: AsRef<str>>(
    argument: &'static str,
    values: impl IntoIterator<Item = S>,
    remedy: &str,
) -> Result<Vec<String>, ConfigError> {
    let values = values.into_iter().map(|value| named(argument, value.as_ref(), remedy).map(str::to_owned));
    let values = values.collect::<Result<Vec<_>, _>>()?;
    if values.is_empty() {
        return Err(ConfigError::new(argument, "the list is empty", remedy));
    }
    Ok(values)
}
