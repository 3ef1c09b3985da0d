//! What to type instead, for each way in which a feed cannot be read.

use blindmatch_feeds::{Column, ColumnInfo, Compression, FeedError, JsonFault};

use crate::args::indicators::Reading;
use crate::command_line::{CommandLine, quoted};
use crate::error::Error;

const NOTHING_KEPT: &str = "nothing of it was kept";

/// What a user typed to have a feed read.
pub(crate) struct Asked<'a> {
    pub(crate) line: &'a CommandLine,
    pub(crate) reading: &'a Reading,
}

/// The error to show for `file`.
pub(crate) fn explain(asked: &Asked<'_>, file: &str, error: &FeedError) -> Error {
    let shown = Error::new(format!("{file}: {error}"));
    hints(asked, file, error)
        .into_iter()
        .fold(shown, Error::hint)
}

fn hints(asked: &Asked<'_>, file: &str, error: &FeedError) -> Vec<String> {
    let retyped = |left_out: &[&str], added: &str| asked.line.retyped(left_out, added, file);
    let path = quoted(file);
    match error {
        FeedError::Empty => vec![
            "was it written to the end? `-` reads standard input".to_owned(),
            "an import that is to empty its source takes an empty feed with --allow-shrink"
                .to_owned(),
        ],
        FeedError::Io { .. } => vec![format!("{NOTHING_KEPT}; see: ls -l {path}")],
        FeedError::Truncated { compression, .. } | FeedError::Corrupt { compression, .. } => {
            let test = match compression {
                Compression::Gzip => "gzip -t",
                Compression::Zstd => "zstd -t",
            };
            vec![format!(
                "{NOTHING_KEPT}; fetch it again, and test it with: {test} {path}"
            )]
        }
        FeedError::Utf16 => {
            let piped = asked.line.retyped(&[], "", "-");
            vec![format!(
                "iconv -f UTF-16 -t UTF-8 {path} | {piped} (or UTF-16LE, UTF-16BE, UTF-32)"
            )]
        }
        FeedError::Binary { looks_like } => {
            let first = if looks_like.is_some() {
                "unpack or export it first; "
            } else {
                ""
            };
            vec![format!(
                "{first}feeds are text: plain, csv, tsv, jsonl, stix or misp, also as .gz or .zst"
            )]
        }
        FeedError::Json { .. } | FeedError::UnknownJson | FeedError::NotOfFormat(_)
            if asked.reading.format.is_some() =>
        {
            vec![format!(
                "let the content decide on the format: {}",
                retyped(&["--format"], "")
            )]
        }
        FeedError::Json {
            fault: JsonFault::EndsEarly,
            ..
        } => {
            vec![format!("{NOTHING_KEPT}; was it fetched to the end?")]
        }
        FeedError::Json {
            fault: JsonFault::Syntax,
            ..
        } => {
            vec![format!(
                "{NOTHING_KEPT}; look at the place: python3 -m json.tool {path}"
            )]
        }
        FeedError::Json { .. } => vec![NOTHING_KEPT.to_owned()],
        FeedError::UnknownJson => {
            let piped = asked.line.retyped(&[], "--format jsonl", "-");
            vec![format!("an array of objects? jq -c '.[]' {path} | {piped}")]
        }
        FeedError::ManifestAlone => {
            let folder = file.strip_suffix("manifest.json").unwrap_or(".");
            let folder = if folder.is_empty() { "." } else { folder };
            vec![format!(
                "name its folder: {}",
                asked.line.retyped(&[], "", folder)
            )]
        }
        FeedError::NoColumns(_) => {
            let left_out = ["--column", "--map", "--ref", "--seen"];
            vec![format!("leave the columns out: {}", retyped(&left_out, ""))]
        }
        FeedError::NoSuchColumn { column, columns } => {
            let option = asked_for(asked.reading, column);
            let value = example(columns, option == "--column").map(name);
            let value = value.filter(|_| option != "--map");
            vec![value.map_or_else(
                || format!("name one of these with {option}"),
                |value| retyped(&[option], &format!("{option} {value}")),
            )]
        }
        FeedError::SeveralColumnsFit { columns } => {
            let retype = |value| retyped(&["--column"], &format!("--column {value}"));
            example(columns, true)
                .map(name)
                .map(retype)
                .into_iter()
                .collect()
        }
        FeedError::NoColumnFits { columns } => {
            match (columns.first(), asked.reading.indicator_type) {
                (None, _) => Vec::new(),
                (Some(column), Some(_)) => {
                    vec![retyped(&[], &format!("--column {}", name(column)))]
                }
                (Some(column), None) => {
                    let example = retyped(&[], &format!("--map TYPE={}", name(column)));
                    vec![format!("name column and type: {example}")]
                }
            }
        }
        FeedError::BadManifestEntry { .. } | FeedError::Integrity => {
            vec!["nothing of the folder was kept; fetch the feed again, whole".to_owned()]
        }
        FeedError::InFile { file: inner, error } => hints(
            asked,
            &format!("{}/{inner}", file.trim_end_matches('/')),
            error,
        ),
        _ => Vec::new(),
    }
}

/// The option that named `column`.
fn asked_for(reading: &Reading, column: &Column) -> &'static str {
    if reading.reference.as_ref() == Some(column) {
        "--ref"
    } else if reading.seen.as_ref() == Some(column) {
        "--seen"
    } else if reading.maps.iter().any(|(_, mapped)| mapped == column) {
        "--map"
    } else {
        "--column"
    }
}

/// A column to show as an example: where `of_values`, one that looks like identifiers.
fn example(columns: &[ColumnInfo], of_values: bool) -> Option<&ColumnInfo> {
    let fits = |column: &&ColumnInfo| column.fits || column.indicator_type.is_some();
    let fitting = columns.iter().find(|column| fits(column) == of_values);
    fitting.or_else(|| columns.first())
}

/// How to name a column on the command line.
fn name(column: &ColumnInfo) -> String {
    match &column.name {
        // A name of digits alone would be taken for a number.
        Some(name) if name.parse::<Column>() == Ok(Column::Name(name.clone())) => quoted(name),
        _ => column.number.to_string(),
    }
}
