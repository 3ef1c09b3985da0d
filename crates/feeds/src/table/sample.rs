//! The beginning of a table: its delimiter, its header, its first rows.

use blindmatch_indicator::Canonicaliser;

use super::assemble::{Event, Rows};
use super::record::{Record, Split};
use crate::columns::SAMPLE;
use crate::headers::meaning;
use crate::lines::{LONGEST_LINE, each_line};
use crate::options::{Column, Options};
use crate::refang::refang;

/// The first rows of a table.
pub(crate) struct Sample {
    pub(crate) delimiter: char,
    pub(crate) header: Option<Header>,
    /// The rows but the header, each with its line.
    pub(crate) rows: Vec<(u64, Vec<String>)>,
    faults: usize,
}

/// A header and the line on which it stands.
pub(crate) struct Header {
    pub(crate) line: u64,
    pub(crate) cells: Vec<String>,
}

impl Sample {
    /// The sample by the delimiter that splits most rows alike into the most cells, if any does.
    pub(crate) fn regular(head: &[u8], whole: bool, delimiters: &[char]) -> Option<Self> {
        let samples = delimiters.iter().map(|&d| Self::of(head, whole, d));
        samples
            .filter(|sample| sample.width() > 1 && sample.is_regular())
            .reduce(|best, next| {
                if next.width() > best.width() {
                    next
                } else {
                    best
                }
            })
    }

    /// Splits the beginning of a table, and takes a first row of usual names for its header.
    pub(crate) fn of(head: &[u8], whole: bool, delimiter: char) -> Self {
        let end = if whole {
            head.len()
        } else {
            memchr::memrchr(b'\n', head).map_or(0, |at| at + 1)
        };
        let mut sample = Self {
            delimiter,
            header: None,
            rows: Vec::new(),
            faults: 0,
        };
        let mut comment = None;
        let mut take = |event: Event<'_>| match event {
            Event::Comment { line, text } if sample.rows.is_empty() => {
                comment = Some((line, text.to_owned()));
            }
            Event::Row { line, record, .. } if sample.rows.len() <= SAMPLE => {
                let cells = record.cells().map(ToOwned::to_owned).collect();
                sample.rows.push((line, cells));
            }
            Event::Fault { .. } => sample.faults += 1,
            Event::Comment { .. } | Event::Row { .. } => {}
        };
        let mut rows = Rows::new(delimiter);
        let head = head.get(..end).unwrap_or_default();
        each_line(head, 0, LONGEST_LINE, |line| {
            if let Ok(text) = line.text {
                rows.line(line.number, text, &mut take);
            }
        });
        if whole {
            rows.finish(&mut take);
        }
        sample.find_header(comment);
        sample
    }

    /// How many cells the header has, or else the first row.
    pub(crate) fn width(&self) -> usize {
        match (&self.header, self.rows.first()) {
            (Some(header), _) => header.cells.len(),
            (None, Some((_, cells))) => cells.len(),
            (None, None) => 0,
        }
    }

    /// The cells of a column that are not empty.
    pub(crate) fn column(&self, at: usize) -> Vec<String> {
        let cells = self.rows.iter().filter_map(|(_, row)| row.get(at));
        cells.filter(|cell| !cell.is_empty()).cloned().collect()
    }

    fn find_header(&mut self, comment: Option<(u64, String)>) {
        let usual = |cells: &[String]| cells.iter().any(|cell| meaning(cell).is_some());
        if self.rows.first().is_some_and(|(_, cells)| usual(cells)) {
            return self.take_header();
        }
        let Some((line, text)) = comment else {
            return;
        };
        let mut record = Record::default();
        let text = text.trim_start_matches(['#', ' ']);
        // One word of prose may well be the usual name of a column.
        let width = self.width();
        let is_whole = record.split(text, self.delimiter) == Split::Whole;
        if is_whole && width > 1 && record.len() == width {
            let cells: Vec<_> = record.cells().map(ToOwned::to_owned).collect();
            if usual(&cells) {
                self.header = Some(Header { line, cells });
            }
        }
    }

    /// Takes the first row for the header where the options use one of its names, or where its
    /// cells look like names and a column below shows identifiers.
    pub(crate) fn find_unusual_header(&mut self, options: &Options, detect: &Canonicaliser) {
        let (None, Some(((_, first), below))) = (&self.header, self.rows.split_first()) else {
            return;
        };
        let shows = |cell: &String| detect.detect(&refang(cell)).is_ok();
        let is_name = |cell: &String| {
            let is_of_name = |c: char| c.is_ascii_alphanumeric() || "_ -/()".contains(c);
            cell.len() <= 64
                && cell.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && cell.chars().all(is_of_name)
                && !shows(cell)
        };
        let is_used = options.columns().any(|column| match column {
            Column::Name(name) => first.iter().any(|cell| cell.eq_ignore_ascii_case(name)),
            Column::Number(_) => false,
        });
        let mut cells_below = below.iter().take(1).flat_map(|(_, cells)| cells);
        if is_used || first.iter().all(is_name) && cells_below.any(shows) {
            self.take_header();
        }
    }

    fn take_header(&mut self) {
        if !self.rows.is_empty() {
            let (line, cells) = self.rows.remove(0);
            self.header = Some(Header { line, cells });
        }
    }

    /// Whether at least nine rows of ten have as many cells as the first; under a header half of
    /// them.
    fn is_regular(&self) -> bool {
        let width = self.width();
        let alike = self.rows.iter().filter(|(_, row)| row.len() == width);
        let alike = alike.count() * if self.header.is_some() { 18 } else { 10 };
        alike >= (self.rows.len() + self.faults) * 9
    }
}
