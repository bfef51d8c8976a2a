//! What is signed: the issuer's own claims, and those that it was given.

use std::fmt;

use serde::de::{self, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::error::{Problem, SignError};
use crate::claims::Audience;
use crate::jose::{Name, Names};
use crate::time::UnixTime;

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
    if found.own.contains(Own::Audience) && audience_is_empty() {
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
                let mut names = Names::default();
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
