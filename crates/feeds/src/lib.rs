//! Readers of abuse feeds, and writers of matches.
//!
//! Knows file formats and nothing else: it reads what is handed in as [`std::io::Read`], hands
//! out [`Row`]s of source values with their places, and leaves it to `indicator` to judge them.
//! It opens no file and keeps no value. Memory is bounded, whatever the feed.
//!
//! A row that cannot be used is handed out all the same, its reason in [`Claim::Fault`]: who
//! counts values counts everything. What is wrong with a feed as a whole is a [`FeedError`].
//!
//! A [`Publisher`] writes matches as STIX bundles and MISP events; [`read_feedback`] reads what
//! people said of these elsewhere.
//!
//! [`Exclusions`] are lists of well-known values, in MISP's warninglist format.
//!
//! ```
//! use blindmatch_feeds::Options;
//! use blindmatch_indicator::{Canonicaliser, PublicSuffixes};
//!
//! # let list = "// ===BEGIN ICANN DOMAINS===\ncom\n// ===END ICANN DOMAINS===\n";
//! # let suffixes = PublicSuffixes::parse(list)?;
//! let canonicaliser = Canonicaliser::new(suffixes);
//! let feed = "# seen this week\nhxxp://evil[.]com/\t3\n";
//! let mut seen = Vec::new();
//! let summary = blindmatch_feeds::read(
//!     feed.as_bytes(),
//!     &Options::default(),
//!     &canonicaliser,
//!     &mut |row| {
//!         for value in row.values {
//!             seen.push((value.place.to_string(), value.text.to_owned(), row.label.count));
//!         }
//!     },
//! )?;
//! assert_eq!(summary.format.name(), "plain");
//! assert_eq!(seen, [("line 2".to_owned(), "http://evil.com/".to_owned(), 3)]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::indexing_slicing))]

mod account;
mod columns;
mod distinct;
mod error;
mod excerpt;
mod exclusions;
mod export;
mod feedback;
mod headers;
mod intake;
mod json;
mod jsonl;
mod lines;
mod misp;
mod names;
mod options;
mod output;
mod plain;
mod refang;
mod row;
mod rows;
mod seen;
mod sniff;
mod source;
mod stix;
mod table;
mod tally;
mod terms;
#[cfg(test)]
mod testing;

use std::io::{self, Read};

use blindmatch_indicator::Canonicaliser;

use output::Output;
use source::Source;

pub use distinct::Distinct;
pub use error::{BinaryKind, ColumnInfo, Compression, FeedError, JsonFault, Reached};
pub use excerpt::excerpt;
pub use exclusions::{Excluded, ExclusionError, ExclusionList, Exclusions, How, SHIPPED};
pub use export::{ExportId, Finding, Lead, Publisher, Tlp, UnknownTlp, Written, is_exportable};
pub use feedback::{Opinion, Said, read_feedback};
pub use intake::{Canonical, Excluding, Intake, Refused, Sieve, canonical};
pub use options::{Column, Format, NotAColumn, Options, UnknownFormat};
pub use row::{Claim, Place, Row, RowFault, Value};
pub use tally::Tally;

/// What was read of a feed, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The format.
    pub format: Format,
    /// How the input was compressed.
    pub compression: Option<Compression>,
    /// How far: all of it.
    pub reached: Reached,
    /// Rows of a table that had no value in the columns in use; they were not handed out.
    pub rows_without_value: u64,
    /// The columns from which values were taken; none where the format has no columns.
    pub columns: Vec<ColumnInfo>,
}

/// Reads a feed and hands every row to `sink`.
///
/// gzip and Zstandard are undone, and a UTF-8 byte order mark is skipped. `canonicaliser` serves
/// to recognise columns by their first values and for nothing else: rows come as they are written.
///
/// # Errors
///
/// A [`FeedError`] where the feed as a whole is not what it has to be. Rows may have been handed
/// out before it was found; they should not be kept.
pub fn read(
    input: impl Read,
    options: &Options,
    canonicaliser: &Canonicaliser,
    sink: &mut dyn FnMut(&Row<'_>),
) -> Result<Summary, FeedError> {
    let source = Source::open(input)?;
    let format = sniff::format(&source, options, canonicaliser)?;
    let compression = source.compression();
    let mut out = Output::new(sink);
    if matches!(format, Format::Stix | Format::Misp) {
        out.take_only(options.indicator_type);
    }
    let no_columns = |reached| (reached, Vec::new());
    let read = match format {
        Format::Plain => plain::read(source, options, &mut out).map(no_columns),
        Format::Csv | Format::Tsv => table::read(source, format, options, canonicaliser, &mut out),
        Format::Jsonl => jsonl::read(source, options, canonicaliser, &mut out),
        Format::Stix => stix::read(source, options, &mut out).map(no_columns),
        Format::Misp => misp::read(source, &mut out).map(no_columns),
    };
    let (reached, columns) = read.map_err(|error| error.after(out.rows()))?;
    Ok(Summary {
        format,
        compression,
        reached: Reached {
            rows: out.rows(),
            ..reached
        },
        rows_without_value: out.rows_without_value(),
        columns,
    })
}

/// Reads a MISP feed folder, `open` giving its files by name: `manifest.json`, and `UUID.json` for
/// each event that it lists. Where the manifest has the hash of a file, it must be right.
///
/// # Errors
///
/// A [`FeedError`] as for [`read`]; [`FeedError::InFile`] names the file.
pub fn read_misp_folder(
    open: &mut dyn FnMut(&str) -> io::Result<Box<dyn Read>>,
    options: &Options,
    sink: &mut dyn FnMut(&Row<'_>),
) -> Result<Summary, FeedError> {
    if options.columns().next().is_some() {
        return Err(FeedError::NoColumns(Format::Misp));
    }
    let mut out = Output::new(sink);
    out.take_only(options.indicator_type);
    let reached = misp::read_folder(open, &mut out)?;
    Ok(Summary {
        format: Format::Misp,
        compression: None,
        reached: Reached {
            rows: out.rows(),
            ..reached
        },
        rows_without_value: 0,
        columns: Vec::new(),
    })
}

#[cfg(test)]
mod tests;
