//! Member names that `serde_json` keeps for itself.
//!
//! With its features `raw_value` and `arbitrary_precision`, `serde_json` reads an object whose first member has such a name not as an
//! object, but as the JSON or the number inside of that member. So two readers of one document would see two things. Nobody else has
//! a use for these names, so a document with one is refused.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::member_names::Name;

/// How those names begin.
pub(super) const PRIVATE: &str = "$serde_json::private::";

/// Whether an object within this JSON, at any depth, has a member of such a name, however it is spelled.
///
/// What is no JSON has none: whoever reads it next says so.
pub(crate) fn has_private_name(json: &[u8]) -> bool {
    may_have_private_name(json) && {
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        Walk.deserialize(&mut deserializer).is_err_and(|error| error.to_string().starts_with(PRIVATE))
    }
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

/// Reads a value of any kind, and fails at a private name.
#[derive(Clone, Copy)]
struct Walk;

impl<'de> DeserializeSeed<'de> for Walk {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

macro_rules! pass_by {
    ($($method:ident($kind:ty))+) => {
        $(fn $method<E: de::Error>(self, _: $kind) -> Result<(), E> {
            Ok(())
        })+
    };
}

impl<'de> Visitor<'de> for Walk {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    pass_by! { visit_bool(bool) visit_i64(i64) visit_u64(u64) visit_f64(f64) visit_str(&str) }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key_seed(Name)? {
            if name.starts_with(PRIVATE) {
                return Err(de::Error::custom(PRIVATE));
            }
            map.next_value_seed(self)?;
        }
        Ok(())
    }
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
