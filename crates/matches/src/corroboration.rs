//! Weak types show only beside another one about the same provider's record (`spec/70-matches.md` §4).

use std::collections::{BTreeMap, BTreeSet};

use blindmatch_indicator::{IndicatorType, Strength};

/// Types of one family follow from one another, so that two of them are one piece of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Family {
    Address,
    Email,
    Name,
    Card,
    Other(IndicatorType),
}

/// The types that matched, by the owner's own references.
#[derive(Default)]
pub struct Corroboration<'r>(BTreeMap<&'r str, BTreeSet<Family>>);

/// Whether a match of this type shows only beside one of another type.
#[must_use]
pub const fn needs_another(kind: IndicatorType) -> bool {
    matches!(kind.strength(), Strength::Weak)
        || matches!(kind, IndicatorType::CardWeak | IndicatorType::Asn)
}

impl<'r> Corroboration<'r> {
    /// Takes in that something of this type matched that these references name.
    pub fn add(&mut self, kind: IndicatorType, references: impl IntoIterator<Item = &'r str>) {
        for reference in references {
            self.0.entry(reference).or_default().insert(family(kind));
        }
    }

    /// Whether a match of this type may be shown: it is not weak, or one of its references has a
    /// match of a type that does not follow from it.
    pub fn shows(
        &self,
        kind: IndicatorType,
        references: impl IntoIterator<Item = &'r str>,
    ) -> bool {
        let has_another = |reference: &str| {
            let matched = self.0.get(reference);
            matched.is_some_and(|matched| matched.iter().any(|other| *other != family(kind)))
        };
        !needs_another(kind) || references.into_iter().any(has_another)
    }
}

const fn family(kind: IndicatorType) -> Family {
    match kind {
        IndicatorType::Ip | IndicatorType::Network | IndicatorType::Asn => Family::Address,
        IndicatorType::Email | IndicatorType::EmailFolded => Family::Email,
        IndicatorType::Domain
        | IndicatorType::RegistrableDomain
        | IndicatorType::Url
        | IndicatorType::UrlHost => Family::Name,
        IndicatorType::Pan | IndicatorType::CardWeak => Family::Card,
        kind => Family::Other(kind),
    }
}
