//! One row of a CSV file, split into cells (RFC 4180).
//!
//! The `csv` crate reads a quote that never closes to the end of the file as one cell. Here a row
//! is split by itself, so that a bad quote costs one row; the tests compare both on good files.

/// The cells of one row, unquoted, their spaces trimmed.
#[derive(Default)]
pub(crate) struct Record {
    text: String,
    ends: Vec<usize>,
}

/// How splitting ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Split {
    /// At the end of the row.
    Whole,
    /// Inside a quoted cell, which may go on in the next line.
    Open,
    /// A quoted cell goes on behind its end.
    Bad,
}

impl Record {
    /// Splits `row`; the cells are complete only if the answer is [`Split::Whole`].
    pub(crate) fn split(&mut self, row: &str, delimiter: char) -> Split {
        self.text.clear();
        self.ends.clear();
        let mut rest = row;
        loop {
            rest = rest.trim_start_matches(' ');
            let behind = match rest.strip_prefix('"') {
                None => {
                    let end = rest.find(delimiter).unwrap_or(rest.len());
                    let (cell, behind) = rest.split_at_checked(end).unwrap_or((rest, ""));
                    self.text.push_str(cell.trim_ascii());
                    behind
                }
                Some(quoted) => match self.unquote(quoted) {
                    None => return Split::Open,
                    Some(behind) => behind.trim_start_matches(' '),
                },
            };
            self.ends.push(self.text.len());
            rest = match behind.strip_prefix(delimiter) {
                Some(next) => next,
                None if behind.is_empty() => return Split::Whole,
                None => return Split::Bad,
            };
        }
    }

    /// Takes a cell up to its closing quote, a doubled quote standing for one.
    fn unquote<'r>(&mut self, mut quoted: &'r str) -> Option<&'r str> {
        loop {
            let (inside, behind) = quoted.split_once('"')?;
            self.text.push_str(inside);
            match behind.strip_prefix('"') {
                None => return Some(behind),
                Some(more) => {
                    self.text.push('"');
                    quoted = more;
                }
            }
        }
    }

    /// How many cells.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// A cell, counted from 0.
    pub(crate) fn cell(&self, at: usize) -> Option<&str> {
        let start = match at.checked_sub(1) {
            None => 0,
            Some(before) => *self.ends.get(before)?,
        };
        self.text.get(start..*self.ends.get(at)?)
    }

    pub(crate) fn cells(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|at| self.cell(at).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(row: &str) -> Result<Vec<String>, Split> {
        let mut record = Record::default();
        match record.split(row, ',') {
            Split::Whole => Ok(record.cells().map(ToOwned::to_owned).collect()),
            other => Err(other),
        }
    }

    #[test]
    fn splits_as_rfc_4180_says_and_a_little_more() {
        for (row, cells) in [
            ("a,b", vec!["a", "b"]),
            ("a,", vec!["a", ""]),
            ("", vec![""]),
            (r#""a,b",c"#, vec!["a,b", "c"]),
            (r#""say ""hi""",c"#, vec![r#"say "hi""#, "c"]),
            (r#""a", "b" , c "#, vec!["a", "b", "c"]),
            (r#"5" disk,b"#, vec![r#"5" disk"#, "b"]),
            ("\"a\nb\",c", vec!["a\nb", "c"]),
        ] {
            assert_eq!(split(row).unwrap(), cells, "{row}");
        }
        assert_eq!(split(r#"a,"b"#), Err(Split::Open));
        assert_eq!(split(r#"a,"b"""#), Err(Split::Open));
        assert_eq!(split(r#""a"b,c"#), Err(Split::Bad));
    }

    proptest! {
        #[test]
        fn agrees_with_the_csv_crate(cells in prop::collection::vec("[a-z\", \n]{0,8}", 1..6)) {
            let mut writer = csv::WriterBuilder::new()
                .quote_style(csv::QuoteStyle::Always)
                .from_writer(Vec::new());
            writer.write_record(&cells).unwrap();
            let row = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            prop_assert_eq!(split(row.trim_end_matches('\n')), Ok(cells));
        }
    }
}
