//! MISP events: alone, in a `response`, in an array, or as the files of a feed folder.
//!
//! Every attribute, of an event or of one of its objects, is a row. It gives one source value,
//! except that a composite of which the exchange matches a part gives one per part, a port aside:
//! `domain|ip` two, `ip-dst|port` one, `filename|sha1` one that is not matchable. Proposals,
//! sightings and related events are none.
//!
//! `to_ids` says whether a value suits an intrusion detection system, not whether it is an
//! indicator, and is not asked, with one exception: in the categories that cite reports and tools
//! (`External analysis`, `Internal reference`, `Support Tool`) a value without it is a
//! `reference` and not matchable. A label takes its severity from the event's `threat_level_id`,
//! its reason from tags of the attribute, or of the event where they come first, and its days from
//! `first_seen` and `last_seen`, else from `timestamp`.

mod attribute;
mod folder;
mod types;

use std::borrow::Cow;

use blindmatch_indicator::Severity;
use serde::de::{IgnoredAny, MapAccess, SeqAccess};

use crate::error::{FeedError, Reached};
use crate::json::{Names, Node, Picked, Scalar, Seed, push_key, read_document};
use crate::options::Format;
use crate::output::Output;
use crate::row::{Place, RowFault};
use crate::source::Source;

use attribute::{Context, FIELDS};
pub(crate) use folder::read_folder;
pub(crate) use types::indicator_types;

/// Most attributes of one object, which have to be known before the first is handed out.
const LARGEST_OBJECT: usize = 1024;

pub(crate) fn read(source: Source<'_>, out: &mut Output<'_>) -> Result<Reached, FeedError> {
    read_file(source, None, out)
}

/// Reads one document, `file` being its name in a folder.
fn read_file(
    source: Source<'_>,
    file: Option<&str>,
    out: &mut Output<'_>,
) -> Result<Reached, FeedError> {
    let mut walk = Walk {
        out,
        file,
        pointer: String::new(),
        severity: Severity::default(),
        tags: Vec::new(),
        is_misp: false,
    };
    let reached = read_document(source, Container(&mut walk))?;
    if walk.is_misp {
        Ok(reached)
    } else {
        Err(FeedError::NotOfFormat(Format::Misp))
    }
}

struct Walk<'o, 's> {
    out: &'o mut Output<'s>,
    file: Option<&'o str>,
    /// Where in the document.
    pointer: String,
    /// Of the event, by its threat level.
    severity: Severity,
    /// Of the event, as far as they have come.
    tags: Vec<String>,
    is_misp: bool,
}

impl Walk<'_, '_> {
    /// Does something one step deeper in the document.
    fn within<T>(&mut self, key: &str, then: impl FnOnce(&mut Self) -> T) -> T {
        let outer = self.pointer.len();
        push_key(&mut self.pointer, key);
        let result = then(self);
        self.pointer.truncate(outer);
        result
    }

    fn attribute(&mut self, attribute: &Picked, of: &Context<'_>) {
        self.within("value", |walk| {
            let pointer = walk.pointer.as_str();
            let place = match walk.file {
                None => Place::Pointer(pointer),
                Some(file) => Place::InFile { file, pointer },
            };
            let context = Context {
                severity: walk.severity,
                tags: &walk.tags,
                ..*of
            };
            attribute::hand_out(attribute, &context, place, walk.out);
        });
    }
}

/// An event, or what events or attributes come in.
struct Container<'w, 'o, 's>(&'w mut Walk<'o, 's>);

impl<'de> Node<'de> for Container<'_, '_, '_> {
    type Value = ();

    fn map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while let Some(key) = entries.next_key::<Cow<'_, str>>()? {
            let key = key.as_ref();
            match key {
                "response" => self
                    .0
                    .within(key, |walk| entries.next_value_seed(Seed(Container(walk))))?,
                "Event" => {
                    self.0.is_misp = true;
                    self.0.severity = Severity::default();
                    self.0.tags.clear();
                    self.0
                        .within(key, |walk| entries.next_value_seed(Seed(Container(walk))))?;
                }
                "Attribute" => self
                    .0
                    .within(key, |walk| entries.next_value_seed(Seed(Attributes(walk))))?,
                "Object" => self
                    .0
                    .within(key, |walk| entries.next_value_seed(Seed(Objects(walk))))?,
                "threat_level_id" => {
                    self.0.severity = entries.next_value_seed(Seed(ThreatLevel))?
                }
                "Tag" => self.0.tags = entries.next_value_seed(Seed(Names))?,
                _ => {
                    entries.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }

    fn seq<A: SeqAccess<'de>>(self, elements: A) -> Result<(), A::Error> {
        each(self.0, elements, |walk, elements, _| {
            elements.next_element_seed(Seed(Container(walk)))
        })
    }
}

/// The attributes of an event.
struct Attributes<'w, 'o, 's>(&'w mut Walk<'o, 's>);

