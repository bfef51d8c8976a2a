//! What is signed: the issuer's own claims, and those that it was given.

use std::fmt;

use serde::de::{self, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::error::{Problem, SignError};
use crate::jose::{Audience, Limits, Name, Names, has_private_name};
use crate::runtime::UnixTime;

/// A claim that the issuer sets by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Own {
    Issuer,
    Audience,
    IssuedAt,
    Expires,
    Id,
}

impl Own {
    const ALL: [Self; 5] = [Self::Issuer, Self::Audience, Self::IssuedAt, Self::Expires, Self::Id];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Issuer => "iss",
            Self::Audience => "aud",
            Self::IssuedAt => "iat",
            Self::Expires => "exp",
            Self::Id => "jti",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|own| own.name() == name)
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of the issuer's own claims.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct OwnSet(u8);

impl OwnSet {
    pub(super) fn insert(&mut self, own: Own) {
        self.0 |= own.bit();
    }

    pub(super) const fn contains(self, own: Own) -> bool {
        self.0 & own.bit() != 0
    }
}

/// What the issuer says by itself.
pub(super) struct OwnClaims<'i> {
    pub(super) issuer: &'i str,
    /// As JSON: a string, or an array of them.
    pub(super) audience: &'i str,
    pub(super) issued_at: UnixTime,
    pub(super) expires: UnixTime,
    pub(super) id: String,
}

/// The JSON of a payload: the issuer's claims first, unless `claims` has one that it may override.
///
/// # Errors
/// If `claims` is not a JSON object, has a name twice, or one that it may not override.
pub(super) fn write<C: Serialize + ?Sized>(
    claims: &C,
    own: &OwnClaims<'_>,
    overridable: OwnSet,
) -> Result<Vec<u8>, SignError> {
    let given = serde_json::to_vec(claims)
        .map_err(|error| SignError::from(Problem::Unserializable).with_source(error))?;
    let found = match look_through(&given)? {
        Found { twice: Some(name), .. } => return Err(Problem::Duplicate(name).into()),
        found => found,
    };
    for name in Own::ALL {
        if found.own.contains(name) && !overridable.contains(name) {
            return Err(Problem::Overrides(name.name()).into());
        }
    }
    check_overrides(&found, own)?;

    let mut payload = Vec::with_capacity(given.len() + own.issuer.len() + own.audience.len() + 128);
    payload.push(b'{');
    for name in Own::ALL.into_iter().filter(|name| !found.own.contains(*name)) {
        if payload.len() > 1 {
            payload.push(b',');
        }
        payload.push(b'"');
        payload.extend_from_slice(name.name().as_bytes());
        payload.extend_from_slice(b"\":");
        let written = match name {
            Own::Issuer => serde_json::to_writer(&mut payload, own.issuer),
            Own::Audience => {
                payload.extend_from_slice(own.audience.as_bytes());
                Ok(())
            }
            Own::IssuedAt => serde_json::to_writer(&mut payload, &own.issued_at.as_secs()),
            Own::Expires => serde_json::to_writer(&mut payload, &own.expires.as_secs()),
            Own::Id => serde_json::to_writer(&mut payload, &own.id),
        };
        written.map_err(|error| SignError::from(Problem::Unserializable).with_source(error))?;
    }
    if !found.empty && payload.len() > 1 {
        payload.push(b',');
    }
    // An object begins with a brace, and serde_json writes no space around it.
    payload.extend_from_slice(given.get(1..).unwrap_or_default());
    Ok(payload)
}

/// An override is for a shorter life or another audience, never for what no verifier would take.
fn check_overrides(found: &Found, own: &OwnClaims<'_>) -> Result<(), SignError> {
    if found.own.contains(Own::Expires) {
        match found.expires {
            Some(expires) if expires <= own.expires => {}
            Some(_) => return Err(Problem::LivesTooLong.into()),
            None => return Err(Problem::BadValue("exp").into()),
        }
    }
    if found.own.contains(Own::IssuedAt) && found.issued_at.is_none_or(|time| time > own.issued_at) {
        return Err(Problem::BadValue("iat").into());
    }
    let audience_is_empty =
        || found.audience.as_ref().is_none_or(|audience| audience.iter().all(str::is_empty));
    let too_many =
        || found.audience.as_ref().is_some_and(|a| a.iter().count() > Limits::default().audience_elements);
    if found.own.contains(Own::Audience) && (audience_is_empty() || too_many()) {
        return Err(Problem::BadValue("aud").into());
    }
    if found.own.contains(Own::Id) && found.id.as_ref().is_none_or(String::is_empty) {
        return Err(Problem::BadValue("jti").into());
    }
    Ok(())
}

/// What the given claims have.
#[derive(Default)]
struct Found {
    empty: bool,
    own: OwnSet,
    twice: Option<String>,
    audience: Option<Audience>,
    issued_at: Option<UnixTime>,
    expires: Option<UnixTime>,
    id: Option<String>,
}

fn look_through(json: &[u8]) -> Result<Found, SignError> {
    if json.first() != Some(&b'{') {
        return Err(Problem::NotAnObject.into());
    }
    if has_private_name(json) {
        let why = "a member name begins with `$serde_json::private::`, and verifiers refuse it";
        return Err(SignError::from(Problem::Unserializable).with_source(why));
    }
    serde_json::from_slice(json).map_err(|error| SignError::from(Problem::Unserializable).with_source(error))
}

