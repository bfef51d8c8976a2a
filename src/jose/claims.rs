//! Claims that everybody has: [`Audience`] and the default claims type [`Claims`].

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::runtime::UnixTime;

/// The `aud` claim: one string, or an array of strings (RFC 7519 section 4.1.3).
///
/// ```
/// use tower_jwt_auth::Audience;
///
/// let audience: Audience = serde_json::from_str(r#"["api", "web"]"#).unwrap();
/// assert!(audience.contains("api"));
/// assert!(!audience.contains("ap"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Audience(Vec<String>);

impl Audience {
    /// Whether one element is exactly this string.
    #[must_use]
    pub fn contains(&self, audience: &str) -> bool {
        self.0.iter().any(|element| element == audience)
    }

    /// The elements in the order of the token.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl<S: Into<String>> FromIterator<S> for Audience {
    fn from_iter<I: IntoIterator<Item = S>>(elements: I) -> Self {
        Self(elements.into_iter().map(Into::into).collect())
    }
}

impl Serialize for Audience {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => serializer.serialize_str(one),
            several => several.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Audience {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StringOrStrings;

        impl<'de> Visitor<'de> for StringOrStrings {
            type Value = Audience;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an array of strings")
            }

            fn visit_str<E: de::Error>(self, v: &str) -> Result<Audience, E> {
                Ok(Audience(vec![v.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Audience, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = seq.next_element()? {
                    elements.push(element);
                }
                Ok(Audience(elements))
            }
        }

        deserializer.deserialize_any(StringOrStrings)
    }
}

/// The claims of a token when you bring no type of your own: the registered ones (RFC 7519 section 4.1), and
/// all others as JSON.
///
/// ```
/// use tower_jwt_auth::Claims;
///
/// let claims: Claims = serde_json::from_str(r#"{ "sub": "bob", "exp": 1700000000, "plan": "pro" }"#).unwrap();
/// assert_eq!(claims.sub.as_deref(), Some("bob"));
/// assert_eq!(claims.other["plan"], "pro");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Claims {
    /// Who issued the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// Whom the token is about; unique only together with `iss`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// Whom the token is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aud: Option<Audience>,
    /// From when on the token is not accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<UnixTime>,
    /// Until when the token is not accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<UnixTime>,
    /// When the token was issued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iat: Option<UnixTime>,
    /// The token's own identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    /// All other claims, by name.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

// By hand: a derived `flatten` would read each value twice.
impl<'de> Deserialize<'de> for Claims {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Claims;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object of claims")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Claims, A::Error> {
                let mut claims = Claims::default();
                while let Some(name) = map.next_key::<String>()? {
                    match name.as_str() {
                        "iss" => claims.iss = map.next_value()?,
                        "sub" => claims.sub = map.next_value()?,
                        "aud" => claims.aud = map.next_value()?,
                        "exp" => claims.exp = map.next_value()?,
                        "nbf" => claims.nbf = map.next_value()?,
                        "iat" => claims.iat = map.next_value()?,
                        "jti" => claims.jti = map.next_value()?,
                        _ => {
                            claims.other.insert(name, map.next_value()?);
                        }
                    }
                }
                Ok(claims)
            }
        }

        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_survive_a_round_trip() {
        let text =
            r#"{"iss":"i","sub":"s","aud":["a","b"],"exp":9,"nbf":1,"iat":2.5,"jti":"j","deep":{"x":[1]}}"#;
        let claims: Claims = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&claims).unwrap(), text);
        assert!(claims.aud.unwrap().iter().eq(["a", "b"]));
    }

    #[test]
    fn a_single_audience_is_written_as_a_string() {
        let audience: Audience = ["api"].into_iter().collect();
        assert_eq!(serde_json::to_string(&audience).unwrap(), r#""api""#);
        assert!(serde_json::from_str::<Audience>(r#"["api", 1]"#).is_err());
        assert!(serde_json::from_str::<Audience>("{}").is_err());
    }
}
