//! Printing results: a table for people, one JSON object for scripts.

use std::io::{self, Write};

use serde::Serialize;

use crate::error::Error;

/// Prints one JSON object and a line end.
pub(crate) fn print_json(object: &impl Serialize) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(object)
        .map_err(|error| Error::new(format!("cannot write JSON: {error}")))?;
    print(&text)
}

/// Prints text and a line end. A reader that has seen enough (a closed pipe) is no error.
pub(crate) fn print(text: &str) -> Result<(), Error> {
    let mut stdout = io::stdout().lock();
    let printed = writeln!(stdout, "{}", text.trim_end()).and_then(|()| stdout.flush());
    match printed {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::new(format!(
            "cannot write to standard output: {error}"
        ))),
        _ => Ok(()),
    }
}

/// Columns of text: the first flush left, numbers flush right.
pub(crate) struct Table {
    rows: Vec<(String, String, String)>,
}

impl Table {
    pub(crate) fn new() -> Self {
        Self { rows: Vec::new() }
    }

    /// Adds `name`, a count and what there is to say about it.
    pub(crate) fn row(&mut self, name: &str, count: u64, note: &str) {
        self.rows
            .push((name.to_owned(), grouped(count), note.to_owned()));
    }

    pub(crate) fn render(&self) -> String {
        let width = |column: fn(&(String, String, String)) -> &String| {
            self.rows
                .iter()
                .map(|row| column(row).chars().count())
                .max()
                .unwrap_or_default()
        };
        let (names, counts) = (width(|row| &row.0), width(|row| &row.1));
        let line = |(name, count, note): &(String, String, String)| {
            format!("{name:names$}  {count:>counts$}  {note}")
                .trim_end()
                .to_owned()
                + "\n"
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
}
