//! Values with a form of their own.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};

use http::Method;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, MapAccess, SeqAccess, Unexpected, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use crate::jose::Algorithm;

/// Text that is never shown.
#[derive(Clone)]
pub(super) struct SecretText(Zeroizing<String>);

impl Hash for SecretText {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl SecretText {
    pub(super) fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

impl JsonSchema for SecretText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "SecretText".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

/// A text, or a list of them.
#[derive(Clone, Debug)]
pub(super) struct OneOrMany(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;

        impl<'de> Visitor<'de> for Texts {
            type Value = OneOrMany;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text in quotes, or a list of them")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany(vec![text.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<OneOrMany, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = list.next_element()? {
                    texts.push(text);
                }
                Ok(OneOrMany(texts))
            }
        }

        deserializer.deserialize_any(Texts)
    }
}

impl JsonSchema for OneOrMany {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "OneOrMany".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "array"], "items": { "type": "string" } })
    }
}

/// The name of an algorithm.
#[derive(Clone, Copy, Debug)]
pub(super) struct AlgorithmName(pub(super) Algorithm);

impl<'de> Deserialize<'de> for AlgorithmName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Algorithm::from_name(&name).map(Self).ok_or_else(|| {
            let known = Algorithm::ALL.map(Algorithm::as_str).join(", ");
            Error::invalid_value(Unexpected::Str(&name), &format!("one of {known}").as_str())
        })
    }
}

impl JsonSchema for AlgorithmName {
    fn schema_name() -> Cow<'static, str> {
        "Algorithm".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": Algorithm::ALL.map(Algorithm::as_str) })
    }
}

/// The name of an HTTP method.
#[derive(Clone, Debug)]
pub(super) struct MethodName(pub(super) Method);

impl<'de> Deserialize<'de> for MethodName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let is_method =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
        Method::from_bytes(name.as_bytes()).ok().filter(|_| is_method).map(Self).ok_or_else(|| {
            Error::invalid_value(Unexpected::Str(&name), &"an HTTP method in capitals, such as GET")
        })
    }
}

impl JsonSchema for MethodName {
    fn schema_name() -> Cow<'static, str> {
        "Method".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[A-Z-]+$" })
    }
}

/// One scope.
#[derive(Clone, Debug)]
pub(super) struct Scope(pub(super) String);

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let scope = String::deserialize(deserializer)?;
        let is_word = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
        match !scope.is_empty() && scope.bytes().all(is_word) {
            true => Ok(Self(scope)),
            false => {
                let expected = "one scope: printable ASCII without spaces, quotes and backslashes";
                Err(Error::invalid_value(Unexpected::Str(&scope), &expected))
            }
        }
    }
}

impl JsonSchema for Scope {
    fn schema_name() -> Cow<'static, str> {
        "Scope".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": r"^[\x21\x23-\x5B\x5D-\x7E]+$" })
    }
}

/// One role.
#[derive(Clone, Debug)]
pub(super) struct Role(pub(super) String);

impl<'de> Deserialize<'de> for Role {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let role = String::deserialize(deserializer)?;
        match role.is_empty() {
            false => Ok(Self(role)),
            true => Err(Error::invalid_value(Unexpected::Str(""), &"the name of a role")),
        }
    }
}

impl JsonSchema for Role {
    fn schema_name() -> Cow<'static, str> {
        "Role".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}

/// A JWK set, which may have secrets in it.
#[derive(Clone)]
pub(super) struct Jwks(pub(super) SecretText);

impl fmt::Debug for Jwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Jwks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrTable;

        impl<'de> Visitor<'de> for TextOrTable {
            type Value = Jwks;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JWK set, as JSON text or as a table")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Jwks, E> {
                Ok(Jwks(SecretText::new(text.to_owned())))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Jwks, A::Error> {
                let set = serde_json::Map::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Jwks(SecretText::new(serde_json::Value::Object(set).to_string())))
            }
        }

        deserializer.deserialize_any(TextOrTable)
    }
}

impl JsonSchema for Jwks {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Jwks".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "object"] })
    }
}

/// Seconds: one number, or the least and the most.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) struct Bounds(pub(super) u64, pub(super) u64);

impl<'de> Deserialize<'de> for Bounds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seconds;

        impl<'de> Visitor<'de> for Seconds {
            type Value = Bounds;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of seconds, or two of them as [least, most]")
            }

            fn visit_i64<E: Error>(self, seconds: i64) -> Result<Bounds, E> {
                let refused = |_| Error::invalid_value(Unexpected::Signed(seconds), &self);
                u64::try_from(seconds).map(|seconds| Bounds(seconds, seconds)).map_err(refused)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Bounds, A::Error> {
                let least = list.next_element()?.ok_or_else(|| Error::invalid_length(0, &self))?;
                let most = list.next_element()?.ok_or_else(|| Error::invalid_length(1, &self))?;
                match list.next_element::<u64>()? {
                    None => Ok(Bounds(least, most)),
                    Some(_) => Err(Error::invalid_length(3, &self)),
                }
            }
        }

        deserializer.deserialize_any(Seconds)
    }
}

impl JsonSchema for Bounds {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Bounds".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["integer", "array"],
            "minimum": 1,
            "maximum": 86400,
            "items": { "type": "integer", "minimum": 1, "maximum": 86400 },
            "minItems": 2,
            "maxItems": 2,
        })
    }
}
