//! A deserializer that passes everything on to the user's type and notes the registered claims on the way.
//!
//! It works for any type, one without `exp` too, and costs a fraction of a second pass. Where a value goes by in
//! a form that cannot be noted (raw JSON, an enum, a number under `serde_json`'s `arbitrary_precision`), the note
//! says `Unseen` and the caller looks again.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess,
    Visitor,
};
use serde::forward_to_deserialize_any;
use smallvec::SmallVec;

use super::member_names::{Name, Names};
use super::private_names::PRIVATE;
use super::registered_claims::{ClaimValue, Place, RegisteredClaims};

/// What is being read: the payload itself, or the value of one claim in it.
enum Role<'n, 'p> {
    Payload(&'n mut RegisteredClaims<'p>, &'n mut Progress<'p>),
    Claim(&'n mut ClaimValue<'p>),
}

/// What is kept while the payload is read. It is large, so it stays where it is.
struct Progress<'p> {
    names: Names<'p>,
    /// Where the value that comes next is noted.
    place: Option<Place>,
    /// The object was read to its end.
    complete: bool,
}

impl<'p> Role<'_, 'p> {
    fn note(&mut self, make: impl FnOnce() -> ClaimValue<'p>) {
        if let Role::Claim(note) = self {
            **note = make();
        }
    }
}

/// A deserializer, or its visitor, that is being listened to.
struct Tee<'n, 'p, T> {
    inner: T,
    role: Role<'n, 'p>,
}

/// Reads a `C` of at most `most` members through `deserializer`. Gives back whether the notes are complete.
pub(super) fn deserialize<'p, C, D>(
    deserializer: D,
    notes: &mut RegisteredClaims<'p>,
    most: usize,
) -> Result<(C, bool), D::Error>
where
    C: de::Deserialize<'p>,
    D: Deserializer<'p>,
{
    let mut progress = Progress { names: Names::at_most(most), place: None, complete: false };
    let claims = C::deserialize(Tee { inner: deserializer, role: Role::Payload(notes, &mut progress) })?;
    Ok((claims, progress.complete))
}

