//! The beginning of a table: its delimiter, its header, its first rows.

use super::assemble::{Event, Rows};
use super::header::Judge;
use super::record::{Record, Split};
use crate::columns::SAMPLE;
use crate::headers::meaning;
use crate::lines::{LONGEST_LINE, each_line};

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
    pub(crate) fn regular(
        head: &[u8],
        whole: bool,
        delimiters: &[char],
        judge: Judge<'_>,
    ) -> Option<Self> {
        let samples = delimiters
            .iter()
            .map(|&delimiter| Self::of(head, whole, delimiter, judge));
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
    pub(crate) fn of(head: &[u8], whole: bool, delimiter: char, judge: Judge<'_>) -> Self {
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
        sample.find_header(comment, judge);
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

    fn find_header(&mut self, comment: Option<(u64, String)>, judge: Judge<'_>) {
        if let Some((first, second)) = self.first_rows()
            && judge.is_usual_header(first, second)
        {
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
            if cells.iter().any(|cell| meaning(cell).is_some()) {
                self.header = Some(Header { line, cells });
            }
        }
    }

    /// Takes the first row for the header where its names are none of the usual ones.
    pub(crate) fn find_unusual_header(&mut self, judge: Judge<'_>) {
        if self.header.is_none()
            && let Some((first, second)) = self.first_rows()
            && judge.is_unusual_header(first, second)
        {
            self.take_header();
        }
    }

    /// The cells of the first row, and of the second if there is one.
    fn first_rows(&self) -> Option<(&[String], Option<&Vec<String>>)> {
        let ((_, first), below) = self.rows.split_first()?;
        Some((first, below.first().map(|(_, cells)| cells)))
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
