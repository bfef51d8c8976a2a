//! The protected header, read strictly (RFC 7515 section 4, RFC 8725 section 3).

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::member_names::{Name, Names};
use crate::error::Reason;
use crate::jose::{Algorithm, Limits};

/// What a verifier needs of a header. Members that could bring a key (`jwk`, `jku`, `x5u`, `x5c`) are not read.
#[derive(Debug)]
pub(crate) struct Header<'h> {
    /// `None` for an algorithm that this crate does not know.
    pub(crate) alg: Option<Algorithm>,
    pub(crate) kid: Option<Cow<'h, str>>,
    pub(crate) typ: Option<Cow<'h, str>>,
}

/// Members of a header; those that are registered are 13 (RFC 7515 section 4.1, RFC 7516 section 4.1).
const MEMBERS: usize = 24;

impl<'h> Header<'h> {
    /// Reads the decoded header.
    pub(crate) fn read(json: &'h [u8], limits: &Limits) -> Result<Self, Reason> {
        if json.len() > limits.header_bytes {
            return Err(Reason::MalformedToken);
        }
        let text = std::str::from_utf8(json).map_err(|_| Reason::MalformedToken)?;
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let header = Header::deserialize(&mut deserializer).map_err(|_| Reason::MalformedToken)?;
        deserializer.end().map_err(|_| Reason::MalformedToken)?;
        if header.kid.as_ref().is_some_and(|kid| kid.len() > limits.kid_bytes) {
            return Err(Reason::MalformedToken);
        }
        Ok(header)
    }
}

impl<'de> Deserialize<'de> for Header<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Header<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header<'de>, A::Error> {
                let mut names = Names::at_most(MEMBERS);
                let (mut alg, mut kid, mut typ) = (None, None, None);
                while let Some(name) = map.next_key_seed(Name)? {
                    if !names.insert(&name) {
                        return Err(de::Error::custom("duplicate member"));
                    }
                    match name.as_ref() {
                        "alg" => alg = Some(map.next_value_seed(Name)?),
                        "kid" => kid = Some(map.next_value_seed(Name)?),
                        "typ" => typ = Some(map.next_value_seed(Name)?),
                        // No extension is implemented, so each one that is critical is unknown
                        // (RFC 7515 section 4.1.11); a JWT must not be unencoded (RFC 7797 section 7).
                        "crit" | "b64" => return Err(de::Error::custom("critical extension")),
                        // An encrypted token, or one inside another.
                        "enc" | "zip" | "epk" | "p2c" | "p2s" => {
                            return Err(de::Error::custom("encryption header"));
                        }
                        "cty" => {
                            if same_media_type(&map.next_value_seed(Name)?, "JWT") {
                                return Err(de::Error::custom("nested token"));
                            }
                        }
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                let alg = alg.ok_or_else(|| de::Error::missing_field("alg"))?;
                Ok(Header { alg: Algorithm::from_name(&alg), kid, typ })
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// Compares media types as RFC 7515 section 4.1.9 says: without case, `application/` in front or not.
pub(crate) fn same_media_type(one: &str, other: &str) -> bool {
    fn short(media_type: &str) -> &str {
        const PREFIX: &str = "application/";
        match media_type.split_at_checked(PREFIX.len()) {
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) && !rest.contains('/') => rest,
            _ => media_type,
        }
    }
    short(one).eq_ignore_ascii_case(short(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Header<'_>, Reason> {
        Header::read(json.as_bytes(), &Limits::default())
    }

    #[test]
    fn the_members_are_read() {
        let header = read(r#" {"typ":"JWT","alg":"ES256","kid":"a\/b=","x":{"deep":[1]}} "#).unwrap();
        assert_eq!(header.alg, Some(Algorithm::ES256));
        assert_eq!(header.kid.as_deref(), Some("a/b="));
        assert_eq!(header.typ.as_deref(), Some("JWT"));
    }

    #[test]
    fn an_unknown_algorithm_is_not_malformed() {
        assert_eq!(read(r#"{"alg":"none"}"#).unwrap().alg, None);
        assert_eq!(read(r#"{"alg":"rs256"}"#).unwrap().alg, None);
    }

    #[test]
    fn what_is_not_a_strict_header_is_refused() {
        for refused in [
            "",
            "null",
            "[]",
            "\"x\"",
            "[\"ES256\"]",
            "{}",
            r#"{"alg":null}"#,
            r#"{"alg":["ES256"]}"#,
            r#"{"alg":"ES256"} x"#,
            r#"{"alg":"ES256"}{}"#,
            r#"{"alg":"ES256","alg":"ES256"}"#,
            r#"{"alg":"ES256","x":1,"x":2}"#,
            r#"{"alg":"ES256","\u0061lg":"none"}"#,
            r#"{"alg":"ES256","kid":7}"#,
            r#"{"alg":"ES256","kid":null}"#,
            r#"{"alg":"ES256","typ":{}}"#,
            r#"{"alg":"ES256","crit":[]}"#,
            r#"{"alg":"ES256","crit":["exp"]}"#,
            r#"{"alg":"ES256","b64":false,"crit":["b64"]}"#,
            r#"{"alg":"ES256","b64":false}"#,
            r#"{"alg":"dir","enc":"A256GCM"}"#,
            r#"{"alg":"ES256","zip":"DEF"}"#,
            r#"{"alg":"ES256","epk":{}}"#,
            r#"{"alg":"ES256","p2c":1}"#,
            r#"{"alg":"ES256","p2s":"x"}"#,
            r#"{"alg":"ES256","cty":"JWT"}"#,
            r#"{"alg":"ES256","cty":"application/jwt"}"#,
            "\u{feff}{\"alg\":\"ES256\"}",
        ] {
            assert_eq!(read(refused).unwrap_err(), Reason::MalformedToken, "{refused}");
        }
        assert_eq!(
            Header::read(b"{\"alg\":\"ES256\",\"x\":\"\xff\"}", &Limits::default()).unwrap_err(),
            Reason::MalformedToken
        );
    }

    #[test]
    fn sizes_are_bounded_to_the_byte() {
        let with_kid = |n: usize| format!(r#"{{"alg":"ES256","kid":"{}"}}"#, "k".repeat(n));
        assert!(read(&with_kid(256)).is_ok());
        assert_eq!(read(&with_kid(257)).unwrap_err(), Reason::MalformedToken);
        let empty = r#"{"alg":"ES256","x":""}"#.len();
        let of_length = |n: usize| format!(r#"{{"alg":"ES256","x":"{}"}}"#, "x".repeat(n - empty));
        assert!(read(&of_length(2048)).is_ok());
        assert_eq!(read(&of_length(2049)).unwrap_err(), Reason::MalformedToken);
    }

    #[test]
    fn there_are_so_many_members_at_most() {
        let of = |members: usize| {
            let others: String = (1..members).map(|number| format!(r#","m{number}":0"#)).collect();
            format!(r#"{{"alg":"ES256"{others}}}"#)
        };
        assert!(read(&of(24)).is_ok());
        assert_eq!(read(&of(25)).unwrap_err(), Reason::MalformedToken);
    }

    #[test]
    fn media_types_compare_without_case_and_prefix() {
        assert!(same_media_type("at+jwt", "application/AT+JWT"));
        assert!(same_media_type("Application/at+jwt", "at+jwt"));
        assert!(!same_media_type("at+jwt", "jwt"));
        assert!(!same_media_type("text/at+jwt", "at+jwt"));
        assert!(!same_media_type("application/x/jwt", "x/jwt"));
        assert!(!same_media_type("application/", "jwt"));
    }
}
