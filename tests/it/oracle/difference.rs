//! The closed list of what `jsonwebtoken::decode` accepts and this crate refuses.

use std::collections::BTreeSet;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use tower_jwt_auth::Reason;

use super::token::{Case, Edit, Text};
use super::{LEEWAY, Signer};

macro_rules! differences {
    ($($(#[$doc:meta])+ $variant:ident,)+) => {
        /// Why they accept a token that we refuse.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Difference { $($(#[$doc])+ $variant,)+ }

        impl Difference {
            pub(super) const ALL: [Self; [$(Self::$variant),+].len()] = [$(Self::$variant),+];
        }
    };
}

differences! {
    /// They take a token without the configured `iss`, unless told apart that it is required.
    IssuerAbsent,
    /// They take a token without the configured `aud`, unless told apart that it is required.
    AudienceAbsent,
    /// They take a list of issuers with ours in it, and one of another type as if it were absent.
    IssuerNotText,
    /// They take an `aud` of a wrong type as if it were absent.
    AudienceNotText,
    /// They search an `aud` of any length.
    ManyAudiences,
    /// They take a `sub` that is no string.
    SubjectNotText,
    /// They do not look at `jti`.
    TokenIdNotText,
    /// They do not look at `iat`, so it may be anything.
    IssuedAtNoDate,
    /// They do not look at `iat`, so it may lie in the future.
    IssuedInFuture,
    /// They accept up to and including the second in which a token expires, and round fractions to the nearest.
    ExpiresThisSecond,
    /// They round the fraction of `nbf` to the nearest second.
    BeginsWithinHalfASecond,
    /// They take an `exp` after the year 9999: most likely one in milliseconds or worse.
    ExpiresAfter9999,
    /// They take the last of several claims of one name, if it is not one that they check themselves.
    RepeatedClaim,
    /// They take the last of several header members of one name, if it is not one that they know.
    RepeatedHeader,
    /// They read an array as if it were the claims set, by position.
    ListOfClaims,
    /// They ignore `crit` and `b64`.
    CriticalExtension,
    /// They ignore the members of an encryption header.
    EncryptionHeader,
    /// They ignore that the payload says to be a token itself.
    NestedToken,
    /// They take a null for an absent header member.
    NullInHeader,
    /// They ignore `typ`.
    ExplicitType,
    /// They do not know the marks of ID tokens, logout tokens and refresh tokens.
    OtherKindOfToken,
    /// They do not ask for the proof of a bound key.
    BoundToAKey,
    /// They read JSON as deep as `serde_json` does.
    TooDeep,
    /// They have no bound for `kid`.
    LongKid,
    /// They have no bound for the header.
    LongHeader,
    /// They have no bound for the token.
    LongToken,
    /// They are given one key and do not look at `kid`.
    OtherKid,
}

/// A token as the list looks at it: read without the help of either side.
pub(super) struct Seen<'t> {
    case: &'t Case,
    now: f64,
    token: &'t str,
    header_text: String,
    payload_text: String,
    header: Value,
    payload: Value,
}

impl<'t> Seen<'t> {
    pub(super) fn new(case: &'t Case, now: u64, token: &'t str) -> Self {
        let text = |segment: &str| String::from_utf8(BASE64URL.decode(segment).unwrap()).unwrap();
        let segments: Vec<_> = token.split('.').collect();
        let (header_text, payload_text) = (text(segments[0]), text(segments[1]));
        let (header, payload) =
            (serde_json::from_str(&header_text).unwrap(), serde_json::from_str(&payload_text).unwrap());
        Self { case, now: now as f64, token, header_text, payload_text, header, payload }
    }

    fn claim(&self, name: &str) -> Option<&Value> {
        self.payload.get(name)
    }

    fn is_text(&self, name: &str) -> bool {
        self.claim(name).is_none_or(Value::is_string)
    }

    fn date(&self, name: &str) -> Option<f64> {
        self.claim(name)?.as_f64()
    }

    fn typ_of_claims(&self) -> Option<&str> {
        self.claim("typ")?.as_str()
    }
}

impl Difference {
    /// What our refusal must be if this difference applies to the token.
    pub(super) fn refusal(self, seen: &Seen<'_>) -> Option<(Reason, Option<&'static str>)> {
        let leeway = LEEWAY as f64;
        let has = |name: &str| seen.header.get(name).is_some();
        let malformed = (Reason::MalformedToken, None);
        let (applies, refusal) = match self {
            Self::IssuerAbsent => {
                (!seen.case.careful && seen.claim("iss").is_none(), (Reason::MissingClaim, Some("iss")))
            }
            Self::AudienceAbsent => {
                (!seen.case.careful && seen.claim("aud").is_none(), (Reason::MissingClaim, Some("aud")))
            }
            Self::IssuerNotText => {
                let list = seen.claim("iss").is_some_and(Value::is_array);
                (!seen.is_text("iss") && (list || !seen.case.careful), (Reason::InvalidClaim, Some("iss")))
            }
            Self::AudienceNotText => {
                let texts = |list: &Vec<Value>| list.iter().all(Value::is_string);
                let good =
                    seen.is_text("aud") || seen.claim("aud").and_then(Value::as_array).is_some_and(texts);
                (!good && !seen.case.careful, (Reason::InvalidClaim, Some("aud")))
            }
            Self::ManyAudiences => {
                let many = seen.claim("aud").and_then(Value::as_array).is_some_and(|list| list.len() > 32);
                (many, (Reason::InvalidClaim, Some("aud")))
            }
            Self::SubjectNotText => (!seen.is_text("sub"), (Reason::InvalidClaim, Some("sub"))),
            Self::TokenIdNotText => (!seen.is_text("jti"), (Reason::InvalidClaim, Some("jti"))),
            Self::IssuedAtNoDate => {
                let in_range = |date: f64| (0.0..253_402_300_800.0).contains(&date);
                let date = seen.date("iat").is_some_and(in_range);
                (seen.claim("iat").is_some() && !date, (Reason::InvalidClaim, Some("iat")))
            }
            Self::IssuedInFuture => {
                let future = seen.date("iat").is_some_and(|iat| iat > seen.now + leeway);
                (future, (Reason::NotYetValid, Some("iat")))
            }
            Self::ExpiresThisSecond => {
                let end = seen.now - leeway;
                let applies = seen.date("exp").is_some_and(|exp| exp <= end && exp.round() >= end);
                (applies, (Reason::Expired, Some("exp")))
            }
            Self::BeginsWithinHalfASecond => {
                let start = seen.now + leeway;
                let applies = seen.date("nbf").is_some_and(|nbf| nbf > start && nbf.round() <= start);
                (applies, (Reason::NotYetValid, Some("nbf")))
            }
            Self::ExpiresAfter9999 => {
                let applies = seen.date("exp").is_some_and(|exp| exp > 253_402_300_799.0);
                (applies, (Reason::InvalidClaim, Some("exp")))
            }
            Self::RepeatedClaim => (repeats_a_name(&seen.payload_text), malformed),
            Self::RepeatedHeader => (repeats_a_name(&seen.header_text), malformed),
            Self::ListOfClaims => (seen.payload.is_array(), malformed),
            Self::CriticalExtension => (has("crit") || has("b64"), malformed),
            Self::EncryptionHeader => (["enc", "zip", "epk", "p2c", "p2s"].into_iter().any(has), malformed),
            Self::NestedToken => (seen.header["cty"].as_str().is_some_and(is_jwt), malformed),
            Self::NullInHeader => {
                let null = |name: &str| seen.header.get(name).is_some_and(Value::is_null);
                (["kid", "typ", "cty"].into_iter().any(null), malformed)
            }
            Self::ExplicitType => {
                let usual =
                    |typ: &str| is_jwt(typ) || is_jwt(&typ.to_ascii_lowercase().replace("at+jwt", "jwt"));
                let other = seen.header["typ"].as_str().is_some_and(|typ| !usual(typ));
                (other, (Reason::WrongType, Some("typ")))
            }
            Self::OtherKindOfToken => {
                let mark =
                    ["at_hash", "c_hash", "events"].into_iter().find(|name| seen.claim(name).is_some());
                let token_use = seen.claim("token_use").is_some_and(|token_use| token_use != "access");
                let kinds = ["id", "refresh", "offline", "logout"];
                let typ = seen.typ_of_claims().is_some_and(|typ| kinds.contains(&&*typ.to_ascii_lowercase()));
                let mark = mark.or(token_use.then_some("token_use")).or(typ.then_some("typ"));
                (mark.is_some(), (Reason::WrongType, mark))
            }
            Self::BoundToAKey => (seen.claim("cnf").is_some(), (Reason::InvalidClaim, Some("cnf"))),
            Self::TooDeep => (depth(&seen.payload) > 32, malformed),
            Self::LongKid => (seen.header["kid"].as_str().is_some_and(|kid| kid.len() > 256), malformed),
            Self::LongHeader => (seen.header_text.len() > 2048, malformed),
            Self::LongToken => (seen.token.len() > 16 * 1024, (Reason::TokenTooLong, None)),
            Self::OtherKid => {
                let ours = seen.case.signer.kid();
                let theirs = seen.header["kid"].as_str();
                (ours.is_some() && theirs.is_some() && ours != theirs, (Reason::UnknownKey, None))
            }
        };
        applies.then_some(refusal)
    }

    /// A token to which this difference applies and no other.
    pub(super) fn example(self) -> Case {
        let edit = match self {
            Self::IssuerAbsent => Edit::Claim("iss", None),
            Self::AudienceAbsent => Edit::Claim("aud", None),
            Self::IssuerNotText => Edit::claim("iss", r#"["https://id.example.com"]"#),
            Self::AudienceNotText => Edit::claim("aud", r#"["other", 1]"#),
            Self::ManyAudiences => Edit::claim("aud", format!(r#"[{}"api"]"#, r#""web","#.repeat(32))),
            Self::SubjectNotText => Edit::claim("sub", "7"),
            Self::TokenIdNotText => Edit::claim("jti", "{}"),
            Self::IssuedAtNoDate => Edit::claim("iat", r#""yesterday""#),
            Self::IssuedInFuture => Edit::Claim("iat", Some(Text::FromNow(LEEWAY as i64 * 10 + 1))),
            Self::ExpiresThisSecond => Edit::Claim("exp", Some(Text::FromNow(LEEWAY as i64 * -10))),
            Self::BeginsWithinHalfASecond => Edit::Claim("nbf", Some(Text::FromNow(LEEWAY as i64 * 10 + 4))),
            Self::ExpiresAfter9999 => Edit::claim("exp", "253402300800"),
            Self::RepeatedClaim => Edit::FurtherClaim("admin", Text::Json("true".to_owned())),
            Self::RepeatedHeader => Edit::FurtherHeader("x", "2".to_owned()),
            Self::ListOfClaims => {
                Edit::Payload(r#"[4102444800, 0, "bob", "https://id.example.com", "api"]"#.to_owned())
            }
            Self::CriticalExtension => Edit::header("crit", r#"["exp"]"#),
            Self::EncryptionHeader => Edit::header("enc", r#""A128GCM""#),
            Self::NestedToken => Edit::header("cty", r#""JWT""#),
            Self::NullInHeader => Edit::header("kid", "null"),
            Self::ExplicitType => Edit::header("typ", r#""secevent+jwt""#),
            Self::OtherKindOfToken => Edit::claim("token_use", r#""id""#),
            Self::BoundToAKey => Edit::claim("cnf", r#"{"jkt":"x"}"#),
            Self::TooDeep => Edit::claim("other", format!("{}{}", "[".repeat(32), "]".repeat(32))),
            Self::LongKid => Edit::header("kid", format!(r#""{}""#, "k".repeat(257))),
            Self::LongHeader => Edit::header("x", format!(r#""{}""#, "x".repeat(2048))),
            Self::LongToken => Edit::claim("other", format!(r#""{}""#, "x".repeat(16 * 1024))),
            Self::OtherKid => Edit::header("kid", r#""other""#),
        };
        match self {
            Self::OtherKid => Case::new(Signer::Public(0), [edit]),
            Self::RepeatedClaim => Case::new(Signer::Secret, [Edit::claim("admin", "false"), edit]),
            Self::RepeatedHeader => Case::new(Signer::Secret, [Edit::header("x", "1"), edit]),
            Self::IssuerAbsent | Self::AudienceAbsent | Self::AudienceNotText => {
                Case::new(Signer::Secret, [edit]).not_careful()
            }
            _ => Case::new(Signer::Secret, [edit]),
        }
    }
}

/// Whether this media type is `JWT` (RFC 7515 section 4.1.10).
fn is_jwt(media_type: &str) -> bool {
    let lower = media_type.to_ascii_lowercase();
    lower == "jwt" || lower == "application/jwt"
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(list) => 1 + list.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// Whether a name stands twice at the top of this JSON object.
fn repeats_a_name(json: &str) -> bool {
    struct Repeats(bool);

    impl<'de> Deserialize<'de> for Repeats {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Object;

            impl<'de> Visitor<'de> for Object {
                type Value = Repeats;

                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("an object")
                }

                fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Repeats, A::Error> {
                    let (mut names, mut repeats) = (BTreeSet::new(), false);
                    while let Some((name, IgnoredAny)) = map.next_entry::<String, _>()? {
                        repeats |= !names.insert(name);
                    }
                    Ok(Repeats(repeats))
                }
            }

            deserializer.deserialize_map(Object)
        }
    }

    serde_json::from_str::<Repeats>(json).is_ok_and(|Repeats(repeats)| repeats)
}
