//! From rows to indicators: what `indicators check` and `import` have in common.

use std::collections::BTreeMap;

use blindmatch_indicator::{Canonicaliser, Indicator, IndicatorType};

use crate::{Claim, Distinct, Place, Row, Tally, Value, excerpt};

/// So many refused values are looked at for what else they could be.
const LOOKED_AT: u64 = 1_000;

/// Canonicalises rows and counts what became of each value.
pub struct Intake<'c> {
    canonicaliser: &'c Canonicaliser,
    key: [u8; 16],
    /// Running counts; `accepted`, `duplicates` and `derived` are filled in by [`Self::tally`].
    counts: Tally,
    valid: BTreeMap<IndicatorType, Seen>,
    /// Types that the first refused values have by their form.
    looks_like: BTreeMap<IndicatorType, u64>,
    derived: BTreeMap<IndicatorType, Seen>,
}

/// Indicators of one type: how many came, and which.
struct Seen {
    total: u64,
    distinct: Distinct,
}

/// A value that was refused, without the value.
#[derive(Debug)]
pub struct Refused<'a> {
    /// Where it stands in its file.
    pub place: &'a Place<'a>,
    /// The reason code.
    pub reason: &'static str,
    /// The reason in words.
    pub explanation: &'static str,
    /// The shape of the value, redacted.
    pub excerpt: String,
}

impl<'c> Intake<'c> {
    /// An intake that has seen nothing. `key` is fresh and random, for [`Distinct`].
    #[must_use]
    pub fn new(canonicaliser: &'c Canonicaliser, key: [u8; 16]) -> Self {
        Self {
            canonicaliser,
            key,
            counts: Tally::default(),
            valid: BTreeMap::new(),
            looks_like: BTreeMap::new(),
            derived: BTreeMap::new(),
        }
    }

    /// Takes the values of a row; each that is refused goes to `refused`.
    pub fn take(&mut self, row: &Row<'_>, refused: &mut dyn FnMut(&Refused<'_>)) {
        for value in row.values {
            self.counts.read += 1;
            self.counts.refanged += u64::from(value.refanged);
            let (reason, explanation) = match canonical(self.canonicaliser, value) {
                Canonical::Indicator(indicator) => {
                    self.accept(&indicator);
                    continue;
                }
                Canonical::NotMatchable(kind) => {
                    self.counts.pass_over(kind);
                    continue;
                }
                Canonical::Refused { code, explanation } => (code, explanation),
            };
            if self.counts.refused_total() < LOOKED_AT
                && let Claim::Typed(_) = value.claim
                && let Ok(other) = self.canonicaliser.detect(value.text)
            {
                *self.looks_like.entry(other.indicator_type()).or_default() += 1;
            }
            self.counts.refuse(reason);
            let excerpt = excerpt(value.text);
            refused(&Refused {
                place: &value.place,
                reason,
                explanation,
                excerpt,
            });
        }
    }

    /// The type that most of the first refused values have by their form, where any has one.
    #[must_use]
    pub fn looks_like(&self) -> Option<IndicatorType> {
        self.looks_like
            .iter()
            .max_by_key(|&(_, count)| count)
            .map(|(&kind, _)| kind)
    }

    /// What became of all the values taken so far.
    pub fn tally(&mut self) -> Tally {
        let distinct = |seen: &mut BTreeMap<IndicatorType, Seen>| {
            seen.iter_mut()
                .map(|(&kind, seen)| (kind, seen.distinct.count()))
                .collect()
        };
        let mut tally = self.counts.clone();
        tally.accepted = distinct(&mut self.valid);
        tally.derived = distinct(&mut self.derived);
        let valid: u64 = self.valid.values().map(|seen| seen.total).sum();
        tally.duplicates = valid - tally.accepted_total();
        tally
    }

    fn accept(&mut self, indicator: &Indicator) {
        Self::note(&mut self.valid, self.key, indicator);
        for derived in self.canonicaliser.derive(indicator) {
            Self::note(&mut self.derived, self.key, &derived);
        }
    }

    fn note(seen: &mut BTreeMap<IndicatorType, Seen>, key: [u8; 16], indicator: &Indicator) {
        let seen = seen
            .entry(indicator.indicator_type())
            .or_insert_with(|| Seen {
                total: 0,
                distinct: Distinct::new(key),
            });
        seen.total += 1;
        seen.distinct.insert(indicator);
    }
}

/// What one value turns out to be.
pub enum Canonical<'a> {
    /// An indicator.
    Indicator(Indicator),
    /// Something the exchange does not match.
    NotMatchable(&'a str),
    /// Not what it claims to be.
    Refused {
        /// The reason code.
        code: &'static str,
        /// The reason in words.
        explanation: &'static str,
    },
}

/// Canonicalises one value of a row.
#[must_use]
pub fn canonical<'a>(canonicaliser: &Canonicaliser, value: &Value<'a>) -> Canonical<'a> {
    let parsed = match &value.claim {
        Claim::Typed(indicator_type) => canonicaliser.parse(*indicator_type, value.text),
        Claim::Untyped => canonicaliser.detect(value.text),
        Claim::NotMatchable(kind) => return Canonical::NotMatchable(kind),
        Claim::Fault(fault) => {
            return Canonical::Refused {
                code: fault.code(),
                explanation: fault.explanation(),
            };
        }
    };
    match parsed {
        Ok(indicator) => Canonical::Indicator(indicator),
        Err(refusal) => Canonical::Refused {
            code: refusal.code(),
            explanation: refusal.explanation(),
        },
    }
}
