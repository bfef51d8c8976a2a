//! The claims set: one strict pass that fills the user's type and the notes together.

use std::fmt;

use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::claims_deserializer;
use super::member_names::{Name, Names};
use super::registered_claims::{ClaimValue, RegisteredClaims};

/// The payload is not one JSON object with distinct member names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unreadable;

/// Reads the payload into a `C` and fills the notes. The caller holds the notes, because they are large to move.
///
/// The notes are there even if `C` does not fit, so that a verdict on `exp` or `aud` can outrank that one.
///
/// # Errors
/// If the payload is not a strict JSON object of at most `most` members.
pub(crate) fn read_claims<'p, C: DeserializeOwned>(
    payload: &'p str,
    most: usize,
    notes: &mut RegisteredClaims<'p>,
) -> Result<Result<C, serde_json::Error>, Unreadable> {
    check_is_object(payload)?;
    let mut deserializer = serde_json::Deserializer::from_str(payload);
    let claims = claims_deserializer::deserialize::<C, _>(&mut deserializer, notes, most)
        .and_then(|(claims, complete)| deserializer.end().map(|()| (claims, complete)));
    let claims = match claims {
        Ok((claims, true)) if !notes.has_gaps() => return Ok(Ok(claims)),
        Ok((claims, _)) => Ok(claims),
        Err(error) => Err(error),
    };
    notes.forget();
    skim(payload, most, notes)?;
    Ok(claims)
}

/// Fills only the notes.
///
/// # Errors
/// If the payload is not a strict JSON object of at most `most` members.
pub(crate) fn skim<'p>(
    payload: &'p str,
    most: usize,
    notes: &mut RegisteredClaims<'p>,
) -> Result<(), Unreadable> {
    check_is_object(payload)?;
    let mut deserializer = serde_json::Deserializer::from_str(payload);
    Skim { notes, most }.deserialize(&mut deserializer).map_err(|_| Unreadable)?;
    deserializer.end().map_err(|_| Unreadable)
}

/// Whether no value is nested deeper than `limit`, the outermost object counted.
pub(crate) fn depth_is_within(json: &str, limit: usize) -> bool {
    // Counting openers is a quick upper bound; few tokens need the look at each byte.
    let openers = memchr::memchr2_iter(b'{', b'[', json.as_bytes()).take(limit + 1).count();
    openers <= limit || deepest(json) <= limit
}