impl<'de> Node<'de> for Attributes<'_, '_, '_> {
    type Value = ();

    fn seq<A: SeqAccess<'de>>(self, elements: A) -> Result<(), A::Error> {
        self.0.is_misp = true;
        each(self.0, elements, |walk, elements, _| {
            let attribute = elements.next_element_seed(Seed(FIELDS))?;
            Ok(attribute.map(|attribute| walk.attribute(&attribute, &Context::default())))
        })
    }
}

/// The objects of an event.
struct Objects<'w, 'o, 's>(&'w mut Walk<'o, 's>);

impl<'de> Node<'de> for Objects<'_, '_, '_> {
    type Value = ();

    fn seq<A: SeqAccess<'de>>(self, elements: A) -> Result<(), A::Error> {
        self.0.is_misp = true;
        each(self.0, elements, |walk, elements, _| {
            let object = elements.next_element_seed(Seed(Object))?;
            Ok(object.map(|parts| parts.hand_out(walk)))
        })
    }
}

/// Goes over an array, `next` taking each element where the pointer stands.
fn each<'de, 'o, 's, A: SeqAccess<'de>>(
    walk: &mut Walk<'o, 's>,
    mut elements: A,
    mut next: impl FnMut(&mut Walk<'o, 's>, &mut A, usize) -> Result<Option<()>, A::Error>,
) -> Result<(), A::Error> {
    let mut at = 0;
    while walk
        .within(&at.to_string(), |walk| next(walk, &mut elements, at))?
        .is_some()
    {
        at += 1;
    }
    Ok(())
}

/// An object: its attributes mean something by its name and by each other.
struct Object;

#[derive(Default)]
struct ObjectParts {
    name: String,
    is_deleted: bool,
    attributes: Vec<Picked>,
    /// How many more attributes than [`LARGEST_OBJECT`] there are.
    beyond: usize,
}

impl<'de> Node<'de> for Object {
    type Value = ObjectParts;

    fn map<A: MapAccess<'de>>(self, mut entries: A) -> Result<ObjectParts, A::Error> {
        let mut parts = ObjectParts::default();
        while let Some(key) = entries.next_key::<Cow<'_, str>>()? {
            match key.as_ref() {
                "name" => parts.name = entries.next_value_seed(Seed(Text))?,
                "deleted" => parts.is_deleted = entries.next_value_seed(Seed(Truth))?,
                "Attribute" => entries.next_value_seed(Seed(&mut parts))?,
                _ => {
                    entries.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(parts)
    }
}

impl<'de> Node<'de> for &mut ObjectParts {
    type Value = ();

    fn seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while let Some(attribute) = elements.next_element_seed(Seed(FIELDS))? {
            if self.attributes.len() < LARGEST_OBJECT {
                self.attributes.push(attribute);
            } else {
                self.beyond += 1;
            }
        }
        Ok(())
    }
}

impl ObjectParts {
    fn hand_out(&self, walk: &mut Walk<'_, '_>) {
        let symbol = self
            .attributes
            .iter()
            .find(|attribute| attribute.text("object_relation") == Some("symbol"))
            .and_then(|attribute| attribute.text("value"));
        let context = Context {
            object: Some((&self.name, symbol)),
            fault: self.is_deleted.then_some(RowFault::Deleted),
            ..Context::default()
        };
        let too_many = Context {
            fault: Some(RowFault::TooLong),
            ..Context::default()
        };
        let nothing = Picked::default();
        let beyond = std::iter::repeat_n((&nothing, &too_many), self.beyond);
        let attributes = self
            .attributes
            .iter()
            .map(|attribute| (attribute, &context));
        walk.within("Attribute", |walk| {
            for (at, (attribute, context)) in attributes.chain(beyond).enumerate() {
                walk.within(&at.to_string(), |walk| walk.attribute(attribute, context));
            }
        });
    }
}

/// `1` high, `2` medium, `3` low, `4` undefined.
struct ThreatLevel;

impl<'de> Node<'de> for ThreatLevel {
    type Value = Severity;

    fn scalar(self, scalar: Scalar<'_>) -> Severity {
        let severity = match scalar {
            Scalar::Text("1") | Scalar::Unsigned(1) => 9,
            Scalar::Text("2") | Scalar::Unsigned(2) => 6,
            Scalar::Text("3") | Scalar::Unsigned(3) => 3,
            _ => 0,
        };
        Severity::new(severity).unwrap_or_default()
    }
}

struct Text;

impl<'de> Node<'de> for Text {
    type Value = String;

    fn scalar(self, scalar: Scalar<'_>) -> String {
        match scalar {
            Scalar::Text(text) => text.to_owned(),
            _ => String::new(),
        }
    }
}

struct Truth;

impl<'de> Node<'de> for Truth {
    type Value = bool;

    fn scalar(self, scalar: Scalar<'_>) -> bool {
        matches!(
            scalar,
            Scalar::Bool(true) | Scalar::Unsigned(1) | Scalar::Text("1" | "true")
        )
    }
}

#[cfg(test)]
mod tests;
