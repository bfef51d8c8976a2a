//! What is believed of an answer: one strict JSON object, brought into the form of a token's payload.

use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::ask::AskedText;
use crate::jose::{Limits, Name, Names, depth_is_within, has_private_name};
use crate::runtime::UnixTime;

/// What was answered about a token that is active.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// The claims, as the payload of a JWT has them.
    pub(super) claims: Arc<str>,
    /// When it says that the token expires, if it says so.
    pub(super) expires: Option<UnixTime>,
}

/// Bytes of an answer.
pub(crate) const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// Reads what was answered; `None`: the token is not active.
///
/// # Errors
/// If it is not one JSON object with distinct names, within the limits, whose `active` is a boolean.
pub(super) fn read(
    asked: AskedText,
    limits: &Limits,
    issuer: Option<&str>,
) -> Result<Option<Answer>, &'static str> {
    let (text, demands_active) = match asked {
        AskedText::NotActive => return Ok(None),
        AskedText::Claims(text) => (text, false),
        AskedText::ClaimsIfActive(text) => (text, true),
    };
    if text.len() > MAX_ANSWER_BYTES {
        return Err("the answer is too long");
    }
    if !depth_is_within(&text, limits.json_depth) || has_private_name(text.as_bytes()) {
        return Err("the answer is nested too deeply, or has a name that serde_json keeps for itself");
    }
    let members = members_of(&text, limits.claims).ok_or(
        "the answer is not one JSON object, with each name once, within the limits, whose `active` is a boolean",
    )?;
    if !members.active.unwrap_or(!demands_active) {
        return match members.active {
            Some(false) => Ok(None),
            _ => Err("the answer does not say whether the token is active"),
        };
    }
    let issuer = issuer.filter(|_| !members.has_issuer);
    if issuer.is_some() && members.count >= limits.claims {
        return Err("the answer has too many members");
    }
    let claims = match issuer {
        Some(issuer) => with_issuer(&text, issuer, members.count > 0),
        None => Some(text.into()),
    };
    let claims = claims.ok_or("the answer is not an object")?;
    Ok(Some(Answer { claims, expires: members.expires }))
}

/// Whoever is asked about the tokens of one issuer need not name it.
fn with_issuer(object: &str, issuer: &str, has_members: bool) -> Option<Arc<str>> {
    let rest = object.trim_start().strip_prefix('{')?;
    let comma = if has_members { "," } else { "" };
    Some(format!("{{\"iss\":{}{comma}{rest}", serde_json::Value::from(issuer)).into())
}

#[derive(Default)]
struct Members {
    active: Option<bool>,
    has_issuer: bool,
    /// `None` also if it is no date, which the policy refuses.
    expires: Option<UnixTime>,
    count: usize,
}

fn members_of(object: &str, most: usize) -> Option<Members> {
    // A type of serde's could be made of an array as well.
    if !object.trim_start().starts_with('{') {
        return None;
    }
    let mut deserializer = serde_json::Deserializer::from_str(object);
    let members = ReadMembers { most }.deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    Some(members)
}

struct ReadMembers {
    most: usize,
}

impl<'de> DeserializeSeed<'de> for ReadMembers {
    type Value = Members;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Members, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ReadMembers {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object of claims")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut names = Names::at_most(self.most);
        let mut members = Members::default();
        while let Some(name) = map.next_key_seed(Name)? {
            if !names.insert(&name) {
                return Err(Error::custom("duplicate member, or one too many"));
            }
            members.count += 1;
            match &*name {
                "active" => members.active = Some(map.next_value()?),
                "exp" => {
                    let raw: &'de RawValue = map.next_value()?;
                    members.expires = serde_json::from_str(raw.get()).ok();
                }
                name => {
                    members.has_issuer |= name == "iss";
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Option<(String, Option<u64>)>, &'static str> {
        let answer =
            read(AskedText::ClaimsIfActive(text.to_owned()), &Limits::default(), Some("https://id"))?;
        Ok(answer.map(|answer| (answer.claims.to_string(), answer.expires.map(UnixTime::as_secs))))
    }

    #[test]
    fn an_answer_becomes_a_payload() {
        let active = |claims: &str, exp| Ok(Some((claims.to_owned(), exp)));
        assert_eq!(of(r#"{"active":true}"#), active(r#"{"iss":"https://id","active":true}"#, None));
        assert_eq!(
            of(r#" { "active": true, "exp": 7, "iss": "x" }"#),
            active(r#" { "active": true, "exp": 7, "iss": "x" }"#, Some(7))
        );
        assert_eq!(of(r#"{"active":false}"#), Ok(None));
        assert_eq!(of(r#"{"sub":"bob","active":false}"#), Ok(None));
        let claims =
            read(AskedText::Claims("{}".to_owned()), &Limits::default(), Some("\"")).unwrap().unwrap();
        assert_eq!(&*claims.claims, r#"{"iss":"\""}"#);
        assert!(read(AskedText::NotActive, &Limits::default(), None).unwrap().is_none());
    }

    #[test]
    fn anything_else_is_no_answer() {
        let deep = format!(r#"{{"active":true,"a":{}1{}}}"#, "[".repeat(40), "]".repeat(40));
        let long = format!(r#"{{"active":true,"a":"{}"}}"#, "a".repeat(MAX_ANSWER_BYTES));
        let members: String = (0..128).map(|n| format!(",\"n{n}\":1")).collect();
        for refused in [
            "",
            "null",
            "true",
            "[]",
            "[true]",
            "{}",
            r#"{"sub":"bob"}"#,
            r#"{"active":"true"}"#,
            r#"{"active":1}"#,
            r#"{"active":null}"#,
            r#"{"Active":true}"#,
            r#"{"active":true}{"active":true}"#,
            r#"{"active":true,"active":true}"#,
            r#"{"active":false,"active":true}"#,
            r#"{"active":true,"\u0061ctive":false}"#,
            r#"{"active":true,"sub":"a","sub":"b"}"#,
            r#"{"active":true"#,
            "<html>",
            &deep,
            &long,
            &format!(r#"{{"active":true{members}}}"#),
            &format!(r#"{{"active":true{}}}"#, &members.replace(",\"n127\":1", "")),
        ] {
            assert!(of(refused).is_err(), "{}", refused.get(..60).unwrap_or(refused));
        }
        assert!(
            of(&format!(
                r#"{{"active":true,"iss":"x"{}}}"#,
                &members.replace(",\"n127\":1", "").replace(",\"n126\":1", "")
            ))
            .is_ok()
        );
    }
}