fn deepest(json: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Some types would take an array as well.
fn check_is_object(payload: &str) -> Result<(), Unreadable> {
    let first = payload.bytes().find(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    if first == Some(b'{') { Ok(()) } else { Err(Unreadable) }
}

struct Skim<'n, 'p> {
    notes: &'n mut RegisteredClaims<'p>,
    most: usize,
}

impl<'de> DeserializeSeed<'de> for Skim<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Skim<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object of claims")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut names = Names::at_most(self.most);
        while let Some(name) = map.next_key_seed(Name)? {
            if !names.insert(&name) {
                return Err(de::Error::custom("duplicate member"));
            }
            let (place, elements) = (self.notes.place_of(&name), self.notes.elements());
            match place.and_then(|place| self.notes.at(place)) {
                Some(note) => *note = ClaimValue::of_raw(map.next_value::<&'de RawValue>()?, elements),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::collections::HashMap;
    use std::sync::Arc;

    use serde::Deserialize;
    use serde_json::{Value, json};
    use smallvec::SmallVec;

    use super::super::registered_claims::ClaimName;
    use super::*;
    use crate::jose::Claims;
    use crate::runtime::UnixTime;

    const PAYLOAD: &str = r#"{ "iss": "https:\/\/id.example.com", "sub": "bob", "aud": ["api", "w\u0065b"],
        "exp": 1700000600, "nbf": 1700000000.25, "iat": 17e8, "jti": "1",
        "name": "Bob", "n": -7, "deep": { "exp": 1, "list": [1, { "aud": "x" }] }, "scp": [], "tenant": "t1" }"#;

    fn required() -> Vec<Arc<str>> {
        vec!["tenant".into(), "absent".into(), "deep".into(), "sub".into()]
    }

    const MOST: usize = 256;

    fn skim<'p>(payload: &'p str, required: &'p [Arc<str>]) -> Result<RegisteredClaims<'p>, Unreadable> {
        let mut notes = RegisteredClaims::new(required);
        super::skim(payload, MOST, &mut notes).map(|()| notes)
    }

    type Read<'p, C> = (RegisteredClaims<'p>, Result<C, serde_json::Error>);

    fn read_claims<'p, C: DeserializeOwned>(
        payload: &'p str,
        required: &'p [Arc<str>],
    ) -> Result<Read<'p, C>, Unreadable> {
        let mut notes = RegisteredClaims::new(required);
        super::read_claims(payload, MOST, &mut notes).map(|claims| (notes, claims))
    }

    #[test]
    fn there_are_so_many_members_at_most() {
        let of = |members: usize| {
            let members: Vec<String> = (0..members).map(|number| format!("\"m{number}\":0")).collect();
            format!("{{{}}}", members.join(","))
        };
        assert!(skim(&of(MOST), &[]).is_ok());
        assert!(read_claims::<Value>(&of(MOST), &[]).unwrap().1.is_ok());
        assert_eq!(skim(&of(MOST + 1), &[]).unwrap_err(), Unreadable);
        assert_eq!(read_claims::<Value>(&of(MOST + 1), &[]).unwrap_err(), Unreadable);
    }

    /// Whatever the type, the notes must be those of the skim.
    fn read<C: DeserializeOwned>(payload: &str) -> Result<C, serde_json::Error> {
        let required = required();
        let (registered_claims, claims) = read_claims::<C>(payload, &required).unwrap();
        let skimmed = skim(payload, &required).unwrap();
        assert_eq!(format!("{registered_claims:?}"), format!("{skimmed:?}"));
        claims
    }

    #[test]
    fn notes_say_what_is_there() {
        let required = required();
        let registered_claims = skim(PAYLOAD, &required).unwrap();
        assert_eq!(
            *registered_claims.get(ClaimName::Iss),
            ClaimValue::Text(Cow::Borrowed("https://id.example.com"))
        );
        assert_eq!(
            *registered_claims.get(ClaimName::Aud),
            ClaimValue::Texts(["api".into(), "web".into()].into_iter().collect())
        );
        assert_eq!(
            *registered_claims.get(ClaimName::Exp),
            ClaimValue::Date(UnixTime::from_secs(1_700_000_600))
        );
        assert_eq!(*registered_claims.get(ClaimName::Nbf), ClaimValue::of_float(1_700_000_000.25));
        assert_eq!(
            *registered_claims.get(ClaimName::Iat),
            ClaimValue::Date(UnixTime::from_secs(1_700_000_000))
        );
        assert_eq!(*registered_claims.get(ClaimName::Cnf), ClaimValue::Absent);
        assert_eq!(*registered_claims.find("tenant"), ClaimValue::Text("t1".into()));
        assert_eq!(*registered_claims.find("deep"), ClaimValue::Other);
        assert_eq!(*registered_claims.find("absent"), ClaimValue::Absent);
        assert_eq!(*registered_claims.find("sub"), ClaimValue::Text("bob".into()));
    }

    #[derive(Deserialize, Debug, PartialEq)]
    struct Plain {
        sub: String,
        exp: u64,
        nbf: f64,
        n: i8,
        aud: Vec<String>,
        absent: Option<String>,
    }

    #[derive(Deserialize, Debug)]
    struct Flat {
        sub: Option<String>,
        #[serde(flatten)]
        inner: FlatInner,
        #[serde(flatten)]
        rest: HashMap<String, Value>,
    }

    #[derive(Deserialize, Debug)]
    struct FlatInner {
        iat: f64,
        name: String,
    }

    #[derive(Deserialize, Debug, PartialEq)]
    #[serde(tag = "sub", rename_all = "lowercase")]
    enum Tagged {
        Bob { name: String },
        Eve,
    }

    #[derive(Deserialize, Debug)]
    #[serde(untagged)]
    enum Untagged {
        Wrong {
            #[allow(dead_code)]
            nothing: u8,
        },
        Right {
            jti: String,
        },
    }

    #[derive(Deserialize)]
    struct Newtype(Claims);

    #[derive(Deserialize)]
    struct Unit;

    #[derive(Deserialize)]
    struct RawAudience {
        aud: Box<RawValue>,
        exp: Box<RawValue>,
    }

    #[derive(Deserialize, PartialEq, Eq, Hash, Debug)]
    struct NewtypeName(String);

    #[test]
    fn every_kind_of_claims_type_is_filled_in_the_same_pass() {
        let plain: Plain = read(PAYLOAD).unwrap();
        assert_eq!((plain.exp, plain.nbf, plain.n), (1_700_000_600, 1_700_000_000.25, -7));
        assert_eq!((plain.sub.as_str(), plain.absent), ("bob", None));
        let flat: Flat = read(PAYLOAD).unwrap();
        assert_eq!((flat.sub.as_deref(), flat.inner.name.as_str()), (Some("bob"), "Bob"));
        assert!((flat.inner.iat - 1.7e9).abs() < 0.5);
        assert_eq!(flat.rest["deep"]["list"][0], 1);
        assert_eq!(read::<Tagged>(PAYLOAD).unwrap(), Tagged::Bob { name: "Bob".into() });
        assert!(matches!(read::<Untagged>(PAYLOAD).unwrap(), Untagged::Right { jti } if jti == "1"));
        assert_eq!(read::<Newtype>(PAYLOAD).unwrap().0.sub.as_deref(), Some("bob"));
        assert_eq!(read::<Value>(PAYLOAD).unwrap(), serde_json::from_str::<Value>(PAYLOAD).unwrap());
        assert_eq!(read::<Box<RawValue>>(PAYLOAD).unwrap().get(), PAYLOAD);
        assert_eq!(read::<RawAudience>(PAYLOAD).unwrap().aud.get(), r#"["api", "w\u0065b"]"#);
        assert_eq!(read::<RawAudience>(PAYLOAD).unwrap().exp.get(), "1700000600");
        let raw = read::<HashMap<NewtypeName, Box<RawValue>>>(PAYLOAD).unwrap();
        assert_eq!(raw[&NewtypeName("jti".into())].get(), "\"1\"");
        read::<()>(PAYLOAD).unwrap();
        read::<Unit>(PAYLOAD).unwrap();
        read::<IgnoredAny>(PAYLOAD).unwrap();
        assert!(read::<Option<Plain>>(PAYLOAD).unwrap().is_some());
        let pairs = read::<HashMap<String, Value>>(PAYLOAD).unwrap();
        assert_eq!(pairs["nbf"], json!(1_700_000_000.25));
    }

    #[test]
    fn notes_are_whole_when_the_type_does_not_fit() {
        #[derive(Deserialize, Debug)]
        struct ClaimsMismatch {
            #[allow(dead_code)]
            iss: u8,
        }
        assert!(read::<ClaimsMismatch>(PAYLOAD).is_err());
        assert!(read::<Vec<u8>>(PAYLOAD).is_err());
        assert!(read::<String>(PAYLOAD).is_err());
        assert!(read::<u8>(PAYLOAD).is_err());
        assert_eq!(read::<Tagged>(r#"{ "sub": "eve", "exp": 1 }"#).unwrap(), Tagged::Eve);
        assert!(read::<Untagged>(r#"{ "exp": 1 }"#).is_err());
    }

    #[test]
    fn wrong_types_are_noted_as_such() {
        for (value, expected) in [
            ("null", ClaimValue::Null),
            ("true", ClaimValue::Other),
            ("-1", ClaimValue::Other),
            ("-1.5", ClaimValue::Other),
            ("1e300", ClaimValue::Other),
            ("253402300800", ClaimValue::Other),
            ("18446744073709551616", ClaimValue::Other),
            ("\"1\"", ClaimValue::Text("1".into())),
            ("[1]", ClaimValue::Other),
            ("[\"a\", 1]", ClaimValue::Other),
            ("[\"a\", null, \"b\"]", ClaimValue::Other),
            ("[[\"a\"]]", ClaimValue::Other),
            ("{}", ClaimValue::Other),
            ("{ \"$serde_json::private::Number\": \"1\" }", ClaimValue::Other),
            ("[]", ClaimValue::Texts(SmallVec::new())),
            ("0", ClaimValue::Date(UnixTime::default())),
        ] {
            let payload = format!(r#"{{ "exp": {value}, "sub": "bob" }}"#);
            let required = [];
            let (registered_claims, claims) = read_claims::<Value>(&payload, &required).unwrap();
            assert!(claims.is_ok());
            let expected = format!("{expected:?}");
            assert_eq!(format!("{:?}", registered_claims.get(ClaimName::Exp)), expected, "{value}");
            let skimmed = skim(&payload, &required).unwrap();
            assert_eq!(format!("{:?}", skimmed.get(ClaimName::Exp)), expected, "{value}");
        }
    }
    #[test]
    fn what_is_not_one_strict_object_is_unreadable() {
        for refused in [
            "",
            "null",
            "7",
            "\"{}\"",
            "[]",
            "[{}]",
            "{",
            "{}x",
            "{}{}",
            "{} null",
            "{\"a\":1,}",
            "{'a':1}",
            "{\"a\":1 \"b\":2}",
            "{\"a\":01}",
            "{\"a\":NaN}",
            "{\"a\":1e400}",
            "{\"exp\":1,\"exp\":1}",
            "{\"x\":1,\"x\":2}",
            "{\"x\":1,\"\\u0078\":2}",
            "{\"a\":\"\n\"}",
            "{/**/}",
            "\u{feff}{}",
        ] {
            // `1e400` is only judged where somebody reads it.
            if refused != "{\"a\":1e400}" {
                assert_eq!(skim(refused, &[]).unwrap_err(), Unreadable, "{refused}");
                assert!(read_claims::<()>(refused, &[]).is_err(), "{refused}");
                assert!(read_claims::<Value>(refused, &[]).is_err(), "{refused}");
            }
        }
        assert!(skim(" \r\n\t{}\n", &[]).is_ok());
    }

    #[test]
    fn depth_is_counted_outside_strings() {
        assert!(depth_is_within("{}", 1));
        assert!(!depth_is_within("{\"a\":[]}", 1));
        assert!(depth_is_within("{\"a\":[],\"b\":[],\"c\":{}}", 2));
        assert!(depth_is_within("{\"a\":\"[[[[\"}", 1));
        assert!(depth_is_within("{\"a\":\"\\\"[[[[\"}", 1));
        assert!(!depth_is_within("{\"a\":\"\\\\\",\"b\":[]}", 1));
        let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(depth_is_within(&deep(32), 32));
        assert!(!depth_is_within(&deep(33), 32));
    }
}
