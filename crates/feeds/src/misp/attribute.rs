//! One attribute of a MISP event.

use std::borrow::Cow;

use blindmatch_indicator::{Day, IndicatorType, LabelFields, Role, Severity};

use super::types::{Part, parts, text_part};
use crate::account::account;
use crate::json::{Pick, Picked};
use crate::output::Output;
use crate::row::{Claim, Place, Row, RowFault, Value, kind};
use crate::{seen, terms};

pub(super) const FIELDS: Pick = Pick(&[
    "type",
    "category",
    "value",
    "to_ids",
    "uuid",
    "deleted",
    "object_relation",
    "timestamp",
    "first_seen",
    "last_seen",
    "Tag",
]);

/// What stands around an attribute.
#[derive(Default)]
pub(super) struct Context<'a> {
    /// The name of its object and the object's `symbol`, if it is in one.
    pub(super) object: Option<(&'a str, Option<&'a str>)>,
    /// The fault of what it is in.
    pub(super) fault: Option<RowFault>,
    pub(super) severity: Severity,
    /// Tags of the event.
    pub(super) tags: &'a [String],
}

/// Hands out an attribute as one row.
pub(super) fn hand_out(
    attribute: &Picked,
    context: &Context<'_>,
    place: Place<'_>,
    out: &mut Output<'_>,
) {
    let fault = context.fault.or_else(|| fault(attribute));
    let (Some(attribute_type), Some(text)) = (attribute.text("type"), attribute.text("value"))
    else {
        return out.fault(place, fault.unwrap_or(RowFault::MissingField), b"");
    };
    let kind = kind(attribute_type);
    let found = match parts_of(attribute, attribute_type, context) {
        Parts::None => vec![(Cow::Borrowed(text), Claim::NotMatchable(&kind))],
        Parts::Reference => vec![(Cow::Borrowed(text), Claim::NotMatchable("reference"))],
        Parts::One(part) => vec![claim(part, text)],
        Parts::Several(parts) => composite(parts, text),
    };
    let texts: Vec<_> = found
        .iter()
        .map(|(text, _)| terms::undefanged(text, attribute.list("Tag")))
        .collect();
    let values: Vec<_> = found
        .iter()
        .zip(&texts)
        .map(|((_, claim), text)| Value {
            place,
            text,
            claim: fault.map_or(*claim, Claim::Fault),
            refanged: matches!(text, Cow::Owned(_)),
        })
        .collect();
    out.row(&Row {
        values: &values,
        reference: attribute.text("uuid"),
        label: label(attribute, context),
    });
}

fn fault(attribute: &Picked) -> Option<RowFault> {
    if attribute.has_duplicates {
        Some(RowFault::DuplicateKey)
    } else if attribute.is_true("deleted") {
        Some(RowFault::Deleted)
    } else {
        None
    }
}

/// What there is to take of an attribute.
enum Parts {
    None,
    /// A report or the like that the event cites.
    Reference,
    One(Part),
    Several(&'static [Part]),
}

fn parts_of(attribute: &Picked, attribute_type: &str, context: &Context<'_>) -> Parts {
    let category = attribute.text("category").unwrap_or_default();
    let relation = attribute.text("object_relation").unwrap_or_default();
    let cites = matches!(
        category,
        "External analysis" | "Internal reference" | "Support Tool"
    );
    let by_object = context.object.filter(|_| attribute_type == "text");
    match (
        by_object.and_then(|(name, symbol)| text_part(name, relation, symbol)),
        parts(attribute_type),
    ) {
        (None, None) => declared(attribute, None).map_or(Parts::None, Parts::One),
        _ if cites && !attribute.is_true("to_ids") => Parts::Reference,
        (Some(part), _) => Parts::One(part),
        (None, Some(&[Part::Typed(claimed)])) => {
            let part = declared(attribute, Some(claimed));
            Parts::One(part.unwrap_or(Part::Typed(claimed)))
        }
        (None, Some(&[part])) => Parts::One(part),
        (None, Some(parts)) => Parts::Several(parts),
    }
}

/// What a tag of our own says.
fn declared(attribute: &Picked, claimed: Option<IndicatorType>) -> Option<Part> {
    let tags = attribute.list("Tag").iter().map(String::as_str);
    terms::declared(tags, claimed).map(Part::Typed)
}

/// The values of a composite, which joins its parts by `|`.
fn composite<'a>(parts: &[Part], text: &'a str) -> Vec<(Cow<'a, str>, Claim<'static>)> {
    let texts: Vec<_> = text.split('|').collect();
    if texts.len() != parts.len() {
        return vec![(Cow::Borrowed(text), Claim::Fault(RowFault::BadComposite))];
    }
    let both = parts.iter().zip(texts);
    both.filter(|(part, _)| **part != Part::Aside)
        .map(|(part, text)| claim(*part, text))
        .collect()
}

fn claim(part: Part, text: &str) -> (Cow<'_, str>, Claim<'static>) {
    let text = text.trim_ascii();
    let claim = match part {
        Part::Typed(indicator_type) => Claim::Typed(indicator_type),
        Part::Address if text.contains('/') => Claim::Typed(IndicatorType::Network),
        Part::Address => Claim::Typed(IndicatorType::Ip),
        Part::Account(platform) => {
            let text = Cow::Owned(account(Some(platform), text));
            return (text, Claim::Typed(IndicatorType::Account));
        }
        Part::Untyped | Part::Aside => Claim::Untyped,
    };
    (Cow::Borrowed(text), claim)
}

fn label(attribute: &Picked, context: &Context<'_>) -> LabelFields {
    let day = |key| {
        attribute
            .text(key)
            .and_then(|text| seen::day(text, None).ok())
    };
    let edited = || {
        let seconds = attribute.text("timestamp")?.parse().ok()?;
        Day::from_unix_seconds(seconds)
    };
    let (first, last) = match (day("first_seen"), day("last_seen")) {
        (Some(first), Some(last)) => (Some(first.min(last)), Some(first.max(last))),
        (None, None) => (edited(), edited()),
        (first, last) => (first.or(last), last.or(first)),
    };
    let tags = || {
        let tags = attribute.list("Tag").iter().chain(context.tags);
        tags.map(String::as_str)
    };
    let is_target = attribute.text("category") == Some("Targeting data")
        || attribute.text("type") == Some("target-email");
    LabelFields {
        reason: terms::reason(tags()),
        severity: context.severity,
        role: if is_target {
            Role::Victim
        } else {
            terms::role(tags())
        },
        first_seen: first,
        last_seen: last,
        count: 0,
    }
}
