//! The few fields that a reader wants of an object with many.

use serde::de::{IgnoredAny, MapAccess, SeqAccess};

use super::{Node, Scalar, Seed};

/// Most elements kept of an array.
const MOST_ELEMENTS: usize = 32;

/// Takes the fields with these keys.
#[derive(Clone, Copy)]
pub(crate) struct Pick(pub(crate) &'static [&'static str]);

/// The fields that were there.
#[derive(Default)]
pub(crate) struct Picked {
    fields: Vec<(&'static str, Field)>,
    /// Whether a key came twice: which one counts would depend on the reader.
    pub(crate) has_duplicates: bool,
}

enum Field {
    /// Text, or a whole number in digits.
    Text(String),
    Bool(bool),
    /// Texts of an array, or the names of its objects.
    List(Vec<String>),
    /// Something else.
    Other,
}

impl Picked {
    fn field(&self, key: &str) -> Option<&Field> {
        let (_, field) = self.fields.iter().find(|(known, _)| *known == key)?;
        Some(field)
    }

    /// A field that is text or a whole number.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        match self.field(key)? {
            Field::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether a field says yes: `true`, `1`, `"1"` or `"true"`.
    pub(crate) fn is_true(&self, key: &str) -> bool {
        match self.field(key) {
            Some(Field::Bool(truth)) => *truth,
            Some(Field::Text(text)) => matches!(text.as_str(), "1" | "true"),
            _ => false,
        }
    }

    /// The texts of an array, or the `name`s of its objects; at most 32.
    pub(crate) fn list(&self, key: &str) -> &[String] {
        match self.field(key) {
            Some(Field::List(list)) => list,
            _ => &[],
        }
    }
}

impl<'de> Node<'de> for Pick {
    type Value = Picked;

    fn map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Picked, A::Error> {
        let mut picked = Picked::default();
        while let Some(key) = entries.next_key_seed(Seed(Key(self.0)))? {
            let Some(key) = key else {
                entries.next_value::<IgnoredAny>()?;
                continue;
            };
            picked.has_duplicates |= picked.field(key).is_some();
            if let Some(field) = entries.next_value_seed(Seed(Value))? {
                picked.fields.push((key, field));
            }
        }
        Ok(picked)
    }
}

/// A key, if it is one of these.
struct Key(&'static [&'static str]);

impl<'de> Node<'de> for Key {
    type Value = Option<&'static str>;

    fn scalar(self, scalar: Scalar<'_>) -> Self::Value {
        match scalar {
            Scalar::Text(text) => self.0.iter().find(|key| **key == text).copied(),
            _ => None,
        }
    }
}

/// The value of a field; nothing where it is null.
struct Value;

impl<'de> Node<'de> for Value {
    type Value = Option<Field>;

    fn map<A: MapAccess<'de>>(self, entries: A) -> Result<Self::Value, A::Error> {
        super::skip_entries(entries)?;
        Ok(Some(Field::Other))
    }

    fn seq<A: SeqAccess<'de>>(self, elements: A) -> Result<Self::Value, A::Error> {
        Names.seq(elements).map(Field::List).map(Some)
    }

    fn scalar(self, scalar: Scalar<'_>) -> Self::Value {
        match scalar {
            Scalar::Text(text) => Some(Field::Text(text.to_owned())),
            Scalar::Unsigned(number) => Some(Field::Text(number.to_string())),
            Scalar::Signed(number) => Some(Field::Text(number.to_string())),
            Scalar::Bool(truth) => Some(Field::Bool(truth)),
            Scalar::Inexact => Some(Field::Other),
            Scalar::Null => None,
        }
    }
}

/// The texts of an array, or the `name`s of its objects; at most 32.
pub(crate) struct Names;

impl<'de> Node<'de> for Names {
    type Value = Vec<String>;

    fn seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let mut names = Vec::new();
        while let Some(element) = elements.next_element_seed(Seed(Element))? {
            if let (Some(name), true) = (element, names.len() < MOST_ELEMENTS) {
                names.push(name);
            }
        }
        Ok(names)
    }
}

/// An element of an array: a text, or an object with a `name`.
struct Element;

impl<'de> Node<'de> for Element {
    type Value = Option<String>;

    fn map<A: MapAccess<'de>>(self, entries: A) -> Result<Self::Value, A::Error> {
        let picked = Pick(&["name"]).map(entries)?;
        Ok(picked.text("name").map(ToOwned::to_owned))
    }

    fn scalar(self, scalar: Scalar<'_>) -> Self::Value {
        match scalar {
            Scalar::Text(text) => Some(text.to_owned()),
            _ => None,
        }
    }
}
