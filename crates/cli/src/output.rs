//! Printing results: a table for people, JSON, lines of JSON or CSV for scripts.

use std::fmt::Display;
use std::io;

use jiff::Timestamp;
use serde::Serialize;

use crate::args::{Global, Output};
use crate::error::{Error, named, printable};

/// What a command has to show. As JSON it is one object, whose fields are those of the report.
pub(crate) trait Report: Serialize {
    /// The report for people.
    fn table(&self) -> String;

    /// The lines of `ndjson` and `csv`, of plain fields, as CSV has nothing else.
    fn rows(&self) -> Vec<impl Serialize>;
}

/// One line of a report that is a list of facts rather than of things.
#[derive(Serialize)]
pub(crate) struct Fact {
    pub(crate) fact: &'static str,
    pub(crate) name: String,
    pub(crate) value: String,
}

impl Fact {
    pub(crate) fn new(fact: &'static str, name: impl ToString, value: impl ToString) -> Self {
        Self {
            fact,
            name: name.to_string(),
            value: value.to_string(),
        }
    }
}

#[derive(Serialize)]
struct Envelope<'a, R> {
    schema: String,
    #[serde(flatten)]
    report: &'a R,
}

/// Prints the report of `command`, which its JSON names, on stdout in the form that was asked for.
pub(crate) fn show<R: Report>(command: &str, report: &R, global: &Global) -> Result<(), Error> {
    let text = match global.output {
        Output::Table => report.table(),
        Output::Json => {
            let envelope = Envelope {
                schema: format!("blindmatch.{command}.v1"),
                report,
            };
            serde_json::to_string_pretty(&envelope).map_err(cannot_encode)?
        }
        Output::Ndjson => {
            let lines: Result<Vec<_>, _> =
                report.rows().iter().map(serde_json::to_string).collect();
            lines.map_err(cannot_encode)?.join("\n")
        }
        Output::Csv => {
            let mut csv = csv::Writer::from_writer(Vec::new());
            for row in report.rows() {
                csv.serialize(row).map_err(cannot_encode)?;
            }
            let bytes = csv.into_inner().map_err(cannot_encode)?;
            String::from_utf8(bytes).map_err(cannot_encode)?
        }
    };
    print(&text, global)
}

/// Prints text and a line end.
///
/// What others wrote (names in a card, a roster, a feed) cannot steer the terminal.
pub(crate) fn print(text: &str, global: &Global) -> Result<(), Error> {
    let text = printable(text.trim_end());
    if text.is_empty() {
        return Ok(());
    }
    print_as_it_is(format!("{text}\n").as_bytes(), global)
}

/// Prints what is our own. A reader that has seen enough (a closed pipe) is no error.
pub(crate) fn print_as_it_is(text: &[u8], global: &Global) -> Result<(), Error> {
    match global.session.print(text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::new(format!(
            "the command is done, but its result could not be written to standard output: {error}"
        ))
        .hint("what it changed stays changed: look before you type it again")),
        _ => Ok(()),
    }
}

/// Columns of text, two spaces apart.
pub(crate) struct Table {
    columns: Vec<Side>,
    rows: Vec<Vec<String>>,
}

/// On which side a column of a [`Table`] is flush.
#[derive(Clone, Copy)]
pub(crate) enum Side {
    Left,
    /// For numbers.
    Right,
}

impl Table {
    /// A table with a line of headings.
    pub(crate) fn headed(columns: &[(&str, Side)]) -> Self {
        let headings = columns.iter().map(|(heading, _)| heading.to_uppercase());
        Self {
            columns: columns.iter().map(|&(_, side)| side).collect(),
            rows: vec![headings.collect()],
        }
    }

    /// A name, a count and what there is to say about it.
    pub(crate) fn of_counts() -> Self {
        Self {
            columns: vec![Side::Left, Side::Right, Side::Left],
            rows: Vec::new(),
        }
    }

    /// A name and what stands under it.
    pub(crate) fn of_fields() -> Self {
        Self::of_texts(2)
    }

    /// So many columns of text.
    pub(crate) fn of_texts(columns: usize) -> Self {
        Self {
            columns: vec![Side::Left; columns],
            rows: Vec::new(),
        }
    }

    /// Adds a row with a cell for each column.
    pub(crate) fn row(&mut self, cells: &[&str]) -> &mut Self {
        self.rows
            .push(cells.iter().map(|&cell| cell.to_owned()).collect());
        self
    }

    /// Adds `name`, a count and what there is to say about it.
    pub(crate) fn count(&mut self, name: &str, count: u64, note: &str) -> &mut Self {
        self.row(&[name, &grouped(count), note])
    }

    pub(crate) fn render(&self) -> String {
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&self.columns).zip(&widths);
            let cells: Vec<_> = cells
                .map(|((cell, side), &width)| match side {
                    Side::Left => format!("{cell:width$}"),
                    Side::Right => format!("{cell:>width$}"),
                })
                .collect();
            cells.join("  ").trim_end().to_owned() + "\n"
        };
        self.rows.iter().map(line).collect()
    }
}

/// Tells what to do next, unless that is not wanted.
pub(crate) fn next(global: &Global, what: &str) {
    if !global.quiet {
        global.tell(format_args!("next: {}", named(what, global.named_home())));
    }
}

/// A time in seconds since 1970, as people and scripts read it: RFC 3339 in UTC.
pub(crate) fn time(seconds: u64) -> String {
    let time = i64::try_from(seconds).map(Timestamp::from_second);
    match time {
        Ok(Ok(time)) => time.to_string(),
        _ => format!("@{seconds}"),
    }
}

/// Bytes in lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A number with its thousands apart: 1,234,567.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn cannot_encode(error: impl Display) -> Error {
    Error::new(format!("cannot write the result: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn counts_are_flush_right() {
        let mut table = Table::of_counts();
        table.count("cloud", 7, "").count("b", 12_345, "rows");
        assert_eq!(table.render(), "cloud       7\nb      12,345  rows\n");
    }
}
