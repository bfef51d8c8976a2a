//! What a token says of its status: where the list is, and which entry is its own.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::allowed::LONGEST_URI;

/// The member `status_list` of the claim `status`.
#[derive(Debug, Deserialize, PartialEq, Eq)]
pub(super) struct Reference<'t> {
    pub(super) idx: u64,
    #[serde(borrow)]
    pub(super) uri: Cow<'t, str>,
}

/// The claim is not what the specification says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

#[derive(Deserialize)]
struct Status<'t> {
    #[serde(borrow)]
    status_list: &'t RawValue,
}

impl<'t> Reference<'t> {
    /// Reads the JSON text of the claim `status`. One that names another mechanism alone is malformed too: nobody here could
    /// ask it.
    ///
    /// # Errors
    /// See above.
    pub(super) fn read(status: &'t str) -> Result<Self, Malformed> {
        let Status { status_list } = object(status)?;
        let reference: Self = object(status_list.get())?;
        if reference.uri.is_empty() || reference.uri.len() > LONGEST_URI {
            Err(Malformed)
        } else {
            Ok(reference)
        }
    }
}

/// An object and not an array, which serde would take for one. serde refuses members that stand in it twice.
fn object<'t, T: Deserialize<'t>>(text: &'t str) -> Result<T, Malformed> {
    if !text.starts_with('{') {
        return Err(Malformed);
    }
    serde_json::from_str(text).map_err(|_| Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_an_index_and_a_uri() {
        let text = r#"{"status_list":{"idx":0,"uri":"https://example.com/statuslists/1"}}"#;
        let expected = Reference { idx: 0, uri: "https://example.com/statuslists/1".into() };
        assert_eq!(Reference::read(text), Ok(expected));
        let text = r#"{"other":{"idx":7},"status_list":{"uri":"https:\/\/example.com","x":[],"idx":18446744073709551615}}"#;
        let expected = Reference { idx: u64::MAX, uri: "https://example.com".into() };
        assert_eq!(Reference::read(text), Ok(expected));
    }

    #[test]
    fn everything_else_is_malformed() {
        let long =
            format!(r#"{{"status_list":{{"idx":1,"uri":"https://example.com/{}"}}}}"#, "a".repeat(2048));
        for text in [
            "null",
            "{}",
            "[]",
            "0",
            "\"https://example.com\"",
            r#"{"status_list":null}"#,
            r#"{"status_list":[1,"u"]}"#,
            r#"[{"idx":1,"uri":"u"}]"#,
            r#"{"status_list":{}}"#,
            r#"{"status_list":{"idx":1}}"#,
            r#"{"status_list":{"uri":"u"}}"#,
            r#"{"status_list":{"idx":-1,"uri":"u"}}"#,
            r#"{"status_list":{"idx":1.5,"uri":"u"}}"#,
            r#"{"status_list":{"idx":1e2,"uri":"u"}}"#,
            r#"{"status_list":{"idx":18446744073709551616,"uri":"u"}}"#,
            r#"{"status_list":{"idx":"1","uri":"u"}}"#,
            r#"{"status_list":{"idx":true,"uri":"u"}}"#,
            r#"{"status_list":{"idx":null,"uri":"u"}}"#,
            r#"{"status_list":{"idx":1,"uri":null}}"#,
            r#"{"status_list":{"idx":1,"uri":["u"]}}"#,
            r#"{"status_list":{"idx":1,"uri":""}}"#,
            r#"{"status_list":{"idx":1,"idx":2,"uri":"u"}}"#,
            r#"{"status_list":{"idx":1,"uri":"u","uri":"v"}}"#,
            r#"{"status_list":{"idx":1,"uri":"u"},"status_list":{"idx":2,"uri":"u"}}"#,
            r#"{"attestation_session":{"id":1}}"#,
            long.as_str(),
        ] {
            assert_eq!(Reference::read(text), Err(Malformed), "{text}");
        }
    }
}
