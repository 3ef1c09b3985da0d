//! Typed reading of TOML tables that keeps every fault with its place.

use std::collections::HashSet;
use std::iter;

use blindmatch_indicator::Strength;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::fault::{Fault, FaultKind, Place, Suggestion, Wanted, shown};

/// More would say nothing new about a file.
const MOST_FAULTS: usize = 100;

/// The text of a file and the faults found in it.
pub(super) struct Source<'t> {
    text: &'t str,
    /// Where lines begin, in bytes.
    lines: Vec<usize>,
    faults: Vec<Fault>,
}

/// One table of the file.
#[derive(Clone, Copy)]
pub(super) struct Table<'d, 't> {
    pub(super) entries: &'d DeTable<'t>,
    /// Where it begins, in bytes.
    pub(super) at: usize,
}

/// A value and where it begins, in bytes.
#[derive(Clone, Copy)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) at: usize,
}

/// What a number may be.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) floor: u64,
    pub(super) ceiling: u64,
    pub(super) strength: Option<Strength>,
}

impl<'t> Source<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            text,
            lines: iter::once(0).chain(ends).collect(),
            faults: Vec::new(),
        }
    }

    pub(super) fn fault(&mut self, at: usize, kind: FaultKind) {
        if !self.is_full() {
            let place = self.place(at);
            self.faults.push(Fault { place, kind });
        }
    }

    /// Whether further faults are dropped.
    pub(super) const fn is_full(&self) -> bool {
        self.faults.len() >= MOST_FAULTS
    }

    /// All faults in the order of the file.
    pub(super) fn into_faults(mut self) -> Vec<Fault> {
        self.faults.sort_by_key(|fault| fault.place);
        self.faults
    }

    pub(super) fn place(&self, at: usize) -> Place {
        let line = self.lines.partition_point(|&begin| begin <= at);
        let begin = line.checked_sub(1).and_then(|line| self.lines.get(line));
        let before = begin.and_then(|&begin| self.text.get(begin..at));
        Place {
            line,
            column: before.map_or(1, |before| before.chars().count() + 1),
        }
    }

    /// Finds fault with every key of the table that is not known.
    pub(super) fn only(&mut self, table: Table<'_, 't>, known: &[&'static str]) {
        for key in table.entries.keys() {
            if !known.contains(&key.get_ref().as_ref()) && !self.is_full() {
                let kind = FaultKind::UnknownKey {
                    key: shown(key.get_ref()),
                    known: Suggestion::new(key.get_ref(), known.iter().copied()),
                };
                self.fault(key.span().start, kind);
            }
        }
    }

    /// The entry of that key; a fault where it must be there and is not.
    pub(super) fn required<'d>(
        &mut self,
        table: Table<'d, 't>,
        key: &'static str,
    ) -> Option<&'d Spanned<DeValue<'t>>> {
        let entry = table.entries.get(key);
        if entry.is_none() {
            self.fault(table.at, FaultKind::Missing(key));
        }
        entry
    }

    pub(super) fn table<'d>(
        &mut self,
        key: &str,
        value: &'d Spanned<DeValue<'t>>,
    ) -> Option<Table<'d, 't>> {
        let at = value.span().start;
        if let DeValue::Table(entries) = value.get_ref() {
            Some(Table { entries, at })
        } else {
            self.wrong(at, key, Wanted::Table)
        }
    }

    pub(super) fn text<'d>(
        &mut self,
        key: &str,
        value: &'d Spanned<DeValue<'t>>,
    ) -> Option<At<&'d str>> {
        let at = value.span().start;
        match value.get_ref() {
            DeValue::String(text) if !text.trim().is_empty() => Some(At { value: text, at }),
            _ => self.wrong(at, key, Wanted::Text),
        }
    }

    /// A list of texts, of which there is one at least and none twice.
    pub(super) fn texts<'d>(
        &mut self,
        key: &'static str,
        most: usize,
        value: &'d Spanned<DeValue<'t>>,
    ) -> Option<Vec<At<&'d str>>> {
        let at = value.span().start;
        let DeValue::Array(items) = value.get_ref() else {
            return self.wrong(at, key, Wanted::Texts);
        };
        if items.is_empty() {
            self.fault(at, FaultKind::Nothing(key));
            return None;
        }
        if items.len() > most {
            self.fault(at, FaultKind::TooMany { key, most });
            return None;
        }
        let mut texts: Vec<At<&str>> = Vec::with_capacity(items.len());
        let mut seen = HashSet::new();
        let mut sound = true;
        for item in items.iter() {
            let at = item.span().start;
            let DeValue::String(text) = item.get_ref() else {
                return self.wrong(at, key, Wanted::Texts);
            };
            if seen.insert(text.as_ref()) {
                texts.push(At { value: text, at });
            } else {
                let name = shown(text);
                self.fault(at, FaultKind::Twice { key, name });
                sound = false;
            }
        }
        sound.then_some(texts)
    }

    pub(super) fn number(
        &mut self,
        key: &'static str,
        bounds: Bounds,
        value: &Spanned<DeValue<'t>>,
    ) -> Option<u64> {
        let at = value.span().start;
        let DeValue::Integer(integer) = value.get_ref() else {
            return self.wrong(at, key, Wanted::Number);
        };
        let Bounds {
            floor,
            ceiling,
            strength,
        } = bounds;
        // What does not fit is far above, or far below if it has a sign.
        let negative = integer.as_str().starts_with('-');
        let number = u64::from_str_radix(integer.as_str().trim_start_matches('+'), integer.radix());
        match number {
            Ok(number) if number < floor => {
                self.fault(at, FaultKind::BelowFloor { key, floor });
                None
            }
            Ok(number) if number <= ceiling => Some(number),
            Err(_) if negative => {
                self.fault(at, FaultKind::BelowFloor { key, floor });
                None
            }
            _ => {
                let kind = FaultKind::AboveCeiling {
                    key,
                    ceiling,
                    strength,
                };
                self.fault(at, kind);
                None
            }
        }
    }

    pub(super) fn boolean(
        &mut self,
        key: &'static str,
        value: &Spanned<DeValue<'t>>,
    ) -> Option<bool> {
        match value.get_ref() {
            DeValue::Boolean(boolean) => Some(*boolean),
            _ => self.wrong(value.span().start, key, Wanted::Boolean),
        }
    }

    pub(super) fn wrong<T>(&mut self, at: usize, key: &str, wanted: Wanted) -> Option<T> {
        let key = shown(key);
        self.fault(at, FaultKind::Kind { key, wanted });
        None
    }
}
