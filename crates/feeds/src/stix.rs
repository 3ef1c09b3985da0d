//! STIX 2.1 bundles, one object at a time.
//!
//! Source values are the comparisons in the patterns of `indicator` objects ([`values`] says which
//! they are); objects of other types are none. An indicator that is revoked, expired or called
//! benign is a fault of its own, once per value. A label takes its reason from `indicator_types`
//! and `labels`, and its day from `valid_from`, else `created`. `confidence` says how sure its
//! publisher is and not how bad it is, so it is no severity.

mod lexer;
mod pattern;
mod values;

use std::borrow::Cow;

use blindmatch_indicator::LabelFields;
use jiff::Timestamp;
use serde::de::{Error, MapAccess, SeqAccess};

use crate::error::{FeedError, Reached};
use crate::json::{Node, Pick, Picked, Seed, read_document};
use crate::options::{Format, Options};
use crate::output::Output;
use crate::row::{Claim, Place, Row, RowFault, Value, kind};
use crate::source::Source;
use crate::{seen, terms};

use values::{Found, What};

pub(crate) fn read(
    source: Source<'_>,
    options: &Options,
    out: &mut Output<'_>,
) -> Result<Reached, FeedError> {
    let mut walk = Walk {
        out,
        now: options.now,
        has_objects: false,
    };
    let reached = read_document(source, Bundle(&mut walk))?;
    if walk.has_objects {
        Ok(reached)
    } else {
        Err(FeedError::NotOfFormat(Format::Stix))
    }
}

struct Walk<'o, 's> {
    out: &'o mut Output<'s>,
    now: Option<Timestamp>,
    has_objects: bool,
}

struct Bundle<'w, 'o, 's>(&'w mut Walk<'o, 's>);

impl<'de> Node<'de> for Bundle<'_, '_, '_> {
    type Value = ();

    fn map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while let Some(key) = entries.next_key::<Cow<'_, str>>()? {
            if key != "objects" {
                entries.next_value::<serde::de::IgnoredAny>()?;
            } else if self.0.has_objects {
                return Err(A::Error::custom("objects twice"));
            } else {
                entries.next_value_seed(Seed(Objects(self.0)))?;
            }
        }
        Ok(())
    }
}

struct Objects<'w, 'o, 's>(&'w mut Walk<'o, 's>);

impl<'de> Node<'de> for Objects<'_, '_, '_> {
    type Value = ();

    fn seq<A: SeqAccess<'de>>(self, mut objects: A) -> Result<(), A::Error> {
        const FIELDS: Pick = Pick(&[
            "type",
            "id",
            "pattern",
            "pattern_type",
            "indicator_types",
            "labels",
            "created",
            "valid_from",
            "valid_until",
            "revoked",
        ]);
        self.0.has_objects = true;
        let mut at = 0_u64;
        while let Some(object) = objects.next_element_seed(Seed(FIELDS))? {
            if object.text("type") == Some("indicator") {
                self.0.indicator(&format!("/objects/{at}"), &object);
            }
            at += 1;
        }
        Ok(())
    }
}

impl Walk<'_, '_> {
    fn indicator(&mut self, pointer: &str, object: &Picked) {
        let fault = self.fault(object);
        let mut found = match object.text("pattern") {
            None => vec![Found::fault(RowFault::MissingField)],
            Some(text) => match object.text("pattern_type") {
                None | Some("stix") => match pattern::parse(text) {
                    Ok(pattern) => values::values(&pattern),
                    Err(pattern::NotAPattern) => vec![Found {
                        text: text.to_owned(),
                        what: What::Fault(RowFault::BadPattern),
                    }],
                },
                Some(other) => vec![Found {
                    text: String::new(),
                    what: What::NotMatchable(format!("pattern:{other}")),
                }],
            },
        };
        for found in &mut found {
            found.what.narrow(object.list("labels"));
        }
        let pointer = format!("{pointer}/pattern");
        let texts: Vec<_> = found
            .iter()
            .map(|found| terms::undefanged(&found.text, object.list("labels")))
            .collect();
        let kinds: Vec<_> = found.iter().map(Found::kind).collect();
        let values = found.iter().zip(&texts).zip(&kinds);
        let values: Vec<_> = values
            .map(|((found, text), kind)| Value {
                place: Place::Pointer(&pointer),
                text,
                claim: match (fault, &found.what) {
                    (Some(fault), _) | (None, What::Fault(fault)) => Claim::Fault(*fault),
                    (None, What::Typed(indicator_type)) => Claim::Typed(*indicator_type),
                    (None, What::Untyped) => Claim::Untyped,
                    (None, What::NotMatchable(_)) => Claim::NotMatchable(kind),
                },
                refanged: matches!(text, Cow::Owned(_)),
            })
            .collect();
        self.out.row(&Row {
            values: &values,
            reference: object.text("id"),
            label: label(object),
        });
    }

    /// Why nothing of an indicator is to be taken.
    fn fault(&self, object: &Picked) -> Option<&'static RowFault> {
        if object.has_duplicates {
            return Some(&RowFault::DuplicateKey);
        }
        if object.is_true("revoked") {
            return Some(&RowFault::Revoked);
        }
        let types = object.list("indicator_types");
        if !types.is_empty() && types.iter().all(|term| term == "benign") {
            return Some(&RowFault::Benign);
        }
        match (
            object.text("valid_until").map(str::parse::<Timestamp>),
            self.now,
        ) {
            (Some(Err(_)), _) => Some(&RowFault::NotATime),
            (Some(Ok(end)), Some(now)) if end <= now => Some(&RowFault::Expired),
            _ => None,
        }
    }
}

impl Found {
    fn fault(fault: RowFault) -> Self {
        Self {
            text: String::new(),
            what: What::Fault(fault),
        }
    }

    fn kind(&self) -> String {
        match &self.what {
            What::NotMatchable(name) => kind(name),
            _ => String::new(),
        }
    }
}

fn label(object: &Picked) -> LabelFields {
    let lists = [object.list("indicator_types"), object.list("labels")];
    let terms = || lists.iter().copied().flatten().map(String::as_str);
    let since = object.text("valid_from").or_else(|| object.text("created"));
    let day = since.and_then(|text| seen::day(text, None).ok());
    LabelFields {
        reason: terms::reason(terms()),
        role: terms::role(terms()),
        first_seen: day,
        last_seen: day,
        ..LabelFields::default()
    }
}

#[cfg(test)]
mod tests;
