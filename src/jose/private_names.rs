//! Member names that `serde_json` keeps for itself.
//!
//! With its features `raw_value` and `arbitrary_precision`, `serde_json` reads an object whose first member has such a name not as an
//! object, but as the JSON or the number inside of that member. So two readers of one document would see two things. Nobody else has
//! a use for these names, so a document with one is refused.

/// How those names begin.
pub(super) const PRIVATE: &str = "$serde_json::private::";

/// Whether an object within this JSON, at any depth, has a member of such a name, however it is spelled.
pub(crate) fn has_private_name(json: &[u8]) -> bool {
    may_have_private_name(json) && names_of(json).any(is_private)
}

/// A quick look: whether the name stands there, or a letter of ASCII is spelled by its number.
fn may_have_private_name(json: &[u8]) -> bool {
    let mut rest = json;
    while let Some(place) = memchr::memchr2(b'$', b'\\', rest) {
        let (_, found) = rest.split_at(place);
        match found {
            [b'\\', b'u', b'0', b'0', b'2'..=b'7', ..] => return true,
            // Whatever is escaped, it may be a backslash.
            [b'\\', _, after @ ..] => rest = after,
            _ if found.starts_with(PRIVATE.as_bytes()) => return true,
            [_, after @ ..] => rest = after,
            [] => return false,
        }
    }
    false
}

/// The member names, each with its quotation marks: the strings that a colon follows.
///
/// They are found without reading the values, so that nothing that one reader passes by and another refuses (a number out of
/// range, a half of a surrogate pair, too deep an array) can hide them. Of what is no JSON it may find anything.
fn names_of(json: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = json;
    std::iter::from_fn(move || {
        loop {
            let (_, opened) = rest.split_at(memchr::memchr(b'"', rest)?);
            let (string, after) = opened.split_at(length_of_string(opened)?);
            rest = after;
            if after.trim_ascii_start().starts_with(b":") {
                return Some(string);
            }
        }
    })
}

/// The length of the string that begins here, with both of its quotation marks.
fn length_of_string(opened: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', opened.get(at..)?)?;
        match opened.get(at)? {
            b'"' => return Some(at + 1),
            _ => at += 2, // whatever is escaped
        }
    }
}

fn is_private(name: &[u8]) -> bool {
    serde_json::from_slice::<String>(name).is_ok_and(|name| name.starts_with(PRIVATE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_at_any_depth_and_in_any_spelling() {
        for found in [
            r#"{"$serde_json::private::RawValue":"1"}"#,
            r#"{"$serde_json::private::Number":"1"}"#,
            r#"{"$serde_json::private::":1}"#,
            r#"{"a":{"$serde_json::private::RawValue":"1"}}"#,
            r#"{"a":[1,[{"b":2,"$serde_json::private::RawValue":"1"}]]}"#,
            r#"{"\u0024serde_json::private::RawValue":"1"}"#,
            r#"{"$serde_json\u003a:private::RawValue":"1"}"#,
            r#"{"x":"\\","\u0024\u0073erde_json::private\u003A:RawValue":"1"}"#,
            r#"[{"$serde_json::private::RawValue":"1"}]"#,
            "{\"$serde_json::private::RawValue\"\n : 1}",
            // After what a reader passes by that does not want it, and another refuses.
            r#"{"x":1e999,"y":{"$serde_json::private::RawValue":"1"}}"#,
            r#"{"x":"\ud800","y":{"$serde_json::private::RawValue":"1"}}"#,
            r#"{"\ud800":"\"","y":{"$serde_json::private::RawValue":"1"}}"#,
            &format!(
                r#"{{"x":{}{},"y":{{"$serde_json::private::RawValue":"1"}}}}"#,
                "[".repeat(500),
                "]".repeat(500)
            ),
        ] {
            assert!(has_private_name(found.as_bytes()), "{found}");
        }
        for not in [
            "{}",
            "",
            "$serde_json::private::RawValue",
            r#"{"a":"$serde_json::private::RawValue"}"#,
            r#"{"a":"\u0024serde_json::private::RawValue","b":1.5,"c":null,"d":true,"e":-1}"#,
            r#"{" $serde_json::private::RawValue":1}"#,
            r#"{"$serde_json::Private::RawValue":1}"#,
            r#"{"$serde_json":1,"$":2,"\\u0024serde_json::private::RawValue":3}"#,
            r#"{"$serde_json::private::RawValue"#,
        ] {
            assert!(!has_private_name(not.as_bytes()), "{not}");
        }
    }

    /// Those of the `serde_json` in use begin so: with another beginning it would read objects as objects.
    #[test]
    fn serde_json_still_has_these_names() {
        let read: serde_json::Value =
            serde_json::from_str(r#"{"$serde_json::private::RawValue":"[7]"}"#).unwrap();
        assert_eq!(read, serde_json::json!([7]), "the names have changed");
    }
}
