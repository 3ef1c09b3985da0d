//! What a reader hands out: rows of values, each with its place in the feed.

use std::fmt;

use blindmatch_indicator::{IndicatorType, LabelFields};

/// One row of a feed: a line, an indicator object, an attribute.
///
/// Borrowed from the reader's buffers and valid during the call. It has no `Debug`, because its
/// texts are somebody's personal data.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    /// The source values of the row, at least one.
    pub values: &'a [Value<'a>],
    /// The row's own id: the reference column, the id of a STIX indicator, the UUID of a MISP
    /// attribute.
    pub reference: Option<&'a str>,
    /// What the row says about its values.
    pub label: LabelFields,
}

/// One source value: what `read` counts in the sums of a report.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    /// Where in the feed it stands.
    pub place: Place<'a>,
    /// The text, refanged if it was defanged. Under a [`Claim::Fault`] it is what there is to
    /// show of the row, possibly cut, possibly empty.
    pub text: &'a str,
    /// What the feed and the options say that it is.
    pub claim: Claim<'a>,
    /// Whether `text` differs from the feed by having been refanged.
    pub refanged: bool,
}

/// What the feed says that a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim<'a> {
    /// A value of this type.
    Typed(IndicatorType),
    /// A value whose type its own form has to show.
    Untyped,
    /// Something that the exchange does not match: the kind, such as `file:hashes` or `md5`.
    ///
    /// Kinds come from the feed: at most 64 characters each, of letters, digits and `-_:|+ `. One
    /// that may hold a value, by its dots, `@` or four digits that are not of a known hash, is
    /// `other`.
    NotMatchable(&'a str),
    /// Nothing to take, for this reason.
    Fault(RowFault),
}

/// The name of a kind as [`Claim::NotMatchable`] promises it, of whatever a feed says.
pub(crate) fn kind(name: &str) -> String {
    let plain = |c: char| match c {
        c if c.is_ascii_alphanumeric() || "-_:|+ ".contains(c) => c,
        _ => '_',
    };
    if name.contains(['@', '.']) || digits(name) >= 4 {
        "other".to_owned()
    } else {
        name.chars().take(64).map(plain).collect()
    }
}

/// How many digits the name of a kind has besides those of `md5`, `x509`, and hashes such as
/// `sha256`, `sha512/224` and `sha3-256`.
fn digits(name: &str) -> usize {
    let mut is_behind_sha = false;
    let mut digits = 0;
    for word in name.split(|c: char| !c.is_alphanumeric()) {
        let word = word.to_lowercase();
        let is_length = |text: &str| text.len() <= 3 && text.bytes().all(|b| b.is_ascii_digit());
        let is_sha = word.strip_prefix("sha").is_some_and(is_length);
        let is_known = is_sha || matches!(word.as_str(), "md5" | "x509");
        if !(is_known || is_behind_sha && is_length(&word)) {
            digits += word.chars().filter(|c| c.is_numeric()).count();
        }
        is_behind_sha = is_sha;
    }
    digits
}

/// Where a value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// A line, counted from 1.
    Line(u64),
    /// A cell of a table: the line on which its row begins, and its column, both from 1.
    Cell {
        /// The line on which the row begins.
        line: u64,
        /// The column.
        column: u32,
    },
    /// A field of a JSON line: the line, and the JSON pointer (RFC 6901) within it, `*` standing
    /// for a key that may be a value itself.
    Field {
        /// The line.
        line: u64,
        /// The JSON pointer.
        pointer: &'a str,
    },
    /// A JSON pointer (RFC 6901) into a document.
    Pointer(&'a str),
    /// A JSON pointer into one file of a feed folder.
    InFile {
        /// The file, relative to the folder.
        file: &'a str,
        /// The JSON pointer.
        pointer: &'a str,
    },
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Cell { line, column } => write!(f, "line {line}, column {column}"),
            Self::Field { line, pointer } => write!(f, "line {line}, {pointer}"),
            Self::Pointer(pointer) => f.write_str(pointer),
            Self::InFile { file, pointer } => write!(f, "{file}, {pointer}"),
        }
    }
}

