//! What became of the values of a feed, in numbers that add up.

use std::collections::BTreeMap;

use blindmatch_indicator::IndicatorType;

/// Kinds are named by the feed; so many are told apart, the rest is counted together.
const MAX_KINDS: usize = 256;
/// What the kinds past [`MAX_KINDS`] are counted under.
const OTHER_KINDS: &str = "other";

/// Counts over source values: `read = accepted + duplicates + refused + not_matchable`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Source values seen.
    pub read: u64,
    /// Distinct values that are indicators, by type.
    pub accepted: BTreeMap<IndicatorType, u64>,
    /// Values that are indicators but were there already.
    pub duplicates: u64,
    /// Values that are not what they claim to be, by reason code.
    pub refused: BTreeMap<&'static str, u64>,
    /// Values of kinds that the exchange does not match, by kind.
    pub not_matchable: BTreeMap<String, u64>,
    /// Of the accepted, distinct values that a list of exclusions holds back, by list; outside the
    /// sum.
    pub excluded: BTreeMap<String, u64>,
    /// Distinct indicators that follow from accepted ones, by type; outside the sum.
    pub derived: BTreeMap<IndicatorType, u64>,
    /// Values that were written defanged; outside the sum.
    pub refanged: u64,
}

impl Tally {
    /// Distinct values that are indicators, of all types together.
    #[must_use]
    pub fn accepted_total(&self) -> u64 {
        self.accepted.values().sum()
    }

    /// Refused values, for all reasons together.
    #[must_use]
    pub fn refused_total(&self) -> u64 {
        self.refused.values().sum()
    }

    /// Values that are not matchable, of all kinds together.
    #[must_use]
    pub fn not_matchable_total(&self) -> u64 {
        self.not_matchable.values().sum()
    }

    /// Values that are held back, by all lists together.
    #[must_use]
    pub fn excluded_total(&self) -> u64 {
        self.excluded.values().sum()
    }

    pub(crate) fn refuse(&mut self, code: &'static str) {
        *self.refused.entry(code).or_default() += 1;
    }

    pub(crate) fn pass_over(&mut self, kind: &str) {
        if let Some(count) = self.not_matchable.get_mut(kind) {
            *count += 1;
        } else {
            let kind = if self.not_matchable.len() < MAX_KINDS {
                kind
            } else {
                OTHER_KINDS
            };
            *self.not_matchable.entry(kind.to_owned()).or_default() += 1;
        }
    }
}
