//! What a reader is told.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

use blindmatch_indicator::IndicatorType;

/// How to read a feed; the default finds out everything from the feed itself.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The format, where it is not to be found out from the first 64 KiB.
    pub format: Option<Format>,
    /// The type of every value that the feed itself does not type. Columns of
    /// [`maps`](Self::maps) name their own; of STIX and MISP, values of this type alone are taken
    /// and the others are not matchable.
    pub indicator_type: Option<IndicatorType>,
    /// The column that holds the values (CSV, TSV, JSONL).
    pub column: Option<Column>,
    /// Columns with a type each: every cell that is not empty is one value (CSV, TSV, JSONL).
    pub maps: Vec<(IndicatorType, Column)>,
    /// The column with the owner's own id of a row (CSV, TSV, JSONL).
    pub reference: Option<Column>,
    /// The column that says when a row was seen: RFC 3339, or a date (CSV, TSV, JSONL).
    pub seen: Option<Column>,
    /// The zone of times in [`seen`](Self::seen) that name none; without it they are refused.
    pub time_zone: Option<jiff::tz::TimeZone>,
    /// The moment by which an indicator with an end of validity has expired; without it none has.
    pub now: Option<jiff::Timestamp>,
}

impl Options {
    /// Every column that is named.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &Column> {
        let mapped = self.maps.iter().map(|(_, column)| column);
        let single = [&self.column, &self.reference, &self.seen];
        mapped.chain(single.into_iter().flatten())
    }
}

/// A file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// One value a line.
    Plain,
    /// Cells separated by commas or semicolons (RFC 4180).
    Csv,
    /// Cells separated by tabs.
    Tsv,
    /// One JSON object a line.
    Jsonl,
    /// STIX 2.1 bundle.
    Stix,
    /// MISP event, or several.
    Misp,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 6] = [
        Self::Plain,
        Self::Csv,
        Self::Tsv,
        Self::Jsonl,
        Self::Stix,
        Self::Misp,
    ];

    /// The name, as in options and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Jsonl => "jsonl",
            Self::Stix => "stix",
            Self::Misp => "misp",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// No format has this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownFormat;

impl fmt::Display for UnknownFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such format; the formats are")?;
        Format::ALL
            .iter()
            .try_for_each(|format| write!(f, " {format}"))
    }
}

impl std::error::Error for UnknownFormat {}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        Self::ALL
            .into_iter()
            .find(|format| format.name() == name)
            .ok_or(UnknownFormat)
    }
}

/// A column of a table, or a field of JSON objects.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Column {
    /// By its name in the header; in JSON lines the path to the field, joined by dots.
    Name(String),
    /// By its place, counted from 1.
    Number(NonZeroUsize),
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

/// Neither a name nor a number from 1 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAColumn;

impl fmt::Display for NotAColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a column is a name from the header or a number from 1 on")
    }
}

impl std::error::Error for NotAColumn {}

impl FromStr for Column {
    type Err = NotAColumn;

    /// Digits are a number, anything else a name.
    fn from_str(text: &str) -> Result<Self, NotAColumn> {
        if text.is_empty() {
            Err(NotAColumn)
        } else if text.bytes().all(|b| b.is_ascii_digit()) {
            text.parse().map(Self::Number).map_err(|_| NotAColumn)
        } else {
            Ok(Self::Name(text.to_owned()))
        }
    }
}
