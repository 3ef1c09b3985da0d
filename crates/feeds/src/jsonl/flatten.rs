//! The fields of a JSON object, one by one.

use std::collections::BTreeSet;
use std::fmt::{self, Write};

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};

use crate::json::push_key;
use crate::names::Names;
use crate::row::RowFault;

/// A field that is neither an object nor an array nor null.
pub(super) struct Field {
    /// The keys that lead to it, joined by dots; places in arrays are left out.
    pub(super) path: String,
    /// The JSON pointer to it, `*` for keys that are not to be shown.
    pub(super) pointer: String,
    /// Whether all the keys may be shown.
    pub(super) is_shown: bool,
    /// Text, or a whole number in digits.
    pub(super) text: Result<String, RowFault>,
}

/// Most fields of one object.
const MOST_FIELDS: usize = 4096;
/// Longest pointer to a field that is kept; nobody names a column like that.
const LONGEST_POINTER: usize = 512;

/// Reads one object; depth is bounded by `serde_json`.
pub(super) fn flatten(line: &str, names: Names<'_>) -> Result<Vec<Field>, RowFault> {
    if !line.trim_ascii_start().starts_with('{') {
        return Err(RowFault::NotAnObject);
    }
    let mut fields = Fields {
        names,
        found: Vec::new(),
        path: String::new(),
        pointer: String::new(),
        hidden: 0,
        has_duplicates: false,
    };
    let mut json = serde_json::Deserializer::from_str(line);
    let read = Node(&mut fields).deserialize(&mut json);
    read.and_then(|()| json.end())
        .map_err(|_| RowFault::NotAnObject)?;
    if fields.has_duplicates {
        return Err(RowFault::DuplicateKey);
    }
    if fields.found.len() > MOST_FIELDS {
        return Err(RowFault::TooLong);
    }
    Ok(fields.found)
}

struct Fields<'n> {
    names: Names<'n>,
    found: Vec<Field>,
    path: String,
    pointer: String,
    /// How many keys of the path are not to be shown.
    hidden: usize,
    has_duplicates: bool,
}

impl Fields<'_> {
    fn push(&mut self, text: Result<String, RowFault>) {
        if self.pointer.len() <= LONGEST_POINTER && self.found.len() <= MOST_FIELDS {
            self.found.push(Field {
                path: self.path.clone(),
                pointer: self.pointer.clone(),
                is_shown: self.hidden == 0,
                text,
            });
        }
    }
}

/// One JSON value, whose fields go to the list.
struct Node<'f, 'n>(&'f mut Fields<'n>);

impl<'de> DeserializeSeed<'de> for Node<'_, '_> {
    type Value = ();

    fn deserialize<D: de::Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.0.push(Ok(text.to_owned()));
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.0.push(Ok(number.to_string()));
        Ok(())
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.0.push(Ok(number.to_string()));
        Ok(())
    }

    /// A fraction, or a number with more digits than can be kept exactly.
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.0.push(Err(RowFault::NotText));
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.0.push(Err(RowFault::NotText));
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let outer = self.0.pointer.len();
        let mut at = 0_usize;
        loop {
            // Writing to a string cannot fail.
            let _ = write!(self.0.pointer, "/{at}");
            let more = elements.next_element_seed(Node(self.0))?;
            self.0.pointer.truncate(outer);
            if more.is_none() {
                return Ok(());
            }
            at += 1;
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let (path, pointer) = (self.0.path.len(), self.0.pointer.len());
        let mut keys = BTreeSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            if path > 0 {
                self.0.path.push('.');
            }
            self.0.path.push_str(&key);
            let is_shown = self.0.names.may_show(&key);
            push_key(&mut self.0.pointer, if is_shown { &key } else { "*" });
            self.0.hidden += usize::from(!is_shown);
            entries.next_value_seed(Node(self.0))?;
            self.0.hidden -= usize::from(!is_shown);
            self.0.path.truncate(path);
            self.0.pointer.truncate(pointer);
            self.0.has_duplicates |= !keys.insert(key);
        }
        Ok(())
    }
}
