//! Feeds in memory, and rows as text.

use std::io::{self, Read};

use blindmatch_indicator::{Canonicaliser, LabelFields, PublicSuffixes};

use crate::{Claim, FeedError, Options, Row, Summary, read};

/// A row that outlives its call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Taken {
    /// Per value `PLACE: CLAIM TEXT`, with `~` before a text that was refanged.
    pub(crate) values: Vec<String>,
    pub(crate) reference: Option<String>,
    pub(crate) label: LabelFields,
}

impl Taken {
    pub(crate) fn of(row: &Row<'_>) -> Self {
        let values = row.values.iter().map(|value| {
            let claim = match value.claim {
                Claim::Typed(indicator_type) => indicator_type.name().to_owned(),
                Claim::Untyped => "-".to_owned(),
                Claim::NotMatchable(kind) => format!("<{kind}>"),
                Claim::Fault(fault) => format!("!{}", fault.code()),
            };
            let mark = if value.refanged { "~" } else { "" };
            format!("{}: {claim} {mark}{}", value.place, value.text)
        });
        Self {
            values: values.collect(),
            reference: row.reference.map(ToOwned::to_owned),
            label: row.label,
        }
    }
}

pub(crate) fn canonicaliser() -> Canonicaliser {
    let list = "// ===BEGIN ICANN DOMAINS===\ncom\n// ===END ICANN DOMAINS===\n";
    Canonicaliser::new(PublicSuffixes::parse(list).unwrap())
}

/// Reads a whole feed.
pub(crate) fn rows_of(
    feed: impl Read,
    options: &Options,
) -> (Result<Summary, FeedError>, Vec<Taken>) {
    let mut rows = Vec::new();
    let summary = read(feed, options, &canonicaliser(), &mut |row| {
        rows.push(Taken::of(row));
    });
    (summary, rows)
}

/// The values of a feed that can be read.
pub(crate) fn values_of(feed: impl AsRef<[u8]>, options: &Options) -> Vec<String> {
    let (summary, rows) = rows_of(feed.as_ref(), options);
    let summary = summary.unwrap();
    assert_eq!(summary.reached.rows, rows.len() as u64);
    rows.into_iter().flat_map(|row| row.values).collect()
}

/// Why a feed cannot be read.
pub(crate) fn error_of(feed: impl AsRef<[u8]>, options: &Options) -> FeedError {
    rows_of(feed.as_ref(), options).0.unwrap_err()
}

/// A reader that gives so many bytes at a time.
pub(crate) struct Trickle<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) at_a_time: usize,
}

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.at_a_time.min(buffer.len()).min(self.bytes.len());
        let (now, later) = self.bytes.split_at(length);
        buffer[..length].copy_from_slice(now);
        self.bytes = later;
        Ok(length)
    }
}
