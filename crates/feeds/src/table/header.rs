//! Whether the first row of a table is its header: a row taken for one is never handed out, so
//! where it may be data it is.

use blindmatch_indicator::{Canonicaliser, IndicatorType, Refusal};

use crate::headers::meaning;
use crate::options::{Column, Options};
use crate::refang::refang;

/// So many digits are a number of somebody or a time, and no name of a column.
const DIGITS_OF_DATA: usize = 6;

/// What tells values from names.
#[derive(Clone, Copy)]
pub(crate) struct Judge<'a> {
    pub(crate) options: &'a Options,
    pub(crate) canonicaliser: &'a Canonicaliser,
}

impl Judge<'_> {
    /// Whether `first` has a usual name above something else, and no value.
    pub(super) fn is_usual_header(self, first: &[String], second: Option<&Vec<String>>) -> bool {
        let below = |at: usize| second.and_then(|row| row.get(at));
        // Words such as `ip` are cells, too, of a column that says what the others hold.
        let is_name = |(at, cell): (usize, &String)| {
            meaning(cell).is_some() && below(at).is_none_or(|cell| meaning(cell).is_none())
        };
        !self.holds_values(first) && first.iter().enumerate().any(is_name)
    }

    /// Whether the options use a name of `first`, or its cells look like names that do not come
    /// again below, where a cell shows an identifier; and it has no value.
    pub(super) fn is_unusual_header(self, first: &[String], second: Option<&Vec<String>>) -> bool {
        let is_name = |cell: &String| {
            let is_of_name = |c: char| c.is_ascii_alphanumeric() || "_ -/()".contains(c);
            cell.len() <= 64
                && cell.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && cell.chars().all(is_of_name)
        };
        let is_used = self.options.columns().any(|column| match column {
            Column::Name(name) => first.iter().any(|cell| cell.eq_ignore_ascii_case(name)),
            Column::Number(_) => false,
        });
        let looks_so = || {
            let shows = |cell: &String| self.canonicaliser.detect(&refang(cell)).is_ok();
            first.iter().all(is_name)
                && second.is_some_and(|second| {
                    second.iter().any(shows) && first.iter().zip(second).all(|(a, b)| a != b)
                })
        };
        !self.holds_values(first) && (is_used || looks_so())
    }

    fn holds_values(self, cells: &[String]) -> bool {
        let is_value = |(at, cell): (usize, &String)| self.is_value(at, cell);
        cells.iter().enumerate().any(is_value)
    }

    fn is_value(self, at: usize, cell: &str) -> bool {
        let cell = refang(cell);
        let digits = cell.chars().filter(|c| c.is_numeric()).count();
        let has_letters = cell.chars().any(char::is_alphabetic);
        digits >= DIGITS_OF_DATA
            || digits > 0 && !has_letters
            || cell.contains('@')
            || cell.contains("://")
            || matches!(
                self.canonicaliser.detect(&cell),
                Ok(_) | Err(Refusal::TypeAmbiguous)
            )
            || meaning(&cell).is_none() && !cell.is_empty() && self.is_as_told(at, &cell)
    }

    /// Whether the options give the cell a type that it has.
    fn is_as_told(self, at: usize, cell: &str) -> bool {
        let is_here = |column: &Column| match column {
            Column::Number(number) => number.get() - 1 == at,
            Column::Name(_) => false,
        };
        let options = self.options;
        let parses = |told| self.canonicaliser.parse(told, cell).is_ok();
        let is_mapped = |(told, column): &(IndicatorType, Column)| {
            is_here(column) && (*told == IndicatorType::Account || parses(*told))
        };
        let is_typed = |told| match (told, &options.column) {
            // Any word is one, so only in the very column it says anything.
            (IndicatorType::Account, column) => column.as_ref().is_some_and(is_here),
            (told, _) => parses(told),
        };
        options.indicator_type.is_some_and(is_typed) || options.maps.iter().any(is_mapped)
    }
}