macro_rules! pass_on {
    ($($method:ident($($argument:ident: $kind:ty),*);)+) => {
        $(fn $method<V: Visitor<'de>>(self, $($argument: $kind,)* visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method($($argument,)* Tee { inner: visitor, role: self.role })
        })+
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Tee<'_, 'de, D> {
    type Error = D::Error;

    pass_on! {
        deserialize_any();
        deserialize_bool();
        deserialize_i8();
        deserialize_i16();
        deserialize_i32();
        deserialize_i64();
        deserialize_i128();
        deserialize_u8();
        deserialize_u16();
        deserialize_u32();
        deserialize_u64();
        deserialize_u128();
        deserialize_f32();
        deserialize_f64();
        deserialize_char();
        deserialize_str();
        deserialize_string();
        deserialize_bytes();
        deserialize_byte_buf();
        deserialize_option();
        deserialize_seq();
        deserialize_tuple(len: usize);
        deserialize_tuple_struct(name: &'static str, len: usize);
        deserialize_map();
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
        deserialize_identifier();
    }

    /// `()` as the claims type takes any payload.
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        if let Role::Payload(..) = self.role {
            self.inner.deserialize_map(Tee { inner: IgnoredAny, role: self.role })?;
            visitor.visit_unit()
        } else {
            self.inner.deserialize_unit(Tee { inner: visitor, role: self.role })
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        // So `serde_json` marks raw values.
        if name.starts_with(PRIVATE) {
            self.role.note(|| ClaimValue::Unseen);
            return self.inner.deserialize_newtype_struct(name, visitor);
        }
        self.inner.deserialize_newtype_struct(name, Tee { inner: visitor, role: self.role })
    }

    /// What the user's type ignores is listened to all the same.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.deserialize_any(visitor)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! hear {
    ($($method:ident($kind:ty) = |$value:ident| $note:expr;)+) => {
        $(fn $method<E: de::Error>(mut self, $value: $kind) -> Result<V::Value, E> {
            self.role.note(|| $note);
            self.inner.$method($value)
        })+
    };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Tee<'_, 'de, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    hear! {
        visit_bool(bool) = |_v| ClaimValue::Other;
        visit_i64(i64) = |v| u64::try_from(v).map_or(ClaimValue::Other, ClaimValue::of_integer);
        visit_i128(i128) = |_v| ClaimValue::Other;
        visit_u64(u64) = |v| ClaimValue::of_integer(v);
        visit_u128(u128) = |_v| ClaimValue::Other;
        visit_f64(f64) = |v| ClaimValue::of_float(v);
        visit_str(&str) = |v| ClaimValue::Text(Cow::Owned(v.to_owned()));
        visit_borrowed_str(&'de str) = |v| ClaimValue::Text(Cow::Borrowed(v));
        visit_string(String) = |v| ClaimValue::Text(Cow::Owned(v.clone()));
        visit_bytes(&[u8]) = |_v| ClaimValue::Unseen;
        visit_borrowed_bytes(&'de [u8]) = |_v| ClaimValue::Unseen;
        visit_byte_buf(Vec<u8>) = |_v| ClaimValue::Unseen;
    }

    fn visit_none<E: de::Error>(mut self) -> Result<V::Value, E> {
        self.role.note(|| ClaimValue::Null);
        self.inner.visit_none()
    }

    fn visit_unit<E: de::Error>(mut self) -> Result<V::Value, E> {
        self.role.note(|| ClaimValue::Null);
        self.inner.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.inner.visit_some(Tee { inner: deserializer, role: self.role })
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.inner.visit_newtype_struct(Tee { inner: deserializer, role: self.role })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<V::Value, A::Error> {
        match self.role {
            Role::Claim(note) => {
                *note = ClaimValue::Texts(SmallVec::new());
                self.inner.visit_seq(Elements { inner: seq, note })
            }
            Role::Payload(..) => self.inner.visit_seq(seq),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        match self.role {
            Role::Claim(note) => {
                *note = ClaimValue::Unseen;
                self.inner.visit_map(map)
            }
            Role::Payload(notes, progress) => self.inner.visit_map(Members { inner: map, notes, progress }),
        }
    }

    fn visit_enum<A: EnumAccess<'de>>(mut self, data: A) -> Result<V::Value, A::Error> {
        self.role.note(|| ClaimValue::Unseen);
        self.inner.visit_enum(data)
    }
}

/// The members of the payload.
struct Members<'n, 'p, A> {
    inner: A,
    notes: &'n mut RegisteredClaims<'p>,
    progress: &'n mut Progress<'p>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Members<'_, 'de, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        let Some(name) = self.inner.next_key_seed(Name)? else {
            self.progress.complete = true;
            return Ok(None);
        };
        if !self.progress.names.insert(&name) {
            return Err(de::Error::custom("duplicate member, or too many"));
        }
        self.progress.place = self.notes.place_of(&name);
        seed.deserialize(Key { name, error: PhantomData }).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let place = self.progress.place.take();
        match place.and_then(|place| self.notes.at(place)) {
            Some(note) => self.inner.next_value_seed(Value { seed, note }),
            None => self.inner.next_value_seed(seed),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

/// The elements of a claim that is an array.
struct Elements<'n, 'p, A> {
    inner: A,
    note: &'n mut ClaimValue<'p>,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Elements<'_, 'de, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let mut element = ClaimValue::Absent;
        let value = self.inner.next_element_seed(Value { seed, note: &mut element })?;
        match (&mut *self.note, element) {
            (_, ClaimValue::Absent) | (ClaimValue::Unseen, _) => {}
            (ClaimValue::Texts(texts), ClaimValue::Text(text)) => texts.push(text),
            (note, ClaimValue::Unseen) => *note = ClaimValue::Unseen,
            (note, _) => *note = ClaimValue::Other,
        }
        Ok(value)
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

/// A value that is listened to.
struct Value<'n, 'p, S> {
    seed: S,
    note: &'n mut ClaimValue<'p>,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Value<'_, 'de, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.seed.deserialize(Tee { inner: deserializer, role: Role::Claim(self.note) })
    }
}

/// A member name on its way to the user's type.
struct Key<'p, E> {
    name: Cow<'p, str>,
    error: PhantomData<fn() -> E>,
}

impl<'de, E: de::Error> Deserializer<'de> for Key<'de, E> {
    type Error = E;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        match self.name {
            Cow::Borrowed(name) => visitor.visit_borrowed_str(name),
            Cow::Owned(name) => visitor.visit_string(name),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, E> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, E> {
        match self.name {
            Cow::Borrowed(text) => {
                BorrowedStrDeserializer::new(text).deserialize_enum(name, variants, visitor)
            }
            Cow::Owned(text) => {
                IntoDeserializer::<E>::into_deserializer(text).deserialize_enum(name, variants, visitor)
            }
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct identifier ignored_any
    }
}
