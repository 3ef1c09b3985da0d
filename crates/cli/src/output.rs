//! Printing results: a table for people, JSON, lines of JSON or CSV for scripts.

use std::io::{self, Write};

use serde::Serialize;

use crate::args::Output;
use crate::error::Error;

/// What a command has to show. As JSON it is one object, whose fields are those of the report.
pub(crate) trait Report: Serialize {
    /// What is one line of `ndjson` and `csv`; of plain fields, as CSV has nothing else.
    type Row: Serialize;

    /// The name in `"schema": "blindmatch.COMMAND.v1"`.
    const COMMAND: &'static str;

    /// The report for people.
    fn table(&self) -> String;

    /// The report line by line.
    fn rows(&self) -> Vec<Self::Row>;
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

/// Prints `report` on stdout in the form that was asked for.
pub(crate) fn show<R: Report>(report: &R, output: Output) -> Result<(), Error> {
    let text = match output {
        Output::Table => report.table(),
        Output::Json => {
            let envelope = Envelope {
                schema: format!("blindmatch.{}.v1", R::COMMAND),
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
    print(&text)
}

/// Prints text and a line end. A reader that has seen enough (a closed pipe) is no error.
///
/// What others wrote (names in a card, a roster, a feed) cannot steer the terminal.
pub(crate) fn print(text: &str) -> Result<(), Error> {
    let steers = |c: char| c.is_control() && c != '\n';
    let text = text.trim_end().replace(steers, "\u{fffd}");
    if text.is_empty() {
        return Ok(());
    }
    let mut stdout = io::stdout().lock();
    let printed = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
    match printed {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::new(format!(
            "cannot write to standard output: {error}"
        ))),
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
    /// A name, a count and what there is to say about it.
    pub(crate) fn of_counts() -> Self {
        Self {
            columns: vec![Side::Left, Side::Right, Side::Left],
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

fn cannot_encode(error: impl std::fmt::Display) -> Error {
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
