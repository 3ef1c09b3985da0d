//! Who else holds what matched: an address of many customers, and how many peers (`spec/70-matches.md` §4).

use std::collections::BTreeSet;

use blindmatch_indicator::IndicatorType;

/// An address with more references of our own than this is shared, unless the operator says otherwise.
pub const SHARED_ABOVE: u32 = 10;

/// Whether so many of our own rows stand behind an address that it says little about any of them.
#[must_use]
pub const fn is_shared(kind: IndicatorType, references: u32, above: u32) -> bool {
    matches!(kind, IndicatorType::Ip | IndicatorType::Network) && references > above
}

/// How many different peers hold something, none of which is named: those of matches that are neither
/// disputed, withdrawn nor over.
pub fn holders<'p>(of: impl IntoIterator<Item = (&'p str, crate::State)>) -> usize {
    use crate::State::{Disputed, Expired, Withdrawn};
    let stands = of
        .into_iter()
        .filter(|(_, state)| !matches!(state, Disputed | Withdrawn | Expired));
    stands.map(|(peer, _)| peer).collect::<BTreeSet<_>>().len()
}
