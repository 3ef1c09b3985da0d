//! The refusal report: one JSON object a line, with the shape of each value and never the value.

use std::fs;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use blindmatch_feeds::Refused;
use serde::Serialize;
use tempfile::NamedTempFile;

use crate::error::Error;

/// How every line of a report begins.
const FIRST_KEY: &[u8] = br#"{"file":"#;

/// A report that appears under its name when it is whole, or not at all.
pub(crate) struct RefusalReport {
    path: PathBuf,
    file: BufWriter<NamedTempFile>,
    /// The first failure to write; the feed is read on, and it is told at the end.
    failure: Option<io::Error>,
}

#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    place: String,
    reason: &'a str,
    explanation: &'a str,
    shape: &'a str,
}

impl RefusalReport {
    /// Begins a report beside `path`, which must be free or hold an earlier report: what stands
    /// there otherwise, one of the `feeds` or a device, is not ours to replace.
    pub(crate) fn create(path: &Path, feeds: &[PathBuf]) -> Result<Self, Error> {
        if path == Path::new("-") || feeds.iter().any(|feed| feed == path) || !is_replaceable(path)
        {
            let hint = "name a file that does not exist yet, or an earlier report";
            return Err(
                Error::new(format!("--refused would replace {}", path.display())).hint(hint),
            );
        }
        let file =
            NamedTempFile::new_in(folder(path)).map_err(|error| cannot_write(path, &error))?;
        Ok(Self {
            path: path.to_owned(),
            file: BufWriter::new(file),
            failure: None,
        })
    }

    /// Adds one refused value of `file`.
    pub(crate) fn write(&mut self, file: &str, refused: &Refused<'_>) {
        let line = Line {
            file,
            place: refused.place.to_string(),
            reason: refused.reason,
            explanation: refused.explanation,
            shape: &refused.excerpt,
        };
        if self.failure.is_none() {
            let written = serde_json::to_writer(&mut self.file, &line)
                .map_err(io::Error::from)
                .and_then(|()| self.file.write_all(b"\n"));
            self.failure = written.err();
        }
    }

    /// Puts the whole report under its name.
    pub(crate) fn publish(self) -> Result<(), Error> {
        let Self {
            path,
            file,
            failure,
        } = self;
        let publish = || {
            failure.map_or(Ok(()), Err)?;
            let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|error| error.error)?;
            fs::File::open(folder(&path))?.sync_all()
        };
        publish().map_err(|error| cannot_write(&path, &error))
    }
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Whether nothing is at `path`, or a report, or an empty file.
fn is_replaceable(path: &Path) -> bool {
    match fs::symlink_metadata(path) {
        Err(error) => error.kind() == io::ErrorKind::NotFound,
        Ok(metadata) if !metadata.is_file() => false,
        Ok(_) => {
            let mut start = Vec::new();
            let read = fs::File::open(path)
                .and_then(|file| file.take(FIRST_KEY.len() as u64).read_to_end(&mut start));
            read.is_ok() && (start.is_empty() || start == FIRST_KEY)
        }
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> Error {
    Error::new(format!(
        "cannot write the refusal report {}: {error}",
        path.display()
    ))
    .hint("name a file in a folder that exists and that you may write to, with --refused FILE")
}