impl<'de> Deserialize<'de> for Found {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Found;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object of claims")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found, A::Error> {
                let mut names = Names::at_most(usize::MAX);
                let mut found = Found { empty: true, ..Found::default() };
                while let Some(name) = map.next_key_seed(Name)? {
                    found.empty = false;
                    if !names.insert(&name) {
                        found.twice = Some(name.clone().into_owned());
                    }
                    let own = Own::from_name(&name);
                    if let Some(own) = own {
                        found.own.insert(own);
                    }
                    match own {
                        Some(Own::Audience) => found.audience = lenient(&mut map)?,
                        Some(Own::IssuedAt) => found.issued_at = lenient(&mut map)?,
                        Some(Own::Expires) => found.expires = lenient(&mut map)?,
                        Some(Own::Id) => found.id = lenient(&mut map)?,
                        Some(Own::Issuer) | None => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(found)
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// A value of the wrong type is none: that is reported by the claim's name, not as text that cannot be read.
fn lenient<'de, T: de::DeserializeOwned, A: MapAccess<'de>>(map: &mut A) -> Result<Option<T>, A::Error> {
    let value: serde_json::Value = map.next_value()?;
    Ok(serde_json::from_value(value).ok())
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;
    use serde_json::{Value, json};

    use super::*;

    fn own() -> OwnClaims<'static> {
        OwnClaims {
            issuer: "https://id",
            audience: "\"api\"",
            issued_at: UnixTime::from_secs(1000),
            expires: UnixTime::from_secs(1600),
            id: "id".into(),
        }
    }

    fn all() -> OwnSet {
        let mut set = OwnSet::default();
        Own::ALL.into_iter().filter(|own| *own != Own::Issuer).for_each(|own| set.insert(own));
        set
    }

    fn raw(json: &str, overridable: OwnSet) -> Result<String, SignError> {
        let claims: Box<RawValue> = serde_json::from_str(json).unwrap();
        write(&claims, &own(), overridable).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    const OURS: &str = r#""iss":"https://id","aud":"api","iat":1000,"exp":1600,"jti":"id""#;

    #[test]
    fn the_issuers_claims_stand_first() {
        for (given, expected) in [
            ("{}", format!("{{{OURS}}}")),
            ("{ }", format!("{{{OURS} }}")),
            (r#" {"sub":"bob"} "#, format!("{{{OURS},\"sub\":\"bob\"}}")),
            (r#"{ "a": [1, {"iss": "x"}] }"#, format!("{{{OURS}, \"a\": [1, {{\"iss\": \"x\"}}] }}")),
        ] {
            let written = raw(given, OwnSet::default()).unwrap();
            assert_eq!(written, expected);
            assert!(serde_json::from_str::<Value>(&written).is_ok());
        }
        // Everything overridden but `iss`.
        let written = raw(r#"{"aud":["a"],"exp":1,"iat":0,"jti":"j"}"#, all()).unwrap();
        assert_eq!(written, r#"{"iss":"https://id","aud":["a"],"exp":1,"iat":0,"jti":"j"}"#);
    }

    #[test]
    fn a_name_counts_however_it_is_written() {
        for (json, name) in [
            (r#"{"\u0069ss":"evil"}"#, "iss"),
            (r#"{"i\u0073s":"evil"}"#, "iss"),
            (r#"{"e\u0078p":9}"#, "exp"),
            (r#"{"aud":null}"#, "aud"),
        ] {
            let error = raw(json, OwnSet::default()).unwrap_err().to_string();
            assert!(error.contains(&format!("{name:?}")) && error.contains("overridable"), "{error}");
        }
        for json in [r#"{"a":1,"a":1}"#, r#"{"a":1,"\u0061":2}"#, r#"{"exp":1,"\u0065xp":2}"#] {
            assert!(raw(json, all()).unwrap_err().to_string().contains("twice"), "{json}");
        }
        // Another name is another name.
        assert!(raw(r#"{"ISS":1,"iss ":2,"\u0000iss":3}"#, OwnSet::default()).is_ok());
    }

    #[test]
    fn only_an_object_has_claims() {
        for claims in [json!(null), json!([]), json!("{}"), json!(1), json!([{"sub": "bob"}])] {
            let error = write(&claims, &own(), all()).unwrap_err().to_string();
            assert_eq!(error, "the claims are not a JSON object");
        }
        assert!(write(&(), &own(), all()).is_err());
        assert!(write(&json!({ "aud": vec!["a"; 32] }), &own(), all()).is_ok());
        assert!(write(&json!({ "aud": vec!["a"; 33] }), &own(), all()).is_err());
        assert!(write(&Some(json!({})), &own(), all()).is_ok());
    }

    #[test]
    fn an_override_stays_within_what_a_verifier_takes() {
        for (json, word) in [
            (r#"{"exp":1601}"#, "beyond the lifetime"),
            (r#"{"exp":1600.5}"#, "beyond the lifetime"),
            (r#"{"exp":"1600"}"#, "\"exp\""),
            (r#"{"exp":-1}"#, "\"exp\""),
            (r#"{"exp":null}"#, "\"exp\""),
            (r#"{"iat":1001}"#, "\"iat\""),
            (r#"{"iat":null}"#, "\"iat\""),
            (r#"{"aud":""}"#, "\"aud\""),
            (r#"{"aud":[]}"#, "\"aud\""),
            (r#"{"aud":[""]}"#, "\"aud\""),
            (r#"{"aud":1}"#, "\"aud\""),
            (r#"{"jti":""}"#, "\"jti\""),
            (r#"{"jti":1}"#, "\"jti\""),
            (r#"{"iss":"https://id"}"#, "\"iss\""),
        ] {
            let error = raw(json, all()).unwrap_err().to_string();
            assert!(error.contains(word), "{json}: {error}");
        }
        for json in [r#"{"exp":1600}"#, r#"{"iat":1000}"#, r#"{"aud":["a","b"]}"#, r#"{"jti":"x"}"#] {
            assert!(raw(json, all()).is_ok(), "{json}");
            assert!(raw(json, OwnSet::default()).is_err(), "{json}");
        }
    }
}
