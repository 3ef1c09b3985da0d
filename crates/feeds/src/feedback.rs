//! What people said elsewhere of matches that were written: opinions and sightings of STIX, sightings
//! of MISP (`spec/47-export.md` §5).

use std::borrow::Cow;
use std::io::Read;

use serde::de::{IgnoredAny, MapAccess, SeqAccess};

use crate::error::FeedError;
use crate::export::ExportId;
use crate::json::{Node, Pick, Picked, Seed, read_document};
use crate::options::Format;
use crate::source::Source;

/// What somebody thinks of a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Opinion {
    /// Seen here too.
    Agree,
    /// Not so.
    Disagree,
    /// Harmless.
    FalsePositive,
    /// True once, and no longer.
    Expired,
}

/// That somebody said something of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// The object.
    pub of: ExportId,
    /// What says it: of our own sightings, written before, the reader of this is the one who knows.
    pub by: Option<ExportId>,
    /// What.
    pub opinion: Opinion,
}

impl Opinion {
    /// Every opinion.
    pub const ALL: [Self; 4] = [
        Self::Agree,
        Self::Disagree,
        Self::FalsePositive,
        Self::Expired,
    ];

    /// The name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agree => "agree",
            Self::Disagree => "disagree",
            Self::FalsePositive => "false_positive",
            Self::Expired => "expired",
        }
    }
}

/// Reads a STIX bundle or MISP events for what is said there of other objects, whichever these are.
///
/// # Errors
///
/// A [`FeedError`] where the document is neither; what was handed out before should not be kept.
pub fn read_feedback(input: impl Read, sink: &mut dyn FnMut(Said)) -> Result<(), FeedError> {
    let source = Source::open(input)?;
    let mut walk = Walk {
        sink,
        is_known: false,
    };
    read_document(source, Document(&mut walk))?;
    if walk.is_known {
        Ok(())
    } else {
        Err(FeedError::NotOfFormat(Format::Stix))
    }
}

struct Walk<'s> {
    sink: &'s mut dyn FnMut(Said),
    is_known: bool,
}

impl Walk<'_> {
    fn said(&mut self, of: &str, by: Option<&str>, opinion: Opinion) {
        if let Some(of) = id(of) {
            let by = by.and_then(id);
            (self.sink)(Said { of, by, opinion });
        }
    }

    fn object(&mut self, object: &Picked) {
        let by = object.text("id");
        match object.text("type") {
            Some("sighting") => {
                let opinion = match object.text("count") {
                    _ if is_false_positive(object) => Opinion::FalsePositive,
                    // Looked for, and not seen.
                    Some("0") => Opinion::Disagree,
                    _ => Opinion::Agree,
                };
                if let (Some(of), false) = (object.text("sighting_of_ref"), is_revoked(object)) {
                    self.said(of, by, opinion);
                }
            }
            Some("opinion") => {
                let opinion = match object.text("opinion") {
                    _ if is_revoked(object) => return,
                    _ if is_false_positive(object) => Opinion::FalsePositive,
                    Some("agree" | "strongly-agree") => Opinion::Agree,
                    Some("disagree" | "strongly-disagree") => Opinion::Disagree,
                    _ => return,
                };
                for of in object.list("object_refs") {
                    self.said(of, by, opinion);
                }
            }
            _ => {}
        }
    }
}

/// The UUID behind the type of a STIX id, or one by itself.
fn id(text: &str) -> Option<ExportId> {
    let uuid = text.split_once("--").map_or(text, |(_, uuid)| uuid);
    ExportId::parse(uuid)
}

fn is_false_positive(object: &Picked) -> bool {
    let labels = object.list("labels").iter();
    labels.map(String::as_str).any(|label| {
        let label = label.to_ascii_lowercase().replace(['_', ' '], "-");
        label == "false-positive" || label.ends_with(":false-positive")
    })
}

fn is_revoked(object: &Picked) -> bool {
    object.is_true("revoked")
}

