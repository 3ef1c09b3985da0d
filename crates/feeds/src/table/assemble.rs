//! Rows from lines: a quoted cell may span several.

use std::collections::VecDeque;

use super::record::{Record, Split};
use crate::lines::LONGEST_LINE;
use crate::row::RowFault;

/// Most lines that a row may span.
const LONGEST_ROW: usize = 256;

/// What lines turned out to be.
pub(super) enum Event<'a> {
    Comment {
        line: u64,
        text: &'a str,
    },
    Row {
        /// The line on which it begins.
        line: u64,
        record: &'a Record,
        text: &'a str,
    },
    Fault {
        line: u64,
        fault: RowFault,
        text: &'a str,
    },
}

/// Puts rows together.
pub(super) struct Rows {
    delimiter: char,
    record: Record,
    /// The lines of a row whose last quote is still open.
    open: Vec<String>,
    /// The number of the first of them.
    first: u64,
    /// Their length in bytes.
    length: usize,
}

impl Rows {
    pub(super) fn new(delimiter: char) -> Self {
        Self {
            delimiter,
            record: Record::default(),
            open: Vec::new(),
            first: 0,
            length: 0,
        }
    }

    /// Takes the next line.
    pub(super) fn line(&mut self, line: u64, text: &str, visit: &mut dyn FnMut(Event<'_>)) {
        let mut again = self.take(line, text, visit);
        while let Some((line, text)) = again.pop_front() {
            let mut sooner = self.take(line, &text, visit);
            sooner.append(&mut again);
            again = sooner;
        }
    }

    /// Ends the file, or what can be read of it in one piece: what is open will not be closed.
    pub(super) fn finish(&mut self, visit: &mut dyn FnMut(Event<'_>)) {
        while !self.open.is_empty() {
            for (line, text) in self.give_up(visit) {
                self.line(line, &text, visit);
            }
        }
    }

    /// Takes a line, and gives the lines that have to be taken once more.
    fn take(
        &mut self,
        line: u64,
        text: &str,
        visit: &mut dyn FnMut(Event<'_>),
    ) -> VecDeque<(u64, String)> {
        if self.open.is_empty() {
            self.begin(line, text, visit);
            return VecDeque::new();
        }
        self.open.push(text.to_owned());
        self.length += text.len() + 1;
        if self.length > LONGEST_LINE || self.open.len() > LONGEST_ROW {
            return self.give_up(visit);
        }
        // Only a quote can close the cell.
        if !text.contains('"') {
            return VecDeque::new();
        }
        let row = self.open.join("\n");
        match self.record.split(&row, self.delimiter) {
            Split::Open => VecDeque::new(),
            Split::Bad => self.give_up(visit),
            Split::Whole => {
                self.open.clear();
                visit(Event::Row {
                    line: self.first,
                    record: &self.record,
                    text: &row,
                });
                VecDeque::new()
            }
        }
    }

    fn begin(&mut self, line: u64, text: &str, visit: &mut dyn FnMut(Event<'_>)) {
        if text.trim_ascii().is_empty() {
            return;
        }
        if text.starts_with('#') {
            return visit(Event::Comment { line, text });
        }
        match self.record.split(text, self.delimiter) {
            Split::Whole => visit(Event::Row {
                line,
                record: &self.record,
                text,
            }),
            Split::Bad => visit(Event::Fault {
                line,
                fault: RowFault::BadQuotes,
                text,
            }),
            Split::Open => {
                self.open.push(text.to_owned());
                self.first = line;
                self.length = text.len();
            }
        }
    }

    /// The first open line is the bad one; gives those behind it, numbered.
    fn give_up(&mut self, visit: &mut dyn FnMut(Event<'_>)) -> VecDeque<(u64, String)> {
        let mut lines: VecDeque<_> = (self.first..).zip(self.open.drain(..)).collect();
        if let Some((line, text)) = lines.pop_front() {
            visit(Event::Fault {
                line,
                fault: RowFault::BadQuotes,
                text: &text,
            });
        }
        lines
    }
}
