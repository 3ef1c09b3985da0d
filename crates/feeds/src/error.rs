//! What is wrong with a feed as a whole.

use std::{fmt, io};

use blindmatch_indicator::IndicatorType;

use crate::{Column, Format};

/// Why a feed cannot be read. Nothing of it should be kept, whatever rows came before.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FeedError {
    /// No byte but white space.
    Empty,
    /// The input could not be read.
    Io {
        /// The operating system's reason; reading a directory is one.
        kind: io::ErrorKind,
        /// How far it was read.
        reached: Reached,
    },
    /// The compressed data ends before its end.
    Truncated {
        /// How it is compressed.
        compression: Compression,
        /// How far it was read.
        reached: Reached,
    },
    /// The compressed data is damaged, or followed by something else.
    Corrupt {
        /// How it is compressed.
        compression: Compression,
        /// How far it was read.
        reached: Reached,
    },
    /// UTF-16 or UTF-32 text, where UTF-8 is wanted.
    Utf16,
    /// No text.
    Binary {
        /// What its first bytes show that it is.
        looks_like: Option<BinaryKind>,
    },
    /// Not JSON from some place on, or beyond the bounds of this reader.
    Json {
        /// What is wrong.
        fault: JsonFault,
        /// The column in bytes, from 1; the line is in `reached`.
        column: u64,
        /// How far it was read.
        reached: Reached,
    },
    /// JSON that is neither objects by the line, nor a STIX bundle, nor a MISP event.
    UnknownJson,
    /// JSON that is not of the format in which it was read: no `objects` (STIX), or no event or
    /// attributes (MISP).
    NotOfFormat(Format),
    /// The manifest of a MISP feed without its folder.
    ManifestAlone,
    /// An option names a column, and the format has none.
    NoColumns(Format),
    /// No column has this name or number.
    NoSuchColumn {
        /// What was asked for.
        column: Column,
        /// What there is.
        columns: Vec<ColumnInfo>,
    },
    /// No column looks like identifiers.
    NoColumnFits {
        /// What there is; nothing where no field of any object holds text.
        columns: Vec<ColumnInfo>,
    },
    /// Several columns look like identifiers.
    SeveralColumnsFit {
        /// What there is; those that fit have `fits` set.
        columns: Vec<ColumnInfo>,
    },
    /// An entry of a MISP manifest that is not a UUID with a hash of 64 hexadecimal digits, if with
    /// any.
    BadManifestEntry {
        /// Which entry, counted from 1.
        entry: u64,
    },
    /// A file of a MISP feed that is not the one that the manifest describes.
    Integrity,
    /// An error in one file of a feed folder.
    InFile {
        /// The file.
        file: String,
        /// The error.
        error: Box<Self>,
    },
}

/// How far a feed was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// Rows handed out.
    pub rows: u64,
    /// The line, counted from 1; 0 before the first.
    pub line: u64,
    /// Bytes of text, after decompression.
    pub bytes: u64,
}

/// How an input is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// gzip (RFC 1952).
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
}

/// A kind of file that is not text, known by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinaryKind {
    /// ZIP archive, which an XLSX workbook is too.
    Zip,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
    /// 7z archive.
    SevenZip,
    /// PDF.
    Pdf,
    /// SQLite database.
    Sqlite,
    /// Parquet.
    Parquet,
    /// A workbook of an old Excel.
    Xls,
}

/// What is wrong with a JSON document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JsonFault {
    /// It ends before its end.
    EndsEarly,
    /// It is not JSON from this place on.
    Syntax,
    /// Nested too deep.
    TooDeep,
    /// A string longer than 32 MiB.
    StringTooLong,
    /// A key of the document's frame that comes twice.
    DuplicateKey,
}

/// A column of a table that an error lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnInfo {
    /// Its place, counted from 1.
    pub number: usize,
    /// Its name, where the table has a header and the name cannot be a value.
    pub name: Option<String>,
    /// The type that its name or its first values show.
    pub indicator_type: Option<IndicatorType>,
    /// Whether it looks like identifiers.
    pub fits: bool,
}