/// A bundle, an event, or what events come in.
struct Document<'w, 's>(&'w mut Walk<'s>);

impl<'de> Node<'de> for Document<'_, '_> {
    type Value = ();

    fn map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let walk = self.0;
        while let Some(key) = entries.next_key::<Cow<'_, str>>()? {
            match key.as_ref() {
                "objects" => {
                    walk.is_known = true;
                    entries.next_value_seed(Seed(StixObjects(walk)))?;
                }
                "response" => entries.next_value_seed(Seed(Document(walk)))?,
                "Event" => {
                    walk.is_known = true;
                    entries.next_value_seed(Seed(Document(walk)))?;
                }
                "Attribute" => {
                    walk.is_known = true;
                    entries.next_value_seed(Seed(Attributes(walk)))?;
                }
                // Objects hold attributes as events do.
                "Object" => entries.next_value_seed(Seed(Document(walk)))?,
                _ => {
                    entries.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }

    fn seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while elements
            .next_element_seed(Seed(Document(&mut *self.0)))?
            .is_some()
        {}
        Ok(())
    }
}

struct StixObjects<'w, 's>(&'w mut Walk<'s>);

impl<'de> Node<'de> for StixObjects<'_, '_> {
    type Value = ();

    fn seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        const FIELDS: Pick = Pick(&[
            "type",
            "id",
            "sighting_of_ref",
            "object_refs",
            "opinion",
            "count",
            "labels",
            "revoked",
        ]);
        while let Some(object) = elements.next_element_seed(Seed(FIELDS))? {
            self.0.object(&object);
        }
        Ok(())
    }
}

struct Attributes<'w, 's>(&'w mut Walk<'s>);

impl<'de> Node<'de> for Attributes<'_, '_> {
    type Value = ();

    fn seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while let Some(attribute) = elements.next_element_seed(Seed(Attribute))? {
            for (by, opinion) in attribute.sightings {
                self.0.said(&attribute.uuid, by.as_deref(), opinion);
            }
        }
        Ok(())
    }
}

/// An attribute, with what was said of it.
struct Attribute;

#[derive(Default)]
struct Sighted {
    uuid: String,
    sightings: Vec<(Option<String>, Opinion)>,
}

impl<'de> Node<'de> for Attribute {
    type Value = Sighted;

    fn map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Sighted, A::Error> {
        let mut sighted = Sighted::default();
        while let Some(key) = entries.next_key::<Cow<'_, str>>()? {
            match key.as_ref() {
                "uuid" => sighted.uuid = entries.next_value_seed(Seed(Uuid))?,
                "Sighting" => {
                    entries.next_value_seed(Seed(Sightings(&mut sighted.sightings)))?;
                }
                _ => {
                    entries.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(sighted)
    }
}

/// Most sightings of one attribute, which have to be known before its id is.
const MOST_SIGHTINGS: usize = 4_096;

struct Sightings<'s>(&'s mut Vec<(Option<String>, Opinion)>);

impl<'de> Node<'de> for Sightings<'_> {
    type Value = ();

    fn seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        const FIELDS: Pick = Pick(&["uuid", "type"]);
        while let Some(sighting) = elements.next_element_seed(Seed(FIELDS))? {
            let opinion = match sighting.text("type") {
                Some("0" | "3") => Opinion::Agree,
                Some("1") => Opinion::FalsePositive,
                Some("2") => Opinion::Expired,
                _ => continue,
            };
            if self.0.len() < MOST_SIGHTINGS {
                self.0
                    .push((sighting.text("uuid").map(str::to_owned), opinion));
            }
        }
        Ok(())
    }
}

struct Uuid;

impl<'de> Node<'de> for Uuid {
    type Value = String;

    fn scalar(self, scalar: crate::json::Scalar<'_>) -> String {
        match scalar {
            crate::json::Scalar::Text(text) => text.to_owned(),
            _ => String::new(),
        }
    }
}

#[cfg(test)]
mod tests;