/// Why a row gives no value, although the rest of the feed can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum RowFault {
    /// Bytes that are not UTF-8.
    NotUtf8,
    /// A row longer than the reader holds.
    TooLong,
    /// A quoted cell that does not end, or goes on behind its end.
    BadQuotes,
    /// More or fewer cells than the table has columns.
    Ragged,
    /// A line that is not one JSON object.
    NotAnObject,
    /// A JSON object that names a key twice.
    DuplicateKey,
    /// A JSON value that is neither text nor number where an identifier is wanted.
    NotText,
    /// A field that the format demands and the object lacks.
    MissingField,
    /// Not a STIX pattern.
    BadPattern,
    /// One of several observations that mean something only together.
    OnlyTogether,
    /// Not as many parts as its composite type has.
    BadComposite,
    /// Revoked by its publisher.
    Revoked,
    /// Its validity ended before now.
    Expired,
    /// Deleted by its publisher.
    Deleted,
    /// Called benign by its publisher.
    Benign,
    /// Not a time of RFC 3339 nor a date.
    NotATime,
    /// A time without a zone, and none was given.
    TimeWithoutZone,
    /// A time that a label cannot hold: before 2000 or after 2179.
    TimeOutOfRange,
}

impl RowFault {
    /// The reason code of reports: snake_case, stable.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.code_and_explanation().0
    }

    /// What is wrong, in a phrase that ends a sentence.
    #[must_use]
    pub const fn explanation(self) -> &'static str {
        self.code_and_explanation().1
    }

    const fn code_and_explanation(self) -> (&'static str, &'static str) {
        match self {
            Self::NotUtf8 => ("not_utf8", "bytes that are not UTF-8"),
            Self::TooLong => ("row_too_long", "a row longer than any that is read"),
            Self::BadQuotes => (
                "bad_quotes",
                "a quoted cell that does not end, or goes on behind its end",
            ),
            Self::Ragged => ("ragged_row", "more or fewer cells than the table's columns"),
            Self::NotAnObject => ("not_an_object", "not one JSON object"),
            Self::DuplicateKey => ("duplicate_key", "a JSON object that names a key twice"),
            Self::NotText => ("not_text", "neither text nor a number"),
            Self::MissingField => (
                "missing_field",
                "a field that the format demands is missing",
            ),
            Self::BadPattern => ("bad_pattern", "not a STIX pattern"),
            Self::OnlyTogether => (
                "only_together",
                "one of several observations that mean something only together",
            ),
            Self::BadComposite => ("bad_composite", "not the parts that its type has"),
            Self::Revoked => ("revoked", "revoked by its publisher"),
            Self::Expired => ("expired", "its validity has ended"),
            Self::Deleted => ("deleted", "deleted by its publisher"),
            Self::Benign => ("benign", "called benign by its publisher"),
            Self::NotATime => ("not_a_time", "a time that is not RFC 3339"),
            Self::TimeWithoutZone => (
                "time_without_zone",
                "a time without a zone; name one with --timezone",
            ),
            Self::TimeOutOfRange => ("time_out_of_range", "a time before 2000 or after 2179"),
        }
    }
}

impl fmt::Display for RowFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.explanation())
    }
}

impl std::error::Error for RowFault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_hold_no_value() {
        for (name, expected) in [
            ("md5", "md5"),
            ("filename|sha512/256", "filename|sha512_256"),
            ("x509-fingerprint-sha256", "x509-fingerprint-sha256"),
            ("filename|sha3-384", "filename|sha3-384"),
            ("file:hashes", "file:hashes"),
            ("pattern:stix2", "pattern:stix2"),
            ("x-\u{1b}[0m", "x-__0m"),
            ("4111111111111111", "other"),
            ("x-sha256-4111-1111", "other"),
            ("file:4111 1111", "other"),
            ("8.8.8.8", "other"),
            ("evil.com", "other"),
            ("j@example", "other"),
            ("sha25644111", "other"),
        ] {
            assert_eq!(kind(name), expected, "{name}");
        }
    }
}
