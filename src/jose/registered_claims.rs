//! What the policy needs to know of a payload, noted while the user's type reads it.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde_json::value::RawValue;
use smallvec::SmallVec;

use crate::runtime::UnixTime;

macro_rules! slots {
    ($($variant:ident = $name:literal),+ $(,)?) => {
        /// A claim that the policy or the principal reads.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum ClaimName { $($variant),+ }

        impl ClaimName {
            const ALL: [Self; [$($name),+].len()] = [$(Self::$variant),+];
            const COUNT: usize = Self::ALL.len();

            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            pub(crate) fn of(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

slots! {
    Iss = "iss",
    Sub = "sub",
    Aud = "aud",
    Exp = "exp",
    Nbf = "nbf",
    Iat = "iat",
    Jti = "jti",
    Typ = "typ",
    Type = "type",
    TokenType = "token_type",
    TokenUse = "token_use",
    Cnf = "cnf",
    AtHash = "at_hash",
    CHash = "c_hash",
    Events = "events",
    Scope = "scope",
    Scp = "scp",
    ClientId = "client_id",
    Sid = "sid",
}

/// The value of one claim, as far as the policy cares.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum ClaimValue<'p> {
    #[default]
    Absent,
    Null,
    /// A number that is a date between 1970 and 9999.
    Date(UnixTime),
    Text(Cow<'p, str>),
    Texts(SmallVec<[Cow<'p, str>; 2]>),
    /// Any other value.
    Other,
    /// A value that went by without being seen; [`skim`](super::skim) looks again.
    Unseen,
}

impl<'p> ClaimValue<'p> {
    pub(crate) fn of_integer(value: u64) -> Self {
        UnixTime::from_integer(value).map_or(Self::Other, Self::Date)
    }

    pub(crate) fn of_float(value: f64) -> Self {
        UnixTime::from_float(value).map_or(Self::Other, Self::Date)
    }

    /// Reads a value from its JSON text. Works whatever the features of `serde_json`.
    pub(crate) fn of_raw(raw: &'p RawValue, elements: usize) -> Self {
        #[derive(serde::Deserialize)]
        struct Borrowed<'p>(#[serde(borrow)] Cow<'p, str>);

        let text = raw.get();
        let read = match text.as_bytes().first() {
            Some(b'"') => serde_json::from_str(text).ok().map(|Borrowed(text)| Self::Text(text)),
            Some(b'[') => texts(text, elements).ok().map(Self::Texts),
            Some(b'-' | b'0'..=b'9') => serde_json::from_str(text).ok().map(Self::Date),
            Some(b'n') => Some(Self::Null),
            _ => None,
        };
        read.unwrap_or(Self::Other)
    }

    pub(crate) const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

type Texts<'p> = SmallVec<[Cow<'p, str>; 2]>;

/// Reads an array of strings that has so many elements at most.
fn texts(json: &str, most: usize) -> Result<Texts<'_>, serde_json::Error> {
    struct Strings {
        most: usize,
    }

    impl<'de> serde::de::Visitor<'de> for Strings {
        type Value = Texts<'de>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array of strings")
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut texts = Texts::new();
            while let Some(text) = seq.next_element_seed(super::member_names::Name)? {
                if texts.len() == self.most {
                    return Err(serde::de::Error::custom("too many elements"));
                }
                texts.push(text);
            }
            Ok(texts)
        }
    }

    let mut deserializer = serde_json::Deserializer::from_str(json);
    let texts = serde::Deserializer::deserialize_seq(&mut deserializer, Strings { most })?;
    deserializer.end().map(|()| texts)
}

/// The notes of one payload.
pub(crate) struct RegisteredClaims<'p> {
    /// Those that are there, in the order of the payload. A token has half of them, so the others cost nothing.
    values: SmallVec<[ClaimValue<'p>; 12]>,
    /// Where in `values` each one is; [`NOWHERE`] if it is absent.
    positions: [u8; ClaimName::COUNT],
    /// One for each name in `required` that has no slot of its own.
    further: SmallVec<[ClaimValue<'p>; 2]>,
    required: &'p [Arc<str>],
    /// Elements of an array that are noted.
    elements: usize,
    /// When the token expires by its header.
    expires: Option<UnixTime>,
}

const NOWHERE: u8 = u8::MAX;

/// Where a claim's note is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    Registered(ClaimName),
    Further(usize),
}

impl<'p> RegisteredClaims<'p> {
    pub(crate) fn new(required: &'p [Arc<str>]) -> Self {
        Self {
            values: SmallVec::new(),
            positions: [NOWHERE; ClaimName::COUNT],
            further: SmallVec::from_elem(ClaimValue::Absent, required.len()),
            required,
            elements: usize::MAX,
            expires: None,
        }
    }

    /// With an expiry that the header has.
    pub(crate) fn expiring(mut self, at: Option<UnixTime>) -> Self {
        self.expires = at;
        self
    }

    pub(crate) const fn expires(&self) -> Option<UnixTime> {
        self.expires
    }

    /// Notes an array of more elements as [`ClaimValue::Other`], for a look that must not cost much. What hides in such
    /// an array goes unseen, so this is not for the final judgement.
    pub(crate) fn with_elements_at_most(mut self, elements: usize) -> Self {
        self.elements = elements;
        self
    }

    pub(crate) const fn elements(&self) -> usize {
        self.elements
    }

    /// As if nothing had been noted yet.
    pub(crate) fn forget(&mut self) {
        self.values.clear();
        self.positions = [NOWHERE; ClaimName::COUNT];
        self.further.iter_mut().for_each(|note| *note = ClaimValue::Absent);
    }

    pub(crate) fn place_of(&self, name: &str) -> Option<Place> {
        ClaimName::of(name)
            .map(Place::Registered)
            .or_else(|| self.required.iter().position(|known| **known == *name).map(Place::Further))
    }

    pub(crate) fn at(&mut self, place: Place) -> Option<&mut ClaimValue<'p>> {
        match place {
            Place::Registered(slot) => {
                let position = self.positions.get_mut(slot as usize)?;
                if *position == NOWHERE {
                    // There are fewer names than a byte can count.
                    *position = self.values.len() as u8;
                    self.values.push(ClaimValue::Absent);
                }
                self.values.get_mut(usize::from(*position))
            }
            Place::Further(index) => self.further.get_mut(index),
        }
    }

    /// The note of a claim that has a slot.
    pub(crate) fn get(&self, slot: ClaimName) -> &ClaimValue<'p> {
        let position = self.positions.get(slot as usize).copied().unwrap_or(NOWHERE);
        self.values.get(usize::from(position)).unwrap_or(&ClaimValue::Absent)
    }

    pub(crate) fn take(&mut self, slot: ClaimName) -> ClaimValue<'p> {
        let position = self.positions.get(slot as usize).copied().unwrap_or(NOWHERE);
        self.values.get_mut(usize::from(position)).map(std::mem::take).unwrap_or_default()
    }

    /// The note of any claim that is registered or required.
    pub(crate) fn find(&self, name: &str) -> &ClaimValue<'p> {
        match self.place_of(name) {
            Some(Place::Registered(slot)) => self.get(slot),
            Some(Place::Further(index)) => self.further.get(index).unwrap_or(&ClaimValue::Absent),
            None => &ClaimValue::Absent,
        }
    }

    /// Whether something went by unseen.
    pub(crate) fn has_gaps(&self) -> bool {
        self.values.iter().chain(&self.further).any(|note| matches!(note, ClaimValue::Unseen))
    }
}

impl fmt::Debug for RegisteredClaims<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let there = ClaimName::ALL.into_iter().filter(|name| !self.get(*name).is_absent());
        f.debug_map()
            .entries(there.map(|name| (name.name(), self.get(name))))
            .entries(self.required.iter().zip(&self.further))
            .finish()
    }
}
