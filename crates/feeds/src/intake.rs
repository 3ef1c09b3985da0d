//! From rows to indicators: what `indicators check` and `import` have in common.

use std::collections::BTreeMap;

use blindmatch_indicator::{Canonicaliser, Indicator, IndicatorType};

use crate::{Claim, Distinct, Place, Row, Tally, Value, excerpt};

/// So many refused values are looked at for what else they could be.
const LOOKED_AT: u64 = 1_000;

/// Canonicalises rows and counts what became of each value; indicators go to whoever can tell how
/// many different ones there are.
pub struct Sieve<'c> {
    canonicaliser: &'c Canonicaliser,
    excluding: Option<(&'c Excluding<'c>, [u8; 16])>,
    /// What was held back, by list.
    excluded: BTreeMap<String, BTreeMap<IndicatorType, Distinct>>,
    /// Running counts, without `accepted`, `duplicates`, `excluded` and `derived`.
    counts: Tally,
    /// How many values were indicators.
    valid: u64,
    /// Types that the first refused values have by their form.
    looks_like: BTreeMap<IndicatorType, u64>,
}

/// Names the list that says why an indicator is not to be taken, where one does.
pub type Excluding<'e> = dyn Fn(&Indicator) -> Option<&'e str> + 'e;

/// Canonicalises rows and counts what became of each value, without keeping any.
pub struct Intake<'c> {
    sieve: Sieve<'c>,
    key: [u8; 16],
    valid: BTreeMap<IndicatorType, Distinct>,
    derived: BTreeMap<IndicatorType, Distinct>,
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

impl<'c> Sieve<'c> {
    /// A sieve that has seen nothing.
    #[must_use]
    pub fn new(canonicaliser: &'c Canonicaliser) -> Self {
        Self {
            canonicaliser,
            excluding: None,
            excluded: BTreeMap::new(),
            counts: Tally::default(),
            valid: 0,
            looks_like: BTreeMap::new(),
        }
    }

    /// Holds back what `excluding` names: it is counted as accepted, and under its list, and goes
    /// no further. `key` is fresh and random, for [`Distinct`].
    #[must_use]
    pub fn excluding(mut self, excluding: &'c Excluding<'c>, key: [u8; 16]) -> Self {
        self.excluding = Some((excluding, key));
        self
    }

    /// Holds nothing back, whatever was excluded: what is to be taken away is taken away.
    #[must_use]
    pub fn excluding_nothing(self) -> Self {
        Self {
            excluding: None,
            ..self
        }
    }

    /// Whether an indicator is held back, without counting it: for those that follow from others.
    pub fn holds_back(&self) -> impl Fn(&Indicator) -> bool + use<'c> {
        let excluding = self.excluding;
        move |indicator| excluding.is_some_and(|(excluding, _)| excluding(indicator).is_some())
    }

    /// Takes the values of a row: each that is an indicator goes to `accepted`, each that is refused
    /// to `refused`.
    pub fn take(
        &mut self,
        row: &Row<'_>,
        accepted: &mut dyn FnMut(&Indicator),
        refused: &mut dyn FnMut(&Refused<'_>),
    ) {
        for value in row.values {
            self.counts.read += 1;
            self.counts.refanged += u64::from(value.refanged);
            let (reason, explanation) = match canonical(self.canonicaliser, value) {
                Canonical::Indicator(indicator) => {
                    self.valid += 1;
                    if !self.hold_back(&indicator) {
                        accepted(&indicator);
                    }
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

    /// What became of all the values taken so far, once it is known how many different indicators
    /// came through and followed from them.
    #[must_use]
    pub fn tally(
        &mut self,
        accepted: BTreeMap<IndicatorType, u64>,
        derived: BTreeMap<IndicatorType, u64>,
    ) -> Tally {
        let mut tally = self.counts.clone();
        tally.accepted = accepted;
        tally.derived = derived;
        for (list, kinds) in &mut self.excluded {
            for (&kind, seen) in kinds {
                let count = seen.count();
                *tally.excluded.entry(list.clone()).or_default() += count;
                *tally.accepted.entry(kind).or_default() += count;
            }
        }
        tally.duplicates = self.valid - tally.accepted_total();
        tally
    }

    /// Whether a list of exclusions holds it back; then it is counted.
    fn hold_back(&mut self, indicator: &Indicator) -> bool {
        let Some((excluding, key)) = self.excluding else {
            return false;
        };
        let Some(list) = excluding(indicator) else {
            return false;
        };
        let seen = self.excluded.entry(list.to_owned()).or_default();
        note(seen, key, indicator);
        true
    }
}

impl<'c> Intake<'c> {
    /// An intake that has seen nothing. `key` is fresh and random, for [`Distinct`].
    #[must_use]
    pub fn new(canonicaliser: &'c Canonicaliser, key: [u8; 16]) -> Self {
        Self::behind(Sieve::new(canonicaliser), key)
    }

    /// An intake of what comes through `sieve`.
    #[must_use]
    pub fn behind(sieve: Sieve<'c>, key: [u8; 16]) -> Self {
        Self {
            sieve,
            key,
            valid: BTreeMap::new(),
            derived: BTreeMap::new(),
        }
    }

    /// Takes the values of a row; each that is refused goes to `refused`.
    pub fn take(&mut self, row: &Row<'_>, refused: &mut dyn FnMut(&Refused<'_>)) {
        let Self {
            sieve,
            key,
            valid,
            derived,
        } = self;
        let canonicaliser = sieve.canonicaliser;
        let holds_back = sieve.holds_back();
        let mut accepted = |indicator: &Indicator| {
            note(valid, *key, indicator);
            for follows in canonicaliser.derive(indicator) {
                if holds_back(&follows) {
                    continue;
                }
                note(derived, *key, &follows);
            }
        };
        sieve.take(row, &mut accepted, refused);
    }

    /// The type that most of the first refused values have by their form, where any has one.
    #[must_use]
    pub fn looks_like(&self) -> Option<IndicatorType> {
        self.sieve.looks_like()
    }

    /// What became of all the values taken so far.
    pub fn tally(&mut self) -> Tally {
        let distinct = |seen: &mut BTreeMap<IndicatorType, Distinct>| {
            seen.iter_mut()
                .map(|(&kind, seen)| (kind, seen.count()))
                .collect()
        };
        let accepted = distinct(&mut self.valid);
        let derived = distinct(&mut self.derived);
        self.sieve.tally(accepted, derived)
    }
}

fn note(seen: &mut BTreeMap<IndicatorType, Distinct>, key: [u8; 16], indicator: &Indicator) {
    seen.entry(indicator.indicator_type())
        .or_insert_with(|| Distinct::new(key))
        .insert(indicator);
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