impl FeedError {
    /// The error with the rows that came before it.
    pub(crate) fn after(mut self, rows: u64) -> Self {
        if let Self::Io { reached, .. }
        | Self::Truncated { reached, .. }
        | Self::Corrupt { reached, .. }
        | Self::Json { reached, .. } = &mut self
        {
            reached.rows = rows;
        }
        self
    }
}

impl Compression {
    /// The name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

impl BinaryKind {
    /// The name, with its article.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Zip => "a ZIP archive or an XLSX workbook",
            Self::Bzip2 => "bzip2 data",
            Self::Xz => "xz data",
            Self::SevenZip => "a 7z archive",
            Self::Pdf => "a PDF",
            Self::Sqlite => "an SQLite database",
            Self::Parquet => "a Parquet file",
            Self::Xls => "an Excel workbook",
        }
    }
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "read {} rows as far as line {}, byte {}",
            self.rows, self.line, self.bytes
        )
    }
}

impl fmt::Display for ColumnInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number)?;
        if let Some(name) = &self.name {
            write!(f, " `{name}`")?;
        }
        if let Some(indicator_type) = self.indicator_type {
            write!(f, " ({indicator_type})")?;
        }
        Ok(())
    }
}

impl fmt::Display for FeedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("empty"),
            Self::Io { kind, reached } => write!(f, "cannot be read: {kind}; {reached}"),
            Self::Truncated {
                compression,
                reached,
            } => write!(f, "{} data cut short; {reached}", compression.name()),
            Self::Corrupt {
                compression,
                reached,
            } => write!(f, "damaged {} data; {reached}", compression.name()),
            Self::Utf16 => f.write_str("UTF-16 or UTF-32 text, not UTF-8"),
            Self::Binary { looks_like: None } => f.write_str("not text"),
            Self::Binary {
                looks_like: Some(kind),
            } => write!(f, "not text but {}", kind.name()),
            Self::Json {
                fault,
                column,
                reached,
            } => write!(
                f,
                "{} at line {}, column {column} (byte {}), after {} rows",
                match fault {
                    JsonFault::EndsEarly => "JSON that ends too early",
                    JsonFault::Syntax => "invalid JSON",
                    JsonFault::TooDeep => "JSON nested too deep",
                    JsonFault::StringTooLong => "a JSON string longer than 32 MiB",
                    JsonFault::DuplicateKey => "a JSON key that comes twice",
                },
                reached.line,
                reached.bytes,
                reached.rows
            ),
            Self::UnknownJson => f.write_str(
                "JSON, but neither an object a line, nor a STIX bundle, nor a MISP event",
            ),
            Self::NotOfFormat(Format::Stix) => {
                f.write_str("JSON, but not a STIX bundle: it has no `objects`")
            }
            Self::NotOfFormat(Format::Misp) => {
                f.write_str("JSON, but not a MISP event: it has no `Event` and no `Attribute`")
            }
            Self::NotOfFormat(format) => write!(f, "not {format}"),
            Self::ManifestAlone => f.write_str("the manifest of a MISP feed without its folder"),
            Self::NoColumns(format) => write!(f, "the format {format} has no columns to name"),
            Self::NoSuchColumn { column, columns } => {
                write!(f, "no column `{column}`; the columns are")?;
                list(f, columns)
            }
            Self::NoColumnFits { columns } if columns.is_empty() => {
                f.write_str("no row or object holds a field with text")
            }
            Self::NoColumnFits { columns } => {
                f.write_str("no column looks like identifiers; the columns are")?;
                list(f, columns)
            }
            Self::SeveralColumnsFit { columns } => {
                f.write_str("several columns look like identifiers:")?;
                list(f, columns.iter().filter(|column| column.fits))
            }
            Self::BadManifestEntry { entry } => {
                write!(f, "entry {entry} is no event with its UUID and hash")
            }
            Self::Integrity => f.write_str("not the file that the manifest describes"),
            Self::InFile { file, error } => write!(f, "{file}: {error}"),
        }
    }
}

fn list<'c>(
    f: &mut fmt::Formatter<'_>,
    columns: impl IntoIterator<Item = &'c ColumnInfo>,
) -> fmt::Result {
    columns
        .into_iter()
        .enumerate()
        .try_for_each(|(at, column)| write!(f, "{} {column}", if at == 0 { "" } else { "," }))
}

impl std::error::Error for FeedError {}
