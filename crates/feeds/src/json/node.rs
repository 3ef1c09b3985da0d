//! JSON values that take what they know and skip the rest.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A JSON value that is neither object nor array.
#[derive(Clone, Copy)]
pub(crate) enum Scalar<'a> {
    Text(&'a str),
    Unsigned(u64),
    Signed(i64),
    /// A fraction, or a number with more digits than can be kept exactly.
    Inexact,
    Bool(bool),
    Null,
}

/// What to do with one JSON value; by default it is skipped, whatever it is.
pub(crate) trait Node<'de>: Sized {
    type Value: Default;

    fn map<A: MapAccess<'de>>(self, entries: A) -> Result<Self::Value, A::Error> {
        skip_entries(entries)?;
        Ok(Self::Value::default())
    }

    fn seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::Value::default())
    }

    fn scalar(self, _: Scalar<'_>) -> Self::Value {
        Self::Value::default()
    }
}

/// Skips the rest of an object.
pub(crate) fn skip_entries<'de, A: MapAccess<'de>>(mut entries: A) -> Result<(), A::Error> {
    while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

/// Lets a [`Node`] take whatever value comes.
pub(crate) struct Seed<N>(pub(crate) N);

impl<'de, N: Node<'de>> DeserializeSeed<'de> for Seed<N> {
    type Value = N::Value;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<N::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de, N: Node<'de>> Visitor<'de> for Seed<N> {
    type Value = N::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<N::Value, A::Error> {
        self.0.map(entries)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<N::Value, A::Error> {
        self.0.seq(elements)
    }

    fn visit_str<E>(self, text: &str) -> Result<N::Value, E> {
        Ok(self.0.scalar(Scalar::Text(text)))
    }

    fn visit_u64<E>(self, number: u64) -> Result<N::Value, E> {
        Ok(self.0.scalar(Scalar::Unsigned(number)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<N::Value, E> {
        Ok(self.0.scalar(Scalar::Signed(number)))
    }

    fn visit_f64<E>(self, _: f64) -> Result<N::Value, E> {
        Ok(self.0.scalar(Scalar::Inexact))
    }

    fn visit_bool<E>(self, truth: bool) -> Result<N::Value, E> {
        Ok(self.0.scalar(Scalar::Bool(truth)))
    }

    fn visit_unit<E>(self) -> Result<N::Value, E> {
        Ok(self.0.scalar(Scalar::Null))
    }
}
