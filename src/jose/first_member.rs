//! One member of a JSON object, found without reading the others.

use std::borrow::Cow;

/// What the first member of a name holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FirstMember<'j> {
    Absent,
    Text(Cow<'j, str>),
    /// Another value than a string.
    Other,
    /// This is not a JSON object as far as it was read, or has more members.
    Unreadable,
}

/// Finds the first member of this name in an object, among so many at most.
///
/// It costs far less than reading the object, whatever an attacker puts into it, and judges nothing: not the values in
/// between, not a second member of the same name. A name that is written with escapes is not found. So the answer may
/// choose what to look at next, and the whole object has to be read strictly before any of it is believed.
pub(crate) fn first_member<'j>(json: &'j [u8], name: &str, most: usize) -> FirstMember<'j> {
    find(&mut Scanner { rest: json }, name, most).unwrap_or(FirstMember::Unreadable)
}

fn find<'j>(scanner: &mut Scanner<'j>, name: &str, most: usize) -> Option<FirstMember<'j>> {
    scanner.take(b'{')?;
    if scanner.take(b'}').is_some() {
        return Some(FirstMember::Absent);
    }
    for _ in 0..most {
        scanner.take(b'"')?;
        let found = scanner.string()? == name.as_bytes();
        scanner.take(b':')?;
        if found {
            return Some(match scanner.peek()? {
                b'"' => text(scanner)?,
                _ => FirstMember::Other,
            });
        }
        scanner.skip_value()?;
        if scanner.take(b'}').is_some() {
            return Some(FirstMember::Absent);
        }
        scanner.take(b',')?;
    }
    None
}

fn text<'j>(scanner: &mut Scanner<'j>) -> Option<FirstMember<'j>> {
    #[derive(serde::Deserialize)]
    struct Text<'j>(#[serde(borrow)] Cow<'j, str>);

    let quoted = scanner.rest;
    scanner.take(b'"')?;
    scanner.string()?;
    let quoted = quoted.get(..quoted.len() - scanner.rest.len())?;
    let Text(text) = serde_json::from_slice(quoted).ok()?;
    Some(FirstMember::Text(text))
}

struct Scanner<'j> {
    rest: &'j [u8],
}

impl<'j> Scanner<'j> {
    /// The next byte that is no white space, which is not taken.
    fn peek(&mut self) -> Option<u8> {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
        self.rest.first().copied()
    }

    /// Takes this byte, if it is the next one that is no white space.
    fn take(&mut self, byte: u8) -> Option<()> {
        if self.peek()? != byte {
            return None;
        }
        self.rest = self.rest.get(1..)?;
        Some(())
    }

    /// The rest of a string and its closing quote; escapes stay as they are.
    fn string(&mut self) -> Option<&'j [u8]> {
        let start = self.rest;
        let mut bytes = start.iter().enumerate();
        loop {
            match bytes.next()? {
                (end, b'"') => {
                    self.rest = start.get(end + 1..)?;
                    return start.get(..end);
                }
                (_, b'\\') => drop(bytes.next()?),
                _ => {}
            }
        }
    }

    fn skip_value(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => {
                self.rest = self.rest.get(1..)?;
                self.string().map(drop)
            }
            b'{' | b'[' => self.skip_nested(),
            _ => {
                let end = self.rest.iter().position(|byte| matches!(byte, b',' | b'}'))?;
                self.rest = self.rest.get(end..)?;
                Some(())
            }
        }
    }

    /// Skips to behind the bracket or brace that closes the one which comes next.
    fn skip_nested(&mut self) -> Option<()> {
        let mut open = 0_usize;
        let mut bytes = self.rest.iter();
        loop {
            let byte = *bytes.next()?;
            open = open.wrapping_add_signed(DEPTH.get(usize::from(byte)).copied().unwrap_or_default());
            if byte == b'"' {
                self.rest = bytes.as_slice();
                self.string()?;
                bytes = self.rest.iter();
            } else if open == 0 {
                self.rest = bytes.as_slice();
                return Some(());
            }
        }
    }
}

/// By how much each byte changes the nesting. A table, because one look-up costs less than four comparisons.
#[allow(clippy::indexing_slicing)] // the compiler checks it
const DEPTH: [isize; 256] = {
    let mut depth = [0; 256];
    (depth[b'{' as usize], depth[b'[' as usize]) = (1, 1);
    (depth[b'}' as usize], depth[b']' as usize]) = (-1, -1);
    depth
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn iss(json: &str) -> FirstMember<'_> {
        first_member(json.as_bytes(), "iss", 8)
    }

    fn text(text: &str) -> FirstMember<'_> {
        FirstMember::Text(Cow::Borrowed(text))
    }

    #[test]
    fn only_a_member_of_the_object_itself_counts() {
        assert_eq!(iss(r#"{"iss":"a"}"#), text("a"));
        assert_eq!(iss("\n{ \"x\" : 1.5e3 ,\t\"iss\" : \"a\" , \"iss\": 7 }"), text("a"));
        assert_eq!(iss(r#"{"x":{"iss":"b","y":["}","\"]"]},"s":"\\","iss":"a\/c"}"#), text("a/c"));
        assert_eq!(iss(r#"{"sub":"\"iss\":\"b\"","iss":"a"}"#), text("a"));
        assert_eq!(iss(r#"{"iss":["a"]}"#), FirstMember::Other);
        assert_eq!(iss(r#"{"iss":null}"#), FirstMember::Other);
        assert_eq!(iss(r#"{ }"#), FirstMember::Absent);
        assert_eq!(iss(r#"{"x":{"iss":"a"}}"#), FirstMember::Absent);
        assert_eq!(iss(r#"{"\u0069ss":"a"}"#), FirstMember::Absent);
        for unreadable in [
            "",
            "7",
            "[]",
            "{",
            "{\"",
            "{\"iss",
            "{\"iss\"",
            "{\"iss\":",
            "{\"iss\":\"a",
            "{\"x\":[",
            "{x:1}",
            "{\"x\":[}",
            "{\"x\":\"\\",
            "{\"iss\":\"\\x\"}",
            "{\"iss\":\"\u{1}\"}",
        ] {
            assert_eq!(iss(unreadable), FirstMember::Unreadable, "{unreadable}");
        }
        assert_eq!(first_member(b"{\"iss\":\"\xff\"}", "iss", 8), FirstMember::Unreadable);
    }

    #[test]
    fn it_looks_at_so_many_members_at_most() {
        let json = br#"{"a":1,"b":2,"iss":"x"}"#;
        assert_eq!(first_member(json, "iss", 3), text("x"));
        assert_eq!(first_member(json, "iss", 2), FirstMember::Unreadable);
        assert_eq!(first_member(json, "absent", 3), FirstMember::Absent);
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[iss\"\\\\{}\\[\\],: é]{0,40}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map("(iss|[a-z\"\\\\{}]{0,4})", inner, 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// What a parser finds in the same object.
        #[test]
        fn it_agrees_with_a_parser(value in values(), pretty in any::<bool>()) {
            let json = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            let json = json.unwrap();
            let expected = match &value {
                Value::Object(members) => match members.get("iss") {
                    None => FirstMember::Absent,
                    Some(Value::String(issuer)) => FirstMember::Text(Cow::Borrowed(issuer)),
                    Some(_) => FirstMember::Other,
                },
                _ => FirstMember::Unreadable,
            };
            prop_assert_eq!(iss(&json), expected);
        }

        #[test]
        fn it_takes_any_bytes(json in prop::collection::vec(any::<u8>(), 0..64)) {
            first_member(&json, "iss", 8);
        }
    }
}
