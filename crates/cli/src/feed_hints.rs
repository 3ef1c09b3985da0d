//! What to type instead, for each way in which a feed cannot be read.

use blindmatch_feeds::{Column, ColumnInfo, Compression, FeedError, Format, JsonFault};

use crate::error::Error;

/// The error to show for `file`; `command` is what a user would type to read it again.
pub(crate) fn explain(command: &str, file: &str, error: &FeedError) -> Error {
    let mut shown = Error::new(format!("{file}: {error}"));
    for hint in hints(command, file, error) {
        shown = shown.hint(hint);
    }
    shown
}

fn hints(command: &str, file: &str, error: &FeedError) -> Vec<String> {
    match error {
        FeedError::Empty => vec!["was it written to the end? `-` reads standard input".to_owned()],
        FeedError::Io { .. } => vec![format!("nothing of it was kept; see: ls -l {file}")],
        FeedError::Truncated { compression, .. } | FeedError::Corrupt { compression, .. } => {
            let test = match compression {
                Compression::Gzip => "gzip -t",
                Compression::Zstd => "zstd -t",
            };
            vec![format!(
                "nothing of it was kept; fetch it again, and test it with: {test} {file}"
            )]
        }
        FeedError::Utf16 => {
            vec![format!("iconv -f UTF-16 -t UTF-8 {file} | {command} -")]
        }
        FeedError::Binary { looks_like: None } => vec![
            "feeds are text: plain, csv, tsv, jsonl, stix or misp, also as .gz or .zst".to_owned(),
        ],
        FeedError::Binary {
            looks_like: Some(_),
        } => vec![
            "unpack or export it first; read are plain, csv, tsv, jsonl, stix and misp, \
             also as .gz or .zst"
                .to_owned(),
        ],
        FeedError::Json {
            fault: JsonFault::EndsEarly,
            ..
        } => {
            vec!["nothing of it was kept; was it fetched to the end?".to_owned()]
        }
        FeedError::Json { .. } => {
            let look =
                format!("nothing of it was kept; look at the place: python3 -m json.tool {file}");
            vec![
                look,
                format!("one JSON object a line? {command} --format jsonl {file}"),
            ]
        }
        FeedError::UnknownJson => {
            vec![format!(
                "one JSON object a line? {command} --format jsonl {file}"
            )]
        }
        FeedError::NotOfFormat(_) => vec![format!("let the content decide: {command} {file}")],
        FeedError::ManifestAlone => {
            let folder = file.strip_suffix("manifest.json").unwrap_or(".");
            let folder = if folder.is_empty() { "." } else { folder };
            vec![format!("name the folder that it is in: {command} {folder}")]
        }
        FeedError::NoColumns(Format::Plain) => {
            vec![format!("name the format: {command} --format csv {file}")]
        }
        FeedError::NoColumns(_) => vec![format!(
            "leave out --column, --map, --ref and --seen: {command} {file}"
        )],
        FeedError::NoSuchColumn { columns, .. } | FeedError::SeveralColumnsFit { columns } => {
            let typed = |column: &&ColumnInfo| column.fits || column.indicator_type.is_some();
            let fitting = columns.iter().find(typed).or_else(|| columns.first());
            fitting
                .map(|column| format!("{command} --column {} {file}", name(column)))
                .into_iter()
                .collect()
        }
        FeedError::NoColumnFits { columns } => {
            let first = columns.first();
            first
                .map(|column| {
                    format!(
                        "name column and type: {command} --map TYPE={} {file}",
                        name(column)
                    )
                })
                .into_iter()
                .collect()
        }
        FeedError::BadManifestEntry { .. } | FeedError::Integrity => {
            vec!["nothing of the folder was kept; fetch the feed again, whole".to_owned()]
        }
        FeedError::InFile { error, .. } => hints(command, file, error),
        _ => Vec::new(),
    }
}

/// How to name a column on the command line.
fn name(column: &ColumnInfo) -> String {
    match &column.name {
        // A name of digits alone would be taken for a number.
        Some(name) if name.parse::<Column>() == Ok(Column::Name(name.clone())) => quoted(name),
        _ => column.number.to_string(),
    }
}

/// `text` for a POSIX shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.:/".contains(c);
    if text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
