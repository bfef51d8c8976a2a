//! Payloads of issuers that write `sub` and `jti` as numbers, against RFC 7519 sections 4.1.2 and 4.1.7.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::member_names::Name;

/// Digits of a number that is read as text: those of the largest that anybody counts with.
const MOST_DIGITS: usize = 20;

/// The same payload, with a `sub` or `jti` that is a whole number written as the text of its digits.
///
/// All that is read of the payload afterwards is read of this text, so nobody sees the number. What is not a whole number
/// without sign, fraction and exponent stays as it is, and so does what is no JSON object: the strict reader judges it.
pub(crate) fn with_numeric_ids_as_text(payload: &str) -> Cow<'_, str> {
    let mut deserializer = serde_json::Deserializer::from_str(payload);
    let Ok(numbers) = deserializer.deserialize_map(Numbers { payload }) else {
        return Cow::Borrowed(payload);
    };
    if numbers.is_empty() {
        return Cow::Borrowed(payload);
    }
    let mut text = String::with_capacity(payload.len() + 2 * numbers.len());
    let mut written = 0;
    for Range { start, end } in numbers {
        let (Some(before), Some(digits)) = (payload.get(written..start), payload.get(start..end)) else {
            return Cow::Borrowed(payload);
        };
        text.extend([before, "\"", digits, "\""]);
        written = end;
    }
    text.push_str(payload.get(written..).unwrap_or_default());
    Cow::Owned(text)
}

/// Finds where the numbers stand.
struct Numbers<'p> {
    payload: &'p str,
}

impl<'de> Visitor<'de> for Numbers<'de> {
    type Value = Vec<Range<usize>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object of claims")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = Vec::new();
        while let Some(name) = map.next_key_seed(Name)? {
            if !matches!(&*name, "sub" | "jti") {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let value = map.next_value::<&'de RawValue>()?.get();
            if value.len() <= MOST_DIGITS && value.bytes().all(|byte| byte.is_ascii_digit()) {
                // The value is a part of the payload.
                let start = value.as_ptr() as usize - self.payload.as_ptr() as usize;
                found.push(start..start + value.len());
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_of_two_names_become_text() {
        for (payload, expected) in [
            (r#"{"sub":42}"#, r#"{"sub":"42"}"#),
            (
                r#"{"sub": 0 , "jti" :18446744073709551615}"#,
                r#"{"sub": "0" , "jti" :"18446744073709551615"}"#,
            ),
            (r#"{"s\u0075b":7,"x":{"sub":8},"é":9}"#, r#"{"s\u0075b":"7","x":{"sub":8},"é":9}"#),
            // Twice: the strict reader refuses it as before.
            (r#"{"sub":1,"sub":2}"#, r#"{"sub":"1","sub":"2"}"#),
        ] {
            assert_eq!(with_numeric_ids_as_text(payload), expected);
        }
        for same in [
            r#"{"sub":"42"}"#,
            r#"{"sub":-1}"#,
            r#"{"sub":1.0}"#,
            r#"{"sub":1e3}"#,
            r#"{"sub":100000000000000000000}"#,
            r#"{"sub":[1]}"#,
            r#"{"sub":true}"#,
            r#"{"sub":null}"#,
            r#"{"exp":1,"iat":2,"iss":3}"#,
            r#"{"sub":1"#,
            r#"{"sub":01}"#,
            "[]",
            "1",
            "",
        ] {
            assert_eq!(with_numeric_ids_as_text(same), same);
        }
    }
}
