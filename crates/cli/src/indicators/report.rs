//! The refusal report: one JSON object a line, with the shape of each value and never the value.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use blindmatch_feeds::Refused;
use serde::Serialize;
use tempfile::NamedTempFile;

use crate::error::Error;

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
    /// Begins a report beside `path`.
    pub(crate) fn create(path: &Path) -> Result<Self, Error> {
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let file = NamedTempFile::new_in(folder).map_err(|error| cannot_write(path, &error))?;
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
            let folder = path.parent().filter(|folder| *folder != Path::new(""));
            fs::File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
        };
        publish().map_err(|error| cannot_write(&path, &error))
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> Error {
    Error::new(format!(
        "cannot write the refusal report {}: {error}",
        path.display()
    ))
    .hint("name a file in a folder that exists and that you may write to, with --refused FILE")
}
