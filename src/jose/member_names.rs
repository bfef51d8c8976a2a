//! The member names of one JSON object, to refuse duplicates (RFC 7515 section 4, RFC 7519 section 4).

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, Visitor};
use smallvec::SmallVec;

/// Reads a member name, borrowed from the input if it has no escapes.
pub(crate) struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    fn visit_borrowed_str<E: de::Error>(self, v: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(v))
    }

    fn visit_str<E: de::Error>(self, v: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(v.to_owned()))
    }
}

/// How many names are listed before they are hashed.
const LISTED: usize = 24;

/// The names seen so far: a short list for the usual token, a hash set for one that has many.
#[derive(Debug)]
pub(crate) struct Names<'de> {
    /// How many there may be yet.
    left: usize,
    /// One bit for each name's length and outer bytes: most names need no comparison at all.
    seen: u64,
    first: SmallVec<[Cow<'de, str>; LISTED]>,
    /// Made when it is needed.
    further: Option<HashSet<Cow<'de, str>>>,
}

impl<'de> Names<'de> {
    /// No names yet, and `most` at most.
    #[inline]
    pub(crate) fn at_most(most: usize) -> Self {
        Self { left: most, seen: 0, first: SmallVec::new(), further: None }
    }

    /// Notes `name`; false if it was there already, or there are too many.
    #[allow(clippy::ptr_arg)] // whether it is borrowed matters
    pub(crate) fn insert(&mut self, name: &Cow<'de, str>) -> bool {
        let bit = Self::bit(name);
        if self.left == 0 || (self.seen & bit != 0 && self.contains(name)) {
            return false;
        }
        self.left -= 1;
        self.seen |= bit;
        if self.first.len() < LISTED {
            self.first.push(name.clone());
        } else {
            self.further.get_or_insert_default().insert(name.clone());
        }
        true
    }

    fn contains(&self, name: &str) -> bool {
        self.first.iter().any(|known| known == name)
            || self.further.as_ref().is_some_and(|further| further.contains(name))
    }

    fn bit(name: &str) -> u64 {
        let bytes = name.as_bytes();
        let ends = bytes.first().copied().unwrap_or(0) ^ bytes.last().copied().unwrap_or(0).rotate_left(3);
        1 << ((bytes.len() as u64).wrapping_mul(7).wrapping_add(u64::from(ends)) & 63)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duplicate_is_seen_in_the_list_and_beyond_it() {
        let mut names = Names::at_most(2000);
        for number in 0..1000 {
            assert!(names.insert(&Cow::Owned(format!("n{number}"))));
        }
        for number in [0, 23, 24, 999] {
            assert!(!names.insert(&Cow::Owned(format!("n{number}"))), "{number}");
        }
        assert!(names.insert(&Cow::Borrowed("")));
        assert!(!names.insert(&Cow::Borrowed("")));
    }

    #[test]
    fn there_are_so_many_at_most() {
        let mut names = Names::at_most(30);
        assert!((0..30).all(|number| names.insert(&Cow::Owned(format!("n{number}")))));
        assert!(!names.insert(&Cow::Borrowed("one more")));
    }
}
